"""Views of a data set without some labels: what they count, and which labels are chosen."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from tests.helpers import tiny_manifest
from tfrecords import held_out

LABELS = ('no', 'up', 'yes', 'zero')


@pytest.fixture(scope='module')
def manifest():
  counts = {'train': (2, 3, 1, 4), 'validation': (3, 0, 0, 0), 'test': (0, 1, 5, 0)}
  return tiny_manifest.of(labels=LABELS, counts=counts)


def test_a_view_counts_what_is_left_and_knows_what_its_files_hold(manifest):
  view = held_out.without(manifest, ['yes', 'no'])
  assert view.labels == ('up', 'zero')
  assert view.label_counts('train') == tuple(manifest.label_counts('train')[i] for i in (1, 3))
  assert view.num_records('train') == sum(view.label_counts('train'))
  assert held_out.of_files(view) == manifest
  assert held_out.numbers(view) == (-1, 0, -1, 1)
  assert held_out.labels_of(view) == ('no', 'yes')
  other = held_out.without(manifest, view.labels)
  assert other.labels == ('no', 'yes')
  assert other.num_records('test') + view.num_records('test') == manifest.num_records('test')
  assert held_out.without(held_out.without(manifest, ['no']), ['yes']) == view
  assert type(manifest).from_text(view.to_text()) == view


def test_of_a_view_some_shards_may_be_left_away(manifest):
  view = held_out.without(manifest, ['yes'])
  train = dataclasses.replace(view, shards=view.shards_of('train'))
  assert held_out.of_files(train).shards == manifest.shards_of('train')


def test_without_labels_it_is_the_data_set_itself(manifest):
  assert held_out.without(manifest, ()) is manifest
  assert held_out.numbers(manifest) == (0, 1, 2, 3)
  assert held_out.labels_of(manifest) == ()
  assert held_out.files_read(manifest) == manifest


def test_files_without_a_record_that_is_left_are_not_read(manifest):
  view = held_out.without(manifest, ['no'])
  assert [one.split for one in held_out.files_read(view).shards] == ['train', 'test']
  assert view.split_names() == ('train', 'test')


@given(seed=st.integers(0, 10**6), count=st.integers(1, 3))
def test_a_number_draws_words_by_the_seed_alone(seed, count):
  labels = ('_silence_', 'a', 'b', 'c', 'd', 'unknown')
  found = held_out.chosen(labels, str(count), seed=seed)
  assert len(found) == count and set(found) <= {'a', 'b', 'c', 'd'}
  assert found == held_out.chosen(labels, str(count), seed=seed)
  assert set(found) == set(held_out.chosen(labels[::-1], str(count), seed=seed))
  assert set(found) < set(held_out.chosen(labels, str(count + 1), seed=seed))


def test_seeds_differ():
  assert len({held_out.chosen(LABELS, '1', seed=seed) for seed in range(20)}) == 4


@pytest.mark.parametrize(
  ('text', 'wanted'),
  [('', ()), ('zero,no', ('no', 'zero')), ('7,', ('7',)), ('unknown', ('unknown',))],
)
def test_names(text, wanted):
  assert held_out.chosen((*LABELS, '7', 'unknown'), text, seed=0) == wanted


@pytest.mark.parametrize(
  ('text', 'said'),
  [
    ('0', 'expected at least 1, and so few that at least 2 of the 4 labels are left'),
    ('3', 'expected at least 1, and so few'),
    ('99999999999999999999', 'expected at least 1'),
    ('nay', "the data set has no label 'nay'. It has no, up, yes, zero."),
    ('yes, no', "the data set has no label ' no'"),
    (',', 'the data set has no label'),
    ('no,up,yes', 'leaves 1 of 4 labels'),
    ('-1', "the data set has no label '-1'"),
  ],
)
def test_what_cannot_be_left_out_is_said(text, said):
  with pytest.raises(errors.ConfigError, match=said.replace('.', r'\.')):
    held_out.chosen(LABELS, text, seed=0)


def test_a_catch_all_is_known_with_underscores_and_capitals():
  assert [label for label in ('_unknown_', 'Silence', 'unknown', 'known', 'silent') if
          held_out.is_catch_all(label)] == ['_unknown_', 'Silence', 'unknown']  # fmt: skip
