"""What speaks against clips beside their label: twins, sounds that are unusual, and the order."""

import dataclasses

import numpy as np
import pytest

from features.decoding import cutting
from tests.helpers import datasets, tiny_manifest
from tfrecords.wire import codec
from trainer.suspects import near_duplicates, ranking, stored_clips, unlike_label


def fingerprints(count, *, seed=0):
  return np.random.default_rng(seed).normal(size=(count, 32)).astype(np.float16)


def test_equal_clips_with_other_labels_are_twins_and_the_rarer_label_is_the_likelier_error():
  digests = np.array([7, 7, 7, 8, 8, 9, 0, 0], np.uint64)
  labels = np.array([1, 1, 2, 3, 3, 1, 1, 2])
  found = near_duplicates.find(digests, fingerprints(8), labels)
  np.testing.assert_allclose(found.other_share, [1 / 3, 1 / 3, 2 / 3, 0, 0, 0, 0, 0])
  assert found.twins.tolist() == [2, 2, 0, -1, -1, -1, -1, -1]
  assert found.is_equal.tolist() == [True, True, True, False, False, False, False, False]


def test_near_ones_are_found_among_many():
  values = fingerprints(4_000)
  labels = np.random.default_rng(1).integers(0, 5, 4_000)
  noise = np.random.default_rng(2).normal(size=(40, 32)) * 0.02
  first, second = np.arange(40), np.arange(2_000, 2_040)
  values[second] = (values[first] + noise).astype(np.float16)
  labels[second] = (labels[first] + 1) % 5
  labels[second[0]] = labels[first[0]]  # With the same label it contradicts nothing.
  found = near_duplicates.find(np.arange(1, 4_001, dtype=np.uint64), values, labels)
  assert np.array_equal(found.twins[first[1:]], second[1:])
  assert np.array_equal(found.twins[second[1:]], first[1:])
  assert not found.is_equal.any()
  others = np.ones(4_000, bool)
  others[np.r_[first[1:], second[1:]]] = False
  assert (found.twins[others] == near_duplicates.NONE).all()
  assert (found.other_share[others] == 0).all()


@pytest.mark.parametrize('count', [0, 1, 2])
def test_few_clips(count):
  digests = np.arange(1, count + 1, dtype=np.uint64)
  found = near_duplicates.find(digests, fingerprints(count), np.zeros(count, np.int64))
  assert (found.twins == near_duplicates.NONE).all()
  assert not unlike_label.find(fingerprints(count).astype(np.float32), np.zeros(count, int)).any()


def test_clips_far_from_their_label_are_unlike_it():
  values = fingerprints(300).astype(np.float32)
  labels = np.arange(300) % 3
  values[labels == 1] += 4
  values[[6, 9]] += 30
  assert np.flatnonzero(unlike_label.find(values, labels)).tolist() == [6, 9]


def test_silence_is_no_fault_of_a_label_that_means_it():
  is_silent = np.array([True, True, True, False, True, False, False, False])
  labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
  found = ranking.unusually_silent(is_silent, labels, 3)
  assert np.flatnonzero(found).tolist() == [4]


def evidence(**changes):
  nothing = np.zeros(4, bool)
  fields = {
    'margins': np.array([1.0, -1.0, 0.0, 1.0]),
    'is_label_error': np.array([False, True, False, False]),
    'label_probabilities': np.array([1.0, 0.0, 0.5, 1.0]),
    'num_labels': 2,
    'other_share': np.zeros(4),
    'has_equal': nothing,
    'flags': {ranking.SILENT: nothing, ranking.CLIPPED: nothing, ranking.UNLIKE_LABEL: nothing},
  }
  return ranking.Evidence(**{**fields, **changes})


def test_what_speaks_against_a_clip_adds_up():
  np.testing.assert_allclose(ranking.scores(evidence()), [0, 1, 0.5, 0])
  silent = {**evidence().flags, ranking.SILENT: np.array([True, True, True, False])}
  twins = {'other_share': np.array([0, 0, 0, 0.5]), 'has_equal': np.array([False] * 3 + [True])}
  found = ranking.scores(evidence(flags=silent, **twins))
  np.testing.assert_allclose(found, [0.9, 1, 0.95, 0.5])
  reasons = ranking.reasons(evidence(flags=silent, **twins))
  assert list(reasons) == list(ranking.REASONS)
  true_of = {name: np.flatnonzero(is_so).tolist() for name, is_so in reasons.items()}
  assert {name: places for name, places in true_of.items() if places} == {
    'label_error': [1], 'not_learned': [1], 'same_audio': [3], 'silent': [0, 1, 2],
  }  # fmt: skip


def test_equals_stand_in_the_order_of_a_hash_of_their_ids():
  scores = np.array([0.5, 0.5 + 1e-9, 0.7, 0.5])
  assert ranking.order(scores, np.array([3, 9, 5, 1], np.uint64)).tolist() == [2, 3, 0, 1]


def stored(position, amplitudes):
  """What is read of clips of noise, of which the first 400 samples or the last are padding."""
  spec = dataclasses.replace(datasets.AUDIO, position=position)
  dataset = dataclasses.replace(tiny_manifest.of(shape=(4_000,), name='waveform'), audio=spec)
  rng = np.random.default_rng(0)
  clips = [
    codec.Record(
      utterance_id=str(i), speaker_id='', label=0, num_samples=400,
      arrays={'waveform': cutting.padded(amplitude * noise, spec)},
    )
    for i, (amplitude, noise) in enumerate(
      zip(amplitudes, rng.uniform(-1, 1, (len(amplitudes), 400)).astype(np.float32), strict=True)
    )
  ]  # fmt: skip
  return clips, dataset


@pytest.mark.parametrize('position', ['start', 'centre', 'end'])
def test_padding_is_no_silence_on_whichever_side_it_is(monkeypatch, position):
  clips, dataset = stored(position, [0.5, 1e-4, 0])
  monkeypatch.setattr(stored_clips, 'records', lambda *_: iter(clips))
  found = stored_clips.read('', dataset, ['train'])
  assert found.is_silent.tolist() == [False, True, True]
