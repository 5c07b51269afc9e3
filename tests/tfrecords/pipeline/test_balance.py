"""Each label alike: in every batch, from any place on, and every record of a label in turn."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfrecords.pipeline import balance

# Records of each label in each shard: one label is rare, one in few shards, one nowhere.
COUNTS = [[9, 1, 0, 0, 4], [12, 0, 0, 0, 4], [7, 1, 0, 3, 4], [10, 0, 0, 0, 4]]
LABELS = np.repeat(np.tile(np.arange(5), len(COUNTS)), np.ravel(COUNTS))
PRESENT = [0, 1, 3, 4]


def numbers(count, counts=COUNTS, **changes):
  """Returns the records of shards that hold 0, 1, 2... in their order."""
  ends = np.cumsum(np.sum(COUNTS, axis=1))

  def open_shard(index):
    begins = tf.constant([0, *ends[:-1]], tf.int64)
    return tf.data.Dataset.range(tf.gather(begins, index), tf.gather(ends, index))

  records = balance.balanced(
    counts,
    open_shard,
    lambda some: tf.gather(LABELS, some),
    balance.Balance(**{'shuffle_records': 20, 'chunk_records': 4, **changes}),
  )
  return [int(number) for number in itertools.islice(records.as_numpy_iterator(), count)]


@pytest.mark.parametrize('batch_size', [1, 3, 6, 8])
def test_labels_differ_by_one_record_in_a_batch_at_most(batch_size):
  found = LABELS[numbers(40 * batch_size, batch_size=batch_size)]
  for batch in found.reshape(40, batch_size):
    counts = [np.count_nonzero(batch == label) for label in PRESENT]
    assert sum(counts) == batch_size
    assert max(counts) - min(counts) <= 1
  assert {np.count_nonzero(found == label) for label in PRESENT} == {10 * batch_size}
  if batch_size > 1:  # Not the same labels side by side for ever.
    sides = {tuple(batch) for batch in found.reshape(-1, batch_size)}
    assert len(sides) > 5


def test_a_record_comes_again_when_all_of_its_label_have_come():
  found = numbers(400, batch_size=8, seed=3)
  for label in PRESENT:
    mine = [number for number in found if LABELS[number] == label]
    size = np.count_nonzero(LABELS == label)
    passes = [mine[i : i + size] for i in range(0, len(mine) - size + 1, size)]
    assert all(sorted(once) == list(np.flatnonzero(LABELS == label)) for once in passes)
    if size > 4:
      assert len({tuple(once) for once in passes}) == len(passes)  # Each in another order.
  assert collections.Counter(LABELS[found].tolist()) == dict.fromkeys(PRESENT, 100)


def test_a_start_gives_what_an_undisturbed_order_gives_from_there():
  undisturbed = numbers(330, batch_size=6, seed=1)
  for start in (1, 102, 247):
    assert numbers(330 - start, batch_size=6, seed=1, start=start) == undisturbed[start:]
  assert numbers(60, batch_size=6, seed=1, num_readers=1) == undisturbed[:60]
  assert numbers(60, batch_size=6, seed=2) != undisturbed[:60]


def test_more_labels_than_shards_may_be_open_at_once(monkeypatch):
  whole = numbers(100, batch_size=4)
  monkeypatch.setattr(balance.buffers, 'cycle_shards', lambda num_labels, most: 1)
  found = numbers(100, batch_size=4)
  assert found != whole  # Other groups, another order.
  assert numbers(63, batch_size=4, start=37) == found[37:]


def test_a_shard_without_the_records_that_the_manifest_says_is_an_error():
  wrong = [list(row) for row in COUNTS]
  wrong[0][1], wrong[1][1] = 0, 1
  with pytest.raises(tf.errors.FailedPreconditionError, match='expected to contain 1 element'):
    numbers(40, wrong, batch_size=4)
