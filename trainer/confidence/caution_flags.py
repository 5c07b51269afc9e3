"""The flags by which a program answers carefully: a base of the config classes of all that do."""

from __future__ import annotations

import dataclasses

from schemas import errors, limits
from tfrecords import command_line
from trainer.confidence import caution as caution_lib
from trainer.confidence import fitted, none_scores


@dataclasses.dataclass(frozen=True, kw_only=True)
class CautionFlags:
  """One field per flag."""

  calibrated: bool = command_line.flag(
    False,
    'Say probabilities that are right as often as they say: logits are divided by the temperature '
    'that the run found on its validation split (Guo et al. 2017). Answers stay the same.',
    idle_with=('format=submission', 'format=kaggle'),  # Of programs that know them.
  )
  none_of_these: bool = command_line.flag(
    False,
    f'Answer {caution_lib.NONE!r} where the score of a clip lies below a threshold of the run, '
    'which it found on its validation split.',
  )
  none_score: str = command_line.flag(
    none_scores.SOFTMAX,
    'The score of --none_of_these. softmax: the probability of the answer (Hendrycks and Gimpel '
    '2017); energy: log-sum-exp of the logits (Liu et al. 2020).',
    choices=none_scores.SCORES,
    needs=('none_of_these',),
  )
  false_rejections: float = command_line.flag(
    fitted.FALSE_REJECTIONS,
    'The share of clips with a label that the model knows which --none_of_these may cost.',
    limits=limits.within(0, 1),
    needs=('none_of_these',),
  )

  def check_caution(self, *, other_checkpoint: str = '') -> None:
    """Raises ConfigError for flags that do not go together.

    Args:
      other_checkpoint: What --checkpoint names; '' for the best one.
    """
    if other_checkpoint and self._asks:
      raise errors.ConfigError(
        f'{self._asks}: temperature and thresholds are those of the best checkpoint, got '
        f'--checkpoint={other_checkpoint}. Leave one of them away.'
      )

  def check_export(self, folder: str) -> None:
    """Raises ConfigError if something is asked of an export, which answers as it was made."""
    if self._asks:
      raise errors.ConfigError(
        f'{self._asks}: the export in {folder!r} answers as it was made. Leave the flag away, or '
        f'export the run again: python -m trainer.export {self._asks} --overwrite.'
      )

  def caution(self, confidence_file: str) -> caution_lib.Caution:
    """Returns how the best model of a run answers.

    Raises:
      ConfigError: if the run does not say.
    """
    return caution_lib.of_run(
      confidence_file,
      calibrated=self.calibrated,
      score=self.none_score if self.none_of_these else '',
      false_rejections=self.false_rejections,
    )

  @property
  def _asks(self) -> str:
    """The first of the two flags that is given, or ''."""
    return '--calibrated' * self.calibrated or '--none_of_these' * self.none_of_these
