"""The order of records: every one once a pass, from the seed alone, from any place on."""

import itertools

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords.pipeline import order


def numbers(counts, count=None, opened=None, num_readers=tf.data.AUTOTUNE, **changes):
  """Returns the records of shards that hold 0, 1, 2... in their order."""
  ends = list(itertools.accumulate(counts))

  def open_shard(index):
    if opened is not None:
      index = tf.py_function(lambda i: (opened.append(int(i)), i)[1], [index], tf.int64)
    start = tf.gather([0, *ends[:-1]], index)
    return tf.data.Dataset.range(
      tf.cast(start, tf.int64), tf.cast(tf.gather(ends, index), tf.int64)
    )

  records = order.ordered(counts, open_shard, order.Order(**changes), num_readers=num_readers)
  return [int(number) for number in itertools.islice(records.as_numpy_iterator(), count)]


COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=40)


@settings(max_examples=25)
@given(
  COUNTS, st.booleans(), st.integers(1, 30), st.integers(0, 1 << 30), st.floats(0, 2.9), st.data()
)
def test_a_start_gives_what_an_undisturbed_order_gives_from_there(
  counts, shuffle, held, seed, passes, data
):
  total = sum(counts)
  start = int(passes * total)
  changes = {'shuffle': shuffle, 'repeat': True, 'shuffle_records': held, 'seed': seed}
  undisturbed = numbers(counts, 3 * total, **changes)
  assert numbers(counts, 3 * total - start, start=start, **changes) == undisturbed[start:]
  for i in range(3):
    assert sorted(undisturbed[i * total : (i + 1) * total]) == list(range(total))
  once = numbers(counts, **{**changes, 'repeat': False, 'start': data.draw(st.integers(0, total))})
  assert once == undisturbed[total - len(once) : total]


def test_passes_and_seeds_have_orders_of_their_own():
  counts = [5] * 20
  found = numbers(counts, 300, shuffle=True, repeat=True, seed=1)
  other = numbers(counts, 300, shuffle=True, repeat=True, seed=2)
  passes = [tuple(order[i : i + 100]) for order in (found, other) for i in (0, 100, 200)]
  assert len(set(passes)) == 6


def test_the_random_numbers_of_the_process_change_nothing():
  tf.random.set_seed(1)
  first = numbers([9] * 5, shuffle=True, seed=0)
  tf.random.set_seed(2)
  assert numbers([9] * 5, shuffle=True, seed=0) == first


@pytest.mark.parametrize('start', [0, 160, 330, 1700])
def test_groups_before_the_start_are_not_opened(start):
  counts = [10] * 64  # 4 groups of 160.
  changes = {'shuffle': True, 'repeat': True, 'seed': 3, 'shuffle_records': 4}
  opened = []
  numbers(counts, 1, start=start, opened=opened, **changes)
  assert len(opened) <= 32, 'the group of the start, and at most one that is read ahead'


def test_no_group_is_a_single_shard():
  records = numbers([100] * 17, shuffle=True, seed=1, shuffle_records=1)
  shards = [[number // 100 for number in records[i : i + 800]] for i in (0, 900)]
  assert [len(set(part)) for part in shards] == [8, 9]


@pytest.mark.parametrize('num_readers', [1, 3, 100])
@pytest.mark.parametrize('shuffle', [False, True])
def test_the_order_does_not_depend_on_the_number_of_readers(shuffle, num_readers):
  counts = [9, 30, 2, 17, 1]  # Shards end at different times.
  changes = {'shuffle': shuffle, 'shuffle_records': 6, 'seed': 5}
  assert numbers(counts, num_readers=num_readers, **changes) == numbers(counts, **changes)


def test_shards_are_read_in_turn():
  assert numbers([10, 10])[:20] == [*range(8), *range(10, 18), 8, 9, 18, 19]
