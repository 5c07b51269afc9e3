"""A support vector machine: scikit-learn's StandardScaler and SVC (libsvm, one against one)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from schemas import errors, limits
from trainer.baselines import family

KERNELS = ('rbf', 'linear')
# What libsvm keeps of kernel values, and what a float64 takes.
_CACHE_BYTES, _FLOAT64_BYTES = 200 << 20, 8
# Its time grows with the square of the clips: 3,000 take a second or two, so many some minutes.
_MANY_CLIPS = 30_000
# It learns a classifier for every pair of labels: 45 of 10 labels, and of so many 4,950.
_MANY_LABELS = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Svm(limits.Limited):
  """Settings of a support vector machine.

  Attributes:
    c: What a clip on the wrong side costs; 0: what of 0.1, 1, 10 and 100 is best on the
      validation split.
    kernel: `rbf` or `linear`.
    gamma: How near two clips must be to count as alike, for rbf; 0: one over the number of values.
  """

  LIMITS = {'c': limits.AT_LEAST_0, 'gamma': limits.AT_LEAST_0}

  c: float = 10.0
  kernel: str = 'rbf'
  gamma: float = 0.0

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.kernel not in KERNELS:
      raise errors.ConfigError(f'kernel must be one of {", ".join(KERNELS)}, got {self.kernel!r}.')


def make(settings: Svm, fit: family.Fit) -> Any:
  """Returns the pipeline, which has learned nothing."""
  from sklearn import pipeline, preprocessing, svm

  return pipeline.make_pipeline(
    preprocessing.StandardScaler(),
    svm.SVC(
      C=settings.c,
      kernel=settings.kernel,
      gamma=settings.gamma or 'auto',  # Of scaled values the variance is 1.
      class_weight=fit.class_weights,
      # So that the label with the largest margin is the answer.
      decision_function_shape='ovr',
      break_ties=True,
      random_state=fit.seed,
    ),
  )


def extra_bytes(settings: Svm, size: family.Size) -> int:
  """Returns the bytes of the scaled matrix, the same in float64, and libsvm's cache."""
  del settings
  in_float64 = _FLOAT64_BYTES * size.clips * size.values
  return size.num_bytes + in_float64 + min(_CACHE_BYTES, _FLOAT64_BYTES * size.clips**2)


def cautions(settings: Svm, size: family.Size) -> Sequence[str]:
  """Returns what is to be said where it will take long."""
  del settings
  others = 'logistic, random_forest and gradient_boosting take time in proportion.'
  found = []
  if size.clips > _MANY_CLIPS:
    found.append(
      f'the time of svm grows with the square of the clips, and {size.clips:,} are many: {others}'
    )
  if size.labels > _MANY_LABELS:
    pairs = size.labels * (size.labels - 1) // 2
    found.append(
      f'svm learns a classifier for each pair of labels, {pairs:,} of them, and of each clip keeps '
      f'as many numbers while it answers: {others}'
    )
  return tuple(found)


FAMILY = family.BaselineFamily(
  settings=Svm,
  make=make,
  extra_bytes=extra_bytes,
  candidates=family.each_c(0.1, 1.0, 10.0, 100.0),
  cautions=cautions,
)
