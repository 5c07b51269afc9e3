"""The three splits, how much of a corpus goes into each, and by which rule.

A group (such as a speaker) goes to a split by its hash: the data job's rule, which the trainer
follows where it reads raw files, so that both judge on the same voices.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from schemas import errors, stable_hash

TRAIN = 'train'
VALIDATION = 'validation'
TEST = 'test'
SPLITS = (TRAIN, VALIDATION, TEST)
# With fewer groups than this, shares are met by rank, not by chance.
FEW_GROUPS = 30
# The strictest first: a group that a corpus lists in two splits goes whole to the first of these.
STRICT_ORDER = (TEST, VALIDATION, TRAIN)

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
# Of these nobody can tell by the name alone: where there is a test split they are validation.
_EITHER = ('eval', 'evaluation')


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


def is_name(name: str) -> bool:
  """Whether a folder or a value is named like a split."""
  return name.strip().lower() in (*SPLIT_OF, *_EITHER)


def by_name(names: Iterable[str]) -> dict[str, str]:
  """Returns the split of each of the names that are named like one."""
  known = {name: name.strip().lower() for name in names if is_name(name)}
  has_test = TEST in map(SPLIT_OF.get, known.values())
  either = VALIDATION if has_test else TEST
  return {name: SPLIT_OF.get(lowered, either) for name, lowered in known.items()}


def official(listed: Collection[str]) -> str:
  """Returns the split of a group whose clips are listed in these; '' if in none."""
  return next((split for split in STRICT_ORDER if split in listed), '')


def hashed(text: str, fractions: SplitFractions, seed: int, *, start: float = 0.0) -> str:
  """Returns the split of a text by its hash alone; `start` is as in hashed_groups."""
  return fractions.split_of(_turned(text, seed, start))


def start_behind(groups: Collection[str], seed: int) -> float:
  """Returns where the ring of hashes begins behind those of `groups`; 0 without any.

  Who leaves out one voice after the other names a test voice in each fold. Were validation drawn by
  the hash as it is, two folds would train on the same voices: each would have the other's test
  voice for validation. Drawn from what follows the last of the named on the ring, they never do:
  what a fold does not train on is the named and the stretch of the ring behind their last, and two
  such stretches that hold each other's named go around the whole ring and leave nothing to train.
  """
  return max((_unit(group, seed) for group in groups), default=0.0)


def hashed_groups(
  groups: Collection[str],
  filled: Collection[str],
  fractions: SplitFractions,
  seed: int,
  *,
  start: float = 0.0,
) -> dict[str, str]:
  """Hashes groups into splits, each for itself: a new speaker moves no other.

  Few groups would not meet the fractions that way (of 4 speakers, 2 may fall into a test split of
  10 %, and none into validation). They are cut by the rank of their hash instead.

  Args:
    groups: Their names.
    filled: Splits that have groups already.
    fractions: Shares of the groups.
    seed: Salts the hash.
    start: The hash at which the ring of hashes begins, of start_behind.
  """
  unit = {group: _turned(group, seed, start) for group in groups}
  result = {group: fractions.split_of(unit[group]) for group in groups}
  wanted = {
    split
    for split, share in (
      (TRAIN, 1.0),
      (TEST, fractions.test),
      (VALIDATION, fractions.validation),
    )
    if share and split not in filled
  }
  if len(groups) >= FEW_GROUPS and wanted <= set(result.values()):
    return result
  ranked = sorted(groups, key=lambda group: (unit[group], group))
  sizes = _sizes(len(ranked), fractions, keep=int(TRAIN in wanted))
  names = [TEST] * sizes[0] + [VALIDATION] * sizes[1]
  names += [TRAIN] * (len(ranked) - len(names))
  return dict(zip(ranked, names, strict=True))


def hashed_apart(
  groups: Collection[str],
  given: Mapping[str, str],
  fractions: SplitFractions,
  seed: int,
  *,
  noises: Collection[str],
  start: float = 0.0,
) -> dict[str, str]:
  """Hashes voices as hashed_groups does, and recordings of noise apart from them.

  Dealt out together, noises could take the places of the few voices in a split, or voices theirs.
  Noises go to splits with voices alone.

  Args:
    groups: Their names.
    given: The splits of groups that have one already.
    fractions: Shares of the voices, and of the noises.
    seed: Salts the hash.
    noises: Which groups, hashed or given, are recordings of noise.
    start: As in hashed_groups.
  """
  heard = {split for group, split in given.items() if group not in noises}
  voices = [group for group in groups if group not in noises]
  result = hashed_groups(voices, heard, fractions, seed, start=start)
  heard |= set(result.values())
  if heard:
    fractions = SplitFractions(
      validation=fractions.validation * (VALIDATION in heard), test=fractions.test * (TEST in heard)
    )
  mine = [group for group in groups if group in noises]
  filled = {split for group, split in given.items() if group in noises}
  return result | hashed_groups(mine, filled, fractions, seed, start=start)


def _unit(text: str, seed: int) -> float:
  return stable_hash.unit_interval(text, salt=f'split{seed}')


def _turned(text: str, seed: int, start: float) -> float:
  # Exact: both are multiples of 2**-53 in [0, 1).
  return (_unit(text, seed) - start) % 1.0


def _sizes(num_groups: int, fractions: SplitFractions, *, keep: int) -> tuple[int, int]:
  """Returns how many groups go to test and to validation; `keep` at least stay in train."""

  def size(share: float, most: int) -> int:
    return min(max(1, round(share * num_groups)) if share else 0, max(0, most))

  test = size(fractions.test, num_groups - keep)
  return test, size(fractions.validation, num_groups - keep - test)
