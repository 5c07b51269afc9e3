"""Keeps what was heard, with the label that a visitor gives it, for the next training.

FOLDER/LABEL/SPEAKER_TIME_DIGEST.wav is what the source `folders` reads, and kept.csv, with who
spoke and when, what the source `table` reads.
"""

from __future__ import annotations

import collections
import csv
import dataclasses
import datetime
import fcntl
import hashlib
import io
import os
import re
import secrets
import threading

import numpy as np
import soundfile
from numpy.typing import NDArray

from schemas import errors
from tfrecords import storage

TABLE = 'kept.csv'
_COLUMNS = ('path', 'label', 'speaker', 'when', 'heard_as', 'model')
_UNNAMED = 'unnamed'
_MOST_NAME_BYTES = 100
# Of so many, the latest, what was heard can still be kept.
_MOST_HELD = 32
_NO_NAME = re.compile(r'[^\w-]|_')


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Held:
  """What was heard and may be kept.

  Attributes:
    samples: Float32 [num_samples].
    rate_hz: Samples per second.
    heard_as: What the model took it for.
    model: Its name.
  """

  samples: NDArray[np.float32]
  rate_hz: int
  heard_as: str
  model: str


class KeptClips:
  """A folder of clips with labels."""

  def __init__(self, folder: str) -> None:
    """Takes the folder, which is made where it is not there.

    Raises:
      ConfigError: if it cannot be written to, or is something else.
    """
    self.folder = folder
    if '://' in folder:
      raise errors.ConfigError(f'--keep={folder}: clips are kept in a folder of this machine.')
    if os.path.lexists(folder) and not os.path.isdir(folder):
      raise errors.ConfigError(f'--keep={folder} is a file. Name a folder.')
    try:
      os.makedirs(folder, exist_ok=True)
    except OSError as error:
      raise errors.ConfigError(
        f'--keep={folder}: {error.strerror}. Name another folder.'
      ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
      raise errors.ConfigError(f'--keep={folder} may not be written to. Name another folder.')
    self._lock = threading.Lock()
    self._held: collections.OrderedDict[str, Held] = collections.OrderedDict()

  def hold(self, held: Held) -> str:
    """Returns a word by which `keep` finds what was heard, as long as little else was heard."""
    word = secrets.token_hex(16)
    with self._lock:
      self._held[word] = held
      while len(self._held) > _MOST_HELD:
        self._held.popitem(last=False)
    return word

  def keep(self, word: str, label: str, speaker: str, *, now: datetime.datetime) -> str:
    """Writes what was heard; returns its path below the folder.

    Args:
      word: What `hold` returned.
      label: What it is.
      speaker: Who spoke, or ''.
      now: When, which becomes a part of the name.

    Raises:
      ConfigError: if the label is no name of a folder, or nothing is held any more.
      DatasetError: if the disk does not take it.
    """
    label = _checked(label)
    with self._lock:
      held = self._held.get(word)
    if held is None:
      raise errors.ConfigError('There is nothing to be kept any more: speak or upload it again.')
    who = _NO_NAME.sub('-', speaker.strip())[:40].strip('-') or _UNNAMED
    content = _wav(held)
    digest = hashlib.sha256(content).hexdigest()[:8]
    name = f'{who}_{now.strftime("%Y%m%dT%H%M%S")}_{digest}.wav'
    path = f'{label}/{name}'
    row = (path, label, who, now.isoformat(timespec='seconds'), held.heard_as, held.model)
    whole = os.path.join(self.folder, path)
    with self._lock, storage.naming_failures('The clip', path=whole):
      os.makedirs(os.path.dirname(whole), exist_ok=True)
      is_new = not os.path.exists(whole)
      storage.write_atomically(whole, content)
      if is_new:
        self._add_row(row)
    return path

  def _add_row(self, row: tuple[str, ...]) -> None:
    with open(os.path.join(self.folder, TABLE), 'ab') as stream:
      fcntl.flock(stream, fcntl.LOCK_EX)  # Two apps may share a folder.
      text = io.StringIO()
      writer = csv.writer(text)
      if not os.fstat(stream.fileno()).st_size:
        writer.writerow(_COLUMNS)
      writer.writerow(row)
      stream.write(text.getvalue().encode('utf-8', 'surrogateescape'))


def _checked(label: str) -> str:
  """Returns a label that is the name of a folder, or raises ConfigError."""
  label = label.strip()
  if not label:
    raise errors.ConfigError('Say first what it is: a label.')
  if (
    any(sign in '/\\' or not sign.isprintable() for sign in label)
    or label.startswith(('.', '~'))
    or len(label.encode('utf-8', 'surrogateescape')) > _MOST_NAME_BYTES
  ):
    raise errors.ConfigError(
      f'A label becomes the name of a folder: wanted at most {_MOST_NAME_BYTES} bytes without / '
      f'and \\ that do not begin with . or ~, got {label[:40]!r}.'
    )
  return label


def _wav(held: Held) -> bytes:
  stream = io.BytesIO()
  soundfile.write(stream, held.samples, held.rate_hz, format='WAV', subtype='PCM_16')
  return stream.getvalue()
