"""Temperature and reliability, against SciPy, by brute force, and on models that are too sure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from tests.helpers import prediction_files
from trainer.confidence import calibration, temperature
from trainer.judging.report import confidence_json
from trainer.predictions import log_sums


def honest(seed, *, clips=400, labels=5, scale=2.0):
  """Returns logits whose probabilities are right, and labels that are drawn from them."""
  random = np.random.default_rng(seed)
  logits = random.normal(size=(clips, labels)) * scale
  shares = special.softmax(logits, axis=1).cumsum(axis=1)
  truth = (random.random((clips, 1)) > shares).sum(axis=1).clip(0, labels - 1)
  return logits.astype(np.float32), truth


@pytest.fixture(scope='module')
def path(tmp_path_factory):
  return tmp_path_factory.mktemp('p') / 'predictions.parquet'


def written(path, truth, logits):
  return prediction_files.write(
    path, [f'word {i}' for i in range(logits.shape[1])], truth, logits, batch_size=150
  )


def by_scipy(truth, logits):
  """Returns the temperature of the lowest loss, by a search that knows no slopes."""

  def loss(logarithm):
    logs = special.log_softmax(logits.astype(np.float64) / np.exp(logarithm), axis=1)
    return -logs[np.arange(len(truth)), truth].mean()

  found = optimize.minimize_scalar(
    loss, bounds=np.log([1 / 16, 16]), method='bounded', options={'xatol': 1e-7}
  )
  return np.exp(found.x), found.fun


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(0.3, 6), labels=st.integers(2, 9))
def test_the_temperature_is_that_of_scipy_and_scales_with_the_logits(path, seed, factor, labels):
  logits, truth = honest(seed, labels=labels)
  one = temperature.fit(written(path, truth, logits))
  expected, loss = by_scipy(truth, logits)
  assert one.value == pytest.approx(expected, rel=1e-3)
  assert one.calibrated_loss == pytest.approx(loss, abs=1e-6)
  other = temperature.fit(written(path, truth, logits * np.float32(factor)))
  assert other.value == pytest.approx(factor * one.value, rel=1e-4)
  assert other.calibrated_loss == pytest.approx(one.calibrated_loss, abs=1e-6)
  assert not one.note + other.note


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(2, 6))
def test_a_model_that_is_too_sure_is_mended_on_clips_that_it_was_not_fitted_on(path, seed, factor):
  logits, truth = honest(seed, clips=4_000)
  too_sure = logits * np.float32(factor)
  fitted = temperature.fit(written(path, truth[:2_000], too_sure[:2_000]))
  before, after = calibration.Reliability(), calibration.Reliability(fitted.value)
  for batch in written(path, truth[2_000:], too_sure[2_000:]).batches():
    before.add(batch)
    after.add(batch)
  assert after.ece < before.ece / 2 and after.ece < 0.06
  assert after.loss < before.loss


def test_with_the_highest_logits_alone_it_is_nearly_the_same(path):
  random = np.random.default_rng(3)
  logits = random.normal(size=(600, 900)).astype(np.float32) * 2
  truth = random.integers(0, 900, 600)
  logits[np.arange(600), truth] += random.uniform(0, 16, 600).astype(np.float32)
  found = temperature.fit(written(path, truth, logits))
  expected, loss = by_scipy(truth, logits)
  assert found.value == pytest.approx(expected, rel=0.01)
  assert found.calibrated_loss == pytest.approx(loss, abs=0.003)


@pytest.mark.parametrize('scale', [1, 5, 20])
def test_interpolated_sums_are_nearly_exact(scale):
  random = np.random.default_rng(scale)
  logits = (random.normal(size=(50, 3_000)) * scale).astype(np.float32)
  logits[:, 0] += random.uniform(0, 10 * scale, 50)
  nodes = log_sums.at_nodes(logits)
  for inverse in np.geomspace(log_sums.LEAST, log_sums.MOST, 40):
    exact = log_sums.exact(logits, inverse).values
    np.testing.assert_allclose(log_sums.interpolated(nodes, inverse).values, exact, atol=0.01)


def test_the_slopes_of_sums_are_those_of_differences():
  logits = np.random.default_rng(0).normal(size=(9, 7)).astype(np.float32) * 3
  low, middle, high = (log_sums.exact(logits, b) for b in (0.7 - 1e-4, 0.7, 0.7 + 1e-4))
  np.testing.assert_allclose(middle.slopes, (high.values - low.values) / 2e-4, atol=1e-6)
  np.testing.assert_allclose(middle.curvatures, (high.slopes - low.slopes) / 2e-4, atol=1e-6)


@pytest.mark.parametrize(
  ('truth', 'logits', 'value', 'said'),
  [
    ([0, 1], [[2, 0], [0, 1]], 1, 'Every answer to the 2 clips is right'),
    ([0], [[3, 0]], 1, 'Every answer to the 1 clip is right'),
    ([0, 0], [[3], [1]], 1, 'Every answer to the 2 clips is right'),  # One label.
    ([0, 1], [[1, 1], [4, 4]], 1, 'finds all labels alike likely'),
    ([1, 1], [[3, 0], [9, 0]], 16, 'kept from 0.0625 to 16'),
    ([0] * 99 + [1], [[0.002, 0]] * 100, 0.0625, 'kept from 0.0625 to 16'),
  ],
)
def test_where_no_temperature_can_be_fitted_it_says_so(path, truth, logits, value, said):
  found = temperature.fit(written(path, truth, np.array(logits, np.float32)))
  assert found.value == value
  assert said in found.note


@given(
  st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
)
def test_the_error_is_that_of_the_definition(pairs):
  confidences, is_right = map(np.array, zip(*pairs, strict=True))
  found = calibration.Reliability()
  found.add_confidences(confidences, is_right)
  expected = 0.0
  for i in range(15):
    mine = (confidences > i / 15) & (confidences <= (i + 1) / 15)
    if not i:
      mine |= confidences == 0
    if mine.any():
      expected += mine.mean() * abs(is_right[mine].mean() - confidences[mine].mean())
  # At a border of two bins a rounding decides.
  if not np.any(np.isclose(confidences * 15 % 1, 0) | np.isclose(confidences * 15 % 1, 1)):
    assert found.ece == pytest.approx(expected)
  said = found.to_json()
  assert sum(one['num_examples'] for one in said['bins']) == len(pairs)
  assert all((one['accuracy'] is None) == (one['num_examples'] == 0) for one in said['bins'])


def test_it_is_said_plainly_where_the_temperature_made_it_worse():
  assert confidence_json.worse_note(0.05, 0.03, split='test') == ''
  assert confidence_json.worse_note(0.0501, 0.0502, split='test') == ''  # To a tenth the same.
  said = confidence_json.worse_note(0.019, 0.032, split='test')
  assert said.startswith('The temperature makes the calibration of test worse: its error (ECE) is ')
  assert '3.2 % at the temperature and 1.9 % without it' in said
