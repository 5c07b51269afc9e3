"""All numbers that the next training step depends on, as arrays, and a file of them."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import errors
from trainer.devices import workers as workers_lib
from trainer.runs import run_folder

Arrays = Mapping[str, NDArray[Any]]

_POSITION = 'position.json'
# Variables of which each replica has a value of its own: [replicas, ...] in the file.
_SEED = 'seed_generator_state'


def capture(variables: Mapping[str, Any], workers: workers_lib.Workers) -> dict[str, Any]:
  """Returns copies of the values of TensorFlow's variables, by the same names.

  What replicas draw their random numbers from gets an axis in front, for the replicas of all
  workers: every one is to ask.
  """
  found: dict[str, Any] = {}
  for name, variable in variables.items():
    copies = workers.strategy.experimental_local_results(variable)
    if name.endswith(_SEED):
      found[name] = workers.gather(np.stack([copy.numpy() for copy in copies]))
    else:
      found[name] = np.array(copies[0].numpy())
  return found


def restore(variables: Mapping[str, Any], arrays: Arrays, workers: workers_lib.Workers) -> bool:
  """Gives variables the values that `capture` read, on every replica.

  Returns:
    Whether there are as many replicas as there were. If not, the others draw random numbers of
    their own.

  Raises:
    ConfigError: if there are other variables, or of other shapes.
  """
  wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
  found = {name: array.shape[1:] if name.endswith(_SEED) else array.shape
           for name, array in arrays.items()}  # fmt: skip
  if wanted != found:
    odd = sorted(name for name in {**wanted, **found} if wanted.get(name) != found.get(name))
    raise errors.ConfigError(
      f'The checkpoint is of another model or optimizer: {odd[0]} is {wanted.get(odd[0])} here and '
      f'{found.get(odd[0])} there. Begin anew with --overwrite, or in another --run_dir.'
    )
  is_same = True
  for name, variable in variables.items():
    if name.endswith(_SEED):
      is_same &= _restore_seeds(variable, arrays[name], workers)
    else:
      for copy in workers.strategy.experimental_local_results(variable):
        copy.assign(arrays[name])
  return is_same


def _restore_seeds(variable: Any, seeds: NDArray[Any], workers: workers_lib.Workers) -> bool:
  mine = workers.mine(seeds)
  for i, copy in enumerate(workers.strategy.experimental_local_results(variable)):
    # As steps.draw_apart does, where there was no such replica.
    apart = seeds[0] + np.array([workers.first_replica + i, 0], seeds.dtype)
    copy.assign(mine[i] if i < len(mine) else apart)
  return workers.strategy.num_replicas_in_sync == len(seeds)


def write(path: str, arrays: Arrays, position: Mapping[str, Any]) -> None:
  """Writes a file with the arrays and where the run stands; it is there whole or not at all.

  Raises:
    ConfigError: if the file system refuses.
  """
  text = np.frombuffer(json.dumps(position).encode(), np.uint8)
  with run_folder.replacing(path) as temporary, open(temporary, 'wb') as stream:
    np.savez(stream, **{_POSITION: text, **{_key(name): arrays[name] for name in arrays}})
    stream.flush()
    os.fsync(stream.fileno())


def read(data: Any) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
  """Returns the arrays and the position in a file, by its path or as a binary stream.

  Raises:
    ValueError: if it is damaged.
  """
  try:
    with np.load(data, allow_pickle=False) as stored:
      arrays = {name: stored[name] for name in stored.files}
    position = json.loads(arrays.pop(_POSITION).tobytes())
  except (OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
    raise ValueError(f'{type(error).__name__}: {error}') from error
  return {name.replace('|', '/'): array for name, array in arrays.items()}, position


def _key(name: str) -> str:
  return name.replace('/', '|')  # A zip file would make folders of it.


def name_all(**groups: Sequence[Any]) -> dict[str, Any]:
  """Returns TensorFlow's variables by group, number and name: `model/0003/kernel`.

  Args:
    **groups: Keras's or TensorFlow's variables. The order in a group is that of their making.
  """
  named: dict[str, Any] = {}
  for group, variables in groups.items():
    for i, variable in enumerate(variables):
      is_keras = hasattr(variable, 'path')
      name = variable.path.rpartition('/')[2] if is_keras else 'value'
      named[f'{group}/{i:04d}/{name}'] = variable.value if is_keras else variable
  return named
