"""Multinomial logistic regression on scaled values: scikit-learn's LogisticRegression (L-BFGS)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from schemas import errors, limits
from trainer.baselines import family


@dataclasses.dataclass(frozen=True, kw_only=True)
class Logistic(limits.Limited):
  """Settings of a logistic regression.

  Attributes:
    c: How little large weights cost: the loss is c times the cross-entropies plus half the squared
      weights; 0: what of 0.001, 0.01, 0.1, 1 and 10 is best on the validation split.
    max_iterations: Steps of L-BFGS, at most.
  """

  LIMITS = {'c': limits.AT_LEAST_0, 'max_iterations': limits.COUNT}

  c: float = 1.0
  max_iterations: int = 1000


def make(settings: Logistic, fit: family.Fit) -> Any:
  """Returns the pipeline, which has learned nothing."""
  from sklearn import linear_model, pipeline, preprocessing

  return pipeline.make_pipeline(
    preprocessing.StandardScaler(),
    linear_model.LogisticRegression(
      C=settings.c,
      max_iter=settings.max_iterations,
      class_weight=fit.class_weights,
      random_state=fit.seed,
    ),
  )


def extra_bytes(settings: Logistic, size: family.Size) -> int:
  """Returns the bytes of the scaled matrix, and of what each label gets in each clip."""
  del settings
  return size.num_bytes + 3 * 4 * size.clips * size.labels


def notes(settings: Logistic, classifier: Any) -> Sequence[str]:
  """Returns what is to be said where it came to no end."""
  taken = int(max(classifier[-1].n_iter_))
  if taken < settings.max_iterations:
    return ()
  return (
    f'logistic was stopped after {errors.counted(taken, "iteration")}, before it came to its end: '
    'raise max_iterations, or lower c.',
  )


FAMILY = family.BaselineFamily(
  settings=Logistic,
  make=make,
  extra_bytes=extra_bytes,
  candidates=family.each_c(0.001, 0.01, 0.1, 1.0, 10.0),
  notes=notes,
)
