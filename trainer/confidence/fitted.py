"""What the validation split says of a model's probabilities: confidence.json of a run.

Whoever answers with the model reads it: prediction, an export, a page.
"""

import dataclasses
import json
import os

import numpy as np
from numpy.typing import NDArray

from schemas import errors, json_form
from trainer.confidence import none_scores
from trainer.confidence import temperature as temperature_lib
from trainer.predictions import log_sums, parquet_reader
from trainer.runs import run_folder

# Bump with every change of a name or a meaning in confidence.json.
CONFIDENCE_VERSION = 2
_OLDER = 1  # Does not say of which model it is.
FALSE_REJECTIONS = 0.05
_DIGITS = 9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confidence(json_form.Fields):
  """What was fitted to predictions that the model was not trained on.

  Attributes:
    checkpoint: Of which model of the run.
    split: On which split.
    num_examples: Its clips.
    temperature: What logits are divided by before they become probabilities.
    temperature_note: What is to be said of it, or ''.
    loss: Mean cross-entropy on the split as the model is, in nats.
    calibrated_loss: The same at the temperature.
    softmax_percentiles: The scores of none_scores below which 0, 1, ..., 100 % of the clips lie.
    energy_percentiles: The same; () where the energies of all clips are one.
    checkpoint_sha256: Of the file of the model; '' where nobody says.
    confidence_version: See CONFIDENCE_VERSION.
  """

  checkpoint: str
  split: str
  num_examples: int
  temperature: float
  temperature_note: str
  loss: float
  calibrated_loss: float
  softmax_percentiles: tuple[float, ...]
  energy_percentiles: tuple[float, ...]
  checkpoint_sha256: str = ''
  confidence_version: int = CONFIDENCE_VERSION

  @property
  def scores(self) -> tuple[str, ...]:
    """The scores of none_scores that have a threshold."""
    return tuple(name for name in none_scores.SCORES if self.percentiles(name))

  def threshold(self, score: str, false_rejections: float = FALSE_REJECTIONS) -> float:
    """Returns what clips are rejected below.

    Args:
      score: One of `scores`.
      false_rejections: The share of clips of known labels that may be rejected by it.
    """
    return float(np.interp(100 * false_rejections, np.arange(101), self.percentiles(score)))

  def percentiles(self, score: str) -> tuple[float, ...]:
    """Returns those of one of none_scores.SCORES."""
    return {
      none_scores.SOFTMAX: self.softmax_percentiles,
      none_scores.ENERGY: self.energy_percentiles,
    }[score]


def fit(predictions: parquet_reader.Reader, *, checkpoint_sha256: str = '') -> Confidence:
  """Returns what predictions say, of which there are some. 16 bytes a clip are held.

  Args:
    predictions: Of clips that the model was not trained on.
    checkpoint_sha256: Of the file of the model; '' where there is none.
  """
  found = temperature_lib.fit(predictions)
  scores = none_scores.of_file(predictions)
  energies = scores[none_scores.ENERGY]
  return Confidence(
    checkpoint=predictions.header.checkpoint,
    split=predictions.header.split,
    num_examples=predictions.num_examples,
    temperature=round(found.value, _DIGITS),
    temperature_note=found.note,
    loss=round(found.loss, _DIGITS),
    calibrated_loss=round(found.calibrated_loss, _DIGITS),
    softmax_percentiles=_percentiles(scores[none_scores.SOFTMAX]),
    energy_percentiles=(_percentiles(energies) if none_scores.says_something(energies) else ()),
    checkpoint_sha256=checkpoint_sha256,
  )


def load(path: str) -> Confidence | None:
  """Returns what a file says; None where there is none.

  Raises:
    ConfigError: if it cannot be read, is of another version, or of another model than the run's.
  """
  try:
    with open(path, encoding='utf-8') as stream:
      said = json.load(stream)
    is_older = isinstance(said, dict) and said.get('confidence_version') == _OLDER
    found = Confidence.from_json(said, where=path, is_older=is_older)
    if fault := _fault(found):
      raise errors.SchemaError(fault)
  except FileNotFoundError:
    return None
  except (OSError, ValueError, RecursionError, errors.SchemaError) as error:
    raise errors.ConfigError(
      f'{path!r} cannot be read ({str(error).rstrip(".")}). {_again(path)}'
    ) from error
  _check_model(found, path)
  return found


def _check_model(found: Confidence, path: str) -> None:
  """Raises ConfigError if a file was fitted to another model than the one that lies beside it."""
  digest = run_folder.RunFolder(os.path.dirname(path)).best_digest()
  if found.checkpoint_sha256 and digest and digest != found.checkpoint_sha256:
    raise errors.ConfigError(
      f'{path!r} is of another model than that of the run: its temperature and thresholds were '
      f'found for a checkpoint whose SHA-256 begins with {found.checkpoint_sha256[:8]}, and that '
      f'of the run with {digest[:8]}. {_again(path)}'
    )


def _again(path: str) -> str:
  return (
    'Remove it and write it again: '
    f'python -m trainer.evaluate --run_dir={os.path.dirname(path) or os.curdir}.'
  )


def _fault(found: Confidence) -> str:
  """Returns what cannot be true of fitted values; '' if nothing."""
  if found.confidence_version not in (_OLDER, CONFIDENCE_VERSION):
    return (
      f'it is of version {found.confidence_version}, and this program reads {CONFIDENCE_VERSION}'
    )
  lowest, highest = 1 / log_sums.MOST, 1 / log_sums.LEAST
  if not lowest <= found.temperature <= highest:
    return (
      f'the temperature lies between {lowest:g} and {highest:g}, and it says {found.temperature:g}'
    )
  if found.num_examples < 1:
    return f'it is of {found.num_examples:,} clips'
  if not found.softmax_percentiles:
    return 'softmax_percentiles are missing'
  for name in none_scores.SCORES:
    values = found.percentiles(name)
    if len(values) not in (0, 101) or any(np.diff(values) < 0):
      return f'{name}_percentiles are no 101 numbers that rise'
  return ''


def _percentiles(scores: NDArray[np.float64]) -> tuple[float, ...]:
  # Down: who is as sure as the least sure of those that were accepted is not rejected.
  found = np.floor(none_scores.percentiles(scores) * 10**_DIGITS) / 10**_DIGITS
  return tuple(found.tolist())
