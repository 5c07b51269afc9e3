"""From the name of a corpus to its folder: whole or not at all, and once.

DIR                     the corpus, with a hidden note of what it is
DIR.partial/ARCHIVE     while it is made: what a later run goes on with
DIR.partial/unpacked/   becomes DIR by one renaming
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from beam_jobs.downloading import offered, transfer, unpacking
from schemas import errors, json_form
from tfrecords import storage
from tfrecords.storage import half_written

NOTE = '.voxshard-corpus.json'
# In place of a digest: whatever it is.
ANY = 'any'
# An archive whose size nobody tells is no larger than what is in it, and a bit.
_SLACK_BYTES = 1 << 28
_PIECE_BYTES = 1 << 20
_SAID_AGAIN = ('sha256', 'is_published', 'num_files', 'num_bytes')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Got:
  """What has become of a corpus.

  Attributes:
    was_there: Whether there was nothing to do.
    sha256: Of its archive.
    is_published: Whether that was compared with a published one.
    num_files: Files.
    num_bytes: Their content.
    left_out: Links of the archive, which are not made.
  """

  was_there: bool = False
  sha256: str
  is_published: bool
  num_files: int
  num_bytes: int
  left_out: tuple[str, ...] = ()


def get(
  option: str,
  archive: offered.Archive,
  folder: str,
  *,
  mirror: str = '',
  sha256: str = '',
  report: Callable[[str, int, int], None],
) -> Got:
  """Makes `folder` the corpus that an archive holds; one that is there is kept.

  Args:
    option: What the user calls it, such as `speech_commands:version=0.02`.
    archive: Where it is.
    folder: Missing, empty, or the same corpus.
    mirror: Address of a folder that has the archive too; '' for its makers'.
    sha256: The digest that the archive must have; '' for the published one, ANY for whatever.
    report: Called with what is done, how many bytes of it, and of how many (0: nobody knows).

  Raises:
    SourceError: if it cannot be had, with what to do.
    DatasetError: if the disk refuses.
  """
  wanted = sha256 or archive.sha256
  if there := _note_of(folder, option):
    return Got(was_there=True, **there)
  with storage.naming_failures(f'the corpus {folder!r}', path=folder), _held(folder) as partial:
    path = os.path.join(partial, archive.name)
    if not os.path.exists(path):
      _download(archive, path, mirror=mirror, is_any=sha256 == ANY, report=report)
    digest = _digest(path, report)
    if wanted not in ('', ANY, digest):
      os.remove(path)
      raise errors.SourceError(
        f'{archive.name} has the SHA-256 {digest}, wanted {wanted}: it is another file, or damaged '
        'on its way. It was removed: run the same command again, name another server with '
        f'--mirror=URL, or, if you trust it, --sha256={digest}.'
      )
    unpacked = _unpacked(archive, path, os.path.join(partial, 'unpacked'))
    got = Got(
      sha256=digest,
      is_published=wanted == archive.sha256 != '',
      num_files=unpacked.num_files,
      num_bytes=unpacked.num_bytes,
      left_out=unpacked.left_out,
    )
    _move(archive, os.path.join(partial, 'unpacked'), folder, _note(option, got))
    shutil.rmtree(partial, ignore_errors=True)
  return got


def _note_of(folder: str, option: str) -> dict[str, Any] | None:
  """Returns what is noted of the corpus that is there; None if there is nothing.

  Raises:
    SourceError: if there is something else.
  """
  if not os.path.lexists(folder) or (os.path.isdir(folder) and not os.listdir(folder)):
    return None
  note: Any = None
  with contextlib.suppress(OSError, ValueError), open(os.path.join(folder, NOTE), 'rb') as stream:
    note = json.load(stream)
  corpus = note.get('corpus') if isinstance(note, dict) else None
  if corpus == option and note.keys() >= set(_SAID_AGAIN):
    return {key: note[key] for key in _SAID_AGAIN}
  if corpus:
    raise errors.SourceError(
      f'{folder!r} holds {corpus}, and {option} was wanted. Name another folder with --output=DIR.'
    )
  raise errors.SourceError(
    f'{folder!r} is there already, and is no corpus that this program has downloaded. Name another '
    'folder with --output=DIR.'
  )


def _note(option: str, got: Got) -> bytes:
  kept = {key: value for key, value in dataclasses.asdict(got).items() if key != 'was_there'}
  return json_form.dumps({'corpus': option, **kept, 'left_out': list(got.left_out)}).encode()


@contextlib.contextmanager
def _held(folder: str) -> Iterator[str]:
  """Gives the folder in which the corpus is made, which nobody else uses meanwhile."""
  partial = f'{folder}.partial'
  os.makedirs(partial, exist_ok=True)
  with contextlib.ExitStack() as stack:
    try:
      stack.callback(os.close, half_written.locked(partial))
    except BlockingIOError:
      raise errors.SourceError(
        f'Another process is downloading to {folder!r}. Wait for it, or name another --output=DIR.'
      ) from None
    except OSError:
      pass  # A file system without locks.
    try:
      yield partial
    finally:
      with contextlib.suppress(OSError):
        os.rmdir(partial)  # There is nothing to go on with.


def _download(
  archive: offered.Archive,
  path: str,
  *,
  mirror: str,
  is_any: bool,
  report: Callable[[str, int, int], None],
) -> None:
  url = f'{mirror.rstrip("/")}/{archive.name}' if mirror else archive.url

  def check_room(num_bytes: int) -> None:
    _check_room(path, num_bytes + archive.unpacked_bytes, 'the archive and what is in it')

  transfer.fetch(
    url,
    path,
    num_bytes=0 if is_any else archive.num_bytes,
    most_bytes=max(archive.num_bytes, 2 * archive.unpacked_bytes + _SLACK_BYTES),
    report=lambda done, total: report('downloading', done, total),
    check_room=check_room,
  )


def _check_room(path: str, num_bytes: int, what: str) -> None:
  free_bytes = storage.free_bytes(path)
  if free_bytes is not None and num_bytes > free_bytes:
    raise errors.SourceError(
      f'There is no room for {what}: {num_bytes:,} bytes are needed, {free_bytes:,} are free at '
      f'{os.path.dirname(path)!r}. Make room, or name another place with --output=DIR. What has '
      'come so far is kept.'
    )


def _digest(path: str, report: Callable[[str, int, int], None]) -> str:
  digest, num_bytes = hashlib.sha256(), os.path.getsize(path)
  with open(path, 'rb') as stream:
    while piece := stream.read(_PIECE_BYTES):
      digest.update(piece)
      report('checking', stream.tell(), num_bytes)
  return digest.hexdigest()


def _unpacked(archive: offered.Archive, path: str, folder: str) -> unpacking.Unpacked:
  """Unpacks into a folder of its own; what is damaged or hostile is gone afterwards."""
  shutil.rmtree(folder, ignore_errors=True)
  _check_room(path, archive.unpacked_bytes, 'what is in the archive')
  os.mkdir(folder)
  try:
    return unpacking.unpack(
      path, folder, most_bytes=2 * archive.unpacked_bytes, most_files=2 * archive.num_files
    )
  except errors.SourceError:
    shutil.rmtree(folder, ignore_errors=True)
    os.remove(path)
    raise


def _move(archive: offered.Archive, unpacked: str, folder: str, note: bytes) -> None:
  """Gives the corpus its name, without a folder around it that holds nothing else."""
  top = unpacked
  names = os.listdir(unpacked)
  if len(names) == 1 and os.path.isdir(os.path.join(unpacked, names[0])):
    top = os.path.join(unpacked, names[0])
  missing = [name for name in archive.holds if not os.path.exists(os.path.join(top, name))]
  if missing:
    shutil.rmtree(unpacked, ignore_errors=True)
    raise errors.SourceError(
      f'{archive.name} is not laid out as the corpus is: there is no {missing[0]} in it. Take '
      'another server with --mirror=URL, or another version.'
    )
  storage.write_atomically(os.path.join(top, NOTE), note)
  os.sync()  # Else a power cut could leave the name of the folder, and empty files in it.
  os.rename(top, folder)
