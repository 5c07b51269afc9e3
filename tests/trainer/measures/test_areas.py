"""Areas and detection, against scikit-learn and by hand; histograms within the bound they name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn import metrics

from trainer.measures import areas, detection, ranks, score_steps

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, *, num_labels=4, num_clips=60, ties=False):
  """Returns labels, logits and their log-sum-exps: some labels are well told apart, some badly."""
  draws = np.random.default_rng(seed)
  labels = np.concatenate([np.arange(num_labels), draws.integers(0, num_labels, num_clips)])
  logits = draws.normal(size=(len(labels), num_labels)) * 2
  logits[np.arange(len(labels)), labels] += draws.uniform(0, 4)
  if ties:
    logits = np.round(logits)
  return labels, logits.astype(np.float32), special.logsumexp(logits.astype(np.float64), axis=1)


def gathered(labels, logits, sums, *, batch_size=17, **changes):
  gatherer = score_steps.Gatherer(logits.shape[1], **changes)
  for start in range(0, len(labels), batch_size):
    part = slice(start, start + batch_size)
    gatherer.add(labels[part], logits[part], sums[part])
  return gatherer


def probabilities(logits, sums):
  # Sums of the same numbers in another order differ in the last digits.
  return np.round(np.exp(logits - sums[:, np.newaxis]), 12)


@given(SEEDS, st.booleans())
@settings(max_examples=25)
def test_areas_are_those_of_scikit_learn(seed, ties):
  labels, logits, sums = drawn(seed, ties=ties)
  gatherer = gathered(labels, logits, sums)
  scores = probabilities(logits, sums)
  found = [areas.roc_auc(gatherer.steps(i)) for i in range(4)]
  precisions = [areas.average_precision(gatherer.steps(i)) for i in range(4)]
  for i in range(4):
    expected = metrics.roc_auc_score(labels == i, scores[:, i])
    assert found[i] == (pytest.approx(expected), 0.0)
    expected = metrics.average_precision_score(labels == i, scores[:, i])
    assert precisions[i] == (pytest.approx(expected), 0.0)
  counts = np.bincount(labels, minlength=4)
  auc, precision = (areas.mean([one for one, _ in some], counts) for some in (found, precisions))
  for average in ('macro', 'weighted'):
    assert auc[average] == pytest.approx(
      metrics.roc_auc_score(labels, scores, multi_class='ovr', average=average)
    )
    assert precision[average] == pytest.approx(
      metrics.average_precision_score(np.eye(4)[labels], scores, average=average)
    )


@given(SEEDS, st.booleans(), st.sampled_from([1, 10_000]))
@settings(max_examples=25)
def test_histograms_are_wrong_by_no_more_than_they_say(seed, ties, spread):
  labels, logits, sums = drawn(seed, ties=ties, num_clips=400)
  # The narrower the scores, the fewer bins they are in, and the larger the bound.
  logits, sums = logits / spread, special.logsumexp(logits / spread, axis=1)
  exact = gathered(labels, logits, sums)
  binned = gathered(labels, logits, sums, exact_numbers=100)
  for i in range(4):
    for area in (areas.roc_auc, areas.average_precision):
      value, bound = area(binned.steps(i))
      assert abs(value - area(exact.steps(i))[0]) <= bound + 1e-12
      assert bound < 0.02 or spread > 1


def test_of_hopelessly_many_clips_the_bound_is_small_and_memory_stays():
  labels, logits, sums = drawn(1, num_clips=50_000)
  binned = gathered(labels, logits, sums, exact_numbers=100, batch_size=10_000)
  for i in range(4):
    steps = binned.steps(i)
    assert len(steps.thresholds) <= score_steps.NUM_BINS
    assert max(areas.roc_auc(steps)[1], areas.average_precision(steps)[1]) < 2e-3


def test_sure_answers_are_told_apart_where_their_probabilities_are_all_1():
  # Odds of e^50 and e^60 are both 1 as probabilities, beyond what is counted; those of e^30 not.
  odds = score_steps.log_odds(np.array([-np.exp(-30.0), -np.exp(-32.0), -800.0]))
  np.testing.assert_allclose(odds, [30, 32, -800])
  assert np.isfinite(score_steps.log_odds(np.zeros(1))).all()


def test_nothing_is_told_apart_where_one_kind_is_missing():
  labels, logits, sums = drawn(2)
  gatherer = gathered(np.ones_like(labels), logits, sums)
  assert not gatherer.steps(0).has_both
  assert not gatherer.steps(1).has_both
  assert areas.mean([None, None], [1, 1]) is None
  assert areas.mean([None, 0.5], [1, 1]) == {'macro': 0.5, 'weighted': 0.5}


@given(SEEDS, st.sampled_from([1, 3, 5]))
@settings(max_examples=25)
def test_the_top_k_are_those_of_scikit_learn(seed, k):
  labels, logits, _ = drawn(seed, num_labels=7)
  found = (ranks.of_labels(labels, logits) < k).mean()
  assert found == pytest.approx(metrics.top_k_accuracy_score(labels, logits, k=k, labels=range(7)))
  top = np.argsort(-logits, axis=1)[:, :5]
  assert (ranks.of_top(labels, top) < k).mean() == pytest.approx(found)


def test_equal_logits_rank_in_the_order_of_labels_as_argmax_has_them():
  logits = np.zeros([3, 3], np.float32)
  assert ranks.of_labels(np.arange(3), logits).tolist() == [0, 1, 2]


@given(SEEDS, st.sampled_from(detection.RECALLS))
@settings(max_examples=25)
def test_the_threshold_is_the_highest_that_finds_as_many(seed, recall):
  labels, logits, sums = drawn(seed)
  found = detection.at_recall(gathered(labels, logits, sums).steps(0), recall)
  scores = probabilities(logits, sums)[:, 0]
  own = np.sort(scores[labels == 0])[::-1]
  threshold = own[int(np.ceil(round(recall * len(own), 9))) - 1]
  assert found.probability == pytest.approx(threshold)
  assert found.recall == pytest.approx((own >= threshold).mean())
  assert found.recall >= recall - 1e-9
  assert found.num_false_alarms == (scores[labels != 0] >= threshold).sum()


def test_a_share_of_ten_is_a_whole_number_of_clips():
  steps = score_steps.exact_steps(np.arange(20) % 2 == 0, -np.arange(20.0))
  assert detection.at_recall(steps, 0.9).recall == 0.9
  assert detection.at_recall(steps, 0.9).num_false_alarms == 8


@given(SEEDS)
@settings(max_examples=25)
def test_the_curve_is_that_of_scikit_learn(seed):
  labels, logits, sums = drawn(seed)
  steps = gathered(labels, logits, sums).steps(0)
  alarms, rejections = detection.curve(steps, most=1_000)
  their_alarms, their_rejections, _ = metrics.det_curve(
    labels == 0, probabilities(logits, sums)[:, 0]
  )
  ours = {(round(a, 9), round(r, 9)) for a, r in zip(alarms, rejections, strict=True)}
  theirs = {(round(a, 9), round(r, 9)) for a, r in zip(their_alarms, their_rejections, strict=True)}
  # scikit-learn leaves out where nothing is found, and points behind the last miss.
  assert {one for one in theirs if one[1] < 1} <= ours
  few = detection.curve(steps, most=10)
  assert len(few[0]) <= 10
  assert {(round(a, 9), round(r, 9)) for a, r in zip(*few, strict=True)} <= ours
