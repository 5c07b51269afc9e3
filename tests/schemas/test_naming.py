"""Shard names: what is written is read back, and nothing else is taken for one."""

import re

import hypothesis
import pytest
from hypothesis import strategies as st

from schemas import errors, naming, splits

NAMES = st.from_regex(r'[a-z][a-z0-9_]{0,15}', fullmatch=True)


@st.composite
def shard_names(draw):
  num_shards = draw(st.integers(1, 200_000))
  return naming.ShardName(
    dataset_name=draw(NAMES),
    split=draw(st.sampled_from(splits.SPLITS)),
    index=draw(st.integers(0, num_shards - 1)),
    num_shards=num_shards,
  )


@hypothesis.given(shard_names())
def test_parse_reads_what_str_wrote(name):
  assert naming.ShardName.parse(str(name)) == name
  assert naming.is_shard_name(str(name))


def test_the_form_is_that_of_tensorflow_datasets():
  name = naming.ShardName(dataset_name='speech', split='train', index=3, num_shards=16)
  assert str(name) == 'speech-train.tfrecord-00003-of-00016'


@hypothesis.given(st.lists(shard_names(), min_size=2, max_size=10))
def test_names_of_a_split_sort_by_index_as_texts(names):
  same = [
    naming.ShardName(dataset_name='a', split='train', index=n.index % 99_999, num_shards=99_999)
    for n in names
  ]
  assert sorted(same, key=str) == sorted(same, key=lambda name: name.index)


@pytest.mark.parametrize(
  'text',
  [
    '',
    'manifest.json',
    'speech-train.tfrecord',
    'speech-train.tfrecord-3-of-16',
    'speech-train.tfrecord-00003-of-00016\n',
    'speech-train.tfrecord-00003-of-00016.tmp-1234',
    'x/speech-train.tfrecord-00003-of-00016',
    'Speech-train.tfrecord-00003-of-00016',
    'speech-Train.tfrecord-00003-of-00016',
    '-train.tfrecord-00003-of-00016',
  ],
)
def test_other_names_are_refused(text):
  assert not naming.is_shard_name(text)
  sentence = f'{text!r} is not a shard name such as speech-train.tfrecord-00003-of-00016.'
  with pytest.raises(errors.SchemaError, match=re.escape(sentence)):
    naming.ShardName.parse(text)


def test_a_name_of_a_split_that_is_none_is_refused():
  with pytest.raises(errors.SchemaError, match="No split is called 'dev'"):
    naming.ShardName.parse('speech-dev.tfrecord-00003-of-00016')


def test_an_index_beyond_the_count_is_refused():
  with pytest.raises(errors.SchemaError, match=r'A shard index must be in \[0, 16\), got 16\.'):
    naming.ShardName.parse('speech-train.tfrecord-00016-of-00016')


@pytest.mark.parametrize('name', ['', '1a', 'Speech', 'a-b', 'a b', 'ä', 'a\n', '_a'])
def test_data_set_names_that_tfds_cannot_read_are_refused(name):
  with pytest.raises(errors.SchemaError, match='A data set name has small letters, digits and _'):
    naming.check_dataset_name(name)


@hypothesis.given(NAMES)
def test_good_data_set_names_come_back(name):
  assert naming.check_dataset_name(name) == name
