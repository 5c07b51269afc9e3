"""Trees on samples of the clips that vote (Breiman 2001): scikit-learn's RandomForestClassifier.

A tree asks which of two values is the larger and no more, so nothing is scaled.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from schemas import limits
from trainer.baselines import family

# Of a node of scikit-learn's trees, and of each label in it.
_NODE_BYTES, _LABEL_BYTES = 64, 8
# Nodes of a tree for each clip: 0.25 on spoken digits, and up to 1.26 where nothing can be learned.
_NODES_PER_CLIP = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomForest(limits.Limited):
  """Settings of a random forest.

  Attributes:
    trees: How many vote.
    max_depth: Questions from the root to a leaf, at most; 0: as many as it takes.
    min_leaf: The fewest clips of a leaf.
    max_features: Share of the values among which each question is chosen; 0: the root of their
      number, as usual.
  """

  LIMITS = {
    'trees': limits.COUNT,
    'max_depth': limits.NATURAL,
    'min_leaf': limits.COUNT,
    'max_features': (0, 1),
  }

  trees: int = 300
  max_depth: int = 0
  min_leaf: int = 1
  max_features: float = 0.0


def make(settings: RandomForest, fit: family.Fit) -> Any:
  """Returns the forest, which has learned nothing."""
  from sklearn import ensemble

  return ensemble.RandomForestClassifier(
    n_estimators=settings.trees,
    max_depth=settings.max_depth or None,
    min_samples_leaf=settings.min_leaf,
    max_features=settings.max_features or 'sqrt',
    class_weight=fit.class_weights,
    random_state=fit.seed,
    n_jobs=fit.jobs,
  )


def extra_bytes(settings: RandomForest, size: family.Size) -> int:
  """Returns the bytes of the trees."""
  nodes = _NODES_PER_CLIP * size.clips / settings.min_leaf
  if settings.max_depth:
    nodes = min(nodes, 2.0 ** min(settings.max_depth + 1, 60))
  return int(settings.trees * nodes * (_NODE_BYTES + _LABEL_BYTES * size.labels))


FAMILY = family.BaselineFamily(settings=RandomForest, make=make, extra_bytes=extra_bytes)
