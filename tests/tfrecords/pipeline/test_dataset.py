"""Splits as tf.data: every record once, in an order that follows from the seed."""

import collections
import dataclasses
import functools
import itertools
import os
import re

import numpy as np
import pytest
import tensorflow as tf

from schemas import errors, record
from tests.helpers import datasets
from tfrecords import manifest_file, reader, writer
from tfrecords.pipeline import (
  batch_request,
  buffers,
  caches,
  dataset,
  order,
  parsing,
  read_errors,
  stores,
)
from tfrecords.wire import codec, example_proto

FEATURES = (
  datasets.LOG_MEL,
  record.FeatureSpec(name='waveform', shape=(50,), dtype='int16', settings={}),
  record.FeatureSpec(name='mel', shape=(4, 5), dtype='float32', settings={}),
  record.FeatureSpec(name='image', shape=(3, 4, 2), dtype='uint8', settings={}),
)
NAMES = [spec.name for spec in FEATURES]
DEFAULTS = {'feature_names': ['log_mel'], 'batch_size': 5}


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  return str(tmp_path_factory.mktemp('dataset'))


@pytest.fixture(scope='module')
def manifest(data_dir):
  return datasets.write_dataset(data_dir, features=FEATURES, num_shards={'train': 3})


def batches_of(data_dir, manifest, split='train', **changes):
  asked = {'data_dir': data_dir, 'manifest': manifest, 'split': split, **DEFAULTS, **changes}
  return dataset.read_batches(batch_request.BatchRequest(**asked))


def ids_of(batches, count=None):
  """Returns the ids in each batch."""
  return [batch['id'].numpy().tolist() for batch in itertools.islice(batches, count)]


def flat(batches):
  return list(itertools.chain.from_iterable(batches))


def stored_records(data_dir, manifest, split):
  clips = {}
  for shard in manifest.shards_of(split):
    for data in reader.read_records(os.path.join(data_dir, shard.file_name)):
      clip = codec.decode(data, manifest.features)
      clips[clip.utterance_id.encode()] = clip
  return clips


@pytest.mark.parametrize('shuffle', [False, True])
@pytest.mark.parametrize('split', ['train', 'validation', 'test'])
def test_batches_hold_every_record_as_it_was_stored(data_dir, manifest, split, shuffle):
  wanted = stored_records(data_dir, manifest, split)
  batches = batches_of(
    data_dir, manifest, split, feature_names=NAMES, with_ids=True, shuffle=shuffle
  )
  seen = []
  for batch in batches:
    for i, utterance_id in enumerate(batch['id'].numpy()):
      clip = wanted[utterance_id]
      assert batch['label'][i] == clip.label
      assert batch['speaker'][i].numpy() == clip.speaker_id.encode()
      for name, array in clip.arrays.items():
        got = batch[name][i].numpy()
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got, array)
      seen.append(utterance_id)
  assert sorted(seen) == sorted(wanted)
  assert len(seen) == manifest.num_records(split) > 0


def test_batches_hold_what_was_asked_for_and_no_more(data_dir, manifest):
  spec = batches_of(data_dir, manifest).element_spec
  assert spec == {
    'log_mel': tf.TensorSpec([None, 20, 16], tf.float16),
    'label': tf.TensorSpec([None], tf.int64),
  }
  with_ids = batches_of(data_dir, manifest, feature_names=['image'], with_ids=True).element_spec
  assert sorted(with_ids) == ['id', 'image', 'label', 'speaker']


@pytest.mark.parametrize('changes', [{'drop_remainder': True}, {'repeat': True}])
def test_full_batches_have_a_static_size(data_dir, manifest, changes):
  spec = batches_of(data_dir, manifest, feature_names=NAMES, with_ids=True, **changes).element_spec
  assert {tensor.shape[0] for tensor in spec.values()} == {5}


def test_the_remainder_is_kept_or_dropped(data_dir, manifest):
  assert manifest.num_records('train') == 24
  kept = [len(ids) for ids in ids_of(batches_of(data_dir, manifest, with_ids=True))]
  dropped = ids_of(batches_of(data_dir, manifest, with_ids=True, drop_remainder=True))
  assert kept == [5, 5, 5, 5, 4]
  assert [len(ids) for ids in dropped] == [5, 5, 5, 5]


@pytest.mark.parametrize('shuffle', [False, True])
def test_the_same_seed_gives_the_same_batches(data_dir, manifest, shuffle):
  runs = [
    ids_of(batches_of(data_dir, manifest, with_ids=True, shuffle=shuffle, repeat=True, seed=7), 15)
    for _ in range(3)
  ]
  assert runs[0] == runs[1] == runs[2]


def test_another_seed_gives_another_order(data_dir, manifest):
  runs = [
    flat(ids_of(batches_of(data_dir, manifest, with_ids=True, shuffle=True, seed=seed)))
    for seed in (1, 2)
  ]
  assert runs[0] != runs[1]
  assert sorted(runs[0]) == sorted(runs[1])


def test_without_shuffle_every_epoch_has_the_same_order(data_dir, manifest):
  ids = flat(ids_of(batches_of(data_dir, manifest, with_ids=True, repeat=True, batch_size=24), 3))
  assert ids[:24] == ids[24:48] == ids[48:]


def test_with_shuffle_every_epoch_has_an_order_of_its_own(data_dir, manifest):
  repeated = batches_of(data_dir, manifest, with_ids=True, shuffle=True, repeat=True, batch_size=24)
  epochs = ids_of(repeated, 4)
  assert len({tuple(epoch) for epoch in epochs}) == 4
  once = batches_of(data_dir, manifest, with_ids=True, shuffle=True, batch_size=24)
  assert [ids_of(once) for _ in range(2)] == [epochs[:1]] * 2, 'one pass is the first one'


def test_repeated_epochs_are_whole_even_where_a_batch_spans_two(data_dir, manifest):
  ids = flat(
    ids_of(
      batches_of(data_dir, manifest, with_ids=True, shuffle=True, repeat=True), 24 * 3 // 5 + 1
    )
  )
  for epoch in range(3):
    counts = collections.Counter(ids[24 * epoch : 24 * (epoch + 1)])
    assert len(counts) == 24, 'every record once in an epoch'


@pytest.mark.parametrize('shuffle', [False, True])
@pytest.mark.parametrize('start_step', [1, 3, 5, 17])
def test_batches_can_begin_at_any_step(data_dir, manifest, shuffle, start_step):
  settings = {'with_ids': True, 'shuffle': shuffle, 'repeat': True, 'shuffle_bytes': 7_000}
  undisturbed = ids_of(batches_of(data_dir, manifest, **settings), start_step + 8)
  resumed = batches_of(data_dir, manifest, start_step=start_step, **settings)
  assert ids_of(resumed, 8) == undisturbed[start_step:]


def test_what_lies_before_the_first_step_is_not_parsed(tmp_path):
  """The first pass meets the foreign record: a run that begins behind it does not."""
  manifest = with_records(
    tmp_path,
    lambda i, clip: b'no example' if i == 0 else codec.encode(clip, [datasets.LOG_MEL]),
  )
  settings = {'repeat': True, 'batch_size': 4}
  next(iter(batches_of(str(tmp_path), manifest, start_step=1, **settings)))
  with pytest.raises(tf.errors.InvalidArgumentError):
    next(iter(batches_of(str(tmp_path), manifest, **settings)))


def test_shuffling_mixes_across_shards(data_dir, manifest):
  shard_of = {
    name: shard.file_name
    for shard in manifest.shards_of('train')
    for name in stored_records(data_dir, dataclasses.replace(manifest, shards=(shard,)), 'train')
  }
  ids = flat(ids_of(batches_of(data_dir, manifest, with_ids=True, shuffle=True, seed=3)))
  shards = [shard_of[utterance_id] for utterance_id in ids]
  changes = sum(one != other for one, other in itertools.pairwise(shards))
  assert changes > 6, 'records of three shards lie between one another'


def test_the_shuffle_fits_into_its_memory(tmp_path):
  manifest = datasets.write_dataset(tmp_path, clips_per_speaker=30)
  one_bytes = manifest.shards[0].num_bytes / manifest.shards[0].num_records + 100
  assert 800 < one_bytes < 1_000  # 640 bytes of mel, the names, and 100 for what stands around.
  assert buffers.shuffle_records(manifest, 'train', int(50.5 * one_bytes)) == 50
  assert buffers.shuffle_records(manifest, 'train') == 120
  assert buffers.shuffle_records(manifest, 'train', 1) == 1


def test_the_steps_stand_by_themselves(data_dir, manifest):
  paths = dataset.shard_paths(data_dir, manifest, 'train')
  parse = parsing.batch_parser(manifest, feature_names=['log_mel'], with_ids=True)
  shards = dataset.shards_of(manifest, 'train')
  store = stores.make(caches.NONE, stores.whole(paths, shards))
  records = order.ordered(
    [shard.num_records for shard in shards], store.open_shard, order.Order(), num_readers=2
  ).batch(24)
  in_graph = next(iter(records.map(parse)))
  eager = parse(next(iter(records)))
  assert sorted(in_graph) == sorted(eager) == ['id', 'label', 'log_mel', 'speaker']
  for name, tensor in eager.items():
    assert np.array_equal(tensor, in_graph[name])


def test_empty_shards_are_not_opened(tmp_path):
  manifest = datasets.write_dataset(
    tmp_path, speakers={'train': ('ada', 'bob')}, num_shards={'train': 4}
  )
  assert len(dataset.shard_paths(str(tmp_path), manifest, 'train')) == 2
  assert len(flat(ids_of(batches_of(str(tmp_path), manifest, with_ids=True)))) == 12


def test_a_split_without_records_is_said(data_dir, manifest, tmp_path):
  small = datasets.write_dataset(tmp_path, speakers={'train': ('ada',), 'test': ('bob',)})
  sentence = "no records in the split 'validation'; it has train, test. Pick one of these"
  with pytest.raises(errors.DatasetError, match=sentence):
    batches_of(str(tmp_path), small, 'validation')


def test_a_feature_that_is_not_there_is_said(data_dir, manifest):
  with pytest.raises(
    errors.DatasetError, match=r"holds no feature 'mfcc'. It holds: log_mel, wave"
  ):
    batches_of(data_dir, manifest, feature_names=['mfcc'])


def test_missing_shards_are_said(tmp_path):
  manifest = datasets.write_dataset(tmp_path)
  shard = manifest.shards_of('train')[1].file_name
  (tmp_path / shard).unlink()
  sentence = f"1 of 2 shards of the split 'train' are not in '{tmp_path}', the first is '{shard}'."
  with pytest.raises(errors.DatasetError, match=re.escape(sentence)):
    batches_of(str(tmp_path), manifest)
  with pytest.raises(errors.DatasetError, match='2 of 2 shards'):
    batches_of(str(tmp_path / 'no'), manifest)


def iterate_eagerly(batches):
  for _ in batches:
    pass


@tf.function
def iterate_in_graph(batches):
  # As a training loop does; TensorFlow then wraps its messages in stack traces.
  for _ in batches:
    pass


@pytest.fixture(params=[iterate_eagerly, iterate_in_graph])
def read_all(request):
  def read(data_dir, manifest):
    with read_errors.readable_errors(data_dir):
      request.param(batches_of(data_dir, manifest))

  return read


def with_records(tmp_path, make):
  """Returns the manifest of a data set whose first train shard holds what `make` makes of it."""
  manifest = datasets.write_dataset(tmp_path, num_shards={'train': 1})
  path = str(tmp_path / manifest.shards_of('train')[0].file_name)
  clips = [codec.decode(data, manifest.features) for data in reader.read_records(path)]
  with writer.ShardWriter(path) as shard:
    shard.write([make(i, clip) for i, clip in enumerate(clips)])
  return retold(manifest, shard)


def retold(manifest, shard, **changes):
  """Returns a manifest whose first shard has the bytes, and what else is said, of a new file."""
  info = dataclasses.replace(manifest.shards[0], num_bytes=shard.num_bytes, **changes)
  return dataclasses.replace(manifest, shards=(info, *manifest.shards[1:]))


SHORT = dataclasses.replace(datasets.LOG_MEL, shape=(2, 16))


def shortened(clip):
  return codec.encode(
    dataclasses.replace(clip, arrays={'log_mel': clip.arrays['log_mel'][:2]}), [SHORT]
  )


@pytest.mark.parametrize('which', ['one', 'all'])
def test_arrays_of_another_length_are_said(tmp_path, read_all, which):
  def make(i, clip):
    wrong = which == 'all' or i == 3
    return shortened(clip) if wrong else codec.encode(clip, [datasets.LOG_MEL])

  manifest = with_records(tmp_path, make)
  with pytest.raises(errors.DatasetError) as caught:
    read_all(str(tmp_path), manifest)
  number, name = 3 * (which == 'one'), manifest.shards[0].file_name
  assert str(caught.value) == (
    f"Could not read the records in '{tmp_path}': Feature 'log_mel' must have 640 bytes in every "
    f'record (float16 [20, 16]), as the manifest says. It is record {number} of {name}. Run '
    f'`python -m tfrecords.verify {tmp_path}` to see what is damaged.'
  )


@pytest.mark.parametrize('label', [3, -1])
def test_a_label_that_is_none_is_said(tmp_path, read_all, label):
  def make(i, clip):
    example = example_proto.Example.FromString(codec.encode(clip, [datasets.LOG_MEL]))
    if i == 4:  # The codec writes no label below 0.
      example.features.feature['label'].int64_list.value[:] = [label]
    return example.SerializeToString()

  manifest = with_records(tmp_path, make)
  with pytest.raises(
    errors.DatasetError,
    match=r'Labels must be in \[0, 3\), as the manifest says. It is record 4 of tiny-train',
  ):
    read_all(str(tmp_path), manifest)


@pytest.mark.parametrize(
  ('data', 'sentence'),
  [
    (b'no example', "': Could not parse example input, value: 'no example'. It"),
    (
      b'',
      ': Name: <unknown>, Feature: label .data type: int64. is required but could not be found',
    ),
  ],
)
def test_foreign_records_are_said(tmp_path, read_all, data, sentence):
  manifest = with_records(tmp_path, lambda i, clip: data)
  with pytest.raises(errors.DatasetError, match=sentence) as caught:
    read_all(str(tmp_path), manifest)
  assert f' It is record 0 of {manifest.shards[0].file_name}. Run `python' in str(caught.value)


@pytest.mark.parametrize('damage', ['flip', 'length'])
def test_damaged_files_are_said(tmp_path, read_all, damage):
  manifest = datasets.write_dataset(tmp_path)
  path = tmp_path / manifest.shards_of('train')[0].file_name
  content = bytearray(path.read_bytes())
  content[100 if damage == 'flip' else 0] ^= 1
  path.write_bytes(content)
  sentence = rf"Could not read .* '{tmp_path}': corrupted record at \d+.*\. It is {path.name}\. Run"
  with pytest.raises(errors.DatasetError, match=sentence):
    read_all(str(tmp_path), manifest)


@pytest.mark.parametrize('cache', [caches.NONE, caches.MEMORY])
@pytest.mark.parametrize(('change', 'said'), [(1, 'only 12'), (-1, 'at least 12')])
def test_a_shard_with_another_number_of_records_is_said(tmp_path, cache, change, said):
  """Of the right size: what the listing cannot tell."""
  manifest = datasets.write_dataset(tmp_path)
  first = manifest.shards[0]
  counts = (first.label_counts[0] + change, *first.label_counts[1:])
  first = dataclasses.replace(first, num_records=12 + change, label_counts=counts)
  manifest = dataclasses.replace(manifest, shards=(first, *manifest.shards[1:]))
  manifest_file.save(manifest, str(tmp_path))
  sentence = (
    f'a shard holds {said} records, the manifest says {12 + change}. It is {first.file_name}'
  )
  with (
    pytest.raises(errors.DatasetError, match=sentence),
    read_errors.readable_errors(str(tmp_path)),
  ):
    iterate_in_graph(batches_of(str(tmp_path), manifest, cache=cache))


@pytest.mark.parametrize('iterate', [iterate_eagerly, iterate_in_graph])
def test_a_file_that_goes_away_is_said(tmp_path, iterate):
  manifest = datasets.write_dataset(tmp_path)
  batches = batches_of(str(tmp_path), manifest)
  shard = tmp_path / manifest.shards_of('train')[0].file_name
  shard.unlink()
  sentence = re.escape(f"in '{tmp_path}': {shard}; No such file or directory. Run `python -m")
  with (
    pytest.raises(errors.DatasetError, match=sentence),
    read_errors.readable_errors(str(tmp_path)),
  ):
    iterate(batches)


def test_a_disk_that_fails_to_deliver_is_one_sentence(tmp_path):
  manifest = datasets.write_dataset(tmp_path)
  shard = tmp_path / manifest.shards_of('train')[0].file_name
  batches = batches_of(str(tmp_path), manifest)
  shard.unlink()
  shard.symlink_to('/proc/self/mem')  # What the kernel answers to a read of it is EIO.
  sentence = f'{shard.name}; Input/output error. Such a fault mostly passes: run the same command'
  with (
    pytest.raises(errors.StorageError, match=re.escape(sentence)),
    read_errors.readable_errors(str(tmp_path)),
  ):
    iterate_in_graph(batches)


@pytest.mark.parametrize(
  'error',
  [
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.UnknownError,
    tf.errors.ResourceExhaustedError,
  ],
)
def test_errors_of_something_else_pass(error):
  with pytest.raises(error), read_errors.readable_errors('d'):
    raise error(None, None, 'Incompatible shapes: [2] vs. [3]')


def test_a_folder_that_tensorflow_alone_reaches_is_read(tmp_path):
  manifest = datasets.write_dataset(tmp_path)
  folder = f'ram://{tmp_path}'
  tf.io.gfile.makedirs(folder)
  for name in os.listdir(tmp_path):
    tf.io.gfile.copy(str(tmp_path / name), f'{folder}/{name}')
  assert len(flat(ids_of(batches_of(folder, manifest, with_ids=True)))) == 24


# Clips of any length.

VARIABLE = (
  datasets.VARIABLE_LOG_MEL,
  record.FeatureSpec(name='waveform', shape=(None,), dtype='int16', settings={}),
  record.FeatureSpec(name='mel', shape=(None, 5), dtype='float32', settings={}),
  record.FeatureSpec(name='picture', shape=(None, 2, 3), dtype='uint8', settings={}),
)


@pytest.fixture(scope='module')
def any_length(tmp_path_factory):
  """Returns the folder and the manifest of 160 train clips of 1 to 79 rows."""
  folder = str(tmp_path_factory.mktemp('any_length'))
  made = datasets.write_dataset(
    folder, features=VARIABLE, audio=datasets.VARIABLE_AUDIO, clips_per_speaker=40
  )
  return folder, made


@pytest.mark.parametrize('shuffle', [False, True])
@pytest.mark.parametrize('batch_size', [7, 64, 200])
def test_every_clip_comes_once_with_zeros_behind_it(any_length, shuffle, batch_size):
  folder, made = any_length
  wanted = stored_records(folder, made, 'train')
  names = [spec.name for spec in VARIABLE]
  seen = []
  batches = batches_of(
    folder, made, feature_names=names, with_ids=True, shuffle=shuffle, batch_size=batch_size
  )
  for batch in batches:
    for name in names:
      rows = batch[parsing.num_rows_key(name)].numpy()
      assert batch[name].shape[1] == max(rows), 'no longer than the longest'
      for i, utterance_id in enumerate(batch['id'].numpy()):
        array, got = wanted[utterance_id].arrays[name], batch[name][i].numpy()
        assert got.dtype == array.dtype
        assert rows[i] == len(array)
        np.testing.assert_array_equal(got[: len(array)], array)
        assert not got[len(array) :].any()
    seen += batch['id'].numpy().tolist()
  assert sorted(seen) == sorted(wanted)
  assert len(seen) == 160


def test_what_a_batch_of_any_length_is(any_length):
  spec = batches_of(*any_length).element_spec
  assert spec == {
    'log_mel': tf.TensorSpec([None, None, 16], tf.float16),
    'log_mel/num_rows': tf.TensorSpec([None], tf.int64),
    'label': tf.TensorSpec([None], tf.int64),
  }
  full = batches_of(*any_length, repeat=True, shuffle=True).element_spec
  assert full['log_mel'].shape.as_list() == [5, None, 16]
  assert full['log_mel/num_rows'].shape.as_list() == [5]


def padding_share(batches, count=None):
  """Returns which share of the rows is padding."""
  rows = total = 0
  for batch in itertools.islice(batches, count):
    rows += int(tf.reduce_sum(batch['log_mel/num_rows']))
    total += int(np.prod(batch['log_mel'].shape[:2]))
  return 1 - rows / total


def test_training_batches_hold_clips_of_similar_length(any_length):
  mixed = padding_share(batches_of(*any_length, batch_size=10))
  similar = padding_share(batches_of(*any_length, batch_size=10, shuffle=True, repeat=True), 64)
  assert mixed > 0.4
  assert similar < 0.15


def test_training_on_any_length_meets_every_clip_equally_often(any_length):
  folder, made = any_length
  batches = batches_of(
    folder, made, batch_size=10, shuffle=True, repeat=True, with_ids=True, seed=3
  )
  ids = ids_of(batches, 16 * 4)
  assert {len(batch) for batch in ids} == {10}
  # A pool of 16 batches is one pass here.
  for epoch in range(4):
    once = flat(ids[16 * epoch : 16 * (epoch + 1)])
    assert len(set(once)) == 160
  assert len({tuple(batch) for batch in ids}) == 64, 'another mixture in every pass'
  assert ids == ids_of(
    batches_of(folder, made, batch_size=10, shuffle=True, repeat=True, with_ids=True, seed=3), 64
  )


@pytest.mark.parametrize('start_step', [1, 15, 16, 37])
def test_batches_of_any_length_can_begin_at_any_step(any_length, start_step):
  settings = {'batch_size': 10, 'shuffle': True, 'repeat': True, 'with_ids': True, 'seed': 3}
  undisturbed = ids_of(batches_of(*any_length, **settings), start_step + 20)
  resumed = batches_of(*any_length, start_step=start_step, **settings)
  assert ids_of(resumed, 20) == undisturbed[start_step:]


def test_long_clips_do_not_come_one_after_the_other(any_length):
  batches = batches_of(*any_length, batch_size=10, shuffle=True, repeat=True)
  lengths = [batch['log_mel'].shape[1] for batch in batches.take(64)]
  epochs = [lengths[i : i + 16] for i in range(0, 64, 16)]
  assert all(epoch != sorted(epoch) for epoch in epochs)
  assert len({tuple(np.argsort(epoch)) for epoch in epochs}) == 4


def test_a_pool_fits_into_its_memory(any_length):
  made = any_length[1]
  one_bytes = sum(shard.num_bytes for shard in made.shards_of('train')) / 160 + 100
  count = functools.partial(buffers.pool_batches, made, 'train')
  assert count(batch_size=5) == 16
  assert count(batch_size=40) == 4
  assert count(batch_size=161) == 1
  assert count(batch_size=5, pool_bytes=int(15.5 * one_bytes)) == 3
  assert count(batch_size=5, pool_bytes=1) == 1


def test_half_rows_are_said(tmp_path, read_all):
  half = dataclasses.replace(datasets.VARIABLE_LOG_MEL, shape=(None, 8))
  made = datasets.write_dataset(
    tmp_path, features=VARIABLE[:1], audio=datasets.VARIABLE_AUDIO, num_shards={'train': 1}
  )
  path = str(tmp_path / made.shards_of('train')[0].file_name)
  clips = [codec.decode(data, made.features) for data in reader.read_records(path)]
  cut = dataclasses.replace(clips[3], arrays={'log_mel': clips[3].arrays['log_mel'][:1, :8]})
  with writer.ShardWriter(path) as shard:
    shard.write([codec.encode(cut, [half])])
    shard.write([codec.encode(clip, made.features) for clip in clips[1:]])
  made = retold(made, shard)
  sentence = (
    r"'log_mel' must have a multiple of 32 bytes in every record \(float16 \[any, 16\]\), as"
  )
  with pytest.raises(errors.DatasetError, match=sentence):
    read_all(str(tmp_path), made)


def test_checks_hold_outside_of_a_graph_too(tmp_path):
  manifest = datasets.write_dataset(tmp_path)
  parse = parsing.batch_parser(manifest, feature_names=['log_mel'])
  path = str(tmp_path / manifest.shards_of('train')[0].file_name)
  clip = codec.decode(next(iter(reader.read_records(path))), manifest.features)
  assert parse(tf.constant([codec.encode(clip, [datasets.LOG_MEL])]))['log_mel'].shape[0] == 1
  with pytest.raises(tf.errors.InvalidArgumentError, match='must have 640 bytes in every record'):
    parse(tf.constant([shortened(clip)]))
