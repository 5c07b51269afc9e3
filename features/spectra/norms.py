"""Norms by which the columns of a chromagram are divided."""

import numpy as np
from numpy.typing import NDArray

from schemas import errors

NORMS = ('inf', 'l1', 'l2', 'none')

# A norm below this is taken for this: silence stays zero, and nothing is divided by 0.
TINY = float(np.finfo(np.float32).tiny)


def check_norm(norm: str) -> None:
  """Raises FeatureError for a norm that is not one of NORMS."""
  if norm not in NORMS:
    raise errors.FeatureError(
      f'norm must be {", ".join(NORMS)}, got {norm!r}. inf makes the largest value 1, '
      'none leaves them as they are.'
    )


def normalise(columns: NDArray[np.float32], norm: str) -> None:
  """Divides each column of `columns` by its norm, in place.

  Args:
    columns: Values of at least 0, float32 [entries, columns].
    norm: One of NORMS: the largest value, the sum, or the root of the sum of squares of a column.
  """
  if norm == 'none':
    return
  np.divide(columns, np.maximum(columns.max(axis=0), np.float32(TINY)), out=columns)
  if norm == 'inf':
    return
  # Values are in [0, 1] now and the largest is 1, so that squares neither overflow nor vanish.
  length = columns.sum(axis=0) if norm == 'l1' else np.sqrt(np.square(columns).sum(axis=0))
  np.divide(columns, np.maximum(length, np.float32(TINY)), out=columns)
