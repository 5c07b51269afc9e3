"""Speaks planned clips into a folder; the program that runs in the synthesizer's own process.

Reads one JSON object from stdin: `library` and `data` (paths of eSpeak), `folder`, and `clips`
(the fields of ClipPlan). What goes wrong is one line on stderr and exit code 1.
"""

import json
import os
import sys
import wave
from collections.abc import Mapping
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from beam_jobs.synthesis import espeak, plan

SAMPLE_RATE_HZ = 16_000  # As Speech Commands.

# Samples below this share of the loudest one, at the ends, are silence.
_SILENCE = 0.01
_MARGIN_S = 0.01
_FULL_SCALE = 32_767


def main() -> int:
  """Speaks what stdin asks for and returns the exit code."""
  request = json.load(sys.stdin)
  try:
    speak_all(request)
  except (espeak.EspeakError, OSError) as error:
    print(f'eSpeak {error}' if isinstance(error, espeak.EspeakError) else error, file=sys.stderr)
    return 1
  return 0


def speak_all(request: Mapping[str, Any]) -> None:
  """Writes every clip of the request as a 16-bit mono WAV file of 16 kHz."""
  folder = request['folder']
  with espeak.short_path(request['data']) as data_path:
    synthesizer = espeak.Synthesizer(library_path=request['library'], data_path=data_path)
    for fields in request['clips']:
      clip = plan.ClipPlan(**fields)
      path = os.path.join(folder, clip.path)
      os.makedirs(os.path.dirname(path), exist_ok=True)
      write_wav(path, spoken(synthesizer, clip))


def spoken(synthesizer: espeak.Synthesizer, clip: plan.ClipPlan) -> NDArray[np.int16]:
  """Returns a clip's samples at SAMPLE_RATE_HZ, int16 [num_samples]: trimmed, scaled, led in."""
  samples = synthesizer.speak(
    clip.text, voice=clip.voice, words_per_minute=clip.words_per_minute, pitch=clip.pitch
  )
  audio = trimmed(soxr.resample(samples / 32_768, synthesizer.sample_rate_hz, SAMPLE_RATE_HZ))
  peak = 10 ** (clip.peak_db / 20)
  lead_in = np.zeros(SAMPLE_RATE_HZ * clip.lead_in_ms // 1000)
  audio = np.concatenate([lead_in, audio * (peak / np.abs(audio).max())])
  return np.round(audio * _FULL_SCALE).astype(np.int16)


def trimmed(audio: NDArray[np.float64]) -> NDArray[np.float64]:
  """Returns `audio` without the silence at its ends, but for a hundredth of a second.

  Args:
    audio: Samples at SAMPLE_RATE_HZ, not all of them zero, [num_samples].
  """
  level = np.abs(audio)
  (loud,) = np.nonzero(level > _SILENCE * level.max())
  margin = round(_MARGIN_S * SAMPLE_RATE_HZ)
  return audio[max(0, loud[0] - margin) : loud[-1] + 1 + margin]


def write_wav(path: str, samples: NDArray[np.int16]) -> None:
  """Writes a mono WAV file of SAMPLE_RATE_HZ."""
  with wave.open(path, 'wb') as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(SAMPLE_RATE_HZ)
    file.writeframes(samples.astype('<i2').tobytes())


if __name__ == '__main__':
  sys.exit(main())
