"""Keeps a run safe: writes all that it stands on, now and then, and reads it back."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import math
import os
import time
from collections.abc import Mapping
from typing import Any

from schemas import errors
from trainer.devices import agreement
from trainer.devices import workers as workers_lib
from trainer.runs import run_folder, training_state

_RUN = 'of_run'  # Beside the position in a state.


class Keeper:
  """Writes the last few states of a run to its folder, beside the training steps.

  The numbers are copied between two steps; a thread writes them while the next steps run. Of
  several workers the chief writes.
  """

  def __init__(
    self,
    variables: Mapping[str, Any],
    workers: workers_lib.Workers,
    folder: run_folder.RunFolder,
    *,
    every_steps: int,
    every_minutes: float,
    keep: int,
    run: str = '',
  ) -> None:
    """Takes what is kept, and how much may be lost.

    Args:
      variables: TensorFlow's, by name: all that a step changes.
      workers: All of them are to ask for the same at once.
      folder: Where the states go.
      every_steps: How many steps may be lost; 0 for no limit.
      every_minutes: How many minutes, as well.
      keep: How many states stay.
      run: By what the run is told from others; it stands in every state.
    """
    self._run = run
    self._variables = variables
    self._workers = workers
    self._folder = folder
    self._every_steps = every_steps
    self._every_s = 60 * every_minutes or math.inf
    self._keep = keep
    self._saved_s = time.monotonic()
    self._writer = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix='keeper')
    self._writing: concurrent.futures.Future[None] | None = None

  def steps_until_due(self, step: int) -> int | None:
    """Returns how many steps may follow step `step` before the state is to be saved."""
    return self._every_steps - step % self._every_steps if self._every_steps else None

  def is_due(self, step: int) -> bool:
    """Returns whether the state after step `step` is to be saved."""
    if self._every_steps and step % self._every_steps == 0:
      return True
    return time.monotonic() - self._saved_s >= self._every_s

  def save(self, position: dict[str, Any]) -> None:
    """Copies the state, which is then written while the run goes on; for all workers at once.

    Args:
      position: Plain numbers that say where the run stands, with its `step`.

    Raises:
      ConfigError: if this or the one before could not be written.
    """
    self._wait()
    arrays = training_state.capture(self._variables, self._workers)
    if self._workers.is_chief:
      self._writing = self._writer.submit(self._write, arrays, position)
    self._saved_s = time.monotonic()

  def close(self) -> None:
    """Waits until everything is written; raises as `save` does."""
    try:
      self._wait()
    finally:
      self._writer.shutdown()

  def _wait(self) -> None:
    writing, self._writing = self._writing, None
    if writing is not None:
      writing.result()

  def _write(self, arrays: dict[str, Any], position: dict[str, Any]) -> None:
    said = {**position, **({_RUN: self._run} if self._run else {})}
    training_state.write(self._folder.state_file(position['step']), arrays, said)
    for path in self._folder.state_files()[self._keep :]:
      with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def load(
  folder: run_folder.RunFolder,
  variables: Mapping[str, Any],
  workers: workers_lib.Workers,
  *,
  run: str = '',
) -> dict[str, Any]:
  """Gives variables the latest state of a run and returns the position that was saved with it.

  A damaged file is said, and the one before it taken. Only the chief of several workers reads.

  Args:
    folder: Of the run.
    variables: As the Keeper takes them.
    workers: All of them.
    run: By what the run is told from others; '' where nobody knows.

  Raises:
    ConfigError: if no state can be read, or they are of another run or model.
  """
  data = agreement.made_by_chief(lambda: _latest(folder, run), workers)
  arrays, fields = training_state.read(io.BytesIO(data))
  fields.pop(_RUN, None)
  is_same = training_state.restore(variables, arrays, workers)
  if not is_same and workers.is_chief:
    print(
      'note: the run had another number of devices, so it goes on with other random numbers and '
      'other roundings.'
    )
  return fields


def _latest(folder: run_folder.RunFolder, run: str) -> bytes:
  """Returns the content of the latest state that is whole."""
  for path in folder.state_files():
    with open(path, 'rb') as stream:
      data = stream.read()
    try:
      _, fields = training_state.read(io.BytesIO(data))
    except ValueError as error:
      print(f'note: {path} is damaged ({error}), so the checkpoint before it is taken.')
      continue
    is_of_run = not run or fields.get(_RUN, run) == run  # States of before do not say it.
    if not is_of_run or folder.state_file(fields.get('step', 0)) != path:
      raise errors.ConfigError(
        f'The checkpoint {path!r} is of another run, or of another step than its name says: to go '
        'on from it would give what no run of these flags gives. Put back that of this run, begin '
        'anew with --overwrite, or name another --run_dir.'
      )
    return data
  raise errors.ConfigError(
    f'None of the checkpoints in {folder.checkpoints_dir!r} can be read. Begin anew with '
    '--overwrite, or name another --run_dir.'
  )
