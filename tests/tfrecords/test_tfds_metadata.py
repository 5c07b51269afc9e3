"""TensorFlow Datasets, which has never heard of us, opens the folder and yields the same arrays."""

import json
import os
import subprocess
import sys
import tempfile

import hypothesis
import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import strategies as st

from schemas import errors, naming, record
from tests.helpers import datasets, tiny_manifest
from tests.tfrecords.storage import storages
from tfrecords import manifest_file, reader, tfds_metadata
from tfrecords.wire import codec

FEATURES = tuple(
  record.FeatureSpec(name=f'as_{dtype}', shape=shape, dtype=dtype, settings={})
  for dtype, shape in (
    ('float16', (3, 4)),
    ('float32', (5,)),
    ('int16', (7,)),
    ('uint8', (2, 2, 3)),
  )
)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  """Two train shards with records and two without, no validation, empty test shards."""
  folder = str(tmp_path_factory.mktemp('tfds') / 'anything')
  manifest = datasets.write_dataset(
    folder,
    features=FEATURES,
    speakers={'train': ('ada', 'bob', 'cyd'), 'validation': ('eve',)},
    num_shards={'train': 5, 'validation': 1, 'test': 2},
  )
  tfds_metadata.write(folder, manifest)
  return folder


def stored(data_dir, split):
  manifest = manifest_file.load(data_dir)
  for shard in manifest.shards_of(split):
    for data in reader.read_records(os.path.join(data_dir, shard.file_name)):
      yield codec.decode(data, manifest.features)


@pytest.mark.parametrize('split', ['train', 'validation'])
def test_the_same_arrays_come_out(data_dir, split):
  wanted = {clip.utterance_id.encode(): clip for clip in stored(data_dir, split)}
  builder = tfds.builder_from_directory(data_dir)
  examples = list(tfds.as_numpy(builder.as_dataset(split=split)))
  assert len(examples) == len(wanted) == builder.info.splits[split].num_examples > 0
  for example in examples:
    clip = wanted[example['id']]
    assert example['speaker'] == clip.speaker_id.encode()
    assert example['augmentation'] == clip.augmentation.encode()
    assert (example['label'], example['num_samples']) == (clip.label, clip.num_samples)
    assert example['file'].decode() == clip.file == f'{clip.utterance_id}'
    assert (example['start_us'], example['end_us']) == (0, clip.end_us)
    assert json.loads(example['fields']) == clip.fields == {'take': clip.fields['take']}
    for name, array in clip.arrays.items():
      assert example[name].dtype == array.dtype
      np.testing.assert_array_equal(example[name], array)


def test_clips_of_any_length_come_out_as_they_were_stored(tmp_path):
  features = (
    datasets.VARIABLE_LOG_MEL,
    record.FeatureSpec(name='waveform', shape=(None,), dtype='int16', settings={}),
    record.FeatureSpec(name='chroma', shape=(None, 2, 3), dtype='float32', settings={}),
  )
  manifest = datasets.write_dataset(tmp_path, features=features, audio=datasets.VARIABLE_AUDIO)
  tfds_metadata.write(str(tmp_path), manifest)
  wanted = {clip.utterance_id.encode(): clip for clip in stored(str(tmp_path), 'train')}
  builder = tfds.builder_from_directory(str(tmp_path))
  assert builder.info.features['log_mel'].shape == (None, 16)
  assert 'Clips of their own length at 8000 Hz' in builder.info.description
  examples = list(tfds.as_numpy(builder.as_dataset(split='train')))
  assert len(examples) == len(wanted)
  assert len({len(example['log_mel']) for example in examples}) > 10
  for example in examples:
    for name, array in wanted[example['id']].arrays.items():
      assert example[name].dtype == array.dtype
      np.testing.assert_array_equal(example[name], array)


def test_pictures_come_out_as_they_were_stored(tmp_path):
  manifest = datasets.write_dataset(tmp_path, features=(datasets.PICTURE,), audio=None)
  tfds_metadata.write(str(tmp_path), manifest)
  wanted = {clip.utterance_id.encode(): clip for clip in stored(str(tmp_path), 'test')}
  builder = tfds.builder_from_directory(str(tmp_path))
  assert builder.info.description.startswith('Pictures as image (uint8 [16, 16, 3])')
  for example in tfds.as_numpy(builder.as_dataset(split='test')):
    np.testing.assert_array_equal(example['image'], wanted[example['id']].arrays['image'])


def test_slices_of_splits_work(data_dir):
  builder = tfds.builder_from_directory(data_dir)
  parts = [list(tfds.as_numpy(builder.as_dataset(split=s))) for s in ('train[:5]', 'train[5:]')]
  assert [len(part) for part in parts] == [5, 13]


def test_splits_without_records_are_left_out(data_dir):
  assert list(tfds.builder_from_directory(data_dir).info.splits) == ['train', 'validation']


def test_what_tfds_says_of_it(data_dir):
  info = tfds.builder_from_directory(data_dir).info
  manifest = manifest_file.load(data_dir)
  assert (info.name, str(info.version)) == ('tiny', f'{record.RECORD_VERSION}.0.0')
  assert info.features['label'].names == list(manifest.labels)
  assert info.supervised_keys is None  # Several features: no telling which is the input.
  assert 'as_float16 (float16 [3, 4])' in info.description
  assert info.splits['train'].num_bytes == sum(s.num_bytes for s in manifest.shards_of('train'))
  assert info.splits['train'].shard_lengths == [s.num_records for s in manifest.shards_of('train')]


def test_a_single_feature_is_the_input_of_supervised_learning(tmp_path):
  manifest = datasets.write_dataset(tmp_path)
  tfds_metadata.write(str(tmp_path), manifest)
  builder = tfds.builder_from_directory(str(tmp_path))
  array, label = next(iter(tfds.as_numpy(builder.as_dataset(split='train', as_supervised=True))))
  assert array.shape == (20, 16)
  assert 0 <= label < 3


def test_the_files_are_those_that_the_data_job_knows(tmp_path):
  names = tfds_metadata.write(str(tmp_path), datasets.write_dataset(tmp_path / 'set'))
  assert sorted(names) == sorted(naming.TFDS_FILES)
  assert sorted(os.listdir(tmp_path)) == sorted([*naming.TFDS_FILES, 'set'])


def test_the_files_are_the_same_in_another_process_and_folder(tmp_path):
  manifest = datasets.write_dataset(tmp_path / 'one')
  names = tfds_metadata.write(str(tmp_path / 'one'), manifest)
  datasets.write_dataset(tmp_path / 'other')
  code = (
    'from tfrecords import manifest_file, tfds_metadata\n'
    f'folder = {str(tmp_path / "other")!r}\n'
    'tfds_metadata.write(folder, manifest_file.load(folder))\n'
  )
  subprocess.run(
    [sys.executable, '-c', code],
    env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path), 'PYTHONHASHSEED': '5'},
    check=True,
    capture_output=True,
  )
  for name in names:
    assert (tmp_path / 'one' / name).read_bytes() == (tmp_path / 'other' / name).read_bytes()


LABELS = st.text(st.characters(exclude_categories=()), max_size=4)


@hypothesis.given(st.lists(LABELS, min_size=1, max_size=3, unique=True))
@hypothesis.example(['yes', ' '])
@hypothesis.example(['two\nlines', 'a'])
@hypothesis.example(['a\rb', 'b'])
@hypothesis.example(['tab\there', 'a  b', '\u2028x', 'x\x0by', 'd\udcff'])
def test_a_label_is_unfit_where_the_real_class_label_does_not_give_it_back(labels):
  kept = tfds.features.ClassLabel(names=labels)
  with tempfile.TemporaryDirectory() as folder:
    try:
      kept.save_metadata(folder, 'label')
      read = tfds.features.ClassLabel(num_classes=len(labels))
      read.load_metadata(folder, 'label')
      is_same = read.names == labels
    except ValueError:  # It has not as many lines as labels, or is no UTF-8.
      is_same = False
  assert is_same == (not naming.unfit_for_tfds(labels))


def test_a_label_that_would_be_another_one_is_refused_and_nothing_is_written(tmp_path):
  manifest = datasets.write_dataset(tmp_path, labels=('a', 'two\nlines'))
  with pytest.raises(errors.DatasetError, match=r"cannot hold the label 'two\\nlines'.*Rename it"):
    tfds_metadata.write(str(tmp_path), manifest)
  assert not set(naming.TFDS_FILES) & set(os.listdir(tmp_path))


def test_where_a_file_cannot_be_written_none_is_left():
  storage = storages.MemoryStorage()
  names = []
  write = storage.writing

  def failing(path):
    names.append(path)
    if len(names) == 3:
      raise OSError(28, 'No space left on device')
    return write(path)

  storage.writing = failing
  with pytest.raises(errors.DatasetError, match='No space left on device'):
    tfds_metadata.write('d', tiny_manifest.of(), storage)
  assert storage.files == {}


def test_another_storage_will_do():
  storage = storages.MemoryStorage()
  names = tfds_metadata.write('d', tiny_manifest.of(counts={'train': (1, 0, 0)}), storage)
  assert sorted(storage.files) == sorted(f'd/{name}' for name in names)


def test_a_full_disk_is_said():
  storage = storages.MemoryStorage(fail_on_write=1)
  with pytest.raises(errors.DatasetError, match=r"'d/dataset_info\.json': No space left on device"):
    tfds_metadata.write('d', tiny_manifest.of(), storage)
  assert storage.files == {}


def test_a_missing_package_is_said(monkeypatch):
  monkeypatch.setitem(sys.modules, 'tensorflow_datasets', None)
  with pytest.raises(
    errors.DatasetError, match=r'needs the package tensorflow-datasets.*\[train\]'
  ):
    tfds_metadata.write('d', tiny_manifest.of(), storages.MemoryStorage())
