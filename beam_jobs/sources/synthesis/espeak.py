"""Text to samples with eSpeak NG, through its C interface (`speak_lib.h` of version 1.52).

The library keeps global state from one call to the next and may crash on a damaged installation,
so it lives in a process of its own: beam_jobs.sources.synthesis.speak.
"""

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples go to the callback, within the call.
_DO_NOT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT: report what fails instead.
_POSITION_CHARACTER = 1
_UTF8 = 1
_RATE, _PITCH = 1, 3  # Of the enumeration espeak_PARAMETER.
_OK = 0
_SEED = 1

# The library writes the path of its data into 160 bytes and, where that is too short, silently
# goes on without data. What it appends takes up to a dozen.
_MAX_PATH_BYTES = 120

_SynthCallback = ctypes.CFUNCTYPE(
  ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class EspeakError(Exception):
  """The synthesizer cannot do what it was asked for."""


class Synthesizer:
  """eSpeak, ready to speak. One a process: the same calls in the same order, the same samples.

  Attributes:
    sample_rate_hz: Of what `speak` returns.
  """

  def __init__(self, *, library_path: str, data_path: str) -> None:
    """Loads the library.

    Args:
      library_path: The shared library.
      data_path: The folder `espeak-ng-data` that belongs to it, as `short_path` gives it.

    Raises:
      EspeakError: if the library or its data cannot be loaded.
    """
    try:
      self._library = ctypes.CDLL(library_path)
    except OSError as error:
      raise EspeakError(f'could not load the library: {error}') from error
    self.sample_rate_hz: int = self._library.espeak_Initialize(
      _SYNCHRONOUS, 0, os.fsencode(data_path), _DO_NOT_EXIT
    )
    if self.sample_rate_hz <= 0:
      raise EspeakError(f'found no voice data in {data_path}')
    # The library seeds its flutter and breath with the time of day otherwise.
    self._library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
    self._chunks: list[bytes] = []
    # Kept as an attribute: the library calls it long after this function has returned.
    self._callback = _SynthCallback(self._take_samples)
    self._library.espeak_SetSynthCallback(self._callback)

  def speak(self, text: str, *, voice: str, words_per_minute: int, pitch: int) -> NDArray[np.int16]:
    """Returns the samples of `text`, int16 [num_samples], silence at both ends included.

    Args:
      text: What to say.
      voice: A dialect and a variant, such as `en-us+f3`.
      words_per_minute: Speed, from 80 to 450.
      pitch: From 0 to 99; 50 is the voice as it was made.

    Raises:
      EspeakError: if there is no such voice, or nothing was said.
    """
    if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
      raise EspeakError(f'has no voice {voice!r}')
    self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
    self._library.espeak_SetParameter(_PITCH, pitch, 0)
    self._chunks.clear()
    encoded = text.encode() + b'\0'
    status = self._library.espeak_Synth(
      encoded, ctypes.c_size_t(len(encoded)), 0, _POSITION_CHARACTER, 0, _UTF8, None, None
    )
    samples = np.frombuffer(b''.join(self._chunks), np.int16)
    if status != _OK or not samples.any():
      raise EspeakError(f'said nothing for {text!r} with the voice {voice!r} (status {status})')
    return samples

  def _take_samples(self, samples: 'ctypes._Pointer[ctypes.c_short]', count: int, _: int) -> int:
    if count > 0:
      self._chunks.append(ctypes.string_at(samples, 2 * count))
    return 0  # Go on.


@contextlib.contextmanager
def short_path(folder: str) -> Iterator[str]:
  """Gives a path of `folder` that the library can keep: a link where its own is too long."""
  if len(os.fsencode(folder)) <= _MAX_PATH_BYTES:
    yield folder
    return
  with tempfile.TemporaryDirectory(prefix='espeak-') as temporary:
    link = os.path.join(temporary, 'data')
    os.symlink(folder, link, target_is_directory=True)
    yield link
