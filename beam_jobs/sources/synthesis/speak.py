"""Speaks planned clips into a folder; the program that runs in the synthesizer's own process.

Reads one JSON object from stdin: `library` and `data` (paths of eSpeak), `folder`, `clips` (the
fields of ClipPlan), `noise_folder`, `babblers` (speakers whose clips make the noise of many
voices), `seed` and `parent_pid` (the process with which this one is to end). What goes wrong is one
line on stderr and exit code 1.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from beam_jobs.sources.synthesis import backgrounds, espeak, script
from tfrecords.resources import lifeline

SAMPLE_RATE_HZ = backgrounds.SAMPLE_RATE_HZ

# Samples below this share of the loudest one, at the ends, are silence.
_SILENCE = 0.01
_MARGIN_S = 0.01
_FULL_SCALE = 32_767

_NOISE_S = 20
_BABBLE_CLIPS = 240  # Half a second each: some six voices at a time.


def main() -> int:
  """Speaks what stdin asks for and returns the exit code."""
  request = json.load(sys.stdin)
  lifeline.end_with_parent(request['parent_pid'])
  try:
    speak_all(request)
  except (espeak.EspeakError, OSError) as error:
    print(f'eSpeak {error}' if isinstance(error, espeak.EspeakError) else error, file=sys.stderr)
    return 1
  return 0


def speak_all(request: Mapping[str, Any]) -> None:
  """Writes every clip of the request, and the noises, as 16-bit mono WAV files of 16 kHz."""
  folder, seed = request['folder'], request['seed']
  babble = _Babble(speakers=request['babblers'], seed=seed)
  with espeak.short_path(request['data']) as data_path:
    synthesizer = espeak.Synthesizer(library_path=request['library'], data_path=data_path)
    for fields in request['clips']:
      clip = script.ClipPlan(**fields)
      samples = spoken(synthesizer, clip)
      babble.add(clip, samples)
      write_wav(os.path.join(folder, clip.path), with_noise(samples, clip, seed=seed))
  noise_folder = os.path.join(folder, request['noise_folder'])
  for kind in backgrounds.KINDS:
    noise = backgrounds.made(kind, _NOISE_S * SAMPLE_RATE_HZ, text=kind, seed=seed)
    write_wav(os.path.join(noise_folder, f'{kind}.wav'), noise)
  write_wav(os.path.join(noise_folder, 'babble.wav'), backgrounds.scaled(babble.samples))


def spoken(synthesizer: espeak.Synthesizer, clip: script.ClipPlan) -> NDArray[np.float64]:
  """Returns a clip's samples at SAMPLE_RATE_HZ, [num_samples]: trimmed, scaled, led in."""
  samples = synthesizer.speak(
    clip.text, voice=clip.voice, words_per_minute=clip.words_per_minute, pitch=clip.pitch
  )
  audio = trimmed(soxr.resample(samples / 32_768, synthesizer.sample_rate_hz, SAMPLE_RATE_HZ))
  peak = 10 ** (clip.peak_db / 20)
  lead_in = np.zeros(SAMPLE_RATE_HZ * clip.lead_in_ms // 1000)
  return np.concatenate([lead_in, audio * (peak / np.abs(audio).max())])


def with_noise(
  samples: NDArray[np.float64], clip: script.ClipPlan, *, seed: int
) -> NDArray[np.float64]:
  """Returns a clip with its noise, then at least a second long; as it is where it has none."""
  if clip.noise_snr_db is None:
    return samples
  kinds = sorted(backgrounds.KINDS)
  kind = kinds[int(backgrounds.generator(clip.path, seed=seed).integers(len(kinds)))]
  noise = backgrounds.made(kind, max(len(samples), SAMPLE_RATE_HZ), text=clip.path, seed=seed)
  mixed = backgrounds.mixed(samples, noise, snr_db=clip.noise_snr_db)
  peak: float = np.abs(mixed).max()
  return mixed / max(1.0, peak)


def trimmed(audio: NDArray[np.float64]) -> NDArray[np.float64]:
  """Returns `audio` without the silence at its ends, but for a hundredth of a second.

  Args:
    audio: Samples at SAMPLE_RATE_HZ, not all of them zero, [num_samples].
  """
  level = np.abs(audio)
  (loud,) = np.nonzero(level > _SILENCE * level.max())
  margin = round(_MARGIN_S * SAMPLE_RATE_HZ)
  return audio[max(0, loud[0] - margin) : loud[-1] + 1 + margin]


def write_wav(path: str, samples: NDArray[np.float64]) -> None:
  """Writes samples in [-1, 1], clipped to that, as a mono WAV file of SAMPLE_RATE_HZ."""
  os.makedirs(os.path.dirname(path), exist_ok=True)
  integers = np.round(np.clip(samples, -1, 1) * _FULL_SCALE).astype(np.int16)
  soundfile.write(path, integers, SAMPLE_RATE_HZ)


class _Babble:
  """Many voices at once: the first clips of some speakers, each at its own place, in a ring.

  Attributes:
    samples: What there is so far, [num_samples].
  """

  def __init__(self, *, speakers: list[str], seed: int) -> None:
    self.samples = np.zeros(_NOISE_S * SAMPLE_RATE_HZ)
    self._quota = dict.fromkeys(speakers, max(1, _BABBLE_CLIPS // max(1, len(speakers))))
    self._seed = seed

  def add(self, clip: script.ClipPlan, samples: NDArray[np.float64]) -> None:
    """Adds a clip, if its speaker is one of them and is not heard often enough yet."""
    if not self._quota.get(clip.speaker_id):
      return
    self._quota[clip.speaker_id] -= 1
    rng = backgrounds.generator(f'babble/{clip.path}', seed=self._seed)
    place = int(rng.integers(len(self.samples))) + np.arange(len(samples))
    self.samples[place % len(self.samples)] += samples


if __name__ == '__main__':
  sys.exit(main())
