"""The devices that these tests train on: GPUs, or processors that stand in for them.

Every run is a process of its own, as a user starts it: TensorFlow settles memory, logical devices
and determinism once for a process.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pathlib
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).parent.parent.parent
# So many logical CPUs stand in for GPUs, to try the tests themselves.
REHEARSAL = 'VOXSHARD_GPU_REHEARSAL'
_SECONDS = 600


@dataclasses.dataclass(frozen=True, kw_only=True)
class Devices:
  """What there is to train on.

  Attributes:
    kind: `GPU`, or `CPU` in a rehearsal.
    count: How many.
  """

  kind: str
  count: int

  @property
  def are_gpus(self) -> bool:
    return self.kind == 'GPU'

  def names(self, count: int) -> str:
    """The first of them, as a run says them."""
    return ', '.join(f'{self.kind}:{i}' for i in range(count))

  def mirrored(self, count: int) -> dict[str, Any]:
    """The flags that spread a run over the first of them."""
    if self.are_gpus:
      return {'strategy': f'mirrored:num_devices={count}'}
    return {'strategy': 'mirrored', 'virtual_devices': count}

  def start(self, module: str, **flags: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program of this project on them, to its end."""
    return self._run(module, *_arguments(flags))

  def train_all(self, folder: pathlib.Path, runs: Sequence[Mapping[str, Any]]) -> str:
    """Trains one run after another in one process, and returns what was said; one may have failed.

    Args:
      folder: For the list of runs.
      runs: Of each its flags.
    """
    listed = folder / 'runs.json'
    listed.write_text(json.dumps([_arguments(flags) for flags in runs]))
    done = self._run('tests.gpu.runs', str(listed))
    return f'{done.stdout}{done.stderr}exit code {done.returncode}'

  def _run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
      [sys.executable, '-m', module, *arguments],
      cwd=ROOT,
      env=self._environment(),
      capture_output=True,
      text=True,
      check=False,
      timeout=_SECONDS,
    )

  def train(self, run_dir: pathlib.Path, **flags: Any) -> str:
    """Trains into a folder and returns what was said."""
    done = self.start('trainer', run_dir=run_dir, **flags)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

  def _environment(self) -> dict[str, str]:
    # Several at a time share a GPU: none takes all of its memory at the start.
    kind = {'TF_FORCE_GPU_ALLOW_GROWTH': 'true'} if self.are_gpus else {'CUDA_VISIBLE_DEVICES': ''}
    return {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', **kind}


def _arguments(flags: Mapping[str, Any]) -> list[str]:
  return [f'--{name}={value}' for name, value in flags.items()]


def find() -> Devices:
  """What this machine has; no devices where there is nothing to try."""
  if os.environ.get(REHEARSAL):
    return Devices(kind='CPU', count=int(os.environ[REHEARSAL]))
  # Only counted: starting them would take their memory away from the runs.
  import tensorflow as tf

  return Devices(kind='GPU', count=len(tf.config.list_physical_devices('GPU')))


def step_losses(run_dir: pathlib.Path) -> dict[int, float]:
  """The loss of each step, as TensorBoard shows it."""
  import tensorflow as tf
  from tensorboard.backend.event_processing import event_accumulator

  reader = event_accumulator.EventAccumulator(
    str(run_dir / 'logs' / 'train'), size_guidance={'tensors': 0}
  )
  reader.Reload()
  return {
    event.step: tf.make_ndarray(event.tensor_proto).item() for event in reader.Tensors('step_loss')
  }


def history(run_dir: pathlib.Path) -> list[dict[str, Any]]:
  """What came of each epoch."""
  return json.loads((run_dir / 'history.json').read_text(encoding='utf-8'))


def weights(run_dir: pathlib.Path) -> dict[str, Any]:
  """The weights behind the last epoch by name, read without a device."""
  import h5py

  found: dict[str, Any] = {}

  def keep(name: str, node: Any) -> None:
    if isinstance(node, h5py.Dataset):
      found[name] = node[()]

  with zipfile.ZipFile(run_dir / 'checkpoints' / 'last.keras') as archive:
    with h5py.File(io.BytesIO(archive.read('model.weights.h5'))) as stored:
      stored.visititems(keep)
  return found
