"""Signals whose features are known, or at least differ."""

import numpy as np
from numpy.typing import NDArray


def sine(
  num_samples: int, *, sample_rate_hz: int, hz: float, amplitude: float = 1.0
) -> NDArray[np.float32]:
  """Returns a sine, float32 [num_samples]."""
  phase = 2 * np.pi * hz * np.arange(num_samples) / sample_rate_hz
  return (amplitude * np.sin(phase)).astype(np.float32)


def impulse(num_samples: int, *, at: int) -> NDArray[np.float32]:
  """Returns silence with one sample of 1, float32 [num_samples]."""
  samples = np.zeros(num_samples, np.float32)
  samples[at] = 1.0
  return samples


def noise(num_samples: int, *, seed: int = 0, amplitude: float = 0.5) -> NDArray[np.float32]:
  """Returns uniform noise, float32 [num_samples]."""
  generator = np.random.default_rng(seed)
  return generator.uniform(-amplitude, amplitude, num_samples).astype(np.float32)


def mixture(num_samples: int, *, sample_rate_hz: int) -> NDArray[np.float32]:
  """Returns clips of many kinds, float32 [clips, num_samples]: from silence to full scale."""
  square = np.sign(sine(num_samples, sample_rate_hz=sample_rate_hz, hz=sample_rate_hz / 128))
  return np.stack(
    [
      sine(num_samples, sample_rate_hz=sample_rate_hz, hz=sample_rate_hz / 16, amplitude=0.5),
      sine(num_samples, sample_rate_hz=sample_rate_hz, hz=440.0, amplitude=1e-3),
      impulse(num_samples, at=num_samples // 2),
      noise(num_samples),
      noise(num_samples, seed=1, amplitude=1e-4),
      np.zeros(num_samples, np.float32),
      square.astype(np.float32),
    ]
  )
