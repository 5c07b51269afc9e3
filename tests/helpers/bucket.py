"""A Beam filesystem of a scheme of its own on the local disk: what a bucket is to the job.

Like a bucket it knows no folders: a prefix is there as soon as something has it.
"""

import os

from apache_beam.io import filesystem, localfilesystem

SCHEME = 'diskbucket'


def _local(path):
  return path.removeprefix(f'{SCHEME}:/')


def _remote(path):
  return f'{SCHEME}:/{path}'


class BucketFileSystem(localfilesystem.LocalFileSystem):
  """diskbucket://tmp/x is /tmp/x."""

  @classmethod
  def scheme(cls):
    return SCHEME

  def join(self, basepath, *paths):
    return '/'.join((basepath.rstrip('/'), *paths))

  def has_dirs(self):
    return False

  def _list(self, dir_or_prefix):
    for folder, _, names in os.walk(os.path.dirname(_local(dir_or_prefix))):
      for name in sorted(names):
        path = os.path.join(folder, name)
        if path.startswith(_local(dir_or_prefix)):
          size = os.path.getsize(path)
          yield filesystem.FileMetadata(_remote(path), size, os.path.getmtime(path))

  def mkdirs(self, path):
    pass  # As on gs://.

  def _make_parent(self, path):
    os.makedirs(os.path.dirname(_local(path)), exist_ok=True)

  def create(self, path, *args, **kwargs):
    self._make_parent(path)
    return super().create(_local(path), *args, **kwargs)

  def open(self, path, *args, **kwargs):
    return super().open(_local(path), *args, **kwargs)

  def rename(self, source_file_names, destination_file_names):
    for source, target in zip(source_file_names, destination_file_names, strict=True):
      os.replace(_local(source), _local(target))

  def exists(self, path):
    return os.path.isfile(_local(path))

  def delete(self, paths):
    for path in paths:
      os.remove(_local(path))
