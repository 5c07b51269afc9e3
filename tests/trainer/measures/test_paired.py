"""McNemar's test and Holm's correction, against SciPy, formulas of other libraries, and by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trainer.measures import paired

COUNTS = st.integers(0, 5_000)


@given(COUNTS, COUNTS)
def test_mcnemar_is_the_binomial_test_of_clips_that_one_model_has_right(first, second):
  found = paired.mcnemar(first, second)
  if first + second:
    assert found == pytest.approx(stats.binomtest(first, first + second).pvalue, rel=1e-9)
  assert found == paired.mcnemar(second, first)
  assert 0 < found <= 1 or abs(first - second) > 900


def test_mcnemar_by_hand():
  # 1 of 5 throws or fewer on either side: 2 (1 + 5) / 2^5.
  assert paired.mcnemar(1, 4) == pytest.approx(12 / 32)
  assert paired.mcnemar(0, 0) == paired.mcnemar(3, 3) == 1.0


@pytest.mark.parametrize(('first', 'second'), [(520, 480), (1_100, 950), (4_000, 4_321)])
def test_of_many_clips_it_is_that_of_chi_square(first, second):
  # As statsmodels has it: with the correction for continuity.
  statistic = (abs(first - second) - 1) ** 2 / (first + second)
  assert paired.mcnemar(first, second) == pytest.approx(stats.chi2.sf(statistic, 1), rel=0.02)


def test_holm_by_hand():
  # The example of Holm's step down: 3 x 0.01, 2 x 0.02, 1 x 0.03 which may not be less.
  assert paired.holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
  assert paired.holm([0.5, 0.9]) == [1.0, 1.0]
  assert paired.holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=5))
def test_holm_rejects_what_the_closed_test_by_bonferroni_rejects(p_values):
  found = paired.holm(p_values)
  for i, corrected in enumerate(found):
    groups = itertools.chain(
      *(itertools.combinations(range(len(p_values)), size) for size in range(1, len(p_values) + 1))
    )
    # Rejected where every group of hypotheses that it is in is.
    closed = max(
      min(1.0, len(group) * min(p_values[j] for j in group)) for group in groups if i in group
    )
    assert corrected == pytest.approx(closed)


def test_equally_good_models_are_told_apart_as_rarely_as_said():
  rng = np.random.default_rng(0)
  lost = rng.binomial(60, 0.5, 2_000)
  found = np.array([paired.mcnemar(int(count), 60 - int(count)) for count in lost])
  assert (found <= 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2_000)
