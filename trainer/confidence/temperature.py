"""The one number by which logits are divided, so that a model is right as often as it says.

Answers stay what they are: all logits are divided alike.

Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from pages import words
from trainer.predictions import log_sums, parquet_reader

LEAST, MOST = 1 / log_sums.MOST, 1 / log_sums.LEAST
# Of the logarithm of the temperature.
_TOLERANCE = 1e-5
_MOST_PASSES = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class Temperature:
  """What predictions say of it.

  Attributes:
    value: The temperature; 1 leaves probabilities as they are.
    loss: Mean cross-entropy without it, in nats.
    calibrated_loss: The same with it.
    note: What is to be said where it could not be fitted, or only in part; '' where it could.
  """

  value: float
  loss: float
  calibrated_loss: float
  note: str = ''


class _Sums(NamedTuple):
  """Of all clips, at one inverse temperature b: their mean loss and its derivatives by b."""

  num_examples: int
  num_correct: int
  loss: float
  slope: float
  curvature: float


def fit(predictions: parquet_reader.Reader) -> Temperature:
  """Returns the temperature with the lowest cross-entropy on predictions, of which there are some.

  The loss is convex in 1 / T. Its slope is brought to 0 by Newton's steps within a bracket, each a
  pass over the file, some five of them, in memory that does not grow with the clips.

  Where every answer is right the loss only falls as T goes to 0, which would say that the model is
  never wrong: then the temperature stays 1. It is kept from 1/16 to 16 in any case.
  """
  sums = before = _sums(predictions, 1.0)
  if before.num_correct == before.num_examples:
    clips = words.counted(before.num_examples, predictions.header.examples.removesuffix('s'))
    return _as_it_is(
      before,
      f'Every answer to the {clips} is right: the best temperature would be 0, and say that the '
      'model is never wrong. It stays 1.',
    )
  if before.curvature <= 0:
    return _as_it_is(before, 'The model finds all labels alike likely, at any temperature.')
  low, high = math.log(log_sums.LEAST), math.log(log_sums.MOST)
  place = 0.0
  for _ in range(_MOST_PASSES):
    low, high = (low, place) if sums.slope > 0 else (place, high)
    # At an end of the range Newton's step leads out of it, and the middles come to the end.
    step = math.exp(place) - sums.slope / sums.curvature if sums.curvature > 0 else 0.0
    following = math.log(step) if step > 0 else -math.inf
    if not low < following < high:
      following = (low + high) / 2
    is_found = abs(following - place) < _TOLERANCE
    place = following
    sums = _sums(predictions, math.exp(place))
    if is_found:
      break
  value, note = math.exp(-place), ''
  ends = [end for end in (LEAST, MOST) if abs(math.log(value / end)) < 100 * _TOLERANCE]
  if ends:
    value = ends[0]
    note = f'The temperature is kept from {LEAST:g} to {MOST:g}; the best one lies beyond.'
  return Temperature(value=value, loss=before.loss, calibrated_loss=sums.loss, note=note)


def _as_it_is(before: _Sums, note: str) -> Temperature:
  return Temperature(value=1.0, loss=before.loss, calibrated_loss=before.loss, note=note)


def _sums(predictions: parquet_reader.Reader, inverse_temperature: float) -> _Sums:
  count = num_correct = 0
  totals = np.zeros(3)  # Loss, slope, curvature.
  for batch in predictions.batches(parquet_reader.logit_columns(predictions.header)):
    found = batch.scaled_log_sums(inverse_temperature)
    below = batch.label_logits.astype(np.float64) - batch.highest_logits
    totals += [
      (found.values - inverse_temperature * below).sum(),
      (found.slopes - below).sum(),
      found.curvatures.sum(),
    ]
    count += len(batch)
    num_correct += int((batch.answers == batch.labels).sum())
  loss, slope, curvature = totals / max(1, count)
  return _Sums(count, num_correct, float(loss), float(slope), float(curvature))
