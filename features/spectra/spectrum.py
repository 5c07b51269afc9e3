"""The power spectrum of a batch, in float32 and in pieces that stay in a core's cache."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from features.portable import logarithm
from features.spectra import frames as frames_lib
from schemas import audio

# Rows (frames) that are transformed at once are a multiple of this, filled up with rows that nobody
# reads: so every row goes through the vectorised transform (4 floats at a time in SciPy's wheels, 8
# where it was built for AVX) and none through the scalar remainder. With the same arithmetic for
# every row, a clip's bits cannot depend on its place in the batch.
ROW_MULTIPLE = 8

# Floats per piece of frames: 512 KiB. Measured for log_mel on clips of 1 s at 16 kHz, one core with
# 2 MiB of L2: 2^15 takes 1.15 times as long, 2^16 to 2^18 the same, 2^20 1.1 times. The size of the
# batch hardly matters: 1 clip takes 1.1 times as long as 1/8 of 8 clips.
PIECE_SAMPLES = 1 << 17

_DB_PER_NEPER = 10 / math.log(10)


class PowerSpectrum:
  """Cuts, windows and transforms batches; made once per kernel, holds only constants.

  Attributes:
    num_bins: Bins of one frame.
  """

  def __init__(self, settings: frames_lib.FrameSettings, spec: audio.AudioSpec) -> None:
    self._frames = settings.frames(spec)
    self._window = frames_lib.hann_window(self._frames.window_samples)
    settings.num_frames(spec)  # Refuses what does not fit the audio.
    self.num_bins = self._frames.num_bins

  def num_frames(self, batch: NDArray[np.float32]) -> int:
    """Frames of each clip of `batch` [clips, num_samples]."""
    return self._frames.num_frames(batch.shape[1])

  def pieces(
    self, batch: NDArray[np.float32]
  ) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
    """Yields (clips, frames, power) until the whole of `batch` is covered.

    Args:
      batch: Samples, float32 [clips, num_samples], of any length.

    Yields:
      The clips and the frames of them that a piece covers, and |X|^2 of these, C-contiguous
      float32 [rows, num_bins]. The rows are clip by clip, frame by frame; rows beyond these are
      filling. The array is the caller's to change.
    """
    windows = frames_lib.frame_view(batch, self._frames)  # [clips, num_frames, window_samples]
    num_frames, num_columns = windows.shape[1], self._frames.transform_samples
    most_rows = max(ROW_MULTIPLE, PIECE_SAMPLES // num_columns)
    # Made once per batch: behind the window it stays zero.
    padded = np.zeros((filled(min(most_rows, len(batch) * num_frames)), num_columns), 'f')
    for clips, frames in _blocks(len(batch), num_frames, most_rows):
      block = windows[clips, frames]
      num_rows = block.shape[0] * block.shape[1]
      target = padded[:num_rows].reshape(*block.shape[:2], num_columns)
      np.multiply(block, self._window, out=target[..., : block.shape[2]])
      yield clips, frames, power(scipy.fft.rfft(padded[: filled(num_rows)], axis=1))

  def kernel(
    self, num_columns: int, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
  ) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Returns a kernel: [clips, num_samples] -> [clips, num_frames, num_columns].

    Args:
      num_columns: Values of a frame.
      change: From the values of a piece, which it may overwrite, to what is stored of them:
        [at least as many rows as the piece has, num_columns].
    """

    def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
      out = np.empty((len(batch), self.num_frames(batch), num_columns), np.float32)
      for clips, frames, values in self.pieces(batch):
        place = out[clips, frames]
        place[...] = change(values)[: place.shape[0] * place.shape[1]].reshape(place.shape)
      return out

    return compute


def filled(num_rows: int) -> int:
  """Next multiple of ROW_MULTIPLE: rows to transform where num_rows are wanted."""
  return -(-num_rows // ROW_MULTIPLE) * ROW_MULTIPLE


def power(spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
  """Squared magnitude, float32 of the same shape; `spectrum` is overwritten."""
  parts = spectrum.view(np.float32).reshape(*spectrum.shape, 2)
  np.square(parts, out=parts)
  total: NDArray[np.float32] = np.add(parts[..., 0], parts[..., 1])
  return total


def in_db(energies: NDArray[np.float32], lowest_db: float) -> NDArray[np.float32]:
  """Returns 10 log10 of `energies`, which are overwritten, and at least lowest_db."""
  np.maximum(energies, np.float32(10 ** (lowest_db / 10)), out=energies)
  return np.multiply(logarithm.log(energies), np.float32(_DB_PER_NEPER), out=energies)


def _blocks(num_clips: int, num_frames: int, rows_at_once: int) -> Iterator[tuple[slice, slice]]:
  """Yields (clips, frames): several whole clips at once, or parts of one clip where it is long."""
  clips_at_once = max(1, rows_at_once // max(1, num_frames))
  frames_at_once = max(1, min(num_frames, rows_at_once))
  for clip in range(0, num_clips, clips_at_once):
    for frame in range(0, num_frames, frames_at_once):
      yield (
        slice(clip, min(num_clips, clip + clips_at_once)),
        slice(frame, min(num_frames, frame + frames_at_once)),
      )
