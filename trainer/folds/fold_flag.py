"""What --folds asks for: by what records are divided, and into how many parts."""

from __future__ import annotations

import dataclasses

from schemas import errors, medium

SPEAKER, FIELD = 'speaker', 'field'
_ALL = 'all'
_WANTED = (
  'speaker:5 (five parts, no voice in two of them), speaker:all (each voice a part) or '
  'field:take:5 (the same by what records say of `take`)'
)
# What --help says of --folds and --fold, in every program that has them.
HELP = (
  'Cross-validation: divide all records of the data set into parts and train a run for each, '
  'which is judged on that part and never meets its voices. speaker:5: five parts; speaker:all: '
  'each voice is one; field:take:5: by what records say of `take`. One report over all.'
)
HELP_OF_ONE = (
  'Of --folds: train this one alone, from 0. What the process of each fold is started with'
)
# What is held for each fold is small, but somebody must train them.
MOST_FOLDS = 9_999


@dataclasses.dataclass(frozen=True, kw_only=True)
class Division:
  """How records are divided.

  Attributes:
    by: SPEAKER or FIELD.
    field: The name of the field.
    count: How many folds; 0: as many as there are values.
  """

  by: str
  field: str = ''
  count: int = 0

  def noun(self, examples: str) -> str:
    """Returns what there is one of for each value."""
    return medium.voice(examples) if self.by == SPEAKER else f'value of {self.field!r}'

  def counted(self, number: int, examples: str) -> str:
    """Returns such as `4 voices`, or `1 value of 'take'`; of pictures `4 groups`."""
    if self.by == SPEAKER:
      return errors.counted(number, medium.voice(examples))
    return f'{errors.counted(number, "value")} of {self.field!r}'


def parse(text: str) -> Division:
  """Returns what --folds says, such as `speaker:5`.

  Raises:
    ConfigError: if it says no such thing, or asks for a single fold.
  """
  kind, _, rest = text.partition(':')
  field = ''
  if kind == FIELD:
    field, _, rest = rest.rpartition(':')
  if kind not in (SPEAKER, FIELD) or (kind == FIELD) != bool(field):
    raise errors.ConfigError(f'--folds: expected {_WANTED}, got {text!r}.')
  if rest == _ALL:
    return Division(by=kind, field=field)
  if not (rest.isascii() and rest.isdecimal()):
    raise errors.ConfigError(f'--folds: expected {_WANTED}, got {text!r}.')
  count = int(rest)
  if not 2 <= count <= MOST_FOLDS:
    why = 'what is judged must be other than what is learned from' if count < 2 else 'each is a run'
    raise errors.ConfigError(
      f'--folds={text}: expected from 2 to {MOST_FOLDS:,} folds, as {why}; got {count:,}.'
    )
  return Division(by=kind, field=field, count=count)


def check(text: str, *, fold: int | None, parallel: int) -> None:
  """Raises ConfigError for flags of folds that say nothing, or not together.

  Args:
    text: --folds; '' for none.
    fold: --fold.
    parallel: --parallel_folds.
  """
  if not text:
    for name, value in (('fold', fold), ('parallel_folds', parallel or None)):
      if value is not None:
        raise errors.ConfigError(
          f'--{name}={value} has no effect without --folds. Say into what to divide the data '
          '(--folds=speaker:5), or leave it away.'
        )
    return
  division = parse(text)
  if fold is not None and division.count and fold >= division.count:
    raise no_such_fold(fold, division.count, text)


def no_such_fold(fold: int, count: int, text: str) -> errors.ConfigError:
  """Returns what is said of a fold that is not there."""
  return errors.ConfigError(
    f'--fold={fold}: --folds={text} makes {count:,} folds, numbered 0 to {count - 1:,}.'
  )
