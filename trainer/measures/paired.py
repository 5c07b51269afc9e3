"""Whether one of two models is better on the same clips, by those that only one has right."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import special


def mcnemar(first_alone: int, second_alone: int) -> float:
  """Returns the p-value of the exact test of McNemar, two-sided.

  If both models were equally good, each clip that only one has right would be the first's or the
  second's like the throw of a coin. The binomial distribution gives the exact probability of a
  split as uneven as this one or more, for few clips and for many: so the approximation by
  chi-square is not needed. Clips are taken for independent, which those of one voice are not: with
  several clips of each the p-value is too small.

  Sources: McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions or
  Percentages" (1947); the exact form as in Agresti, "Categorical Data Analysis" (2002), 10.1.

  Args:
    first_alone: Clips that the first has right and the second wrong.
    second_alone: The other way round.
  """
  one_sided = special.bdtr(min(first_alone, second_alone), first_alone + second_alone, 0.5)
  return float(min(1.0, 2 * one_sided))


def holm(p_values: Sequence[float]) -> list[float]:
  """Returns p-values of several tests, corrected so that one error in any of them is as rare.

  Of many comparisons some look large by chance. Each may be held against the same limit behind
  this as it would alone.

  Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979).
  """
  order = sorted(range(len(p_values)), key=lambda i: p_values[i])
  found, largest = [0.0] * len(p_values), 0.0
  for rank, i in enumerate(order):
    largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
    found[i] = largest
  return found
