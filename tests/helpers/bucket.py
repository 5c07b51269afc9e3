"""An fsspec filesystem of a scheme of its own on the local disk: what a bucket is to the job.

Like in a bucket there are no folders to be made, and a file appears when it is closed.
"""

import os

import fsspec
from fsspec.implementations import local

SCHEME = 'diskbucket'


class BucketFileSystem(local.LocalFileSystem):
  """diskbucket://tmp/x is /tmp/x."""

  protocol = SCHEME

  @classmethod
  def _strip_protocol(cls, path):
    return '/' + path.removeprefix(f'{SCHEME}://').strip('/')

  def _open(self, path, mode='rb', **kwargs):
    if 'r' in mode:
      return super()._open(path, mode, **kwargs)
    return _Upload(path, mode)


class _Upload:
  def __init__(self, path, mode):
    self._path, self._mode = path, mode
    self._parts = []

  def write(self, data):
    self._parts.append(bytes(data))
    return len(data)

  def close(self):
    os.makedirs(os.path.dirname(self._path), exist_ok=True)
    with open(self._path, self._mode) as stream:
      stream.write(b''.join(self._parts))

  def discard(self):
    pass

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()


fsspec.register_implementation(SCHEME, BucketFileSystem)
