"""Samples of a microphone, by sounddevice (PortAudio)."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import errors

# So much is held where the model is slower than the sound for a while; more is lost, and counted.
_MOST_HELD_S = 30.0
# PortAudio calls with so much at a time.
_BLOCK_S = 0.02
# A microphone that is silent gives zeros; one that gives nothing for so long is gone.
_GONE_S = 10.0


class Microphone:
  """A microphone that is open.

  Attributes:
    lost_s: Seconds that nobody heard, since the model was too slow, or the system lost them.
  """

  def __init__(self, rate_hz: int, device: str) -> None:
    """Takes the rate, and a device by its number or a part of its name; '': that of the system.

    Raises:
      ConfigError: if there is none, or it does not give such samples.
    """
    self.lost_s = 0.0
    self.num_overflows = 0
    self._rate_hz = rate_hz
    self._device: int | str | None = int(device) if device.isdecimal() else device or None
    self._library = _library()
    block = max(1, round(_BLOCK_S * rate_hz))
    self._blocks: queue.Queue[NDArray[np.float32]] = queue.Queue(
      max(1, round(_MOST_HELD_S * rate_hz / block))
    )
    try:
      self._stream = self._library.InputStream(
        samplerate=rate_hz,
        blocksize=block,
        device=self._device,
        channels=1,
        dtype='float32',
        callback=self._take,
      )
    except (self._library.PortAudioError, ValueError) as error:
      raise errors.ConfigError(
        f'No microphone{f" --device={device}" if device else ""} that gives {rate_hz} Hz '
        f'({" ".join(str(error).split())}). `python -m sounddevice` lists the devices: name one '
        'with --device, or hear a file with --input=FILE.'
      ) from error

  def _take(self, samples: NDArray[np.float32], frames: int, time: Any, status: Any) -> None:
    """Called by PortAudio, in a thread of its own."""
    del time
    if status.input_overflow:
      self.num_overflows += 1
    try:
      # A copy: the memory is PortAudio's.
      self._blocks.put_nowait(np.array(samples[:, 0], np.float32))
    except queue.Full:
      self.lost_s += frames / self._rate_hz

  def blocks(self) -> Iterator[NDArray[np.float32]]:
    """Yields samples as they come, for ever.

    Raises:
      ConfigError: if the device is gone.
    """
    with contextlib.ExitStack() as stack:
      try:
        stack.enter_context(self._stream)
      except self._library.PortAudioError as error:
        raise errors.ConfigError(
          f'The microphone cannot be started ({" ".join(str(error).split())}). Is another program '
          'using it?'
        ) from error
      while True:
        try:
          yield self._blocks.get(timeout=_GONE_S)
        except queue.Empty:
          raise errors.ConfigError(
            f'The microphone gave nothing for {_GONE_S:g} s. Is it still plugged in? Listen again, '
            'or name another with --device.'
          ) from None


def check() -> None:
  """Raises ConfigError where there is nothing to reach a microphone with."""
  _library()


def _library() -> Any:
  try:
    import sounddevice
  except ImportError as error:
    raise errors.ConfigError(
      'A microphone needs sounddevice, which is not installed: '
      "pip install 'voxshard[listen]'. Files are heard without it: --input=FILE."
    ) from error
  except OSError as error:  # PortAudio library not found
    raise errors.ConfigError(
      'A microphone needs the library PortAudio, which this system lacks (Debian, Ubuntu: apt '
      'install libportaudio2). Files are heard without it: --input=FILE.'
    ) from error
  return sounddevice
