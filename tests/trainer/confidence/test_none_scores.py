"""Scores for "none of these": against scikit-learn, and what a run keeps of them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from sklearn import metrics

from schemas import errors, json_form
from tests.helpers import prediction_files
from trainer.confidence import caution, fitted, none_scores

SCORES = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=30)


@given(SCORES, SCORES)
def test_the_area_is_that_of_scikit_learn(known, unknown):
  truth = [1] * len(known) + [0] * len(unknown)
  found = none_scores.auroc(np.array(known), np.array(unknown))
  assert found == pytest.approx(metrics.roc_auc_score(truth, known + unknown))


@given(SCORES, SCORES)
def test_the_false_positive_rate_is_that_of_scikit_learn(known, unknown):
  truth = [1] * len(known) + [0] * len(unknown)
  rates, recalls, _ = metrics.roc_curve(truth, known + unknown, drop_intermediate=False)
  found = none_scores.false_positive_rate(np.array(known), np.array(unknown))
  assert found == pytest.approx(rates[recalls >= 0.95].min())


def of(path, logits, **changes):
  labels = [f'word {i}' for i in range(np.shape(logits)[1])]
  return prediction_files.write(path, labels, [0] * len(logits), logits, **changes)


@pytest.mark.parametrize('num_labels', [4, 300])
def test_scores_of_a_file_are_those_of_its_logits(tmp_path, num_labels):
  logits = np.random.default_rng(0).normal(size=(50, num_labels)).astype(np.float32) * 3
  found = none_scores.of_file(of(tmp_path / 'p', logits))
  for name, scores in none_scores.of_logits(logits).items():
    np.testing.assert_allclose(found[name], scores, rtol=1e-5)
  np.testing.assert_allclose(found['softmax'], special.softmax(logits, axis=1).max(axis=1), 1e-5)
  np.testing.assert_allclose(found['energy'], special.logsumexp(logits, axis=1), 1e-5)


@pytest.mark.parametrize('wanted', [0, 0.01, 0.05, 0.33, 0.9])
def test_a_threshold_costs_no_more_known_clips_than_wanted(tmp_path, wanted):
  logits = np.random.default_rng(1).normal(size=(1_000, 4)).astype(np.float32) * 3
  found = fitted.fit(of(tmp_path / 'p', logits))
  for name in none_scores.SCORES:
    scores = none_scores.of_logits(logits)[name]
    assert wanted - 0.005 <= (scores < found.threshold(name, wanted)).mean() <= wanted


def test_what_is_kept_comes_back_and_is_what_caution_goes_by(tmp_path):
  logits = np.random.default_rng(1).normal(size=(1_000, 4)).astype(np.float32) * 3
  found = fitted.fit(of(tmp_path / 'p', logits))
  path = tmp_path / 'confidence.json'
  path.write_text(json_form.dumps(found.to_json()))
  assert fitted.load(str(path)) == found
  careful = caution.of_run(str(path), calibrated=True, score='energy', false_rejections=0.1)
  assert careful.rejects(logits).mean() == pytest.approx(0.1, abs=0.002)
  scaled = special.softmax(logits.astype(np.float64) / found.temperature, axis=1)
  np.testing.assert_allclose(careful.probabilities(logits), scaled)
  plain = caution.of_run(str(path), calibrated=False)
  assert not plain.rejects(logits).any()
  np.testing.assert_allclose(plain.probabilities(logits), special.softmax(logits, axis=1), 1e-5)


def test_energies_of_logarithms_of_probabilities_say_nothing(tmp_path):
  logits = np.random.default_rng(1).normal(size=(100, 4)) * 3
  found = fitted.fit(of(tmp_path / 'p', special.log_softmax(logits, axis=1)))
  assert found.scores == ('softmax',)
  path = tmp_path / 'confidence.json'
  path.write_text(json_form.dumps(found.to_json()))
  with pytest.raises(errors.ConfigError, match='--none_score=energy: the logits of this model are'):
    caution.of_run(str(path), calibrated=False, score='energy')


def test_a_threshold_of_less_than_a_clip_is_called_rough(tmp_path):
  path = tmp_path / 'confidence.json'
  found = fitted.fit(of(tmp_path / 'p', np.eye(3)))
  path.write_text(json_form.dumps(found.to_json()))
  assert 'the 3 clips of the test split is less than one' in (
    caution.of_run(str(path), calibrated=False, score='softmax').note
  )
  assert not caution.of_run(str(path), calibrated=False, score='softmax', false_rejections=0.4).note


@pytest.mark.parametrize(
  'damage',
  [
    lambda fields: '{',
    lambda fields: '[]',
    lambda fields: json.dumps({**fields, 'temperature': 'warm'}),
    lambda fields: json.dumps({**fields, 'temperature': 0}),
    lambda fields: json.dumps({**fields, 'softmax_percentiles': [0.5]}),
    lambda fields: json.dumps({**fields, 'energy_percentiles': [0.5]}),
    lambda fields: json.dumps({**fields, 'confidence_version': 9}),
    lambda fields: json.dumps({**fields, 'temperature': 1e-300}),
    lambda fields: json.dumps({**fields, 'num_examples': -5}),
    lambda fields: json.dumps({**fields, 'softmax_percentiles': [1.0] + [0.5] * 100}),
    lambda fields: json.dumps({**fields, 'softmax_percentiles': []}),
  ],
)
def test_a_damaged_file_is_said(tmp_path, damage):
  path = tmp_path / 'confidence.json'
  assert fitted.load(str(path)) is None
  fields = fitted.fit(of(tmp_path / 'p', np.eye(3))).to_json()
  path.write_text(damage(fields))
  with pytest.raises(errors.ConfigError, match='Remove it and write it again'):
    fitted.load(str(path))
