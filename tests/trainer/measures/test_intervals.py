"""Intervals hold the truth as often as they say, and mean what they say."""

import numpy as np
import pytest
from scipy import sparse, stats

from trainer.measures import group_bootstrap, intervals

NUM_DATA_SETS = 400
# By chance a sound interval of 95 % is outside of these about once in 200 times.
LEAST, MOST = 0.92, 0.98


def voices(draws, count, *, correlated=False):
  """Returns clips and right ones of each voice: of different sizes, some hard to understand."""
  accuracies = draws.beta(8, 2, count)
  sizes = draws.integers(3, 60, count)
  if correlated:  # Who is understood well has more clips.
    sizes = np.where(accuracies > 0.8, 2 * sizes, sizes)
  return sizes, draws.binomial(sizes, accuracies), accuracies


def covered(ends, truth):
  return np.mean([low <= truth <= high for low, high in ends])


@pytest.mark.parametrize('num_voices', [30, 80])
def test_intervals_of_an_accuracy_hold_the_truth_19_times_in_20(num_voices):
  draws = np.random.default_rng(num_voices)
  ends = []
  for _ in range(NUM_DATA_SETS):
    sizes, right, _ = voices(draws, num_voices)
    sums = np.stack([right, sizes], axis=1)
    ends.append(group_bootstrap.interval(sums, intervals.quotient, num_resamples=1_000))
  assert LEAST <= covered(ends, 0.8) <= MOST


def test_over_clips_they_would_not():
  draws = np.random.default_rng(1)
  ends = []
  for _ in range(NUM_DATA_SETS):
    sizes, right, _ = voices(draws, 30)
    ends.append(intervals.wilson(right.sum(), sizes.sum()))
  assert covered(ends, 0.8) < 0.8


def test_paired_differences_hold_the_truth_19_times_in_20():
  draws = np.random.default_rng(2)
  ends = []
  for _ in range(NUM_DATA_SETS):
    sizes, first, accuracies = voices(draws, 35)
    second = draws.binomial(sizes, 0.9 * accuracies)
    sums = np.stack([first, second, sizes], axis=1)
    ends.append(group_bootstrap.interval(sums, intervals.difference, num_resamples=500))
  assert LEAST <= covered(ends, -0.1 * 0.8) <= MOST


def test_a_paired_difference_is_told_more_narrowly_than_two_accuracies():
  draws = np.random.default_rng(3)
  sizes, right, _ = voices(draws, 30)
  better = np.minimum(sizes, right + 1)
  low, high = group_bootstrap.interval(
    np.stack([right, better, sizes], axis=1), intervals.difference
  )
  assert 0 < low < high < 0.1
  one, other = intervals.share(right, sizes), intervals.share(better, sizes)
  assert one[1] > other[0]


def test_groups_of_one_example_give_about_the_interval_over_examples():
  right = np.arange(500) % 5 > 0
  found = intervals.share(right, np.ones(500))
  np.testing.assert_allclose(found, intervals.wilson(400, 500), atol=0.01)


def test_it_is_about_that_of_scipy():
  draws = np.random.default_rng(4)
  sizes, right, _ = voices(draws, 200)

  def accuracy(right, sizes, axis=-1):
    return right.sum(axis=axis) / sizes.sum(axis=axis)

  theirs = stats.bootstrap(
    (right, sizes), accuracy, paired=True, method='BCa', n_resamples=2_000, rng=0
  ).confidence_interval
  np.testing.assert_allclose(intervals.share(right, sizes), theirs, atol=0.005)


def test_the_same_sums_give_the_same_interval_sparse_or_dense_in_parts_or_whole(monkeypatch):
  draws = np.random.default_rng(5)
  sizes, right, _ = voices(draws, 40)
  sums = np.stack([right, sizes], axis=1)
  whole = group_bootstrap.interval(sums, intervals.quotient)
  assert whole == group_bootstrap.interval(sparse.csr_array(sums), intervals.quotient)
  monkeypatch.setattr(group_bootstrap, '_PART_NUMBERS', 1_000)
  assert whole == group_bootstrap.interval(sums, intervals.quotient)
  assert whole != group_bootstrap.interval(sums, intervals.quotient, seed=1)


def test_several_values_are_each_as_if_alone_and_one_without_a_value_has_no_interval():
  draws = np.random.default_rng(6)
  sizes, right, _ = voices(draws, 20)
  sums = np.stack([right, sizes], axis=1)

  def three(sums):
    shares = intervals.quotient(sums)
    return np.stack([shares, 1 - shares, np.full(len(sums), np.nan)], axis=1)

  low, high = group_bootstrap.intervals(sums, three)
  alone = group_bootstrap.interval(sums, intervals.quotient)
  np.testing.assert_allclose((low[0], high[0]), alone, rtol=1e-12)
  np.testing.assert_allclose((1 - high[1], 1 - low[1]), alone, atol=1e-3)
  assert np.isnan(low[2]) and np.isnan(high[2])


@pytest.mark.parametrize(('right', 'expected'), [(7, (0.7719, 1.0)), (0, (0.0, 0.2281))])
def test_of_voices_that_are_all_alike_the_interval_is_that_of_so_many_examples(right, expected):
  found = intervals.share(np.full(13, right), np.full(13, 7))
  np.testing.assert_allclose(found, expected, atol=1e-4)


def test_few_groups_have_none():
  with pytest.raises(ValueError, match='9 groups'):
    intervals.share(np.ones(9), np.full(9, 2))


def test_sums_are_by_group():
  sums = group_bootstrap.by_group([2, 0, 2], [[1, 5], [1, 6], [0, 7]], num_groups=3)
  assert sums.tolist() == [[1, 6], [0, 0], [1, 12]]


@pytest.mark.parametrize(
  ('right', 'total', 'low', 'high'),
  # Wilson's formula by hand with z = 1.959964.
  [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_over_examples_is_wilsons(right, total, low, high):
  np.testing.assert_allclose(intervals.wilson(right, total), (low, high), atol=1e-4)
