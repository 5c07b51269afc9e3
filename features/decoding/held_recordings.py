"""All recordings of a folder in memory at once, in a bound: for who needs pieces of them quickly.

A bucket's folder, and recordings that need not be in memory, are read by the data job
(beam_jobs/shards/noise_recordings.py).
"""

import dataclasses
import hashlib
import math
import os
import stat
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from features.decoding import byte_ranges, clips, deadline, opening
from schemas import audio, errors, medium, utterance
from tfrecords.resources import free_memory

# The share of a recording of noise from which train clips take theirs. What comes behind is heard
# in validation and test only, where a source makes clips of silence of it.
TRAIN_WINDOW = (0.0, 0.8)
WHOLE = (0.0, 1.0)

_ITEM_BYTES = 2
# Of each recording at least so much is held; where that is too much, not of all.
_LEAST_S = 1.0
_COPY = {'gs': ' (gcloud storage rsync -r {} FOLDER)', 's3': ' (aws s3 sync {} FOLDER)'}
# The bound is on all together.
_ANY_S = 1e9


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Held:
  """Recordings one behind the other, each as loud as int16 holds it.

  Attributes:
    samples: int16 [total].
    starts: Where each begins, int64 [recordings].
    lengths: How long each is, int64 [recordings]; at least one sample.
    notes: What is to be said of what was read, as sentences.
  """

  samples: NDArray[np.int16]
  starts: NDArray[np.int64]
  lengths: NDArray[np.int64]
  notes: tuple[str, ...] = ()

  @property
  def num_bytes(self) -> int:
    """What they take in memory."""
    return self.samples.nbytes

  def digest(self) -> str:
    """Returns the SHA-256 of all that can be heard of them."""
    found = hashlib.sha256(self.lengths.tobytes())
    found.update(np.ascontiguousarray(self.samples).data)
    return found.hexdigest()


@dataclasses.dataclass(frozen=True)
class _File:
  path: str
  duration_s: float
  sample_rate_hz: int


def read(
  folder: str,
  sample_rate_hz: int,
  *,
  window: tuple[float, float],
  max_bytes: int,
  max_s: float = 0.0,
  without_silence: bool = False,
  said_by: str,
  elsewhere: str = '',
) -> Held:
  """Returns the recordings below a folder, sorted by name, at one rate.

  Where they are longer than `max_bytes` hold, each gives its beginning, the same seconds of all
  that are longer; where that would be less than a second, evenly spaced ones are left out.
  Recordings of nothing but zeros are left out, so is all that cannot be read, and both are said.

  Args:
    folder: A folder on this machine, or one audio file.
    sample_rate_hz: Recordings of other rates are resampled.
    window: The share of each recording that may be taken.
    max_bytes: Of the samples, all together.
    max_s: Of each recording no more; 0: as long as it is.
    without_silence: Whether tenths of a second of nothing but zeros are taken out, so that every
      piece of that length has sound.
    said_by: How the user names such a folder, for errors.
    elsewhere: What reads folders that are not on this machine, a sentence.

  Raises:
    ConfigError: if there is no such folder, no audio in it, or none that can be used.
  """
  paths = _paths(folder, said_by, elsewhere)
  unusable: dict[str, str] = {}
  files = list(_headers(paths, unusable))
  there_s = np.array([file.duration_s * (window[1] - window[0]) for file in files])
  seconds = np.minimum(there_s, max_s) if max_s else there_s
  taken, longest_s = _fitting(seconds, max_bytes / _ITEM_BYTES / sample_rate_hz)
  limit_s = min(longest_s, max_s or longest_s)
  room = sum(math.ceil(min(seconds[i], limit_s) * sample_rate_hz) + 2 for i in taken)
  _check_free(room * _ITEM_BYTES, folder)
  held, end, lengths = np.empty(room, np.int16), 0, []
  for file, whole_s in [(files[i], there_s[i]) for i in taken]:
    try:
      part = _read(file.path, sample_rate_hz, window, limit_s if limit_s < whole_s else 0.0)
    except clips.ClipError as error:
      unusable[file.path] = str(error)
      continue
    part = _sounding(part, sample_rate_hz // 10) if without_silence else part
    if not len(part):
      unusable[file.path] = 'it holds nothing but zeros'
      continue
    part = part[: room - end]  # Where a header had promised less.
    held[end : end + len(part)] = part
    end += len(part)
    lengths.append(len(part))
  if not lengths:
    first, why = next(iter(unusable.items()))
    raise errors.ConfigError(
      f'None of {errors.counted(len(paths), "recording")} of {folder} can be used. The first, '
      f'{first}: {why.rstrip(".")}. Name {said_by}.'
    )
  samples = held[:end]
  samples.flags.writeable = False
  resampled = sum(files[i].sample_rate_hz != sample_rate_hz for i in taken)
  all_s, held_s = float(seconds.sum()), len(samples) / sample_rate_hz
  notes = [
    f'{errors.counted(len(lengths), "recording")} of {folder}, {held_s:,.1f} s at {sample_rate_hz} '
    f'Hz, {samples.nbytes / 1e6:,.1f} MB'
  ]
  if resampled:
    notes.append(f'{resampled} of them had another rate and were resampled')
  if longest_s < float(seconds.max()):
    left_out = len(files) - len(taken)
    without = f', and {left_out} not at all' if left_out else ''
    notes.append(
      f'of {all_s:,.0f} s so much fits into {max_bytes >> 20} MiB: at most the first '
      f'{longest_s:.1f} s of each{without}. max_mb= holds more'
    )
  if unusable:
    first, why = next(iter(sorted(unusable.items())))
    notes.append(
      f'{errors.counted(len(unusable), "file")} cannot be used, the first {first}: '
      f'{why.rstrip(".")}'
    )
  return _held(samples, lengths, notes)


def _check_free(wanted_bytes: int, folder: str) -> None:
  """Raises ConfigError before more is read than this machine has memory for."""
  free_bytes = free_memory.free_bytes()
  if free_bytes is not None and wanted_bytes > free_bytes:
    raise errors.ConfigError(
      f'The recordings of {folder} would take {wanted_bytes / 1e6:,.0f} MB of memory, and there '
      f'are {free_bytes / 1e6:,.0f} MB. Name a smaller max_mb=.'
    )


def packed(parts: Sequence[NDArray[np.floating]], notes: Sequence[str] = ()) -> Held:
  """Returns recordings that were made, not read; none of them is silent."""
  found = [_as_loud_as_can_be(part) for part in parts]
  return _held(np.concatenate(found), [len(part) for part in found], notes)


def _held(samples: NDArray[np.int16], lengths: Sequence[int], notes: Sequence[str]) -> Held:
  counts = np.array(lengths, np.int64)
  starts = np.cumsum(counts) - counts
  return Held(samples=samples, starts=starts, lengths=counts, notes=tuple(notes))


def _paths(folder: str, said_by: str, elsewhere: str) -> list[str]:
  """Returns the audio files below a folder, sorted."""
  if '://' in folder:
    copy = _COPY.get(folder.partition('://')[0].lower(), '').format(folder.rstrip('/'))
    raise errors.ConfigError(
      f'{folder} is not on this machine, and each batch wants of its recordings at once. Copy them '
      f'here first{copy}, and name {said_by}.{elsewhere and f" {elsewhere}"}'
    )
  try:
    mode = os.stat(folder).st_mode
  except (OSError, ValueError) as error:
    why = error.strerror if isinstance(error, OSError) else 'a name with a zero byte'
    raise errors.ConfigError(
      f'There are no recordings at {folder!r}: {why}. Name {said_by}.'
    ) from error
  if stat.S_ISREG(mode):
    return [folder]
  found: list[str] = []

  def refuse(error: OSError) -> None:
    raise errors.ConfigError(
      f'{error.filename!r} cannot be listed: {error.strerror}. Name {said_by}.'
    ) from error

  for place, folders, names in os.walk(folder, followlinks=False, onerror=refuse):
    folders[:] = [name for name in folders if medium.is_visible(name)]
    found.extend(
      os.path.join(place, name)
      for name in names
      if name.lower().endswith(medium.AUDIO_SUFFIXES) and not name.startswith('.')
    )
  if not found:
    raise errors.ConfigError(f'There is no audio file below {folder!r}. Name {said_by}.')
  return sorted(found)


def _headers(paths: Sequence[str], unusable: dict[str, str]) -> Iterator[_File]:
  """Yields what the headers say; the files that cannot be read go to `unusable` with the reason."""
  for path in paths:
    try:
      with clips.opened_file(path) as stream:
        data = byte_ranges.ByteRanges(stream)
        if not len(data):
          raise clips.ClipError('empty', 'Wanted an audio file, got 0 bytes.')
        source = opening.open_recording(data, deadline.Deadline())
        try:
          duration_s = source.count() / source.sample_rate_hz
          yield _File(path, duration_s, source.sample_rate_hz)
        finally:
          source.close()
    except clips.ClipError as error:
      unusable[path] = str(error)


def _fitting(seconds: NDArray[np.float64], budget_s: float) -> tuple[list[int], float]:
  """Returns which recordings are taken, and how much at most of each."""
  taken = list(range(len(seconds)))
  if not taken or seconds.sum() <= budget_s:
    return taken, float(seconds.max(initial=0.0)) + 1
  if np.minimum(seconds, _LEAST_S).sum() > budget_s:
    most = max(1, int(budget_s / _LEAST_S))
    taken = [i * len(seconds) // most for i in range(min(most, len(seconds)))]
  # What the shorter ones leave is divided among the longer.
  left_s = budget_s
  ordered = np.sort(seconds[taken])
  for i, length_s in enumerate(ordered):
    share_s = left_s / (len(ordered) - i)
    if length_s > share_s:
      return taken, share_s
    left_s -= float(length_s)
  return taken, float(ordered[-1]) + 1


def _read(
  path: str, sample_rate_hz: int, window: tuple[float, float], longest_s: float
) -> NDArray[np.int16]:
  """Returns the window of a recording, or its beginning; nothing of one that is silent there.

  Args:
    path: Of the file.
    sample_rate_hz: Wanted.
    window: The share of the recording.
    longest_s: Of it no more, in seconds; 0: all.

  Raises:
    ClipError: if it cannot be decoded.
  """
  spec = audio.AudioSpec(sample_rate_hz=sample_rate_hz, clip_s=0, max_clip_s=_ANY_S)
  part = utterance.Excerpt(duration_s=longest_s, window_start=window[0], window_end=window[1])
  with clips.opened_file(path) as stream:
    clip = clips.decode(byte_ranges.ByteRanges(stream), spec, part)
  return _as_loud_as_can_be(clip.samples)


def _as_loud_as_can_be(samples: NDArray[np.floating]) -> NDArray[np.int16]:
  """Returns int16 samples whose loudest is 32767; nothing of zeros."""
  peak = float(np.abs(samples).max(initial=0.0))
  if not peak:
    return np.zeros(0, np.int16)
  loudest: NDArray[np.int16] = np.rint(samples * (32767 / peak)).astype(np.int16)
  return loudest


def _sounding(samples: NDArray[np.int16], block_samples: int) -> NDArray[np.int16]:
  """Returns samples without the blocks that are nothing but zeros."""
  if block_samples < 1:
    return samples
  whole = len(samples) // block_samples * block_samples
  blocks = samples[:whole].reshape(-1, block_samples)
  rest = samples[whole:]
  return np.concatenate([blocks[blocks.any(axis=1)].ravel(), rest if rest.any() else rest[:0]])
