"""Scores for "none of these": low where what is heard is no label that the model knows.

Both are computed of the logits as the model gives them, at temperature 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import special

from exports import export_file
from trainer.predictions import parquet_reader

# The probability of the answer. Source: Hendrycks and Gimpel, "A Baseline for Detecting
# Misclassified and Out-of-Distribution Examples in Neural Networks" (2017).
SOFTMAX = export_file.SOFTMAX
# ln of the sum of exp(logit), the negative of the energy. Source: Liu et al., "Energy-based
# Out-of-distribution Detection" (2020), equation 4 with T = 1.
ENERGY = export_file.ENERGY
SCORES = export_file.NONE_SCORES
# The share of known clips that is usually accepted where detectors are compared.
_RECALL = 0.95
# Logits of a smaller spread are logarithms of probabilities, whose energies are all 0.
_LEAST_SPREAD = 1e-3


def of_batch(batch: parquet_reader.Batch) -> Mapping[str, NDArray[np.float64]]:
  """Returns each score of some clips, float64 [clips]."""
  return {SOFTMAX: batch.confidences, ENERGY: batch.log_sum_exps}


def of_logits(logits: NDArray[np.float32]) -> Mapping[str, NDArray[np.float64]]:
  """Returns each score of logits, float32 [clips, labels], float64 [clips]."""
  sums = special.logsumexp(logits.astype(np.float64), axis=1)
  return {SOFTMAX: np.exp(np.minimum(0, logits.max(axis=1) - sums)), ENERGY: sums}


def of_file(predictions: parquet_reader.Reader) -> dict[str, NDArray[np.float64]]:
  """Returns each score of all clips: 16 bytes a clip are held."""
  columns = parquet_reader.logit_columns(predictions.header)
  parts = [of_batch(batch) for batch in predictions.batches(columns)]
  return {name: np.concatenate([np.zeros(0), *(part[name] for part in parts)]) for name in SCORES}


def says_something(scores: NDArray[np.float64]) -> bool:
  """Whether scores differ: energies of logits that are logarithms of probabilities do not."""
  return len(scores) > 0 and float(np.ptp(scores)) > _LEAST_SPREAD


def percentiles(scores: NDArray[np.float64]) -> NDArray[np.float64]:
  """Returns the scores below which 0, 1, ..., 100 % of clips lie at most, float64 [101]."""
  found: NDArray[np.float64] = np.percentile(scores, np.arange(101), method='lower')
  return found


def auroc(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
  """Returns how often a known clip has a higher score than an unknown one, equal ones by half."""
  from scipy import stats  # Takes half a second, and prediction does not need it.

  ranks = stats.rankdata(np.concatenate([known, unknown]))[: len(known)]
  above = float(ranks.sum()) - len(known) * (len(known) + 1) / 2
  return above / (len(known) * len(unknown))


def false_positive_rate(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
  """Returns the share of unknown clips that is taken for known where 95 % of known ones are."""
  threshold = np.percentile(known, 100 * (1 - _RECALL), method='lower')
  return float((unknown >= threshold).mean())
