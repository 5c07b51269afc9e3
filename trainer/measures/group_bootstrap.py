"""95 % intervals by drawing groups again, with replacement: whole speakers, not clips.

Clips of a voice are right or wrong together, so an interval over clips is too narrow. Here a group
comes with all its clips or not at all; what is known of it are sums, so that a draw is a product of
counts and sums, and no clip is looked at twice.

Sources: Davison & Hinkley, "Bootstrap Methods and their Application" (1997), 3.8: whole groups are
drawn, and nothing inside of them. Efron, "Better Bootstrap Confidence Intervals" (1987): BCa, which
corrects bias and skewness. Hesterberg, "What Teachers Should Know about the Bootstrap" (2014): of
few groups that is too narrow, so the percentiles are moved out as Student's t has them.

A mean over labels of a few clips each is another in every draw than of all clips: there one clip is
there twice, and another not. Where draws lie on one side of what was found, BCa would move the
interval away from it; there it is the standard one, so many deviations of the draws to either side
(Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, 12.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, special, stats

# Of fewer groups no interval is worth its name: show each instead.
MIN_GROUPS = 10
LEVEL = 0.95
NUM_RESAMPLES = 2_000

# Sums of some resamples, float64 [resamples, k], to what is wanted, [resamples] or [resamples, m].
# NaN where it has no value.
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# In deviations of a normal distribution: beyond 31 % and 69 % of the draws below what was found.
_MOST_BIAS = 0.5

# What a part of the resamples may take, in numbers of 8 bytes.
_PART_NUMBERS = 1 << 21


def interval(
  sums: ArrayLike | sparse.sparray,
  statistic: Statistic,
  *,
  num_resamples: int = NUM_RESAMPLES,
  seed: int = 0,
) -> tuple[float, float]:
  """Returns the low and the high end of the 95 % interval of a statistic; NaN where it has none.

  A difference of two models on the same clips is a statistic of the sums of both, side by side:
  so it is paired. Where every draw gives the same (all clips right) both ends are that;
  intervals.accuracy knows better.

  Args:
    sums: What is known of each group, [groups, k]; dense, or sparse by rows.
    statistic: Of the sums over drawn groups.
    num_resamples: How often groups are drawn.
    seed: The same seed, the same interval.
  """
  low, high = intervals(sums, statistic, num_resamples=num_resamples, seed=seed)
  return float(low[0]), float(high[0])


def intervals(
  sums: ArrayLike | sparse.sparray,
  statistic: Statistic,
  *,
  num_resamples: int = NUM_RESAMPLES,
  seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
  """Returns as `interval`, for a statistic of several values: the low and the high ends, [m].

  Raises:
    ValueError: if there are fewer than MIN_GROUPS groups.
  """
  rows = sparse.csr_array(sums) if sparse.issparse(sums) else np.asarray(sums, np.float64)
  num_groups = rows.shape[0]
  if num_groups < MIN_GROUPS:
    raise ValueError(f'{num_groups} groups give no interval; {MIN_GROUPS} do')
  total = np.asarray(rows.sum(axis=0), np.float64).reshape(1, -1)
  found = _columns(statistic(total))[0]
  drawn = _resampled(rows, statistic, num_resamples=num_resamples, seed=seed)
  without = _without_each(rows, total, statistic)
  return _bca_ends(found, drawn, without, num_groups=num_groups)


def by_group(groups: ArrayLike, values: ArrayLike, *, num_groups: int) -> NDArray[np.float64]:
  """Returns the sums of the values of each group, float64 [groups, k].

  Args:
    groups: Index of the group of each example, [examples].
    values: [examples, k] or [examples].
    num_groups: How many groups there are.
  """
  indices, columns = np.asarray(groups, np.int64), _columns(np.asarray(values, np.float64))
  return np.stack(
    [np.bincount(indices, weights=column, minlength=num_groups) for column in columns.T], axis=1
  )


def _resampled(
  rows: Any, statistic: Statistic, *, num_resamples: int, seed: int
) -> NDArray[np.float64]:
  """Returns the statistic of groups drawn again, [resamples, m]."""
  draws = np.random.default_rng(seed)
  num_groups, width = rows.shape
  part = max(1, min(num_resamples, _PART_NUMBERS // (num_groups + width)))
  found = []
  for start in range(0, num_resamples, part):
    size = min(part, num_resamples - start)
    chosen = draws.integers(num_groups, size=(size, num_groups))
    chosen += np.arange(size)[:, np.newaxis] * num_groups
    counts = np.bincount(chosen.reshape(-1), minlength=size * num_groups)
    # Sums of whole numbers are exact in any order, so that the same draws give the same bits.
    sums = counts.reshape(size, num_groups).astype(np.float64) @ rows
    found.append(_columns(statistic(np.asarray(sums))))
  return np.concatenate(found)


def _without_each(
  rows: Any, total: NDArray[np.float64], statistic: Statistic
) -> NDArray[np.float64]:
  """Returns the statistic with each group left out in turn, [groups, m]: the jackknife."""
  part = max(1, _PART_NUMBERS // rows.shape[1])
  found = []
  for start in range(0, rows.shape[0], part):
    some = rows[start : start + part]
    found.append(_columns(statistic(total - (some.toarray() if sparse.issparse(some) else some))))
  return np.concatenate(found)


def _bca_ends(
  found: NDArray[np.float64],
  drawn: NDArray[np.float64],
  without: NDArray[np.float64],
  *,
  num_groups: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
  """Returns the ends of each column, [m].

  Args:
    found: The statistic of all groups, [m].
    drawn: That of each draw, [resamples, m]; NaN where it has none.
    without: That without each group, [groups, m]; likewise.
    num_groups: How many there are.
  """
  is_known = np.isfinite(drawn)
  num_known = is_known.sum(axis=0)
  below = (is_known & (drawn < found)).sum(axis=0) + (drawn == found).sum(axis=0) / 2
  # Never 0 nor 1, of which the bias would be infinite.
  share = np.clip(below, 0.5, np.maximum(num_known - 0.5, 0.5)) / np.maximum(num_known, 1)
  bias = special.ndtri(share)
  is_there = np.isfinite(without)
  held = np.where(is_there, without, 0.0)
  mean = held.sum(axis=0) / np.maximum(is_there.sum(axis=0), 1)
  away = np.where(is_there, mean - without, 0.0)
  spread = (away**2).sum(axis=0) ** 1.5
  skew = np.divide((away**3).sum(axis=0), 6 * spread, out=np.zeros_like(spread), where=spread > 0)
  reach = stats.t.ppf((1 + LEVEL) / 2, num_groups - 1) * np.sqrt(num_groups / (num_groups - 1))
  ordered = np.sort(drawn, axis=0)  # NaN at the end.
  ends = []
  for side in (-reach, reach):
    moved = bias + side
    level = special.ndtr(bias + moved / np.maximum(1 - skew * moved, 1e-3))
    straight = found + np.sign(side) * reach * _deviations(drawn, is_known)
    percentiles = _percentiles(ordered, level, num_known)
    ends.append(np.where(np.abs(bias) <= _MOST_BIAS, percentiles, straight))
  return ends[0], ends[1]


def _deviations(drawn: NDArray[np.float64], is_known: NDArray[np.bool_]) -> NDArray[np.float64]:
  """Returns the standard deviation of what is known of each column; NaN of nothing."""
  count = is_known.sum(axis=0)
  mean = np.where(is_known, drawn, 0).sum(axis=0) / np.maximum(count, 1)
  squares = np.where(is_known, drawn - mean, 0) ** 2
  return np.where(count > 0, np.sqrt(squares.sum(axis=0) / np.maximum(count, 1)), np.nan)


def _percentiles(
  ordered: NDArray[np.float64], levels: NDArray[np.float64], num_known: NDArray[np.int64]
) -> NDArray[np.float64]:
  """Returns of each column the value at its level, between neighbours by a straight line; [m]."""
  columns = np.arange(ordered.shape[1])
  place = np.clip(levels, 0, 1) * np.maximum(num_known - 1, 0)
  left = np.floor(place).astype(np.int64)
  right = np.minimum(left + 1, np.maximum(num_known - 1, 0))
  low, high = ordered[left, columns], ordered[right, columns]
  ends: NDArray[np.float64] = low + (high - low) * (place - left)
  return np.where(num_known > 0, ends, np.nan)


def _columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
  return values[:, np.newaxis] if values.ndim == 1 else values
