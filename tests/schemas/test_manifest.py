"""The manifest: nothing is lost on the way through JSON; damage is named with its place."""

import copy
import dataclasses
import json
import re

import hypothesis
import pytest
from hypothesis import strategies as st

from schemas import audio, errors, manifest, record

DIGEST = '0' * 64


def shard(split, index, num_shards, counts, name='tiny'):
  return manifest.ShardInfo(
    file_name=f'{name}-{split}.tfrecord-{index:05d}-of-{num_shards:05d}',
    num_records=sum(counts),
    num_bytes=100 * sum(counts),
    sha256=DIGEST,
    num_speakers=1,
    label_counts=tuple(counts),
    audio_s=1.5,
    source_s=2.5,
  )


MANIFEST = manifest.DatasetManifest(
  name='tiny',
  audio=audio.AudioSpec(sample_rate_hz=8_000, clip_s=0.5),
  features=(
    record.FeatureSpec(name='log_mel', shape=(20, 3), dtype='float16', settings={'num_mels': 3}),
    record.FeatureSpec(name='waveform', shape=(4_000,), dtype='int16', settings={}),
  ),
  labels=('no', 'yes'),
  shards=(shard('train', 0, 2, (3, 1)), shard('train', 1, 2, (0, 4)), shard('test', 0, 1, (2, 2))),
  statistics={
    'log_mel': manifest.FeatureStatistics(count=9, mean=(0.1, -2.0, 1e-9), variance=(1.0, 0, 2.5)),
    'waveform': manifest.FeatureStatistics(count=4, mean=(0.0,), variance=(0.1,)),
  },
  num_speakers={'train': 2, 'test': 1},
  rejects={'empty': 2},
  config={'seed': 1, 'split_by': 'speaker', 'nested': {'a': [1, 'x', None, True]}},
  versions={'voxshard': '0.1.0'},
  warnings=('A sentence.',),
)
PARSED = json.loads(MANIFEST.to_text())


def test_nothing_is_lost():
  assert manifest.DatasetManifest.from_text(MANIFEST.to_text()) == MANIFEST


def test_the_text_is_the_same_for_the_same_manifest():
  shuffled = dataclasses.replace(
    MANIFEST,
    config=dict(reversed(MANIFEST.config.items())),
    statistics=dict(reversed(MANIFEST.statistics.items())),
  )
  assert shuffled.to_text() == MANIFEST.to_text()
  assert MANIFEST.to_text().endswith('}\n')


LABELS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True)


@st.composite
def manifests(draw):
  labels = draw(LABELS)
  counts = st.lists(st.integers(0, 10**9), min_size=len(labels), max_size=len(labels))
  shards = [shard('train', i, 9, draw(counts)) for i in range(draw(st.integers(0, 3)))]
  num_bins = draw(st.integers(1, 4))
  numbers = st.lists(st.floats(0, 1e300), min_size=num_bins, max_size=num_bins).map(tuple)
  return manifest.DatasetManifest(
    name=draw(st.from_regex(r'[a-z][a-z0-9_]{0,9}', fullmatch=True)),
    audio=audio.AudioSpec(sample_rate_hz=draw(st.integers(1_000, 768_000)), clip_s=1.25),
    features=(
      record.FeatureSpec(name='x', shape=(2, num_bins), dtype='float32', settings={'a': 0.1}),
    ),
    labels=tuple(labels),
    shards=tuple(shards),
    statistics={
      'x': manifest.FeatureStatistics(count=1, mean=draw(numbers), variance=draw(numbers))
    },
    num_speakers={'train': draw(st.integers(0, 10**6))},
    rejects=draw(st.dictionaries(st.text(max_size=5), st.integers(0, 99), max_size=3)),
    config=draw(st.dictionaries(st.text(max_size=5), st.text() | st.booleans(), max_size=3)),
    versions=draw(st.dictionaries(st.text(max_size=5), st.text(), max_size=3)),
  )


@hypothesis.given(manifests())
def test_any_manifest_survives_json(made):
  assert manifest.DatasetManifest.from_text(made.to_text()) == made


def changed(path, value):
  """Returns the manifest's text with the field at `path` (`shards.0.num_bytes`) replaced."""
  parsed = copy.deepcopy(PARSED)
  *parents, last = [int(part) if part.isdigit() else part for part in path.split('.')]
  target = parsed
  for part in parents:
    target = target[part]
  target[last] = value
  return json.dumps(parsed)


def without(path):
  parsed = copy.deepcopy(PARSED)
  *parents, last = [int(part) if part.isdigit() else part for part in path.split('.')]
  target = parsed
  for part in parents:
    target = target[part]
  del target[last]
  return json.dumps(parsed)


def refusal(text):
  with pytest.raises(errors.SchemaError) as caught:
    manifest.DatasetManifest.from_text(text, where='d/manifest.json')
  return str(caught.value)


FIELDS = [
  *PARSED,
  'audio.sample_rate_hz',
  'audio.clip_s',
  *(f'features.0.{name}' for name in PARSED['features'][0]),
  *(f'shards.1.{name}' for name in PARSED['shards'][1]),
  *(f'statistics.log_mel.{name}' for name in PARSED['statistics']['log_mel']),
]


def place_of(path):
  """Returns how errors name the place of a field."""
  parents = path.split('.')[:-1]
  text = ''.join(f'[{part}]' if part.isdigit() else f'.{part}' for part in parents)
  return f'd/manifest.json, {text[1:]}' if parents else 'd/manifest.json'


@pytest.mark.parametrize('path', FIELDS)
def test_a_missing_field_is_named_with_its_place(path):
  name = path.split('.')[-1]
  assert refusal(without(path)) == f'{place_of(path)}: field {name!r} is missing.'


@pytest.mark.parametrize('path', FIELDS)
@pytest.mark.parametrize('value', [None, True, 'text', 1.5, -7, [], {}, [None], {'x': None}])
def test_a_field_of_another_kind_is_read_or_refused_in_its_place(path, value):
  try:
    manifest.DatasetManifest.from_text(changed(path, value), where='d/manifest.json')
  except errors.SchemaError as error:
    assert str(error).startswith('d/manifest.json')
    assert str(error)[-1] in '.?'


@pytest.mark.parametrize(
  ('path', 'value', 'sentence'),
  [
    ('record_version', 1, 'd/manifest.json: record_version is 1, this version of the programs'),
    ('record_version', 'one', "field 'record_version' must be a whole number, got str."),
    ('record_version', True, "field 'record_version' must be a whole number, got bool."),
    ('name', 'Big Name', 'd/manifest.json: A data set name has small letters'),
    ('name', 7, "field 'name' must be a string, got int."),
    ('audio', [], "field 'audio' must be an object, got list."),
    ('audio.sample_rate_hz', 5, 'd/manifest.json: sample_rate_hz must be in [1000, 768000], got 5'),
    ('audio.sample_rate_hz', 8000.0, "d/manifest.json, audio: field 'sample_rate_hz' must be a wh"),
    ('audio.clip_s', float('inf'), "d/manifest.json, audio: field 'clip_s' must hold finite numb"),
    ('audio.clip_s', 10**400, "d/manifest.json, audio: field 'clip_s' must hold finite numbers."),
    ('features.0', 1, 'd/manifest.json, features[0]: expected an object, got int.'),
    ('features.1.dtype', 'f8', "d/manifest.json: Feature 'waveform': dtype must be one of float16"),
    ('features.0.shape', ['a'], "features[0]: field 'shape' must be a list of whole numbers."),
    ('features.0.shape', [], "Feature 'log_mel' would have the shape ()"),
    ('features.0.name', 'id', "d/manifest.json: A feature may not be called 'id'"),
    ('labels', [], 'd/manifest.json: Labels must be there and differ, got [].'),
    ('labels', ['a', 'a'], "Labels must be there and differ, got ['a', 'a']."),
    ('labels', ['a', 1], "field 'labels' must be a list of strings."),
    ('labels', ['a', 'b', 'c'], 'counts 2 labels, the manifest has 3.'),
    ('shards.0.file_name', '../x', "d/manifest.json: '../x' is not a shard name"),
    ('shards.0.num_records', 5, 'label_counts add up to 4, but num_records is 5.'),
    ('shards.0.label_counts', [4], 'counts 1 labels, the manifest has 2.'),
    ('shards.0.label_counts', [2.5, 1], "field 'label_counts' must be a list of whole numbers."),
    ('shards.2.audio_s', 'long', "d/manifest.json, shards[2]: field 'audio_s' must be a number"),
    ('statistics.log_mel.mean', [1, 2], 'need a variance from 0 on for every mean, got 2 means'),
    ('statistics.log_mel.variance', [1, 2, -3], 'need a variance from 0 on for every mean'),
    ('statistics.log_mel.mean', [1, 2, float('nan')], "field 'mean' must hold finite numbers."),
    ('statistics.log_mel', {'count': 1, 'mean': [1], 'variance': [1]}, 'have 1 bins, the feature'),
    ('num_speakers', {'train': 'two'}, "'num_speakers', 'train' must be a whole number from 0 on"),
    ('rejects', {'empty': -1}, "'rejects', 'empty' must be a whole number from 0 on, got -1."),
    ('rejects', {'empty': True}, "'rejects', 'empty' must be a whole number from 0 on, got True."),
    ('versions', {'numpy': 2}, "field 'versions', 'numpy' must be a string, got 2."),
    ('warnings', [1], "field 'warnings' must be a list of strings."),
  ],
)
def test_damage_is_said_in_a_sentence(path, value, sentence):
  assert sentence in refusal(changed(path, value))


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('', 'd/manifest.json is not JSON'),
    (MANIFEST.to_text()[:100], 'It is damaged: run the data job again.'),
    ('[]', 'd/manifest.json: expected an object, got list.'),
    ('null', 'd/manifest.json: expected an object, got NoneType.'),
  ],
)
def test_a_text_that_is_no_manifest_is_refused(text, sentence):
  assert sentence in refusal(text)


def test_splits_and_counts():
  assert MANIFEST.split_names() == ('train', 'test')
  assert MANIFEST.num_records('train') == 8
  assert MANIFEST.label_counts('train') == (3, 5)
  assert MANIFEST.label_counts('validation') == (0, 0)
  assert [info.name.index for info in MANIFEST.shards_of('train')] == [0, 1]
  assert MANIFEST.num_labels == 2


def test_a_split_of_empty_shards_is_no_split():
  empty = dataclasses.replace(
    MANIFEST, shards=(*MANIFEST.shards, shard('validation', 0, 1, (0, 0)))
  )
  assert empty.split_names() == ('train', 'test')


def test_a_feature_by_name():
  assert MANIFEST.feature('waveform').dtype == 'int16'
  one = dataclasses.replace(MANIFEST, features=MANIFEST.features[:1])
  assert one.feature().name == 'log_mel'


@pytest.mark.parametrize(
  ('name', 'sentence'),
  [
    ('', 'The data set holds several features: log_mel, waveform. Pick one with --feature=NAME.'),
    ('mfcc', "The data set holds no feature 'mfcc'. It holds: log_mel, waveform."),
  ],
)
def test_a_feature_that_cannot_be_told_is_refused(name, sentence):
  with pytest.raises(errors.DatasetError, match=re.escape(sentence)):
    MANIFEST.feature(name)


@pytest.mark.parametrize(
  ('names', 'count', 'voices'),
  [
    (('ann', 'bob'), 2, 2),
    (('_background_noise_/wind.wav', 'ann', 'bob'), 3, 2),
    (('_background_noise_/wind.wav',), 30, None),  # Of whom nobody knows which are noises.
    (('_background_noise_/wind.wav', 'ann'), 30, 29),  # Noises stand before her.
    (('00fa', '01cd'), 30, None),
    (tuple(map(str, range(20))), 30, None),  # Of before noises were all named.
    ((*map(str, range(20)), '_background_noise_/wind.wav'), 30, 29),
    ((*map(str, range(20)), *(f'_background_noise_/{i}' for i in range(100))), 150, None),
    ((*map(str, range(5)), *(f'_background_noise_/{i}' for i in range(100))), 155, 5),
    ((), 30, None),
    (('ann', 'bob'), 30, 30),
  ],
)
def test_recordings_of_noise_are_no_voices(names, count, voices):
  made = dataclasses.replace(MANIFEST, speakers={'test': names}, num_speakers={'test': count})
  assert made.num_voices('test') == voices
  noises = 0 if voices is None else count - voices
  assert made.voices_and_noises('test') == (count - noises, noises)


def test_voices_are_named_and_noises_are_not():
  voices = [f'v{i:02}' for i in range(25)]
  noises = [f'_background_noise_/{i}' for i in range(3)]
  named = manifest.named_speakers({*voices, *noises})
  assert named == (*noises, *voices[:20])
  made = dataclasses.replace(MANIFEST, speakers={'test': named}, num_speakers={'test': 28})
  assert made.voices_and_noises('test') == (25, 3)
  assert made.some_voices('test') == f'{", ".join(voices[:20])}, ...'
  assert manifest.named_speakers(['_background_noise_/a', 'ann', 'Bob']) == (
    'Bob', '_background_noise_/a', 'ann',
  )  # fmt: skip
