"""Sparse counts, and those of speakers, against plain ones."""

import collections

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from trainer.measures import sparse_counts, speaker_counts

KEYS = st.lists(st.lists(st.integers(0, 2**40), max_size=30), max_size=5)


@given(KEYS)
def test_sparse_counts_are_those_of_a_counter(parts):
  counts = sparse_counts.SparseCounts()
  for part in parts:
    counts.add(np.array(part, np.int64))
    counts.counted()  # Asked for in between, nothing is counted twice.
  expected = sorted(collections.Counter(key for part in parts for key in part).items())
  assert list(zip(*map(np.ndarray.tolist, counts.counted()), strict=True)) == expected
  assert counts.num_dropped == 0


def test_of_too_many_the_rarer_half_is_dropped_and_counted():
  counts = sparse_counts.SparseCounts(most_held=4)
  counts.add(np.array([7, 7, 7, 5, 5, 1, 2, 3]))
  keys, found = counts.counted()
  assert (keys.tolist(), found.tolist()) == ([5, 7], [2, 3])
  assert counts.num_dropped == 3


def counted(speakers, labels, answers, *, num_labels=3, batch_size=50):
  found = speaker_counts.SpeakerCounts(num_labels)
  for start in range(0, len(labels), batch_size):
    part = slice(start, start + batch_size)
    names, places = np.unique(speakers[part], return_inverse=True)
    found.add(names.tolist(), places, labels[part], answers[part])
  return found


def clips(seed, *, num_voices=30, num_labels=3):
  """Returns speakers, labels and answers: who is hard to understand is so for every label."""
  draws = np.random.default_rng(seed)
  sizes = draws.integers(5, 40, num_voices)
  speakers = np.repeat([f'voice {i}' for i in range(num_voices)], sizes)
  labels = draws.integers(0, num_labels, len(speakers))
  is_right = draws.random(len(speakers)) < np.repeat(draws.beta(8, 2, num_voices), sizes)
  others = (labels + draws.integers(1, num_labels, len(speakers))) % num_labels
  return speakers, labels, np.where(is_right, labels, others)


def test_speakers_are_counted():
  speakers, labels, answers = clips(0)
  found = counted(speakers, labels, answers)
  expected = collections.Counter(speakers.tolist())
  assert dict(zip(found.names, found.examples.tolist(), strict=True)) == expected
  right = collections.Counter(speakers[labels == answers].tolist())
  assert {name: n for name, n in zip(found.names, found.right.tolist(), strict=True) if n} == right
  voices, noises = found.groups_of_labels()
  assert not noises.any()
  for label, count in enumerate(voices):
    assert count == len(set(speakers[labels == label]))


def test_intervals_of_macro_f1_hold_the_truth_19_times_in_20():
  # Labels are as frequent, and wrong answers too: precision, recall and F1 are all 0.8.
  hits = []
  for seed in range(400):
    found = counted(*clips(seed), batch_size=10_000)
    low, high = found.f1_intervals(with_labels=False, num_resamples=500).macro
    hits.append(low <= 0.8 <= high)
  assert 0.92 <= np.mean(hits) <= 0.98


def test_of_labels_with_a_few_clips_each_the_interval_is_about_what_was_found():
  speakers, labels, answers = clips(4, num_voices=100, num_labels=400)
  found = counted(speakers, labels, answers, num_labels=400)
  low, high = found.f1_intervals(with_labels=False).macro
  present = np.unique(labels)
  score = metrics.f1_score(labels, answers, labels=present, average='macro')
  # Draws lie below it for the most; BCa would stretch the interval to the other side.
  assert abs((low + high) / 2 - score) < 0.05 * (high - low)


def test_a_label_of_few_speakers_has_no_interval():
  speakers, labels, answers = clips(1)
  few = np.isin(speakers, [f'voice {i}' for i in range(9)])
  labels = np.where(few, labels, labels % 2)  # The third label is of 9 voices only.
  found = counted(speakers, labels, answers).f1_intervals(with_labels=True)
  for ends in (found.precision, found.recall, found.f1):
    assert np.isfinite(ends[:, :2]).all()
    assert (ends[0, :2] < ends[1, :2]).all()
    assert np.isnan(ends[:, 2]).all()
  alone = counted(speakers, labels, answers).f1_intervals(with_labels=False)
  np.testing.assert_allclose(alone.macro, found.macro)


def test_few_speakers_have_no_interval():
  speakers, labels, answers = clips(2, num_voices=9)
  found = counted(speakers, labels, answers)
  assert found.f1_intervals(with_labels=True) is None
  assert found.accuracy_interval() is None


def test_of_too_many_speakers_and_labels_f1_has_no_interval(monkeypatch):
  monkeypatch.setattr(speaker_counts, '_MOST_NUMBERS', 100)
  found = counted(*clips(3))
  assert found.f1_intervals(with_labels=True) is None
  assert found.groups_of_labels() is None
  assert found.accuracy_interval() is not None
