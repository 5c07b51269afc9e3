"""The rules that every feature keeps, run over the whole table."""

import dataclasses
import json

import numpy as np
import pytest

import features
from features import extractor
from schemas import audio, errors, medium, options, record
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.3)
LENGTHS = {
  'one frame': lambda min_samples: audio.AudioSpec(clip_s=min_samples / 16_000),
  'little more': lambda min_samples: audio.AudioSpec(clip_s=min_samples / 16_000 + 0.011),
  'many frames': lambda min_samples: AUDIO,
  'another rate': lambda min_samples: audio.AudioSpec(sample_rate_hz=44_100, clip_s=0.3),
}
BATCH = signals.mixture(AUDIO.clip_samples, sample_rate_hz=16_000)

VARIABLE = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0)
PICTURES = [name for name, member in features.FEATURES.items() if member.medium == medium.PICTURES]

every_feature = pytest.mark.parametrize('name', features.FEATURES)
every_feature_of_audio = pytest.mark.parametrize(
  'name', [name for name in features.FEATURES if name not in PICTURES]
)
every_feature_of_pictures = pytest.mark.parametrize('name', PICTURES)


def audio_of(name):
  """The form of the clips of a feature that is used with its defaults."""
  return None if name in PICTURES else AUDIO


def batch_of(name):
  """Clips or pictures of many kinds, float32 [clips, ...]."""
  if name not in PICTURES:
    return BATCH
  shape = features.FEATURES[name].shape(features.SETTINGS[name](), None)
  pixels = np.random.default_rng(0).integers(0, 256, (5, *shape))
  return np.concatenate([pixels, np.zeros((1, *shape))]).astype(np.float32)


def options_of(name, spec):
  """The name with the settings that it cannot do without at the lengths of `spec`."""
  required = {'fft': 'fft:fft_samples=8192'}
  return features.parse(required.get(name, name) if spec.is_variable else name)


def test_the_table_can_be_written_on_a_command_line():
  options.check_table(features.SETTINGS)


@every_feature
def test_the_settings_say_how_the_array_is_stored(name):
  settings = features.SETTINGS[name]()
  assert settings.dtype in record.ITEM_BYTES


@every_feature_of_audio
@pytest.mark.parametrize('length', LENGTHS)
def test_shape_agrees_with_the_kernel(name, length):
  member = features.FEATURES[name]
  spec = LENGTHS[length](member.min_samples(member.settings(), AUDIO))
  batch = signals.mixture(spec.clip_samples, sample_rate_hz=spec.sample_rate_hz)
  array = member.kernel(member.settings(), spec)(batch)
  assert array.shape == (len(batch), *member.shape(member.settings(), spec))
  assert array.dtype == np.float32
  assert array.flags.c_contiguous
  assert np.isfinite(array).all()


@every_feature
@pytest.mark.parametrize('num_clips', [0, 1, 2])
def test_any_number_of_clips(name, num_clips):
  member = features.FEATURES[name]
  spec = audio_of(name)
  array = member.kernel(member.settings(), spec)(batch_of(name)[:num_clips])
  assert array.shape == (num_clips, *member.shape(member.settings(), spec))
  assert array.dtype == np.float32


@every_feature_of_audio
@pytest.mark.parametrize('num_samples', [0, 1, 15, 399, 400, 401, 1_000, 7_000])
def test_clips_of_any_length(name, num_samples):
  spec = features.spec(*options_of(name, VARIABLE), VARIABLE)
  assert features.spec(*options_of(name, VARIABLE), AUDIO).shape[1:] == spec.shape[1:]
  made = extractor.Extractor([spec], VARIABLE)
  batch = signals.noise(3 * num_samples).reshape(3, num_samples)
  array = made.compute(batch)[name]
  assert array.shape[0] == 3
  assert array.shape[2:] == spec.shape[1:]
  assert array.shape[1] == spec.shape[0] if spec.shape[0] else array.shape[1] > 0
  assert np.isfinite(array).all()
  # As long as it is, a clip gives what it gives where all clips have this length.
  if num_samples >= made.min_samples:
    fixed = audio.AudioSpec(sample_rate_hz=16_000, clip_s=num_samples / 16_000)
    settings = features.settings_of(spec)
    np.testing.assert_array_equal(array, features.FEATURES[name].kernel(settings, fixed)(batch))
  else:
    padded = np.pad(batch, ((0, 0), (0, made.min_samples - num_samples)))
    np.testing.assert_array_equal(array, made.compute(padded)[name])


@every_feature_of_audio
def test_a_short_clip_of_any_length_has_an_entry(name):
  member = features.FEATURES[name]
  settings = options_of(name, VARIABLE)[1]
  least = member.min_samples(settings, VARIABLE)
  array = member.kernel(settings, VARIABLE)(np.zeros((2, least), np.float32))
  assert array.shape[1] >= 1


@every_feature_of_audio
@pytest.mark.parametrize('num_samples', [1, 399, 400, 5_000])
def test_the_twin_takes_clips_of_any_length(name, num_samples):
  tf = pytest.importorskip('tensorflow')
  member = features.FEATURES[name]
  if not member.has_twin:
    pytest.skip('A model cannot compute it.')
  from features import keras_twins

  settings = options_of(name, VARIABLE)[1]
  batch = signals.mixture(num_samples, sample_rate_hz=16_000)
  twin = keras_twins.make(name, settings, VARIABLE)
  graph = tf.function(twin, input_signature=[tf.TensorSpec([None, None])])
  if num_samples >= member.min_samples(settings, VARIABLE):
    assert_close(graph(batch).numpy(), member.kernel(settings, VARIABLE)(batch))
  elif name != 'waveform':
    assert graph(batch).shape[1] >= 1


@every_feature_of_audio
def test_silence_is_finite_and_the_same_at_all_times(name):
  member = features.FEATURES[name]
  array = member.kernel(member.settings(), AUDIO)(np.zeros_like(BATCH))
  assert np.isfinite(array).all()
  assert (array == array[:1, :1]).all()


@every_feature
def test_the_same_twice_and_the_input_as_it_was(name):
  member = features.FEATURES[name]
  compute = member.kernel(member.settings(), audio_of(name))
  batch = batch_of(name).copy()
  batch.flags.writeable = False
  first = compute(batch)
  kept = first.copy()
  second = compute(batch)
  assert first.tobytes() == second.tobytes()
  assert not np.shares_memory(first, batch)
  # An earlier result stays what it was while later batches are computed.
  compute(np.zeros_like(batch))
  np.testing.assert_array_equal(first, kept)


@every_feature
def test_a_clips_bits_do_not_depend_on_its_batch(name):
  member = features.FEATURES[name]
  compute = member.kernel(member.settings(), audio_of(name))
  batch = batch_of(name)
  together = compute(batch)
  for index in range(len(batch)):
    assert compute(batch[index : index + 1])[0].tobytes() == together[index].tobytes()


def assert_close(theirs, ours):
  assert theirs.shape == ours.shape
  scale = np.maximum(1.0, np.abs(ours).max(axis=tuple(range(1, ours.ndim)), keepdims=True))
  np.testing.assert_allclose(theirs / scale, ours / scale, atol=1e-5)


@every_feature_of_audio
def test_the_twin_agrees(name):
  pytest.importorskip('tensorflow')
  member = features.FEATURES[name]
  if not member.has_twin:
    pytest.skip('A model cannot compute it.')
  from features import keras_twins

  ours = member.kernel(member.settings(), AUDIO)(BATCH)
  theirs = np.asarray(keras_twins.make(name, member.settings(), AUDIO)(BATCH))
  assert_close(theirs, ours)


def test_the_kinds_that_have_a_twin_say_so():
  pytest.importorskip('tensorflow')
  from features import keras_twins

  assert list(keras_twins.TWINS) == [
    name for name, kind in features.FEATURES.items() if kind.has_twin
  ]


@every_feature
def test_settings_survive_the_manifest_and_the_command_line(name):
  settings = features.SETTINGS[name]()
  spec = features.spec(name, settings, audio_of(name))
  assert features.settings_of(spec) == settings
  restored = record.FeatureSpec.from_json(json.loads(json.dumps(spec.to_json())), where='test')
  assert restored == spec
  assert features.settings_of(restored) == settings
  assert features.parse(options.format_option(name, settings)) == (name, settings)


@every_feature
def test_every_setting_is_stored(name):
  settings = features.SETTINGS[name]()
  stored = features.spec(name, settings, audio_of(name)).settings
  assert set(stored) == {field.name for field in dataclasses.fields(settings)}


@every_feature
def test_it_is_stored_as_the_spec_says(name):
  spec = features.spec(name, features.SETTINGS[name](), audio_of(name))
  array = extractor.Extractor([spec], audio_of(name)).compute_stored(batch_of(name))[name]
  assert array.dtype == np.dtype(spec.dtype)
  assert array[0].nbytes == spec.num_bytes
  assert np.isfinite(array).all()


@every_feature
@pytest.mark.parametrize('dtype', ['int8', 'float64', 'bytes'])
def test_a_type_that_it_cannot_be_stored_as_is_refused(name, dtype):
  with pytest.raises(errors.FeatureError, match=f"dtype must be .* got '{dtype}'"):
    features.SETTINGS[name](dtype=dtype)


@every_feature_of_audio
def test_a_clip_too_short_is_an_error_that_says_what_to_do(name):
  short = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.01)
  member = features.FEATURES[name]
  if member.min_samples(member.settings(), short) <= short.clip_samples:
    assert None not in features.spec(name, member.settings(), short).shape
    return
  for make in (member.shape, member.kernel):
    with pytest.raises(errors.FeatureError, match=r'is shorter than one window of \d+ samples'):
      make(member.settings(), short)


@every_feature_of_audio
def test_audio_is_not_computed_from_pictures(name):
  sentence = f"'{name}' is computed from audio, but the corpus is of pictures. Use --feature=image"
  with pytest.raises(errors.FeatureError, match=sentence):
    features.spec(name, features.SETTINGS[name](), None)


@every_feature_of_pictures
def test_pictures_are_not_computed_from_audio(name):
  sentence = 'is computed from pictures, but the corpus is of audio. Use --feature=waveform, fft'
  with pytest.raises(errors.FeatureError, match=sentence):
    features.spec(name, features.SETTINGS[name](), AUDIO)
