"""Confident learning against its paper, written down equation by equation."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import special

from tests.helpers import prediction_files
from trainer.suspects import confident_learning


def of_the_paper(probabilities, labels):
  """Thresholds, the label that each clip counts as (-1: none), the joint, its estimate.

  Equations (1) to (3) of Northcutt et al. 2021, with loops over clips and labels.
  """
  size = probabilities.shape[1]
  thresholds = {}
  for j in range(size):
    members = [x for x in range(len(labels)) if labels[x] == j]
    if members:
      thresholds[j] = sum(probabilities[x][j] for x in members) / len(members)
  confident = []
  joint = np.zeros((size, size))
  for x in range(len(labels)):
    passed = [j for j in thresholds if probabilities[x][j] >= thresholds[j]]
    confident.append(max(passed, key=lambda j: probabilities[x][j]) if passed else -1)
    if passed:
      joint[labels[x], confident[-1]] += 1
  estimate = np.zeros((size, size))
  for i in range(size):
    if joint[i].sum():
      estimate[i] = joint[i] / joint[i].sum() * sum(label == i for label in labels)
  return thresholds, confident, joint, estimate / len(labels)


def run(folder, labels, logits, names, **changes):
  reader = prediction_files.write(folder / 'p.parquet', names, labels, logits, **changes)
  thresholds = confident_learning.Thresholds(len(names))
  for batch in reader.batches():
    thresholds.add(batch, np.ones(len(batch), bool))
  joint = confident_learning.ConfidentJoint(thresholds.counts)
  found = []
  for batch in reader.batches():
    found.append(confident_learning.find(batch, thresholds.values))
    joint.add(batch.labels, found[-1].confident)
  return thresholds, found, joint


@hypothesis.settings(max_examples=25)
@hypothesis.given(
  num_labels=st.sampled_from([1, 2, 3, 10]),
  count=st.integers(1, 60),
  scale=st.sampled_from([0.5, 2.0, 8.0]),
  seed=st.integers(0, 2**32),
)
def test_it_is_what_the_paper_says(tmp_path_factory, num_labels, count, scale, seed):
  random = np.random.default_rng(seed)
  logits = (random.normal(size=(count, num_labels)) * scale).astype(np.float32)
  labels = random.integers(0, num_labels, count)
  folder = tmp_path_factory.mktemp('p')
  names = [f'word {i}' for i in range(num_labels)]
  thresholds, (found,), joint = run(folder, labels, logits, names)
  probabilities = special.softmax(logits.astype(np.float64), axis=1)
  wanted, confident, counts, estimate = of_the_paper(probabilities, labels.tolist())
  for label in range(num_labels):
    assert thresholds.values[label] == pytest.approx(wanted.get(label, np.inf))
  # A clip alone of its label lies on its own threshold, where rounding decides.
  on_edge = [any(abs(probabilities[x][j] - wanted[j]) < 1e-9 for j in wanted) for x in range(count)]
  off_edge = ~np.array(on_edge)
  assert found.confident[off_edge].tolist() == np.array(confident)[off_edge].tolist()
  rows = np.arange(count)
  np.testing.assert_allclose(found.label_probabilities, probabilities[rows, labels], atol=1e-6)
  if num_labels > 1:
    rest = probabilities.copy()
    rest[rows, labels] = -1
    np.testing.assert_allclose(found.other_probabilities, rest.max(axis=1), atol=1e-6)
    assert np.array_equal(found.others, rest.argmax(axis=1)) or np.allclose(
      rest[rows, found.others], rest.max(axis=1), atol=1e-6
    )
  if off_edge.all():
    assert {(pair.given, pair.confident): pair.count for pair in joint.pairs()} == {
      (i, j): counts[i, j]
      for i in range(num_labels)
      for j in range(num_labels)
      if i != j and counts[i, j]
    }
    off_diagonal = estimate.sum() - np.trace(estimate)
    assert joint.error_share() == pytest.approx(off_diagonal)


def test_of_many_labels_the_highest_logits_decide(tmp_path):
  random = np.random.default_rng(0)
  names = [f'word {i}' for i in range(260)]
  labels = random.integers(0, 260, 2_000)
  logits = random.normal(size=(2_000, 260)).astype(np.float32)
  logits[np.arange(2_000), labels] += 9
  wrong = np.arange(0, 2_000, 40)
  given = labels.copy()
  given[wrong] = (labels[wrong] + 7) % 260
  thresholds, found, joint = run(tmp_path, given, logits, names)
  probabilities = special.softmax(logits.astype(np.float64), axis=1)
  _, confident, _, _ = of_the_paper(probabilities, given.tolist())
  ours = np.concatenate([part.confident for part in found])
  assert np.mean(ours == confident) > 0.999
  assert set(np.flatnonzero(ours != given)) >= set(wrong)
  assert joint.error_share() == pytest.approx(0.025, abs=0.01)
  assert np.array_equal(np.concatenate([part.others for part in found])[wrong], labels[wrong])


def test_batches_make_no_difference(tmp_path, monkeypatch):
  from trainer.predictions import parquet_reader

  random = np.random.default_rng(1)
  logits = random.normal(size=(700, 4))
  labels = random.integers(0, 4, 700)
  one, _, whole = run(tmp_path, labels, logits, 'abcd')
  monkeypatch.setattr(parquet_reader, '_BATCH_ROWS', 64)
  many, found, parts = run(tmp_path, labels, logits, 'abcd')
  assert len(found) > 5
  np.testing.assert_allclose(one.values, many.values)
  assert whole.pairs() == parts.pairs()
