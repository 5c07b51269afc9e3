"""Records whose labels are left out are not read, and nothing else of the order changes."""

import collections
import itertools

import numpy as np
import pytest

from schemas import errors
from tests.helpers import datasets
from tfrecords import held_out
from tfrecords.pipeline import batch_request, caches, dataset
from trainer.baselines import pooled_split, pooling

LABELS = ('a', 'b', 'c', 'd')
LEFT_OUT = ('a', 'c')


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  return str(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def whole(data_dir):
  return datasets.write_dataset(
    data_dir, labels=LABELS, clips_per_speaker=9, num_shards={'train': 3}
  )


@pytest.fixture(scope='module')
def view(whole):
  return held_out.without(whole, LEFT_OUT)


def pairs(data_dir, manifest, count=None, split='train', **changes):
  """Returns the id and the label of each record, a list for each batch."""
  asked = batch_request.BatchRequest(
    data_dir=data_dir, manifest=manifest, split=split, feature_names=['log_mel'], with_ids=True,
    **{'batch_size': 4, **changes},
  )  # fmt: skip
  return [
    list(zip(batch['id'].numpy().tolist(), batch['label'].numpy().tolist(), strict=True))
    for batch in itertools.islice(dataset.read_batches(asked), count)
  ]


def flat(batches):
  return list(itertools.chain.from_iterable(batches))


@pytest.mark.parametrize(
  ('split', 'cache'), [('train', caches.NONE), ('train', caches.MEMORY), ('test', caches.NONE)]
)
def test_a_pass_has_the_others_in_their_order_with_labels_of_their_own(
  data_dir, whole, view, split, cache
):
  everything = flat(pairs(data_dir, whole, split=split))
  wanted = [(name, {1: 0, 3: 1}[label]) for name, label in everything if label in (1, 3)]
  found = flat(pairs(data_dir, view, split=split, cache=cache))
  # Of several shards as many are taken in turn, so that others come first.
  assert sorted(found) == sorted(wanted)
  assert split == 'train' or found == wanted
  assert len(found) == view.num_records(split)


@pytest.mark.parametrize(('cache', 'balanced'), [(caches.NONE, 0), (caches.MEMORY, 4)])
def test_a_start_in_the_middle_gives_what_follows(data_dir, view, cache, balanced):
  asked = {'shuffle': True, 'repeat': True, 'seed': 3, 'cache': cache, 'balanced': balanced}
  undisturbed = pairs(data_dir, view, 20, **asked)
  assert pairs(data_dir, view, 9, start_step=11, **asked) == undisturbed[11:]
  counts = collections.Counter(flat(undisturbed))
  assert max(counts.values()) - min(counts.values()) <= 1 or balanced
  if balanced:
    assert all(sum(label for _, label in batch) == 2 for batch in undisturbed)


def test_who_pools_reads_the_same(data_dir, whole, view):
  asked = batch_request.BatchRequest(
    data_dir=data_dir, manifest=view, split='test', feature_names=['log_mel'], batch_size=5
  )
  vectors, labels = pooled_split.read(asked, pooling.Pooling())
  assert labels.tolist() == [label for _, label in flat(pairs(data_dir, view, split='test'))]
  everything, theirs = pooled_split.read(
    batch_request.BatchRequest(
      data_dir=data_dir, manifest=whole, split='test', feature_names=['log_mel'], batch_size=5
    ),
    pooling.Pooling(),
  )
  np.testing.assert_array_equal(vectors, everything[np.isin(theirs, (1, 3))])


def test_a_split_of_which_nothing_is_left_is_refused(tmp_path):
  speakers = {'train': ('ada', 'bob'), 'test': ('eve',)}
  manifest = datasets.write_dataset(
    tmp_path / 'd', labels=LABELS, clips_per_speaker=1, speakers=speakers
  )
  view = held_out.without(manifest, ['a'])
  with pytest.raises(errors.DatasetError, match="no records in the split 'test'"):
    pairs(str(tmp_path / 'd'), view, split='test')
