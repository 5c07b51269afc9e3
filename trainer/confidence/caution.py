"""What is made of logits by who answers carefully: calibrated probabilities, or no label at all.

Prediction, an export and a page answer by the same object.
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np
from numpy.typing import NDArray
from scipy import special

from exports.export_file import NONE as NONE
from schemas import errors
from trainer.confidence import fitted, none_scores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caution:
  """How logits become an answer; by default as without any.

  Attributes:
    temperature: What they are divided by before they become probabilities.
    score: One of none_scores.SCORES, of the logits as they are; '' where all is answered.
    threshold: Below this score no label is answered.
    note: What is to be said of it, sentences, or ''.
  """

  temperature: float = 1.0
  score: str = ''
  threshold: float = 0.0
  note: str = ''

  def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the probabilities of logits, [..., labels]."""
    scaled = logits.astype(np.float64) / self.temperature
    result: NDArray[np.float64] = special.softmax(scaled, axis=-1)
    return result

  def rejects(self, logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Returns whether none of the labels is answered, [clips], for logits [clips, labels]."""
    if not self.score:
      return np.zeros(len(logits), bool)
    scores = none_scores.of_logits(logits)[self.score]
    below: NDArray[np.bool_] = scores < self.threshold
    return below


def of_run(
  path: str,
  *,
  calibrated: bool,
  score: str = '',
  false_rejections: float = fitted.FALSE_REJECTIONS,
) -> Caution:
  """Returns how the best model of a run answers.

  Args:
    path: confidence.json of the run.
    calibrated: Whether probabilities are those at the run's temperature.
    score: What "none of these" goes by; '' where it is no answer.
    false_rejections: The share of clips with a known label that it may cost.

  Raises:
    ConfigError: if the run does not say.
  """
  if not calibrated and not score:
    return Caution()
  found = fitted.load(path)
  if found is None:
    wanted = '--calibrated' if calibrated else '--none_of_these'
    run_dir = os.path.dirname(path)
    raise errors.ConfigError(
      f'{wanted} needs what the validation split says of the model, and the run in {run_dir!r} has '
      f'no {os.path.basename(path)}. `python -m trainer.evaluate --run_dir={run_dir}` writes it, '
      'where the data set of the training has a validation split.'
    )
  if score and score not in found.scores:
    raise errors.ConfigError(
      f'--none_score={score}: the logits of this model are logarithms of probabilities, whose '
      f'energy is the same for whatever it hears. Write --none_score={none_scores.SOFTMAX}.'
    )
  notes = [found.temperature_note] if calibrated and found.temperature_note else []
  if score and false_rejections * found.num_examples < 1:
    notes.append(
      f'--false_rejections={false_rejections:g} of the '
      f'{errors.counted(found.num_examples, "clip")} of the {found.split} split is less than one: '
      'the threshold lies at about the lowest score among them, and is rough.'
    )
  return Caution(
    temperature=found.temperature if calibrated else 1.0,
    score=score,
    threshold=found.threshold(score, false_rejections) if score else 0.0,
    note=' '.join(notes),
  )
