"""The data that the trials of a sweep read, looked at before the first of them begins."""

from __future__ import annotations

import dataclasses
from typing import Any

from schemas import errors
from trainer import config as config_lib
from trainer import preflight
from trainer.data import datasets
from trainer.sweep import asked_space, search_space

# What is looked up depends on these and no other flags.
_FLAGS = (
  'data', 'feature', 'compute', 'sample_rate_hz', 'clip_seconds', 'augment', 'teacher', 'init_from',
  'batch_size', 'accumulate', 'jit_compile', 'data_service', 'unknown_labels',
)  # fmt: skip


def look(space: search_space.Space) -> tuple[search_space.Space, datasets.Data]:
  """Returns the space in which data is asked too what it refuses, and the data set of trials.

  Raises:
    VoxshardError: in the trainer's words if no trial can have a value, or if trials of two data
      sets cannot be compared.
  """
  looked = _LookedUp()
  space = dataclasses.replace(space, look=looked)
  asked_space.check(space)
  return space, looked.comparable(needs_validation=not space.base.folds)


class _LookedUp:
  """What the trainer says of the data of a trial; each data set is looked at once."""

  def __init__(self) -> None:
    self._found: dict[str, datasets.Data | errors.VoxshardError] = {}

  def __call__(self, config: config_lib.TrainConfig) -> None:
    """Raises what the trainer raises before it begins."""
    asked = dataclasses.replace(config, run_dir='', run_name='', folds='', parallel_folds=0)
    key = repr([[getattr(asked, name) for name in _FLAGS], asked.init_from and asked.model])
    if key not in self._found:
      try:
        self._found[key], _ = preflight.check(asked)
      except errors.StorageError:
        raise  # It may answer the next time.
      except errors.VoxshardError as error:
        self._found[key] = error
    found = self._found[key]
    if isinstance(found, errors.VoxshardError):
      raise found

  def comparable(self, *, needs_validation: bool) -> datasets.Data:
    """Returns the first data set; refuses those whose trials cannot be compared with its own."""
    first, *others = (one for one in self._found.values() if isinstance(one, datasets.Data))
    for data in (first, *others):
      if needs_validation and not data.has_validation:
        raise errors.ConfigError(
          f'Trials are compared on the validation split, and {data.path!r} has none. Run the data '
          'job again with one (--validation_fraction, --split_by).'
        )
      if _split_of(data) != _split_of(first):
        raise errors.ConfigError(
          f'--over=data: {first.path!r} and {data.path!r} have other labels or validation splits, '
          'so their trials cannot be compared. Sweep over features of one data set, or over data '
          'sets of the same clips.'
        )
    return first


def _split_of(data: datasets.Data) -> tuple[Any, ...]:
  split = 'validation'
  return data.manifest.labels, data.manifest.num_records(split), data.manifest.label_counts(split)
