"""Decodes with libsndfile, from memory and no further than needed."""

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features import wav
from features.clip_error import ClipError

# A stream does not say how long it is: libsndfile then answers 2^63 - 1.
_KNOWN_FRAMES = 1 << 48

_BLOCK_FRAMES = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoded:
  """The beginning of a recording.

  Attributes:
    frames: Samples, float32 [num_frames, channels].
    sample_rate_hz: Samples per second.
    total_frames: Frames of the whole recording.
  """

  frames: NDArray[np.float32]
  sample_rate_hz: int
  total_frames: int


def decode(data: bytes, num_frames_at: Callable[[int], int]) -> Decoded:
  """Returns the beginning of the recording in `data`.

  Args:
    data: A whole file in any format that libsndfile recognises.
    num_frames_at: From the sample rate in Hz to how many frames are wanted.

  Raises:
    ClipError: `not_audio` where libsndfile knows no format, `truncated` where less can be decoded
      than the header promises, `bad_rate`.
  """
  # Here, not above: a worker that sees nothing but 16-bit WAV never loads the library.
  import soundfile

  try:
    with soundfile.SoundFile(io.BytesIO(data)) as file:
      wav.check_rate(file.samplerate)
      wanted = min(num_frames_at(file.samplerate), file.frames)
      frames = file.read(wanted, dtype='float32', always_2d=True)
      total_frames = file.frames
      if total_frames > _KNOWN_FRAMES:
        total_frames = len(frames) + _count(file)
      elif len(frames) < wanted:
        raise ClipError(
          'truncated', f'Wanted {total_frames} frames, as the header says, got {len(frames)}.'
        )
      return Decoded(frames=frames, sample_rate_hz=file.samplerate, total_frames=total_frames)
  except soundfile.LibsndfileError as error:
    raise _explained(data, error) from error


def _count(file: Any) -> int:
  """Frames from here to the end, decoded and thrown away."""
  count = 0
  while block := len(file.read(_BLOCK_FRAMES, dtype='float32', always_2d=True)):
    count += block
  return count


def _explained(data: bytes, error: Any) -> ClipError:
  # error's own text names the address of a Python object: not the same twice.
  said = str(error.error_string).removeprefix('Error : ').rstrip('.')
  opened = not str(error).startswith('Error opening')
  if opened:
    return ClipError('truncated', f'Wanted audio to the end, but decoding stopped: {said}.')
  return ClipError(
    'not_audio',
    f'Wanted a format that libsndfile knows, got {len(data)} bytes that begin with '
    f'{data[:4]!r}: {said}.',
  )
