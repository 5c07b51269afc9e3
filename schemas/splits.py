"""The three splits and how much of a corpus goes into each."""

import dataclasses
from collections.abc import Mapping

from schemas import errors

TRAIN = 'train'
VALIDATION = 'validation'
TEST = 'test'
SPLITS = (TRAIN, VALIDATION, TEST)

# The names that official splits go by, in small letters.
SPLIT_OF: Mapping[str, str] = {
  'train': TRAIN,
  'training': TRAIN,
  'validation': VALIDATION,
  'valid': VALIDATION,
  'val': VALIDATION,
  'dev': VALIDATION,
  'test': TEST,
  'testing': TEST,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitFractions:
  """Shares of the speakers; train gets what the two others leave.

  Attributes:
    validation: Share in [0, 1).
    test: Share in [0, 1).
  """

  validation: float = 0.1
  test: float = 0.1

  def __post_init__(self) -> None:
    if not (0 <= self.validation < 1 and 0 <= self.test < 1 and self.validation + self.test < 1):
      raise errors.SchemaError(
        'Split fractions must be in [0, 1) and leave something for train, got '
        f'validation={self.validation} and test={self.test}.'
      )

  def split_of(self, unit: float) -> str:
    """Returns the split of a speaker whose hash is `unit` in [0, 1): test first, train last."""
    if unit < self.test:
      return TEST
    if unit < self.test + self.validation:
      return VALIDATION
    return TRAIN
