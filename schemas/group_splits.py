"""Which split each group (such as a speaker) goes to by its hash: the data job's rule.

The trainer follows it where it reads raw files, so that both judge on the same voices.
"""

from collections.abc import Collection

from schemas import splits, stable_hash

# With fewer groups than this, shares are met by rank, not by chance.
FEW_GROUPS = 30
# The strictest first: a group that a corpus lists in two splits goes whole to the first of these.
STRICT_ORDER = (splits.TEST, splits.VALIDATION, splits.TRAIN)


def official(listed: Collection[str]) -> str:
  """Returns the split of a group whose clips are listed in these; '' if in none."""
  return next((split for split in STRICT_ORDER if split in listed), '')


def hashed(text: str, fractions: splits.SplitFractions, seed: int) -> str:
  """Returns the split of a text by its hash alone."""
  return fractions.split_of(_unit(text, seed))


def hashed_groups(
  groups: Collection[str], filled: Collection[str], fractions: splits.SplitFractions, seed: int
) -> dict[str, str]:
  """Hashes groups into splits, each for itself: a new speaker moves no other.

  Few groups would not meet the fractions that way (of 4 speakers, 2 may fall into a test split of
  10 %, and none into validation). They are cut by the rank of their hash instead.

  Args:
    groups: Their names.
    filled: Splits that have groups already.
    fractions: Shares of the groups.
    seed: Salts the hash.
  """
  unit = {group: _unit(group, seed) for group in groups}
  result = {group: fractions.split_of(unit[group]) for group in groups}
  wanted = {
    split
    for split, share in (
      (splits.TRAIN, 1.0),
      (splits.TEST, fractions.test),
      (splits.VALIDATION, fractions.validation),
    )
    if share and split not in filled
  }
  if len(groups) >= FEW_GROUPS and wanted <= set(result.values()):
    return result
  ranked = sorted(groups, key=lambda group: (unit[group], group))
  sizes = _sizes(len(ranked), fractions, keep=int(splits.TRAIN in wanted))
  names = [splits.TEST] * sizes[0] + [splits.VALIDATION] * sizes[1]
  names += [splits.TRAIN] * (len(ranked) - len(names))
  return dict(zip(ranked, names, strict=True))


def _unit(text: str, seed: int) -> float:
  return stable_hash.unit_interval(text, salt=f'split{seed}')


def _sizes(num_groups: int, fractions: splits.SplitFractions, *, keep: int) -> tuple[int, int]:
  """Returns how many groups go to test and to validation; `keep` at least stay in train."""

  def size(share: float, most: int) -> int:
    return min(max(1, round(share * num_groups)) if share else 0, max(0, most))

  test = size(fractions.test, num_groups - keep)
  return test, size(fractions.validation, num_groups - keep - test)
