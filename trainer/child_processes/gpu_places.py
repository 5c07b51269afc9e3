"""Which process has which GPU, where several run at the same time."""

from __future__ import annotations

import dataclasses
import glob
import os

_VISIBLE = 'CUDA_VISIBLE_DEVICES'
# Else TensorFlow takes all memory of a GPU for the first process on it.
_GROWS = 'TF_FORCE_GPU_ALLOW_GROWTH'
_GPU_FILES = '/dev/nvidia[0-9]*'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Places:
  """Where processes run at the same time.

  Attributes:
    gpus: For each place the GPU, as CUDA_VISIBLE_DEVICES names it; '' for what there is.
  """

  gpus: tuple[str, ...] = ('',)

  def environment(self, gpu: str) -> dict[str, str]:
    """Returns what the process on a GPU is given to know of it."""
    if not gpu:
      return {}
    shared = {_GROWS: 'true'} if self.gpus.count(gpu) > 1 else {}
    return {_VISIBLE: gpu, **shared}


def places(*, parallel: int, takes_all_devices: bool, uses_gpus: bool = True) -> Places:
  """Returns where processes train: on each GPU one, else one after the other.

  Args:
    parallel: How many at a time; 0: as many as there are GPUs.
    takes_all_devices: Whether each run is spread over all of them.
    uses_gpus: Whether it can use them at all.
  """
  if takes_all_devices:
    return Places()
  gpus = _gpus() if uses_gpus else []
  count = parallel or max(1, len(gpus))
  return Places(gpus=tuple(gpus[i % len(gpus)] if gpus else '' for i in range(count)))


def _gpus() -> list[str]:
  """Returns the GPUs of this machine by what CUDA calls them; without asking TensorFlow."""
  named = os.environ.get(_VISIBLE)
  if named is not None:
    return [name.strip() for name in named.split(',') if name.strip() not in ('', '-1')]
  return [str(i) for i in range(len(glob.glob(_GPU_FILES)))]
