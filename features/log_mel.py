"""Logarithm of mel energies."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features import feature
from features.portable import logarithm
from features.spectra import frames as frames_lib
from features.spectra import mel_energy
from schemas import audio


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogMel(mel_energy.MelSettings):
  """Settings of log mel energies.

  Attributes:
    dtype: float16 by default: values lie in about [-14, 12], where its steps are under 0.008.
    floor: Added to the energy before the logarithm, so that silence is ln(floor). Rounding to 16
      bits alone makes an energy of about 1e-8 a bin at the default window.
  """

  floor: float = 1e-6

  def __post_init__(self) -> None:
    super().__post_init__()
    frames_lib.check_floor(self.floor)


def kernel(settings: LogMel, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel for ln(energy + floor).

  [clips, num_samples] -> [clips, num_frames, num_mels], natural logarithm.
  """
  floor = np.float32(settings.floor)

  def change(energies: NDArray[np.float32]) -> NDArray[np.float32]:
    return logarithm.log(np.add(energies, floor, out=energies)).T

  return mel_energy.MelEnergies(settings, spec).kernel(settings.num_mels, change)


FEATURE = feature.Feature(
  settings=LogMel,
  shape=mel_energy.shape,
  kernel=kernel,
  has_twin=True,
  bins_hz=mel_energy.bins_hz,
  min_samples=frames_lib.min_samples,
)
