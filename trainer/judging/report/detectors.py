"""Each label as a detector among all others: areas under its curves, false alarms, DET curve."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.judging.report import tally
from trainer.measures import areas, detection, score_steps


@dataclasses.dataclass(frozen=True, kw_only=True)
class Detector:
  """One label against the rest.

  Attributes:
    roc_auc, average_precision: See areas; None where there are not clips of both kinds.
    error_bound: By how much either may be wrong.
    operations: What it takes to find a share of the label's clips, by that share.
    det: False alarms and false rejections at falling thresholds, shares, [2, points].
    hours: How long the clips of other labels are, all together; None where nobody says.
  """

  roc_auc: float | None = None
  average_precision: float | None = None
  error_bound: float = 0.0
  operations: dict[float, detection.Operation] = dataclasses.field(default_factory=dict)
  det: NDArray[np.float64] | None = None
  hours: float | None = None

  def to_json(self) -> dict[str, Any]:
    """Returns what stands in the report beside the label's other numbers."""
    found: dict[str, Any] = {
      'roc_auc': self.roc_auc,
      'average_precision': self.average_precision,
      'detection': None,
    }
    if self.det is not None:
      alarms, rejections = self.det.tolist()
      found['detection'] = {
        'hours_of_others': self.hours,
        'at_recall': {
          f'{wanted:g}': self._operation(operation) for wanted, operation in self.operations.items()
        },
        'det': {'false_alarms': alarms, 'false_rejections': rejections},
      }
    return found

  def _operation(self, operation: detection.Operation) -> dict[str, Any]:
    return {
      'threshold': operation.probability,
      'recall': operation.recall,
      'num_false_alarms': operation.num_false_alarms,
      'false_alarms_per_hour': operation.num_false_alarms / self.hours if self.hours else None,
    }


def of(tallied: tally.Tally) -> list[Detector] | None:
  """Returns the detectors of all labels; None where the predictions lack what they are made of."""
  if tallied.scores is None:
    return None
  seconds = tallied.seconds
  found = []
  for label in range(len(tallied.header.labels)):
    hours = None
    if seconds is not None:
      hours = float(seconds.sum() - seconds[label]) / detection.SECONDS_PER_HOUR
    found.append(_detector(tallied.scores.steps(label), hours))
  return found


def _detector(steps: score_steps.Steps, hours: float | None) -> Detector:
  if not steps.has_both:
    return Detector(hours=hours)
  area, area_bound = areas.roc_auc(steps)
  precision, precision_bound = areas.average_precision(steps)
  return Detector(
    roc_auc=area,
    average_precision=precision,
    error_bound=max(area_bound, precision_bound),
    operations={recall: detection.at_recall(steps, recall) for recall in detection.RECALLS},
    det=np.stack(detection.curve(steps)),
    hours=hours,
  )
