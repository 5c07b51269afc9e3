"""Where a data set is written: the local disk, or a bucket through Beam's filesystems."""

from typing import BinaryIO

from apache_beam.io import filesystems
from apache_beam.io.filesystem import CompressionTypes

from tfrecords import storage


class BeamStorage:
  """tfrecords.storage.Storage on gs://, s3:// and whatever else Beam has a filesystem for."""

  def open_write(self, path: str) -> BinaryIO:
    """Returns a stream to a new object, which appears when it is closed."""
    return filesystems.FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)

  def open_read(self, path: str) -> BinaryIO:
    """Returns a stream of an object's bytes."""
    return filesystems.FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)

  def rename(self, source: str, target: str) -> None:
    """Moves an object over whatever is at `target`."""
    if filesystems.FileSystems.exists(target):
      filesystems.FileSystems.delete([target])
    filesystems.FileSystems.rename([source], [target])

  def remove(self, path: str) -> None:
    """Deletes an object."""
    filesystems.FileSystems.delete([path])

  def exists(self, path: str) -> bool:
    """Whether there is an object, or a folder, at `path`."""
    return bool(filesystems.FileSystems.exists(path))

  def make_dirs(self, path: str) -> None:
    """Makes a folder, where the filesystem knows folders."""
    if not filesystems.FileSystems.exists(path):
      filesystems.FileSystems.mkdirs(path)

  def list_dir(self, path: str) -> list[str]:
    """Returns the sorted names of what lies in a folder."""
    pattern = filesystems.FileSystems.join(path, '*')
    found = filesystems.FileSystems.match([pattern])[0].metadata_list
    return sorted(item.path.rsplit('/', 1)[-1] for item in found)

  def join(self, folder: str, name: str) -> str:
    """Returns the path of `name` in `folder`."""
    return str(filesystems.FileSystems.join(folder, name))


def storage_of(path: str) -> storage.Storage:
  """Returns what reads and writes at `path`."""
  return BeamStorage() if '://' in path else storage.LOCAL
