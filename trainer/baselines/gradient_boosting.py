"""Small trees that each mend what those before left (Friedman 2001), on values in 255 bins.

scikit-learn's HistGradientBoostingClassifier, which follows LightGBM. Without its own early
stopping, which would hold back a part of the clips whoever speaks in them. A tree asks which of two
values is the larger and no more, so nothing is scaled.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from schemas import limits
from trainer.baselines import family

# Values for which another thread is of use: they wait for one another at every question, and with
# few clips that is most of the time (1,720 clips of 448 values: 10 s with one thread, minutes with
# two on a machine that others use too).
_VALUES_PER_THREAD = 2_000_000

_AT_LEAST_2 = limits.count_from(2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientBoosting(limits.Limited):
  """Settings of gradient boosting.

  Attributes:
    rounds: How often each label gets another tree.
    learning_rate: How much of its mending a tree does.
    max_leaves: Leaves of a tree, at most.
    min_leaf: The fewest clips of a leaf.
    max_features: Share of the values among which each question is chosen.
    l2: How much large leaves cost.
  """

  LIMITS = {
    'rounds': limits.COUNT,
    'learning_rate': limits.POSITIVE,
    'max_leaves': _AT_LEAST_2,
    'min_leaf': limits.COUNT,
    'max_features': limits.Limits(lambda value: 0 < value <= 1, 'in (0, 1]'),
    'l2': limits.AT_LEAST_0,
  }

  rounds: int = 100
  learning_rate: float = 0.1
  max_leaves: int = 8
  min_leaf: int = 20
  max_features: float = 0.1
  l2: float = 0.0


def make(settings: GradientBoosting, fit: family.Fit) -> Any:
  """Returns the classifier, which has learned nothing."""
  from sklearn import ensemble

  return ensemble.HistGradientBoostingClassifier(
    max_iter=settings.rounds,
    learning_rate=settings.learning_rate,
    max_leaf_nodes=settings.max_leaves,
    min_samples_leaf=settings.min_leaf,
    max_features=settings.max_features,
    l2_regularization=settings.l2,
    early_stopping=False,
    class_weight=fit.class_weights,
    random_state=fit.seed,
  )


def extra_bytes(settings: GradientBoosting, size: family.Size) -> int:
  """Returns the bytes of the matrix in float64 and in bins, and of each label's gradients."""
  del settings
  return 9 * size.clips * size.values + 2 * 8 * size.clips * size.labels


def threads(jobs: int, size: family.Size) -> int:
  """Returns how many threads are of use."""
  return max(1, min(jobs, size.clips * size.values // _VALUES_PER_THREAD))


FAMILY = family.BaselineFamily(
  settings=GradientBoosting, make=make, extra_bytes=extra_bytes, threads=threads
)
