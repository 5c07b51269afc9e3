"""The folder that a source lists, on a disk or in a bucket. No clip is opened here."""

import collections
import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterator

from beam_jobs.sources import passed_by
from schemas import errors
from schemas import medium as media
from tfrecords import paths, storage
from tfrecords.storage import passing_faults

# What is no audio whatever is taken, beside what usually lies beside recordings.
_NO_AUDIO_SUFFIXES = (
  '.npy', '.npz', '.pkl', '.h5', '.mat', '.db', '.sqlite', '.parquet', '.tfrecord', '.svg', '.tif',
  '.tiff', '.exe', '.dll', '.so',
)  # fmt: skip

_ARCHIVES = ('.zip', '.tar', '.gz', '.tgz', '.bz2', '.xz', '.7z', '.rar')

# Device and number: what tells a folder from all others, by whatever path it was reached.
_Identity = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Corpus:
  """A folder of recordings or pictures.

  Attributes:
    root: A local path (`~` is the home folder), or `gs://bucket/folder`, `s3://bucket/folder`.
    said_by: What errors say of how the folder is named.
    all_files: Whether to take every file for audio that is not named like something else.
  """

  root: str
  said_by: str = 'the folder of the corpus with --input=FOLDER'
  all_files: bool = False

  @property
  def is_remote(self) -> bool:
    """Whether a bucket is asked, and not the local disk."""
    return '://' in self.root

  @functools.cached_property
  def folder(self) -> str:
    """The root without `~` and relative parts, so that every worker finds it."""
    if self.is_remote:
      return self.root.rstrip('/')
    return os.path.abspath(paths.expand(self.root))

  def check(self) -> None:
    """Raises SourceError if the root is no folder; for a bucket, if there is nothing below it."""
    if self.is_remote:
      self._check_remote()
    else:
      self._check_local()

  def is_file(self) -> bool:
    """Whether the root itself is an object in a bucket."""
    with self._telling_of_bucket():
      try:
        with self._files.open_read(self.folder) as stream:
          stream.read(1)
      except FileNotFoundError:
        return False
    return True

  @property
  def _files(self) -> storage.Storage:
    return storage.storage_of(self.root)

  def uri(self, relative: str) -> str:
    """Returns what opens the file at a path relative to the root."""
    return f'{self.folder}/{relative}' if self.is_remote else os.path.join(self.folder, relative)

  def entries(
    self, suffixes: tuple[str, ...], passed: passed_by.PassedBy | None = None
  ) -> list[str]:
    """Returns the paths, relative to the root and with `/`, of all that is named as asked.

    Linked folders are followed, as `find -L` does: a link to one of the folders it stands in is
    left out. So are names that start with a dot (`._x.wav` of macOS among them), `__MACOSX` and
    `lost+found`. A dangling link or a folder with such a name is listed like a file (and a folder
    so named is not entered): who opens it finds out, and reports it.

    Args:
      suffixes: Lower-case endings such as `.wav`; upper and lower case in names are the same.
      passed: Is told of what is not named so, and of empty folders.

    Returns:
      Sorted by code point, whatever the order of the file system. A name that is not UTF-8 holds
      surrogates, as all of Python's file names do.

    Raises:
      SourceError: if the root is missing, is no folder, or cannot be read in full.
    """
    passed = passed or passed_by.PassedBy()
    paths = self._remote_paths() if self.is_remote else self._local_paths(suffixes, passed)
    found = []
    for path in paths:
      if self._is_wanted(path.lower(), suffixes):
        found.append(path)
      else:
        passed.file(path)
    return sorted(found)

  def _is_wanted(self, path: str, suffixes: tuple[str, ...]) -> bool:
    if self.all_files and suffixes is media.AUDIO_SUFFIXES:
      name = path.rpartition('/')[2]
      ending = os.path.splitext(name)[1]
      is_usual = ending in media.USUAL_ENDINGS or name in media.USUAL_NAMES
      others = (*_NO_AUDIO_SUFFIXES, *media.PICTURE_SUFFIXES, *_ARCHIVES)
      return not (is_usual or ending in others)
    return path.endswith(suffixes)

  def read_text(self, relative: str) -> str | None:
    """Returns the text of a list file of the corpus; None where there is no such file.

    Raises:
      SourceError: if it is there and is not text in UTF-8 or cannot be read.
    """

    def attempt() -> bytes:
      with self._files.open_read(self.uri(relative)) as stream:
        return stream.read()

    try:
      return passing_faults.patiently(attempt, self.uri(relative)).decode('utf-8-sig')
    except (FileNotFoundError, NotADirectoryError):
      return None
    except errors.StorageError:
      raise
    except (OSError, ValueError) as error:
      raise errors.SourceError(
        f'Could not read the list {self.uri(relative)} as UTF-8 text: {error}. '
        'Repair it, or remove it to do without.'
      ) from error

  def has(self, relative: str) -> bool:
    """Whether there is a file at a path relative to the root."""
    return self._files.exists(self.uri(relative))

  def count_by_suffix(self) -> dict[str, int]:
    """Returns how many files there are by their ending, the most frequent first; for errors."""
    found = self._remote_paths() if self.is_remote else self._local_paths((), passed_by.PassedBy())
    counts = collections.Counter(os.path.splitext(path)[1].lower() or 'no ending' for path in found)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

  def _local_paths(self, suffixes: tuple[str, ...], passed: passed_by.PassedBy) -> Iterator[str]:
    """Yields all files, and the folders whose name ends so, in the order of the disk."""
    self._check_local()
    pending: list[tuple[str, tuple[_Identity, ...]]] = [('', (_identity(self.folder),))]
    while pending:
      prefix, ancestors = pending.pop()
      inside = self._scan(prefix)
      if not inside:
        passed.folder(prefix.rstrip('/'))
      for name, identity in inside:
        path = prefix + name
        if identity is None or (suffixes and name.lower().endswith(suffixes)):
          yield path
        elif identity not in ancestors:
          pending.append((f'{path}/', (*ancestors, identity)))

  def _scan(self, prefix: str) -> list[tuple[str, _Identity | None]]:
    """Returns what is in a folder, each with its identity if it is a folder itself."""
    folder = self.uri(prefix.rstrip('/')) if prefix else self.folder

    def attempt() -> list[tuple[str, _Identity | None]]:
      with os.scandir(folder) as entries:
        return [
          (entry.name, _identity(entry.path) if _is_folder(entry) else None)
          for entry in entries
          if media.is_visible(entry.name)
        ]

    try:
      return passing_faults.patiently(attempt, folder)
    except OSError as error:
      # How much is behind it nobody knows, so this is no matter of one rejected clip.
      raise errors.SourceError(
        f'Could not list the folder {folder}: {error.strerror}. Give the user of this job the '
        'right to read it, or move it out of the corpus.'
      ) from error

  def _check_local(self) -> None:
    if os.path.isdir(self.folder):
      return
    if not os.path.lexists(self.folder):
      raise errors.SourceError(f'There is no folder {self.folder}. Name {self.said_by}.')
    if self.folder.lower().endswith(_ARCHIVES):
      raise errors.SourceError(
        f'{self.folder} is an archive, and a folder was wanted. Unpack it and name {self.said_by}.'
      )
    raise errors.SourceError(
      f'{self.folder} is a file, and a folder was wanted. Name {self.said_by}.'
    )

  def _check_remote(self) -> None:
    if storage.is_web(self.folder):
      raise errors.SourceError(
        f'{self.folder} is on a web server, which does not say what a folder holds. Name a table '
        'of addresses with --source=table --input=FILE, or copy the corpus here.'
      )
    with self._telling_of_bucket():
      if passing_faults.patiently(lambda: self._files.exists(self.folder), self.folder):
        return
    raise errors.SourceError(f'There is nothing below {self.folder}/. Name {self.said_by}.')

  def _remote_paths(self) -> Iterator[str]:
    self._check_remote()
    with self._telling_of_bucket():
      # In full before the first is given: a listing that stops half-way is made anew.
      for path, state in passing_faults.patiently(
        lambda: list(self._files.walk(self.folder)), self.folder
      ):
        # Buckets may hold empty objects that stand for folders: their names end with a slash.
        if path and not path.endswith('/') and all(map(media.is_visible, path.split('/'))):
          self._states[path] = state
          yield path

  @functools.cached_property
  def _states(self) -> dict[str, str]:
    return {}

  def state(self, relative: str) -> str:
    """Returns what the listing of a bucket said of a file that it named; '' for a local file."""
    return self._states.get(relative, '') if self.is_remote else ''

  @contextlib.contextmanager
  def _telling_of_bucket(self) -> Iterator[None]:
    try:
      yield
    except OSError as error:
      raise errors.SourceError(
        f'Could not list {self.folder}: {error.strerror or error}. Check the name and the rights.'
      ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
  try:
    return entry.is_dir()
  except OSError as error:
    if passing_faults.fault_in(error):
      raise
    return False  # A link that leads to itself.


def _identity(folder: str) -> _Identity:
  status = os.stat(folder)
  return status.st_dev, status.st_ino
