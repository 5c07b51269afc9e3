"""Folds never share a voice, and every original is judged exactly once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import errors, splits
from trainer.data import fold_view
from trainer.folds import dealing, fold_flag

LABEL_COUNTS = st.dictionaries(st.integers(0, 4), st.integers(1, 9), min_size=1)


@st.composite
def divided(draw):
  """Clips of made-up voices by label, and how many folds are made of them."""
  counts = draw(st.lists(LABEL_COUNTS, min_size=2, max_size=16))
  return counts, draw(st.integers(2, len(counts)))


@given(divided())
def test_every_voice_is_in_one_fold_and_every_fold_has_one(given_):
  counts, num_folds = given_
  tested = dealing.deal(counts, num_folds)
  assert len(tested) == len(counts)
  assert set(tested.tolist()) == set(range(num_folds))


@settings(max_examples=40)
@given(divided(), st.randoms(use_true_random=False))
def test_folds_share_no_voice_and_judge_every_original_once(given_, random):
  counts, num_folds = given_
  roles = dealing.roles(dealing.deal(counts, num_folds), counts)
  groups = np.array([i for i, some in enumerate(counts) for _ in range(sum(some.values()))])
  copies = np.array([random.random() < 0.3 for _ in groups])
  judged = np.zeros(len(groups), int)
  for number in range(num_folds):
    masks = fold_view.split_masks(number, groups, copies, roles)
    voices = {split: set(groups[mask].tolist()) for split, mask in masks.items()}
    train, validation, test = (voices[split] for split in splits.SPLITS)
    assert not train & validation and not train & test and not validation & test
    assert train
    assert not (masks[splits.TEST] & copies).any()
    assert not (masks[splits.VALIDATION] & copies).any()
    if num_folds > 2 and not copies.any():
      assert validation
    judged += masks[splits.TEST]
  assert (judged == ~copies).all()


def test_as_many_folds_as_voices_are_the_voices_in_their_order():
  assert dealing.deal([{0: 3}, {1: 9}, {0: 1}], 3).tolist() == [0, 1, 2]


@given(divided(), st.lists(st.integers(1, 30), max_size=5))
def test_noises_are_dealt_after_voices_and_change_none_of_their_folds(given_, noises):
  counts, num_folds = given_
  every = [*({5: count} for count in noises), *counts]
  is_noise = np.array([True] * len(noises) + [False] * len(counts))
  tested = dealing.deal(every, num_folds, is_noise)
  voices = dealing.deal(counts, num_folds)
  assert (tested[len(noises) :] == voices).all()
  validates = dealing.roles(tested, every, is_noise)[fold_view.VALIDATES]
  alone = dealing.roles(voices, counts)[fold_view.VALIDATES]
  assert (validates[len(noises) :] == alone).all()
  # What chooses a fold's best epoch is never noise alone.
  assert set(validates[: len(noises)].tolist()) <= set(alone.tolist())


def test_folds_are_alike_in_labels_where_each_voice_has_one_label():
  # As where an age is to be told: ten voices of each of three labels.
  counts = [{i % 3: 10 + i % 4} for i in range(30)]
  tested = dealing.deal(counts, 5)
  for fold in range(5):
    labels = [label for i, some in enumerate(counts) if tested[i] == fold for label in some]
    assert sorted(labels) == [0, 0, 1, 1, 2, 2]


def test_a_voice_chooses_the_best_epoch_of_the_fold_before_its_own():
  roles = dealing.roles(np.array([0, 1, 2, 2], np.int32), [{0: 1}] * 4)
  assert roles[fold_view.VALIDATES].tolist() == [2, 0, 1, 1]


def test_of_two_folds_half_of_the_others_voices_choose():
  tested = np.array([0, 0, 0, 1, 1], np.int32)
  roles = dealing.roles(tested, [{0: 9}, {0: 5}, {0: 7}, {0: 1}, {0: 2}])
  assert roles[fold_view.VALIDATES].tolist() == [-1, -1, 1, 0, -1]
  alone = dealing.roles(np.array([0, 1], np.int32), [{0: 1}] * 2)
  assert alone[fold_view.VALIDATES].tolist() == [-1, -1]


@pytest.mark.parametrize(
  ('text', 'wanted'),
  [
    ('speaker:5', fold_flag.Division(by='speaker', count=5)),
    ('speaker:all', fold_flag.Division(by='speaker')),
    ('field:take:5', fold_flag.Division(by='field', field='take', count=5)),
    ('field:a:b:all', fold_flag.Division(by='field', field='a:b')),
  ],
)
def test_what_folds_says(text, wanted):
  assert fold_flag.parse(text) == wanted


@pytest.mark.parametrize(
  'text', ['5', 'speaker', 'speaker:', 'speaker:x', 'field:5', 'field::5', 'label:5', 'speaker:٣']
)
def test_what_says_no_folds(text):
  with pytest.raises(errors.ConfigError, match=r'--folds: expected speaker:5 \(five parts'):
    fold_flag.parse(text)


@pytest.mark.parametrize('count', [0, 1, 10_000])
def test_a_number_that_makes_no_folds(count):
  with pytest.raises(errors.ConfigError, match=rf'from 2 to 9,999 folds.*got {count:,}\.'):
    fold_flag.parse(f'speaker:{count}')
