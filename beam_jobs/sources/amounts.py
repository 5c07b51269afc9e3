"""How many clips `unknown=0.1` or `silence=500` mean in each split."""

import math
from collections.abc import Mapping

from schemas import errors


def check(name: str, amount: float) -> None:
  """Raises ConfigError unless `amount` is a share in [0, 1) or a whole number of clips."""
  if not (0 <= amount < math.inf) or (amount >= 1 and amount != math.floor(amount)):
    raise errors.ConfigError(
      f'{name} must be a share below 1 of the clips of the wanted words, or from 1 on a whole '
      f'number of clips, got {amount}.'
    )


def by_split(amount: float, sizes: Mapping[str, int]) -> dict[str, int]:
  """Returns the number of clips of each split.

  Args:
    amount: A share below 1 is taken of every split, rounded up. A number of clips is spread over
      the splits in their proportion, and what rounding leaves goes to the largest remainders.
    sizes: Clips of the wanted words by split.
  """
  total = sum(sizes.values())
  if not total:
    return {}
  if amount < 1:
    # Nine digits: 0.1 * 30 is a little more than 3.
    return {split: math.ceil(round(amount * size, 9)) for split, size in sizes.items()}
  exact = {split: int(amount) * size / total for split, size in sizes.items()}
  numbers = {split: math.floor(number) for split, number in exact.items()}
  by_remainder = sorted(sizes, key=lambda split: (numbers[split] - exact[split], split))
  for split in by_remainder[: int(amount) - sum(numbers.values())]:
    numbers[split] += 1
  return numbers
