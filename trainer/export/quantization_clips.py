"""What the network of a run takes of some clips: its ranges become those of numbers of 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import splits
from trainer.export import split_clips
from trainer.lazy import keras

# TensorFlow's guide says a few hundred; more change no range worth the time.
_MOST = 200


def values(
  clips: split_clips.Clips, computed: keras.Model | None
) -> tuple[tuple[NDArray[Any], ...], ...]:
  """Returns what a network takes of clips of the train split, a batch of one each.

  Args:
    clips: Of the data set.
    computed: What computes the network's feature of what is stored, or None.
  """
  found = []
  for clip in clips.records(splits.TRAIN, _MOST):
    stored = clips.stored(clip)
    given: list[Any] = [stored[np.newaxis]]
    if clips.run.feature.is_variable:
      given.append(np.array([len(stored)], np.int32))
    if computed is not None:
      out = computed(given if len(given) > 1 else given[0])
      given = [np.asarray(one) for one in (out if isinstance(out, (list, tuple)) else [out])]
    found.append(tuple(given))
  return tuple(found)
