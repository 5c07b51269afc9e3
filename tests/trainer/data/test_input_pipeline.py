import collections
import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from features import stored_form
from schemas import record
from tests.helpers import datasets
from tests.trainer.devices import strategies_under_test
from tfrecords import manifest_file
from trainer.augment import chain
from trainer.data import culprits, input_pipeline


@pytest.fixture(scope='module')
def source(data_dir):
  """Batches of 8 of the tiny data set."""
  return input_pipeline.Source(
    data_dir=data_dir, manifest=manifest_file.load(data_dir), feature_name='log_mel', batch_size=8
  )


def parts(batches, strategy, count=None):
  """Returns per batch the replicas' parts, each a list of feature arrays as bytes."""
  found = []
  for batch in batches:
    local = strategy.experimental_local_results(batch['log_mel'])
    found.append([[array.tobytes() for array in part.numpy()] for part in local])
    if len(found) == count:
      break
  return found


def keys(batches, strategy, count=None):
  """Returns the examples of the batches, in order."""
  return [key for batch in parts(batches, strategy, count) for part in batch for key in part]


@pytest.mark.parametrize('name', strategies_under_test.REPLICAS)
@pytest.mark.parametrize('batch_size', [3, 4, 7, 11, 64])
def test_evaluation_meets_every_example_once(source, name, batch_size):
  strategy = strategies_under_test.make(name)
  source = input_pipeline.Source(**{**vars(source), 'batch_size': batch_size})
  seen = keys(input_pipeline.evaluation_batches(source, 'validation', strategy), strategy)
  assert len(seen) == len(set(seen)) == source.manifest.num_records('validation') == 11


@pytest.mark.parametrize('name', strategies_under_test.REPLICAS)
def test_training_batches_are_full_and_no_replica_is_without_examples(source, name):
  strategy = strategies_under_test.make(name)
  for batch in parts(input_pipeline.train_batches(source, strategy, seed=1), strategy, 20):
    sizes = [len(part) for part in batch]
    assert sum(sizes) == 8
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize('name', strategies_under_test.REPLICAS)
def test_batches_are_the_same_on_any_number_of_replicas(source, name):
  single = strategies_under_test.make('none')
  strategy = strategies_under_test.make(name)
  expected = parts(input_pipeline.train_batches(source, single, seed=1), single, 12)
  found = parts(input_pipeline.train_batches(source, strategy, seed=1), strategy, 12)
  assert [sum(batch, []) for batch in found] == [batch[0] for batch in expected]


def test_training_meets_every_example_once_a_pass_in_another_order(source):
  strategy = strategies_under_test.make('none')
  num_examples = source.manifest.num_records('train')
  assert num_examples == 44
  # 22 batches of 8 are 4 whole passes.
  seen = keys(input_pipeline.train_batches(source, strategy, seed=1), strategy, 22)
  passes = [seen[i : i + num_examples] for i in range(0, len(seen), num_examples)]
  assert all(collections.Counter(once) == collections.Counter(passes[0]) for once in passes)
  assert len({tuple(once) for once in passes}) == 4


@pytest.mark.parametrize('name', strategies_under_test.REPLICAS)
def test_training_goes_on_at_any_step_with_the_same_batches(source, name):
  strategy = strategies_under_test.make(name)
  undisturbed = parts(input_pipeline.train_batches(source, strategy, seed=1), strategy, 14)
  resumed = input_pipeline.train_batches(source, strategy, seed=1, start_step=9)
  assert parts(resumed, strategy, 5) == undisturbed[9:]


@pytest.mark.parametrize(
  ('name', 'augment'), [('mirrored_3', ()), ('none', ('mixup', 'spec_augment'))]
)
def test_batches_that_make_a_step_are_together_the_batch_that_is_as_large(source, name, augment):
  fields = {**vars(source), 'augment': chain.Chain(augment)}
  single, strategy = strategies_under_test.make('none'), strategies_under_test.make(name)
  whole = input_pipeline.Source(**{**fields, 'batch_size': 15})
  expected = parts(input_pipeline.train_batches(whole, single, seed=1), single, 7)
  pieces = input_pipeline.Source(**{**fields, 'batch_size': 5, 'accumulate': 3})
  found = parts(input_pipeline.train_batches(pieces, strategy, seed=1), strategy, 21)
  assert {sum(map(len, batch)) for batch in found} == {5}
  flat = [sum(batch, []) for batch in found]
  assert [sum(flat[i : i + 3], []) for i in range(0, 21, 3)] == [step[0] for step in expected]
  resumed = input_pipeline.train_batches(pieces, strategy, seed=1, start_step=4)
  assert parts(resumed, strategy, 9) == found[12:]


def test_plain_batches_are_those_of_training_with_nothing_done_to_them(source):
  strategy = strategies_under_test.make('none')
  changed = dataclasses.replace(
    source, accumulate=2, balance=True, augment=chain.Chain(('spec_augment',)), cache='memory'
  )
  expected = parts(input_pipeline.train_batches(source, strategy, seed=1), strategy, 3)
  plain = input_pipeline.plain_batches(changed, strategy, seed=1)
  assert parts(plain, strategy, 3) == expected
  assert parts(plain, strategy, 3) == expected  # The same each time.


def labels_of(batches, strategy, count):
  found = []
  for batch in itertools.islice(batches, count):
    local = strategy.experimental_local_results(batch['label'])
    found.append(np.concatenate([part.numpy() for part in local]).tolist())
  return found


@pytest.mark.parametrize('length', ['fixed', 'any'])
def test_balanced_batches_are_the_same_however_they_are_read(source, length, tmp_path):
  fields = {**vars(source), 'balance': True, 'batch_size': 5, 'accumulate': 2}
  if length == 'any':
    fields['manifest'] = datasets.write_dataset(
      tmp_path,
      features=(datasets.VARIABLE_LOG_MEL,),
      audio=datasets.VARIABLE_AUDIO,
      clips_per_speaker=11,
    )
    fields['data_dir'] = str(tmp_path)
  counts = fields['manifest'].label_counts('train')
  assert len(set(counts)) > 1

  def read(name='none', count=12, start_step=0, reader=parts, **changes):
    strategy = strategies_under_test.make(name)
    asked = input_pipeline.Source(**{**fields, **changes})
    found = input_pipeline.train_batches(asked, strategy, seed=1, start_step=start_step)
    return reader(found, strategy, count)

  for labels in read(reader=labels_of):
    assert sorted(collections.Counter(labels).values()) == [1, 2, 2]
  if length == 'any':
    return
  flat = [sum(batch, []) for batch in read()]
  steps = [sum(flat[i : i + 2], []) for i in range(0, 12, 2)]
  assert [sum(batch, []) for batch in read('mirrored_3', 6, start_step=3)] == flat[6:]
  assert [sum(batch, []) for batch in read(cache='memory')] == flat
  whole = read(batch_size=10, accumulate=1, count=6, augment=chain.Chain(['spec_augment']))
  assert [step[0] for step in whole] == steps
  ids = culprits.batch_ids(input_pipeline.Source(**fields), seed=1, step=4)
  assert len(ids) == len(set(ids)) == 10


def test_the_seed_decides_the_order(source):
  strategy = strategies_under_test.make('none')
  orders = [
    keys(input_pipeline.train_batches(source, strategy, seed=seed), strategy, 5)
    for seed in (1, 1, 2)
  ]
  assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize('name', strategies_under_test.REPLICAS)
def test_a_split_smaller_than_a_batch_still_fills_it(source, name):
  strategy = strategies_under_test.make(name)
  source = input_pipeline.Source(**{**vars(source), 'batch_size': 100})
  seen = keys(input_pipeline.train_batches(source, strategy, seed=1), strategy, 1)
  assert len(seen) == 100
  assert len(set(seen)) == 44


@pytest.mark.parametrize('dtype', record.ITEM_BYTES)
def test_model_input_is_what_prediction_from_audio_feeds(dtype):
  """The same numbers as features.stored_form, which trainer.predict goes through, bit for bit."""
  stored = np.array([[-7, -1, 0, 1, 5]]).astype(dtype)
  if dtype.startswith('int'):
    stored = np.append(stored, [[np.iinfo(dtype).min, np.iinfo(dtype).max]], axis=1).astype(dtype)
  expected = stored_form.from_stored(stored)
  eager = input_pipeline.to_input(tf.constant(stored))
  mapped = next(iter(tf.data.Dataset.from_tensors(stored).map(input_pipeline.to_input)))
  for found in (eager, mapped):
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found.numpy(), expected)


def test_features_travel_to_the_device_as_they_are_stored(tmp_path):
  datasets.write_dataset(tmp_path, features=(datasets.WAVEFORM,))
  source = input_pipeline.Source(
    data_dir=str(tmp_path),
    manifest=manifest_file.load(str(tmp_path)),
    feature_name='waveform',
    batch_size=4,
  )
  strategy = strategies_under_test.make('none')
  spec = input_pipeline.train_batches(source, strategy, seed=1).element_spec
  assert spec['waveform'].dtype == tf.int16
  assert spec['label'].dtype == tf.int64
