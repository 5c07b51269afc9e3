"""Which voices are judged in which fold: dealt out so that folds are alike. Pure functions.

No value is in two folds. Every fold gets about as many clips of each label, as far as whole voices
allow: the same idea as scikit-learn's StratifiedGroupKFold, by another measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.data import fold_view

# Of one value: how many clips it has of each label, by the label's index.
LabelCounts = Mapping[int, int]


def deal(
  counts: Sequence[LabelCounts], num_folds: int, is_noise: NDArray[np.bool_] | None = None
) -> NDArray[np.int32]:
  """Returns the fold of each value, int32 [values]; none is empty.

  The largest values are dealt first; each goes to the fold where it adds least to the sum, over
  labels, of (clips of the label in the fold)^2 / (clips of the label); of equal ones to the first.
  With as many folds as values each is a fold of its own, in their order. Recordings of noise are
  dealt when all voices are, so that every fold has a voice.

  Args:
    counts: For each value, in the order of their names.
    num_folds: At least 2, and no more than there are values that are no noises.
    is_noise: Whether each value is a recording of noise, [values]; none is by default.
  """
  noises = np.zeros(len(counts), np.bool_) if is_noise is None else is_noise
  voices = np.flatnonzero(~noises).tolist()
  # With as many folds as voices, each has its own.
  own = {value: i for i, value in enumerate(voices)} if len(voices) == num_folds else {}
  num_labels = 1 + max(label for some in counts for label in some)
  totals = np.zeros(num_labels)
  for some in counts:
    for label, count in some.items():
      totals[label] += count
  held = np.zeros((num_folds, num_labels))
  clips = np.zeros(num_folds, np.int64)
  dealt = np.zeros(len(counts), np.int32)
  sizes = [sum(some.values()) for some in counts]
  for value in sorted(range(len(counts)), key=lambda i: (bool(noises[i]), -sizes[i], i)):
    labels = np.array(sorted(counts[value]), np.int64)
    mine = np.array([counts[value][label] for label in labels.tolist()], float)
    added = ((2 * held[:, labels] + mine) * mine / totals[labels]).sum(axis=1)
    # An empty fold first; what is alike but for rounding is alike.
    ranks = [(bool(clips[i]), round(float(added[i]), 9), int(clips[i])) for i in range(num_folds)]
    fold = own[value] if value in own else min(range(num_folds), key=ranks.__getitem__)
    held[fold, labels] += mine
    clips[fold] += sizes[value]
    dealt[value] = fold
  return dealt


def roles(
  tested: NDArray[np.int32],
  counts: Sequence[LabelCounts],
  is_noise: NDArray[np.bool_] | None = None,
) -> NDArray[np.int32]:
  """Returns in which fold each value is judged and in which it validates, int32 [2, values].

  The voices of a fold choose the best epoch of the one before it, so that each does so once. With
  two folds nothing would be left to learn from: there every second voice of the other fold does,
  from the second largest on; of a fold with a single voice none. The same goes for noises, where
  some voice does.

  Args:
    tested: The fold of each value.
    counts: Clips of each label, for each value.
    is_noise: Whether each is a recording of noise, [values]; none is by default.
  """
  num_folds = int(tested.max()) + 1
  validates = (tested - 1) % num_folds
  if num_folds == 2:
    validates = np.full(len(tested), fold_view.NO_FOLD, np.int32)
    for fold in range(2):
      mine = np.flatnonzero(tested == fold).tolist()
      ordered = sorted(mine, key=lambda i: (-sum(counts[i].values()), i))
      voices = [i for i in ordered if is_noise is None or not is_noise[i]]
      if voices[1:]:
        validates[voices[1::2]] = 1 - fold
        validates[[i for i in ordered if i not in set(voices)][1::2]] = 1 - fold
  made = np.zeros((2, len(tested)), np.int32)
  made[fold_view.TESTED], made[fold_view.VALIDATES] = tested, validates
  return made
