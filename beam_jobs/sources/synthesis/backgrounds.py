"""Background noise for the demo corpus: six kinds, made of numbers alone.

Power of the coloured noises falls with the frequency f as 1 / f**exponent: white 0, pink 1,
brown 2.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from schemas import stable_hash

SAMPLE_RATE_HZ = 16_000  # As Speech Commands.

_RMS = 0.1  # 20 dB below full scale.
_LOWEST_HZ = 20.0  # Below it nothing is heard, and brown noise would be nothing else.

Samples = NDArray[np.float64]


def generator(text: str, *, seed: int) -> np.random.Generator:
  """Returns the random numbers that belong to a text, such as a clip's path."""
  digest = stable_hash.digest(text, salt=f'noise{seed}')
  return np.random.default_rng(int.from_bytes(digest, 'big'))


def coloured(rng: np.random.Generator, num_samples: int, *, exponent: float) -> Samples:
  """Returns noise whose power falls as 1 / f**exponent, [num_samples]."""
  spectrum = np.fft.rfft(rng.standard_normal(num_samples))
  frequency_hz = np.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE_HZ)
  spectrum *= np.maximum(frequency_hz, _LOWEST_HZ) ** (-exponent / 2)
  spectrum[0] = 0
  noise: Samples = np.fft.irfft(spectrum, num_samples)
  return noise


def _hum(rng: np.random.Generator, num_samples: int) -> Samples:
  """A transformer: 50 Hz and its overtones, in a quiet room."""
  time_s = np.arange(num_samples) / SAMPLE_RATE_HZ
  overtones = np.arange(1, 13)
  phases = rng.uniform(0, 2 * np.pi, len(overtones))
  tones = np.sin(2 * np.pi * 50 * overtones[:, None] * time_s + phases[:, None])
  return scaled((tones / overtones[:, None]).sum(axis=0)) + 0.3 * scaled(
    coloured(rng, num_samples, exponent=1)
  )


def _wind(rng: np.random.Generator, num_samples: int) -> Samples:
  """Brown noise that comes and goes within seconds."""
  num_knots = max(2, num_samples // SAMPLE_RATE_HZ + 1)
  knots = np.linspace(0, num_samples, num_knots)
  strength = np.interp(np.arange(num_samples), knots, rng.uniform(0.2, 1.0, num_knots))
  return coloured(rng, num_samples, exponent=2) * strength


def _crackle(rng: np.random.Generator, num_samples: int) -> Samples:
  """Forty clicks a second over a quiet hiss."""
  clicks = rng.random(num_samples) < 40 / SAMPLE_RATE_HZ
  ring = np.exp(-np.arange(160) / 20) * np.cos(np.arange(160) * 0.9)
  loud = np.where(clicks, rng.standard_normal(num_samples), 0.0)
  ringing = np.convolve(loud, ring)[:num_samples]
  return ringing + 0.02 * rng.standard_normal(num_samples)


KINDS: Mapping[str, Callable[[np.random.Generator, int], Samples]] = {
  'brown_noise': lambda rng, num_samples: coloured(rng, num_samples, exponent=2),
  'crackle': _crackle,
  'hum': _hum,
  'pink_noise': lambda rng, num_samples: coloured(rng, num_samples, exponent=1),
  'white_noise': lambda rng, num_samples: coloured(rng, num_samples, exponent=0),
  'wind': _wind,
}


def made(kind: str, num_samples: int, *, text: str, seed: int) -> Samples:
  """Returns noise of a kind at 20 dB below full scale, [num_samples]; the same for a text."""
  return scaled(KINDS[kind](generator(text, seed=seed), num_samples))


def scaled(samples: Samples) -> Samples:
  """Returns samples at 20 dB below full scale; silence stays silence."""
  rms = float(np.sqrt(np.mean(samples**2)))
  return samples * (_RMS / rms) if rms else samples


def mixed(speech: Samples, noise: Samples, *, snr_db: float) -> Samples:
  """Returns speech with noise under it, as long as the noise, which is no shorter.

  Args:
    speech: [num_samples], not all zero.
    noise: [num_samples or more], not all zero.
    snr_db: Power of the speech, over its own length, above that of the noise.
  """
  ratio = float(np.sqrt(np.mean(speech**2) / np.mean(noise**2))) * 10 ** (-snr_db / 20)
  result: Samples = noise * ratio
  result[: len(speech)] += speech
  return result
