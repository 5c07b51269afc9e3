"""Areas under curves of a label against the rest, each with the most that it may be wrong by.

Of exact steps they are scikit-learn's `roc_auc_score` and `average_precision_score`, and wrong by
nothing. Of bins the order inside of a bin is not known; the bound holds for every order and for
equal scores, whatever the scores were.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import special

from trainer.measures import score_steps


def roc_auc(steps: score_steps.Steps) -> tuple[float, float]:
  """Returns the area under the ROC curve, and its error's bound; there must be clips of both.

  It is the chance that a clip of the label has a higher score than one of another; equal scores
  count as half (Hanley & McNeil, "The Meaning and Use of the Area under a ROC Curve", 1982). In a
  bin every pair is counted as half, and may be none or whole.
  """
  positives, negatives = steps.positives.astype(float), steps.negatives.astype(float)
  num_pairs = positives.sum() * negatives.sum()
  higher = np.cumsum(positives) - positives
  halves = float((positives * negatives).sum() / 2 / num_pairs)
  area = float((negatives * higher).sum() / num_pairs) + halves
  return area, 0.0 if steps.is_exact else halves


def average_precision(steps: score_steps.Steps) -> tuple[float, float]:
  """Returns the average precision, and its error's bound; there must be clips of both.

  It is the precision at each clip of the label, as a mean, without any line between points; at
  equal scores the precision behind all of them. In bins: the middle of the least and the most that
  orders inside of them can give.
  """
  positives, negatives = steps.positives.astype(float), steps.negatives.astype(float)
  right, wrong = np.cumsum(positives), np.cumsum(negatives)
  total = positives.sum()
  if steps.is_exact:
    return float((positives * right / np.maximum(right + wrong, 1)).sum() / total), 0.0
  wrong_before = wrong - negatives
  # The most: clips of the label first, and all of them equal, so that each has the last precision.
  most = positives * right / np.maximum(right + wrong_before, 1)
  # The least: others first, one by one: the sum of (r + i) / (r + w + i) over i = 1 .. positives.
  before = right - positives + wrong
  harmonic = special.digamma(before + positives + 1) - special.digamma(before + 1)
  least = positives - wrong * harmonic
  low, high = float(least.sum() / total), float(most.sum() / total)
  return (low + high) / 2, (high - low) / 2


def mean(values: Iterable[float | None], weights: Iterable[float]) -> dict[str, float] | None:
  """Returns the macro and the weighted mean of what is known; None where nothing is."""
  pairs = [
    (value, weight) for value, weight in zip(values, weights, strict=True) if value is not None
  ]
  if not pairs:
    return None
  known, their_weights = zip(*pairs, strict=True)
  return {
    'macro': float(np.mean(known)),
    'weighted': float(np.average(known, weights=their_weights)),
  }
