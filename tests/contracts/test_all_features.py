"""The rules that every feature keeps, run over the whole table."""

import dataclasses
import json

import numpy as np
import pytest

import features
from features import extractor
from schemas import audio, errors, options, record
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.3)
LENGTHS = {
  'one frame': audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.025),
  'two frames': audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.036),
  'many frames': AUDIO,
  'another rate': audio.AudioSpec(sample_rate_hz=44_100, clip_s=0.3),
}
BATCH = signals.mixture(AUDIO.clip_samples, sample_rate_hz=16_000)

every_feature = pytest.mark.parametrize('name', features.FEATURES)


def test_the_table_can_be_written_on_a_command_line():
  options.check_table(features.SETTINGS)


@every_feature
def test_the_settings_say_how_the_array_is_stored(name):
  settings = features.SETTINGS[name]()
  assert settings.dtype in record.ITEM_BYTES


@every_feature
@pytest.mark.parametrize('length', LENGTHS)
def test_shape_agrees_with_the_kernel(name, length):
  member = features.FEATURES[name]
  spec = LENGTHS[length]
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
  array = member.kernel(member.settings(), AUDIO)(BATCH[:num_clips])
  assert array.shape == (num_clips, *member.shape(member.settings(), AUDIO))
  assert array.dtype == np.float32


@every_feature
def test_silence_is_finite(name):
  member = features.FEATURES[name]
  array = member.kernel(member.settings(), AUDIO)(np.zeros_like(BATCH))
  assert np.isfinite(array).all()
  assert len(np.unique(array)) == 1


@every_feature
def test_the_same_twice_and_the_input_as_it_was(name):
  member = features.FEATURES[name]
  compute = member.kernel(member.settings(), AUDIO)
  batch = BATCH.copy()
  batch.flags.writeable = False
  first = compute(batch)
  kept = first.copy()
  second = compute(batch)
  assert first.tobytes() == second.tobytes()
  assert not np.shares_memory(first, batch)
  # An earlier result stays what it was while later batches are computed.
  compute(np.zeros_like(BATCH))
  np.testing.assert_array_equal(first, kept)


@every_feature
def test_a_clips_bits_do_not_depend_on_its_batch(name):
  member = features.FEATURES[name]
  compute = member.kernel(member.settings(), AUDIO)
  together = compute(BATCH)
  for index in range(len(BATCH)):
    assert compute(BATCH[index : index + 1])[0].tobytes() == together[index].tobytes()


@every_feature
def test_the_twin_agrees(name):
  pytest.importorskip('tensorflow')
  member = features.FEATURES[name]
  ours = member.kernel(member.settings(), AUDIO)(BATCH)
  twin = member.layer(member.settings(), AUDIO)
  theirs = np.asarray(twin(BATCH))
  assert theirs.shape == ours.shape
  scale = np.maximum(1.0, np.abs(ours).max(axis=tuple(range(1, ours.ndim)), keepdims=True))
  np.testing.assert_allclose(theirs / scale, ours / scale, atol=1e-5)
  config = json.loads(json.dumps(twin.get_config()))
  np.testing.assert_array_equal(type(twin).from_config(config)(BATCH), theirs)


@every_feature
def test_settings_survive_the_manifest_and_the_command_line(name):
  settings = features.SETTINGS[name](dtype='float32')
  spec = features.spec(name, settings, AUDIO)
  assert features.settings_of(spec) == settings
  restored = record.FeatureSpec.from_json(json.loads(json.dumps(spec.to_json())), where='test')
  assert restored == spec
  assert features.settings_of(restored) == settings
  assert features.parse(options.format_option(name, settings)) == (name, settings)


@every_feature
def test_every_setting_is_stored(name):
  settings = features.SETTINGS[name]()
  stored = features.spec(name, settings, AUDIO).settings
  assert set(stored) == {field.name for field in dataclasses.fields(settings)}


@every_feature
def test_it_is_stored_as_the_spec_says(name):
  spec = features.spec(name, features.SETTINGS[name](), AUDIO)
  array = extractor.Extractor([spec], AUDIO).compute_stored(BATCH)[name]
  assert array.dtype == np.dtype(spec.dtype)
  assert array[0].nbytes == spec.num_bytes
  assert np.isfinite(array).all()


@every_feature
@pytest.mark.parametrize('dtype', ['uint8', 'float64', 'bytes'])
def test_a_type_that_it_cannot_be_stored_as_is_refused(name, dtype):
  with pytest.raises(errors.FeatureError, match=f"dtype must be .* got '{dtype}'"):
    features.SETTINGS[name](dtype=dtype)


@every_feature
def test_a_clip_too_short_is_an_error_that_says_what_to_do(name):
  short = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.01)
  member = features.FEATURES[name]
  if not hasattr(member.settings(), 'window_s'):
    assert features.spec(name, member.settings(), short).shape == (160,)
    return
  for make in (member.shape, member.kernel):
    with pytest.raises(errors.FeatureError, match='is shorter than one window of 400 samples'):
      make(member.settings(), short)
