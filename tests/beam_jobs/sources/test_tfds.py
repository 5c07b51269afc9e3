import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs.shards import reading
from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import tfds
from beam_jobs.sources.tfds_records import clip_uri, feature_list, skim, stored_audio
from features.decoding import clips
from schemas import audio, errors, options, rejects
from schemas.utterance import Utterance
from tests.beam_jobs.sources import tfds_corpora
from tests.contracts import tfds_example
from tests.helpers import bucket
from tfrecords.wire import example_proto, framing

SPEC = audio.AudioSpec(sample_rate_hz=tfds_corpora.RATE_HZ, clip_s=0.05)


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  """The data_dir of a data set that TFDS prepared, and what TFDS reads from it."""
  data_dir = tmp_path_factory.mktemp('data')
  builder = tfds_corpora.prepare(data_dir)
  return data_dir, tfds_corpora.read(builder)


@pytest.fixture
def copied(prepared, tmp_path):
  """A copy of the data set's folder, to be damaged."""
  folder = tmp_path / 'data' / tfds_corpora.NAME / '1.2.0'
  shutil.copytree(prepared[0] / tfds_corpora.NAME / '1.2.0', folder)
  return folder


def listed(data_dir, **tfds_settings):
  tfds_settings.setdefault('name', tfds_corpora.NAME)
  corpus = corpus_lib.Corpus(str(data_dir))
  return list(tfds.list_utterances(corpus, tfds.Tfds(**tfds_settings)))


def utterances(data_dir, **tfds_settings):
  entries = listed(data_dir, **tfds_settings)
  return {entry.utterance_id: entry for entry in entries if isinstance(entry, Utterance)}


def refusal(data_dir, **tfds_settings):
  with pytest.raises(errors.SourceError) as caught:
    listed(data_dir, **tfds_settings)
  return str(caught.value)


# --- Against TFDS.


def test_labels_speakers_and_splits_are_those_of_tfds(prepared):
  data_dir, theirs = prepared
  ours = utterances(data_dir)
  assert ours.keys() == {key for key, one in theirs.items() if one['label'] >= 0}
  official = {'train': 'train', 'validation': 'validation', 'test_clean': 'test'}
  for key, entry in ours.items():
    one = theirs[key]
    assert entry.label == tfds_corpora.WORDS[one['label']]
    assert entry.speaker_id == str(one['speaker_id'])
    assert entry.split == official[one['split']]
    assert dict(entry.fields) == {
      'inside/class': 'old',
      'inside/name': one['inside/name'].decode(),
      'maybe': one['maybe'].decode(),
      'number': str(one['number']),
      'said': one['said'].decode(),
    }
    assert entry.origin == key.replace('__', ', record ')


def test_records_without_a_label_are_counted(prepared):
  data_dir, theirs = prepared
  (left_out,) = (entry for entry in listed(data_dir) if not isinstance(entry, Utterance))
  number = sum(one['label'] < 0 for one in theirs.values())
  assert left_out == rejects.LeftOut(reason='no_label', count=number)


@pytest.mark.parametrize(
  ('label', 'text'),
  [
    ('number', lambda one: str(one['number'])),
    ('said', lambda one: one['said'].decode()),
    ('speaker_id', lambda one: str(one['speaker_id'])),
    ('inside/class', lambda one: 'old'),
  ],
)
def test_any_value_can_be_the_label(prepared, label, text):
  data_dir, theirs = prepared
  ours = utterances(data_dir, label=label)
  assert {key: entry.label for key, entry in ours.items()} == {
    key: text(one) for key, one in theirs.items()
  }
  assert {entry.speaker_id for entry in ours.values()} == {str(i) for i in range(6)}


@pytest.mark.parametrize(
  ('name', 'given_', 'scale'),
  [
    ('audio', {}, 1 << 15),
    ('by_default', {}, 1 << 15),
    ('deep', {'bits': 24}, 1 << 23),
    ('floats', {}, 1),
    ('raw', {'bits': 16}, 1 << 15),
    ('raw', {}, 1 << 31),
    ('zlib', {}, 1 << 15),
    ('file', {}, 1 << 15),
    ('tensor', {'rate_hz': tfds_corpora.RATE_HZ}, 1 << 15),
    ('inside/audio', {'rate_hz': tfds_corpora.RATE_HZ}, 1 << 15),
  ],
)
def test_samples_are_those_of_tfds(prepared, name, given_, scale):
  data_dir, theirs = prepared
  ours = utterances(data_dir, audio=name, label='number', **given_)
  assert len(ours) == sum(tfds_corpora.NUM_CLIPS.values())
  for key, entry in ours.items():
    assert clip_uri.is_uri(entry.uri)
    clip = reading.load(entry.uri, SPEC)
    one = theirs[key]['inside']['audio'] if name == 'inside/audio' else theirs[key][name]
    wanted = np.asarray(one, np.float64) / scale
    assert clip.num_samples == min(len(wanted), SPEC.clip_samples)
    np.testing.assert_allclose(
      clip.samples[: clip.num_samples], wanted[: clip.num_samples], atol=1e-7
    )
    assert not clip.samples[clip.num_samples :].any()
    assert clip.source_s == len(wanted) / tfds_corpora.RATE_HZ


def test_channels_are_mixed_and_audio_resampled_as_those_of_a_file(prepared):
  data_dir, theirs = prepared
  spec = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.05)
  for key, entry in utterances(data_dir, audio='stereo').items():
    stereo = theirs[key]['stereo']
    clip = reading.load(entry.uri, SPEC)
    mean = stereo.mean(1)[: SPEC.clip_samples] / (1 << 15)
    np.testing.assert_allclose(clip.samples[: clip.num_samples], mean, atol=1e-7)
  for key, entry in utterances(data_dir).items():
    file = tfds_corpora.wav(theirs[key]['audio']).read()
    ours, wanted = reading.load(entry.uri, spec), clips.decode(file, spec)
    np.testing.assert_array_equal(ours.samples, wanted.samples)


def test_old_descriptions_of_features_are_read(copied):
  import tensorflow_datasets as tfds_lib

  def older(name, **content):
    return {'type': f'tensorflow_datasets.core.features.{name}', 'content': content}

  old = older(
    'features_dict.FeaturesDict',
    audio=older(
      'audio_feature.Audio', file_format='wav', shape=[None], dtype='int64', sample_rate=8000
    ),
    label=older('class_label_feature.ClassLabel', num_classes=3),
    said=older('text_feature.Text'),
    number=older('tensor_feature.Tensor', shape=[], dtype='int64'),
  )
  text = json.dumps(old)
  theirs = tfds_lib.features.FeatureConnector.from_json(old)
  ours = feature_list.parse(text, where='features.json')
  assert ours.keys() == theirs.keys()
  assert ours['audio'].rate_hz == theirs['audio'].sample_rate == 8000
  assert ours['audio'].shape == theirs['audio'].shape
  assert ours['label'].num_classes == theirs['label'].num_classes
  before = utterances(copied.parents[1])
  (copied / 'features.json').write_text(text)
  after = utterances(copied.parents[1])
  assert {key: entry.label for key, entry in after.items()} == {
    key: entry.label for key, entry in before.items()
  }


# --- Choosing.


def test_the_folder_of_one_version_needs_no_name(copied):
  assert len(utterances(copied, name='')) == len(utterances(copied.parents[1]))


def test_the_newest_version_is_taken_by_its_numbers(copied):
  for version in ('1.10.0', '1.9.0', '1.11.0.incompleteABC', '2.0.0'):
    shutil.copytree(copied, copied.parent / version)
  (copied.parent / '2.0.0' / 'dataset_info.json').unlink()
  data_dir = copied.parents[1]
  assert all('/1.10.0/' in entry.uri for entry in utterances(data_dir).values())
  assert all('/1.9.0/' in entry.uri for entry in utterances(data_dir, version='1.9.0').values())
  text = refusal(data_dir, version='1.8.0')
  assert 'has no version' in text
  assert 'It has: 1.2.0, 1.9.0, 1.10.0.' in text


def test_configs(copied):
  data_dir = copied.parents[1]
  for config in ('clean', 'noisy'):
    shutil.copytree(copied, copied.parent / config / '1.0.0')
  assert all(
    '/mini/1.2.0' not in entry.uri for entry in utterances(data_dir, config='noisy').values()
  )
  shutil.rmtree(copied)
  assert 'has the configs clean, noisy. Choose one with tfds:' in refusal(data_dir)
  assert "has no config 'nosy'. Did you mean 'noisy'?" in refusal(data_dir, config='nosy')
  shutil.rmtree(copied.parent / 'noisy')
  assert all('/clean/1.0.0/' in entry.uri for entry in utterances(data_dir).values())


def test_splits_can_be_chosen(prepared):
  data_dir, _ = prepared
  two = utterances(data_dir, splits='train+test_clean')
  assert {entry.split for entry in two.values()} == {'train', 'test'}
  # One split leaves it to the user to divide it.
  one = utterances(data_dir, splits='train')
  assert {entry.split for entry in one.values()} == {''}
  assert "no split 'tset_clean'. Did you mean 'test_clean'" in refusal(
    data_dir, splits='tset_clean'
  )


def test_splits_of_other_names_are_read_when_they_are_named(copied):
  path = copied / 'dataset_info.json'
  info = json.loads(path.read_text())
  info['splits'][1]['name'] = 'extra'
  path.write_text(json.dumps(info))
  for file in copied.glob('*-validation.*'):
    file.rename(copied / file.name.replace('validation', 'extra'))
  data_dir = copied.parents[1]
  assert "'extra' is none of train, validation and test" in refusal(data_dir)
  found = utterances(data_dir, splits='train+extra+test_clean')
  assert {entry.split for key, entry in found.items() if '-extra.' in key} == {''}
  assert {entry.split for key, entry in found.items() if '-train.' in key} == {'train'}


def test_the_speaker_may_be_hidden_in_a_name(prepared):
  data_dir, theirs = prepared
  for pattern in ('_(spk[0-9])_', '[0-9]_(?P<speaker>[a-z]+[0-9])'):
    ours = utterances(data_dir, speaker='inside/name', speaker_pattern=pattern)
    assert {key: entry.speaker_id for key, entry in ours.items()} == {
      key: theirs[key]['inside/name'].decode().split('_')[1] for key in ours
    }
  some = [entry for entry in listed(data_dir, speaker='maybe') if isinstance(entry, rejects.Reject)]
  assert {entry.reason for entry in some} == {'no_speaker'}
  assert re.match(r'voxshard_mini-train\S+, record \d+: Wanted a speaker', some[0].detail)
  alone = utterances(data_dir, speaker='-')
  assert all(entry.speaker_id == key for key, entry in alone.items())


@pytest.mark.parametrize(
  ('given_', 'sentence'),
  [
    ({'name': 'voxshard_mni'}, "Did you mean 'voxshard_mini'.*It holds: voxshard_mini.*tfds build"),
    ({'name': ''}, 'no dataset_info.json in .*tfds:name=NAME.*Prepared below it: voxshard_mini'),
    ({'label': 'lable'}, r"no feature 'lable'. Did you mean 'label'.*label \(ClassLabel\)"),
    ({'label': 'floats'}, r'kind Audio \(float32\), and a class label, a text or a whole number'),
    ({'label': 'many'}, "'many' .* kind Sequence"),
    ({'label': 'flag'}, r'Tensor \(bool\)'),
    ({'speaker': 'spk'}, "no feature 'spk'.*tfds:speaker=NAME"),
    ({'speaker': '-', 'speaker_pattern': '(x)'}, 'name it with tfds:speaker=NAME'),
    ({'audio': 'sound'}, "no feature 'sound'.*tfds:audio=NAME"),
    ({'audio': 'said'}, 'kind Text, and Audio or Tensor was wanted'),
    ({'audio': 'flag'}, r'the shape \(\)'),
    ({'audio': 'table', 'rate_hz': 8000}, 'a fixed number of channels'),
    ({'audio': 'tensor'}, 'does not say its sample rate.*tfds:rate_hz=16000'),
    ({'label': 'maybe', 'splits': 'none'}, "no split 'none'"),
  ],
)
def test_a_wrong_choice_is_one_sentence(prepared, given_, sentence):
  text = refusal(prepared[0], **given_)
  assert re.search(sentence, text), text
  assert text.endswith('.')


def test_wrong_settings():
  for given_, sentence in (
    ({'bits': 64}, r'bits must be 0 or in \[2, 32\]'),
    ({'version': '1.0.0'}, 'give its name as well'),
    ({'speaker_pattern': '['}, 'no regular expression'),
    ({'speaker_pattern': 'x'}, 'has no group'),
  ):
    with pytest.raises(errors.ConfigError, match=sentence):
      tfds.Tfds(**given_)


# --- Damage.


def shard_of(folder, split='train'):
  return sorted(folder.glob(f'*-{split}.tfrecord-*'))[0]


def test_a_lost_file_of_the_data_set_is_named(copied):
  shard = shard_of(copied)
  shard.unlink()
  assert f'Could not open {shard}' in refusal(copied.parents[1])


@pytest.mark.parametrize('num_bytes', [1, 7, 5000])
def test_a_file_that_ends_early_is_named(copied, num_bytes):
  shard = shard_of(copied)
  shard.write_bytes(shard.read_bytes()[:-num_bytes])
  text = refusal(copied.parents[1])
  assert re.search(rf'{shard}, record \d+ at byte \d+: the file ends within it. Copy', text)


def test_a_file_with_too_few_records_is_named(copied):
  shard = shard_of(copied)
  shard.write_bytes(b'')
  assert re.search(rf'{shard} should hold \d records, got 0. Copy', refusal(copied.parents[1]))


@pytest.mark.parametrize(
  ('name', 'content', 'sentence'),
  [
    (
      'dataset_info.json',
      '{"splits": []',
      'dataset_info.json is not what TensorFlow Datasets writes',
    ),
    ('dataset_info.json', '[]', 'AttributeError'),
    ('dataset_info.json', '{"name": "x"}', "KeyError: 'splits'"),
    ('dataset_info.json', '{"fileFormat": "array_record"}', 'array_record.*--file_format=tfrecord'),
    ('features.json', '{"x": 1}', 'features.json is not what TensorFlow Datasets writes'),
    ('features.json', None, 'There is no features.json in'),
  ],
)
def test_a_damaged_description_is_named(copied, name, content, sentence):
  (copied / name).unlink()
  if content is not None:
    (copied / name).write_text(content)
  assert re.search(sentence, refusal(copied.parents[1]))


def test_what_is_no_example_is_named(copied):
  shard = shard_of(copied, 'validation')
  for data in (b'\xff' * 20, b'\x0a\x50short', b'\x0c'):
    shard.write_bytes(b''.join(framing.frame(data)))
    assert 'its bytes are no tf.train.Example' in refusal(copied.parents[1])


def test_a_damaged_clip_is_a_reject_when_it_is_read(copied):
  entries = utterances(copied.parents[1], splits='validation')
  first, *others = entries.values()
  place = clip_uri.parse_uri(first.uri)
  data = bytearray((copied / os.path.basename(place.path)).read_bytes())
  data[place.offset_bytes + 12 + place.length_bytes // 2] ^= 1
  (copied / os.path.basename(place.path)).write_bytes(data)
  error = clip_error(first.uri)
  assert error.reason == 'truncated'
  assert 'checksum of the record at byte' in error.detail
  for other in others:
    reading.load(other.uri, SPEC)
  shard_of(copied, 'validation').write_bytes(bytes(len(data)))
  assert 'has changed since it was listed' in clip_error(first.uri).detail
  shard_of(copied, 'validation').write_bytes(data[: place.offset_bytes + 100])
  assert 'the file ends before' in clip_error(first.uri).detail
  shard_of(copied, 'validation').unlink()
  assert clip_error(first.uri).reason == 'missing'


def clip_error(uri):
  with pytest.raises(clips.ClipError) as caught:
    reading.load(uri, SPEC)
  return caught.value


def test_samples_that_need_more_bits_are_a_reject(prepared):
  entry = next(iter(utterances(prepared[0], audio='deep').values()))
  error = clip_error(entry.uri)
  assert error.reason == 'bad_samples'
  assert 'Wanted samples of 16 bits, got -8388608 to' in error.detail


@pytest.mark.parametrize(
  ('values', 'given_', 'wanted'),
  [
    (np.array([0, 128, 255], np.uint8), {'dtype': 'uint8', 'bits': 8}, [-1, 0, 127 / 128]),
    (np.array([-128, 64], np.int8), {'dtype': 'int8', 'bits': 8}, [-1, 0.5]),
    (np.array([-2048, 1024], np.int16), {'dtype': 'int16', 'bits': 12}, [-1, 0.5]),
    (np.array([0.5, -2.0], np.float64), {'dtype': 'float64'}, [0.5, -2.0]),
    (np.array([0.5], np.float16), {'dtype': 'float16'}, [0.5]),
  ],
)
def test_full_scale_is_one(values, given_, wanted):
  stored = clip_uri.StoredAudio(key='x', encoding='bytes', rate_hz=8_000, **given_)
  clip = clips.decode(stored_audio.wav_bytes(values, stored), SPEC)
  np.testing.assert_array_equal(clip.samples[: clip.num_samples], np.float32(wanted))


def test_odd_clips_are_rejects(tmp_path):
  def error_of(feature, **given_):
    example = example_proto.Example()
    example.features.feature['audio'].CopyFrom(feature)
    data = example.SerializeToString()
    path = tmp_path / 'x?&%.tfrecord'
    path.write_bytes(b''.join(framing.frame(data)))
    stored = {'key': 'audio', 'encoding': 'none', 'dtype': 'int16', 'bits': 16, 'rate_hz': 8_000}
    place = clip_uri.Place(
      path=str(path),
      offset_bytes=0,
      length_bytes=len(data),
      audio=clip_uri.StoredAudio(**{**stored, **given_}),
    )
    return clip_error(clip_uri.uri(place)).reason

  feature = example_proto.Example().features.feature
  assert error_of(feature['none']) == 'no_samples'
  feature['empty'].int64_list.SetInParent()
  assert error_of(feature['empty']) == 'no_samples'
  feature['one'].int64_list.value.append(1)
  assert error_of(feature['one'], channels=2) == 'truncated'
  assert error_of(feature['one'], rate_hz=5) == 'bad_rate'
  assert error_of(feature['one'], encoding='bytes') == 'no_samples'
  feature['bytes'].bytes_list.value.append(b'odd')
  assert error_of(feature['bytes'], encoding='bytes') == 'truncated'
  assert error_of(feature['bytes'], encoding='zlib') == 'truncated'
  assert error_of(feature['bytes'], encoding='file') == 'not_audio'


# --- Pieces.


def test_a_data_set_in_a_bucket(prepared):
  data_dir, _ = prepared
  ours, local = utterances(f'{bucket.SCHEME}:/{data_dir}'), utterances(data_dir)
  assert ours.keys() == local.keys()
  for key, entry in ours.items():
    assert entry.uri.startswith(f'tfds:{bucket.SCHEME}://')
    clip, wanted = (reading.load(uri, SPEC) for uri in (entry.uri, local[key].uri))
    np.testing.assert_array_equal(clip.samples, wanted.samples)


TEXT = st.text(max_size=12)


@given(
  path=TEXT,
  offset=st.integers(0, 2**60),
  key=TEXT,
  encoding=st.sampled_from(clip_uri.ENCODINGS),
  rate_hz=st.integers(0, 10**6),
)
def test_uris_come_back(path, offset, key, encoding, rate_hz):
  stored = clip_uri.StoredAudio(key=key, encoding=encoding, dtype='int16', rate_hz=rate_hz)
  place = clip_uri.Place(path=path, offset_bytes=offset, length_bytes=7, audio=stored)
  text = clip_uri.uri(place)
  assert clip_uri.is_uri(text)
  assert clip_uri.parse_uri(text) == place


def test_other_uris_are_refused():
  assert not clip_uri.is_uri('/data/tfds:x.wav')
  for text in ('tfds:/x', 'tfds:/x?offset=1', 'gs://x', 'tfds:/x?offset=a&length=1&key=k'):
    with pytest.raises(errors.SchemaError, match='List the data set again'):
      clip_uri.parse_uri(text)


VALUES = st.one_of(
  st.lists(st.binary(max_size=300), max_size=3),
  st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40),
  st.lists(st.floats(width=32, allow_nan=False), max_size=40),
)


@given(records=st.lists(st.dictionaries(TEXT, VALUES, max_size=5), max_size=4))
@settings(max_examples=60)
def test_skimming_gives_what_parsing_gives(records):
  whole = []
  for record in records:
    example = example_proto.Example()
    for key, values in record.items():
      kind = {bytes: 'bytes_list', int: 'int64_list', float: 'float_list'}
      feature = example.features.feature[key]
      if values:
        getattr(feature, kind[type(values[0])]).value.extend(values)
    whole.append(example)
  framed = b''.join(b''.join(framing.frame(example.SerializeToString())) for example in whole)
  wanted = sorted({key for record in records for key in record})[::2]
  found = list(skim.skim(io.BytesIO(framed), wanted, where='x'))
  assert len(found) == len(records)
  for skimmed, example in zip(found, whole, strict=True):
    data = framed[skimmed.offset_bytes :][12 : 12 + skimmed.length_bytes]
    assert example_proto.Example.FromString(data) == example
    ours = {key: example_proto.Feature.FromString(value) for key, value in skimmed.features.items()}
    assert ours == {
      key: feature for key, feature in example.features.feature.items() if key in wanted
    }


def test_skimming_steps_over_the_audio():
  example = example_proto.Example()
  example.features.feature['audio'].int64_list.value.extend(range(1 << 20, (1 << 20) + 50_000))
  example.features.feature['label'].int64_list.value.append(3)
  read = []

  class Counting(io.BytesIO):
    def read(self, size=-1):
      read.append(size)
      return super().read(size)

  data = example.SerializeToString()
  stream = Counting(b''.join(framing.frame(data)) * 3)
  assert len(list(skim.skim(stream, ['label'], where='x'))) == 3
  assert sum(read) < len(data) / 100


def test_listing_needs_neither_tensorflow_nor_beam_nor_numpy(prepared):
  code = (
    'import sys; from beam_jobs import sources; from beam_jobs.sources import corpus, tfds; '
    'heavy = lambda: sorted({"tensorflow", "apache_beam", "numpy"} & set(sys.modules)); '
    'print(heavy(), "google.protobuf" in sys.modules); '
    'settings = tfds.Tfds(name=sys.argv[2]); '
    'print(len(list(tfds.list_utterances(corpus.Corpus(sys.argv[1]), settings))) > 9, heavy())'
  )
  done = subprocess.run(
    [sys.executable, '-c', code, str(prepared[0]), tfds_corpora.NAME],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.split('\n')[:2] == ['[] False', 'True []']


def test_settings_survive_the_command_line_and_pickle():
  for given_ in (tfds.Tfds(), tfds.Tfds(name='x', speaker_pattern='(a,b)', bits=24)):
    text = options.format_option('tfds', given_)
    assert options.parse(text, {'tfds': tfds.Tfds}, family='source') == ('tfds', given_)
    assert pickle.loads(pickle.dumps(given_)) == given_


def test_the_example_opens_in_tfds(tmp_path):
  import tensorflow_datasets as tfds_lib

  for name, data in tfds_example.files().items():
    (tmp_path / name).write_bytes(data)
  builder = tfds_lib.builder_from_directory(str(tmp_path))
  theirs = {
    (split, one['speaker_id'].decode(), int(one['label']))
    for split in ('train', 'test')
    for one in tfds_lib.as_numpy(builder.as_dataset(split=split))
  }
  ours = utterances(tmp_path, name='')
  assert {(e.split, e.speaker_id, ('no', 'yes').index(e.label)) for e in ours.values()} == theirs
