import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import datasets
from tfrecords.pipeline import batch_request, dataset, parts, shares


@given(st.integers(0, 500), st.integers(1, 20))
def test_parts_are_even_and_whole(num_examples, num_parts):
  bounds = shares.part_bounds(num_examples, num_parts)
  sizes = [end - start for start, end in zip(bounds, bounds[1:], strict=False)]
  assert (bounds[0], bounds[-1], len(sizes)) == (0, num_examples, num_parts)
  assert max(sizes) - min(sizes) <= 1
  assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize('num_parts', [1, 2, 3, 5])
@pytest.mark.parametrize('num_examples', [1, 2, 7, 11])
def test_batches_are_divided_as_the_bounds_say(num_examples, num_parts):
  batch = {'x': tf.range(num_examples), 'y': tf.reshape(tf.range(num_examples * 6), [-1, 2, 3])}
  share = shares.Share(last_part=num_parts, num_parts=num_parts)
  found = list(parts.divided(tf.data.Dataset.from_tensors(batch), share))
  bounds = shares.part_bounds(num_examples, num_parts)
  assert [part['x'].numpy().tolist() for part in found] == [
    list(range(start, end)) for start, end in zip(bounds, bounds[1:], strict=False)
  ]
  assert [part['y'].shape for part in found] == [(len(part['x']), 2, 3) for part in found]


def test_even_parts_have_a_static_size():
  batches = tf.data.Dataset.range(24).batch(6, drop_remainder=True)
  for num_parts, size in ((2, 3), (3, 2), (4, None)):
    share = shares.Share(last_part=num_parts, num_parts=num_parts)
    assert parts.divided(batches, share).element_spec.shape.as_list() == [size]


def places(num_workers, replicas_each=1):
  return [
    shares.Place(worker=i, num_workers=num_workers, num_replicas=num_workers * replicas_each)
    for i in range(num_workers)
  ]


@pytest.mark.parametrize('counts', [[100] * 16, [90, 110] * 20, list(range(50, 100))])
def test_workers_get_shards_of_their_own_where_there_are_enough(counts):
  found = [shares.by_shard(place, counts) for place in places(2, replicas_each=3)]
  assert sorted(found[0].shards + found[1].shards) == list(range(len(counts)))
  records = [sum(counts[i] for i in share.shards) for share in found]
  assert max(records) <= 1.05 * min(records)
  assert {(share.first_part, share.last_part, share.num_parts) for share in found} == {(0, 3, 3)}


@pytest.mark.parametrize('counts', [[100] * 15, [2_000, *[100] * 15]])
def test_too_few_or_uneven_shards_are_divided_by_record(counts):
  assert shares.by_shard(places(2)[0], counts) is None


@pytest.mark.parametrize('batch_size', [3, 7, 64])
@pytest.mark.parametrize(('num_workers', 'replicas_each'), [(1, 2), (2, 1), (3, 1), (2, 2)])
def test_a_worker_takes_what_its_replicas_take(batch_size, num_workers, replicas_each):
  sizes = [
    shares.worker_batch_size(place, batch_size) for place in places(num_workers, replicas_each)
  ]
  assert sum(sizes) == batch_size


@pytest.mark.parametrize(('num_workers', 'replicas_each'), [(2, 1), (3, 1), (2, 3)])
@pytest.mark.parametrize('batch_size', [3, 4, 10])
@pytest.mark.parametrize('is_variable', [False, True])
def test_workers_together_meet_every_record_once(
  tmp_path, batch_size, num_workers, replicas_each, is_variable
):
  """77 records leave a remainder: some replicas get empty parts, all as many steps."""
  speakers = {'train': ('ada',), 'validation': tuple('abcdefg')}
  more = {'features': (datasets.VARIABLE_LOG_MEL,), 'audio': datasets.VARIABLE_AUDIO}
  made = datasets.write_dataset(
    tmp_path, speakers=speakers, clips_per_speaker=11, **(more if is_variable else {})
  )
  assert made.num_records('validation') == 77
  seen, steps = [], set()
  for place in places(num_workers, replicas_each):
    asked = batch_request.BatchRequest(
      data_dir=str(tmp_path), manifest=made, split='validation', feature_names=['log_mel'],
      batch_size=batch_size, with_ids=True, share=shares.by_record(place),
    )  # fmt: skip
    batches = dataset.read_batches(asked)
    sizes = []
    for batch in batches:
      sizes.append(len(batch['id']))
      assert batch['log_mel'].shape[0] == sizes[-1]
      assert batch['log_mel'].shape[2] == 16
      seen += batch['id'].numpy().tolist()
    steps.add(len(sizes))
  assert len(seen) == len(set(seen)) == 77
  assert steps == {-(-77 // batch_size) * replicas_each}
