"""Data sets that TensorFlow Datasets itself prepares, and what it reads from them."""

import functools
import io
import os
import wave

import numpy as np
import pytest

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

RATE_HZ = 8_000
WORDS = ('no', 'yes', 'ja, gern')
NUM_CLIPS = {'train': 11, 'validation': 3, 'test_clean': 4}


def samples(index):
  """Some 16-bit samples, with the largest and the smallest that there are."""
  generator = np.random.default_rng(index)
  noise = generator.integers(-(1 << 15), 1 << 15, 200 + 7 * index)
  return np.concatenate([[-(1 << 15), (1 << 15) - 1], noise]).astype(np.int16)


def wav(values):
  """A WAV file in memory."""
  stream = io.BytesIO()
  with wave.open(stream, 'wb') as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(RATE_HZ)
    file.writeframes(values.astype('<i2').tobytes())
  stream.seek(0)
  return stream


def _load_wav(stream, file_format, channels):
  """In place of TFDS's pydub, which is an extra."""
  del file_format, channels
  with wave.open(stream) as file:
    return np.frombuffer(file.readframes(file.getnframes()), '<i2')


def example(index):
  """One example with every form of audio and of label."""
  values = samples(index)
  return {
    'audio': values,
    'by_default': values.astype(np.int64),
    'deep': values.astype(np.int64) << 8,
    'floats': values.astype(np.float32) / (1 << 15),
    'stereo': np.stack([values, values // 2], 1),
    'raw': wav(values),
    'zlib': wav(values),
    'file': wav(values),
    'tensor': values,
    'table': np.stack([values, values], 1),
    'label': WORDS[index % 3] if index % 5 else -1,
    'number': index % 4,
    'said': f'Sätze, {index}',
    'speaker_id': index % 6,
    'maybe': None if index % 2 else 'x',
    'flag': True,
    'inside': {'class': 'old', 'audio': values},
    'inside/name': f'{index}_spk{index % 4}_7.wav',
    'many': ['a', 'b'],
  }


@functools.cache
def _builder_class():
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.utils import gcs_utils

  gcs_utils._is_gcs_disabled = True  # No look at what its makers have prepared.
  kinds = tfds.features

  class VoxshardMini(tfds.core.GeneratorBasedBuilder):
    """A small data set of noise."""

    VERSION = tfds.core.Version('1.2.0')
    # TFDS would look for checksums beside this file, by a package that not everybody has.
    code_path = None

    def _info(self):
      audio = functools.partial(kinds.Audio, sample_rate=RATE_HZ)
      features = {
        'audio': audio(dtype=np.int16, file_format='wav'),
        'by_default': audio(),
        'deep': audio(),
        'floats': audio(dtype=np.float32),
        'stereo': audio(dtype=np.int16, shape=(None, 2)),
        'raw': audio(dtype=np.int32, encoding='bytes'),
        'zlib': audio(dtype=np.int16, encoding='zlib'),
        'file': audio(dtype=np.int16, file_format='wav', lazy_decode=True),
        'tensor': kinds.Tensor(shape=(None,), dtype=np.int16, encoding='zlib'),
        'table': kinds.Tensor(shape=(None, None), dtype=np.int16, encoding='bytes'),
        'label': kinds.ClassLabel(names=WORDS),
        'number': kinds.ClassLabel(num_classes=4),
        'said': kinds.Text(),
        'speaker_id': np.int64,
        'maybe': kinds.Tensor(shape=(), dtype=np.str_, optional=True),
        'flag': np.bool_,
        'inside': {
          'class': kinds.ClassLabel(names=['young', 'old']),
          'audio': kinds.Audio(dtype=np.int16),
        },
        'inside/name': kinds.Text(),
        'many': kinds.Sequence(kinds.Text()),
      }
      return tfds.core.DatasetInfo(builder=self, features=kinds.FeaturesDict(features))

    def _split_generators(self, dl_manager):
      del dl_manager
      return {name: self._generate_examples(number) for name, number in NUM_CLIPS.items()}

    def _generate_examples(self, number):
      for index in range(number):
        yield index, example(index)

  return VoxshardMini


NAME = 'voxshard_mini'


def prepare(data_dir):
  """Lets TFDS write the data set, the train split in two files."""
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.features import audio_feature

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(audio_feature, '_pydub_load_audio', _load_wav)
    builder = _builder_class()(data_dir=str(data_dir))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=2))
  return builder


def read(builder):
  """Returns what TFDS reads, from its id of a record to the example."""
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.features import audio_feature

  found = {}
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(audio_feature, '_pydub_load_audio', _load_wav)
    for split in NUM_CLIPS:
      read_config = tfds.ReadConfig(add_tfds_id=True)
      dataset = builder.as_dataset(split=split, read_config=read_config)
      for one in tfds.as_numpy(dataset):
        found[one['tfds_id'].decode()] = {**one, 'split': split}
  return found
