"""Unpacks the archive of a stranger: files and folders below one folder, so many and no more."""

import contextlib
import dataclasses
import errno
import gzip
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from typing import IO, Any, NoReturn

from schemas import errors

_PIECE_BYTES = 1 << 20
# The longest name, the longest part of one, and the largest header of a tar file, that is believed.
_MOST_NAME_CHARS = 1_024
_MOST_PART_BYTES = 255
_MOST_HEADER_BYTES = 1 << 20
_DAMAGED = (
  tarfile.TarError,
  zipfile.BadZipFile,
  zlib.error,
  EOFError,
  gzip.BadGzipFile,
  NotImplementedError,  # A packing that Python does not know.
  RuntimeError,  # A password.
  struct.error,
  ValueError,
  LookupError,
  OverflowError,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unpacked:
  """What was in an archive.

  Attributes:
    num_files: Files.
    num_bytes: Their content.
    left_out: Names of links that lead to other files of the archive: they are not made.
  """

  num_files: int
  num_bytes: int
  left_out: tuple[str, ...]


def unpack(path: str, folder: str, *, most_bytes: int, most_files: int) -> Unpacked:
  """Writes what is in an archive below `folder`, which is empty.

  Args:
    path: A file that ends with .zip, .tar, .tar.gz or .tgz.
    folder: Where to; nothing is written outside.
    most_bytes: More content is refused, whatever the archive says of itself.
    most_files: More files and folders are refused.

  Raises:
    SourceError: if it is damaged, or holds what no corpus does.
    OSError: if the disk refuses.
  """
  target = _Target(folder, most_bytes, most_files)
  try:
    if path.endswith('.zip'):
      _unzip(path, target)
    else:
      _untar(path, target)
  except errors.VoxshardError:
    raise
  except (*_DAMAGED, OSError) as error:
    # A place before the beginning of the file. Whatever else the system says is about the disk.
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
      raise
    raise errors.SourceError(
      f'{os.path.basename(path)} is damaged or cut off: {error}. It was removed: run the same '
      'command again to download it anew.'
    ) from error
  return target.unpacked()


class _Target:
  """The folder, and what was written there."""

  def __init__(self, folder: str, most_bytes: int, most_files: int) -> None:
    self.folder = folder
    self._most_bytes, self._most_files = most_bytes, most_files
    self._num_bytes = self._num_files = self._num_entries = 0
    self._left_out: list[str] = []

  def unpacked(self) -> Unpacked:
    """Returns what there is."""
    return Unpacked(
      num_files=self._num_files, num_bytes=self._num_bytes, left_out=tuple(self._left_out)
    )

  def add_folder(self, name: str) -> None:
    """Makes a folder."""
    self._count()
    if path := self.path_of(name):
      self._make(path)

  def add_file(self, name: str, content: IO[bytes]) -> None:
    """Writes a file."""
    self._count()
    path = self.path_of(name)
    if not path:
      refuse(f'a file without a name ({name!r})')
    self._make(os.path.dirname(path))
    try:
      with open(path, 'xb') as stream:
        while piece := content.read(_PIECE_BYTES):
          self._num_bytes += len(piece)
          if self._num_bytes > self._most_bytes:
            refuse(f'more than {self._most_bytes:,} bytes')
          stream.write(piece)
    except (FileExistsError, IsADirectoryError):
      refuse(f'the file {name!r} twice')
    self._num_files += 1

  def add_link(self, name: str, to: str, *, is_hard: bool) -> None:
    """Leaves a link out; one that leads out of the folder is refused."""
    self._count()
    self.path_of(name)
    if os.path.isabs(to):
      refuse(f'a link out of the folder: {name!r} to {to!r}')
    start = '' if is_hard else os.path.dirname(name)
    where = os.path.normpath(os.path.join(start, to))
    if where == '..' or where.startswith('../'):
      refuse(f'a link out of the folder: {name!r} to {to!r}')
    self._left_out.append(name)

  def _count(self) -> None:
    self._num_entries += 1
    if self._num_entries > self._most_files:
      refuse(f'more than {self._most_files:,} files')

  def _make(self, folder: str) -> None:
    try:
      os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
      refuse(f'a folder and a file of one name ({os.path.basename(folder)!r})')

  def path_of(self, name: str) -> str:
    """Returns where an entry lies; '' for the folder itself."""
    parts = [part for part in name.split('/') if part not in ('', '.')]
    if name.startswith(('/', '\\')) or name[1:2] == ':' or '..' in parts:
      refuse(f'a path out of the folder: {name!r}')
    longest = max((len(os.fsencode(part)) for part in parts), default=0)
    if '\0' in name or '\\' in name or len(name) > _MOST_NAME_CHARS or longest > _MOST_PART_BYTES:
      refuse(f'a name that is none: {name[:80]!r}')
    return os.path.join(self.folder, *parts) if parts else ''


def refuse(what: str) -> NoReturn:
  """Raises the error of an archive that no maker of a corpus has packed."""
  raise errors.SourceError(
    f'The archive was not unpacked, and nothing of it is kept: it holds {what}. That is not the '
    'corpus. Take another server with --mirror=URL, and tell who runs this one.'
  )


class _Member(tarfile.TarInfo):
  """A header of a tar file; a huge one would fill the memory."""

  def _proc_member(self, archive: Any) -> Any:
    if self.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) and self.size > _MOST_HEADER_BYTES:
      raise tarfile.ReadError(f'a header of {self.size} bytes')
    return super()._proc_member(archive)  # type: ignore[misc]


def _untar(path: str, target: _Target) -> None:
  with contextlib.ExitStack() as stack:
    stream: Any = stack.enter_context(open(path, 'rb'))
    if not path.endswith('.tar'):
      stream = stack.enter_context(gzip.GzipFile(fileobj=stream))
    archive = stack.enter_context(tarfile.open(fileobj=stream, mode='r|', tarinfo=_Member))
    for member in archive:
      if member.isdir():
        _check_by_python(member, target)
        target.add_folder(member.name)
      elif member.isreg():
        _check_by_python(member, target)
        content = archive.extractfile(member)
        assert content is not None
        target.add_file(member.name, _Whole(content, member.size))
      elif member.issym() or member.islnk():
        target.add_link(member.name, member.linkname, is_hard=member.islnk())
      else:
        refuse(f'a device or a pipe: {member.name!r}')
      # Else it holds every header until the end.
      archive.members = []
    # The checksum of gzip stands at its end.
    for _ in range(_MOST_HEADER_BYTES):
      if not stream.read(_PIECE_BYTES):
        break


def _check_by_python(member: tarfile.TarInfo, target: _Target) -> None:
  """Refuses what Python's own filter for data does; the first releases of 3.11 have none."""
  target.path_of(member.name)  # In our words first.
  data_filter = getattr(tarfile, 'data_filter', None)
  if data_filter is None:
    return
  try:
    data_filter(member, target.folder)
  except tarfile.TarError as error:
    refuse(str(error))


class _Whole:
  """The content of a member, whose end is an error where its header says otherwise."""

  def __init__(self, content: IO[bytes], num_bytes: int) -> None:
    self._content, self._left = content, num_bytes

  def read(self, num_bytes: int) -> bytes:
    piece = self._content.read(num_bytes)
    self._left -= len(piece)
    if not piece and self._left > 0:
      raise EOFError(f'the file ends {self._left} bytes early')
    return piece


def _unzip(path: str, target: _Target) -> None:
  with zipfile.ZipFile(path) as archive:
    for info in archive.infolist():
      mode = info.external_attr >> 16
      name = info.orig_filename  # `filename` ends at a zero byte.
      kind = stat.S_IFMT(mode)
      if info.is_dir():
        target.add_folder(name)
      elif kind == stat.S_IFLNK:
        if info.file_size > _MOST_NAME_CHARS:
          refuse(f'a link that is none: {name!r}')
        target.add_link(name, archive.read(info).decode(), is_hard=False)
      elif kind in (0, stat.S_IFREG):
        with archive.open(info) as content:
          target.add_file(name, content)
      else:
        refuse(f'a device or a pipe: {name!r}')
