"""What a report says of probabilities: `calibration`, and `none_of_these`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pages import words
from tfrecords import held_out
from trainer.confidence import calibration, fitted, none_scores
from trainer.predictions import header as header_lib
from trainer.predictions import parquet_reader


def worse_note(as_it_is: float, calibrated: float, *, split: str) -> str:
  """Returns a sentence where the temperature made calibration worse; '' where it did not.

  Args:
    as_it_is: The calibration error (ECE).
    calibrated: That at the temperature.
    split: Where both were measured.
  """
  before, after = words.share(as_it_is), words.share(calibrated)
  if calibrated <= as_it_is or before == after:
    return ''
  return (
    f'The temperature makes the calibration of {split} worse: its error (ECE) is {after} at the '
    f'temperature and {before} without it. Take the probabilities as they are.'
  )


class Gathered:
  """What the two keys need, batch by batch.

  With an `unknown` file 16 bytes a clip are held, the two scores; without nothing grows.
  """

  def __init__(
    self,
    header: header_lib.Header,
    confidence: fitted.Confidence | None,
    *,
    unknown: parquet_reader.Reader | None = None,
    why_none: str = '',
  ) -> None:
    """Takes what the predictions are of, and what validation said.

    Args:
      header: Of the predictions.
      confidence: What was fitted on validation; None where nothing was.
      unknown: Predictions for clips of labels that the model does not know.
      why_none: Why there is no `confidence`, a sentence.
    """
    self._header = header
    self._confidence = confidence
    self._unknown = unknown
    self._why_none = why_none
    self._as_it_is = calibration.Reliability()
    self._calibrated = calibration.Reliability(confidence.temperature) if confidence else None
    self._num_rejected = dict.fromkeys(none_scores.SCORES, 0)
    self._scores: list[tuple[NDArray[np.float64], ...]] = []

  def add(self, batch: parquet_reader.Batch) -> None:
    """Counts some clips, whose labels the model knows."""
    self._as_it_is.add(batch)
    if self._calibrated:
      self._calibrated.add(batch)
    scores = none_scores.of_batch(batch)
    for name in self._confidence.scores if self._confidence else ():
      threshold = self._confidence.threshold(name) if self._confidence else 0.0
      self._num_rejected[name] += int((scores[name] < threshold).sum())
    if self._unknown:
      self._scores.append(tuple(scores[name] for name in none_scores.SCORES))

  def to_json(self) -> dict[str, Any]:
    """Returns the keys of the report."""
    return {'calibration': self._calibration(), 'none_of_these': self._none_of_these()}

  def _calibration(self) -> dict[str, Any]:
    found: dict[str, Any] = {**self._as_it_is.to_json(), 'temperature': None, 'calibrated': None}
    if self._confidence and self._calibrated:
      found['temperature'] = self._confidence.temperature
      found['fitted_on'] = self._fitted_on(self._confidence)
      found['calibrated'] = self._calibrated.to_json()
    found['note'] = self._confidence.temperature_note if self._confidence else self._why_none
    if found['calibrated']:
      worse = worse_note(found['ece'], found['calibrated']['ece'], split=self._header.split)
      found['note'] = ' '.join(filter(None, (found['note'], worse)))
    return found

  def _none_of_these(self) -> dict[str, Any]:
    labels = self._header.labels
    found: dict[str, Any] = {
      'missing_labels': []
      if any(map(held_out.is_catch_all, labels))
      else list(held_out.CATCH_ALLS),
      'note': '' if self._confidence else self._why_none,
      'scores': {},
      'unknown': None,
    }
    if self._confidence:
      count = max(1, self._as_it_is.num_examples)
      found['false_rejections'] = fitted.FALSE_REJECTIONS
      found['fitted_on'] = self._fitted_on(self._confidence)
      found['scores'] = {
        name: {
          'threshold': self._confidence.threshold(name),
          'falsely_rejected': self._num_rejected[name] / count,
        }
        for name in self._confidence.scores
      }
    if self._unknown and self._scores:
      found['unknown'] = self._of_unknown(self._unknown)
    return found

  def _of_unknown(self, unknown: parquet_reader.Reader) -> dict[str, Any]:
    known = map(np.concatenate, zip(*self._scores, strict=True))
    theirs = none_scores.of_file(unknown)
    scores: dict[str, Any] = {}
    for name, mine in zip(none_scores.SCORES, known, strict=True):
      if not none_scores.says_something(np.concatenate([mine, theirs[name]])):
        continue
      rejected = None
      if self._confidence and name in self._confidence.scores:
        rejected = float((theirs[name] < self._confidence.threshold(name)).mean())
      scores[name] = {
        'auroc': none_scores.auroc(mine, theirs[name]),
        'false_positive_rate_95': none_scores.false_positive_rate(mine, theirs[name]),
        'rejected': rejected,
      }
    return {
      'labels': list(unknown.header.unknown_labels),
      'num_examples': unknown.num_examples,
      'scores': scores,
    }

  def _fitted_on(self, confidence: fitted.Confidence) -> dict[str, Any]:
    return {
      'split': confidence.split,
      'num_examples': confidence.num_examples,
      'is_this_split': confidence.split == self._header.split,
    }
