import dataclasses
import pickle

import numpy as np
import pytest

import features
from features import extractor, storage
from schemas import audio, errors
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0.25)
OPTIONS = ('waveform', 'stft', 'mel:num_mels=20', 'log_mel:num_mels=30')
BATCH = signals.mixture(AUDIO.clip_samples, sample_rate_hz=8_000)


def specs():
  return [features.spec(*features.parse(option), AUDIO) for option in OPTIONS]


def test_all_features_at_once_are_each_ones_kernel():
  arrays = extractor.Extractor(specs(), AUDIO).compute(BATCH)
  assert list(arrays) == ['waveform', 'stft', 'mel', 'log_mel']
  for option in OPTIONS:
    name, settings = features.parse(option)
    alone = features.FEATURES[name].kernel(settings, AUDIO)(BATCH)
    np.testing.assert_array_equal(arrays[name], alone)


def test_stored_arrays_are_as_the_specs_say():
  made = extractor.Extractor(specs(), AUDIO)
  arrays = made.compute(BATCH)
  stored = made.compute_stored(BATCH)
  for spec in specs():
    array = stored[spec.name]
    assert (array.dtype, array.shape) == (np.dtype(spec.dtype), (len(BATCH), *spec.shape))
    np.testing.assert_array_equal(array, storage.to_stored(arrays[spec.name], spec.dtype))


def test_it_travels_to_another_process_also_after_use():
  made = extractor.Extractor(specs(), AUDIO)
  expected = made.compute(BATCH)
  for copy in (pickle.loads(pickle.dumps(made)), made):
    for name, array in copy.compute(BATCH).items():
      np.testing.assert_array_equal(array, expected[name])
  assert len(pickle.dumps(made)) < 2_000, 'tables must not travel'


@pytest.mark.parametrize(
  ('batch', 'got'),
  [
    (np.zeros((2, 1_999), np.float32), r'float32 \[2, 1999\]'),
    (np.zeros(2_000, np.float32), r'float32 \[2000\]'),
    (np.zeros((2, 2_000), np.float64), r'float64 \[2, 2000\]'),
    (np.zeros((2, 2_000), np.int16), r'int16 \[2, 2000\]'),
  ],
)
def test_another_batch_is_refused(batch, got):
  with pytest.raises(errors.FeatureError, match=rf'float32 \[clips, 2000\], got {got}'):
    extractor.Extractor(specs(), AUDIO).compute(batch)


def test_specs_of_other_audio_are_refused():
  other = dataclasses.replace(AUDIO, clip_s=0.5)
  with pytest.raises(
    errors.FeatureError,
    match=r"'waveform' has the shape \(2000,\), but its settings give \(4000,\)",
  ):
    extractor.Extractor(specs(), other)


def test_a_feature_twice_is_refused():
  spec = specs()[-1]
  with pytest.raises(errors.FeatureError, match='once, got log_mel, log_mel'):
    extractor.Extractor([spec, spec], AUDIO)


def test_specs_of_a_later_version_are_refused():
  spec = specs()[-1]
  with pytest.raises(errors.FeatureError, match=r"No feature is called 'wavelet'. Known: waveform"):
    features.settings_of(dataclasses.replace(spec, name='wavelet'))
  with pytest.raises(errors.ConfigError, match="stored settings of feature 'log_mel'.*'warp'"):
    features.settings_of(dataclasses.replace(spec, settings={**spec.settings, 'warp': 1}))
  with pytest.raises(errors.ConfigError, match="stored settings of feature 'log_mel'"):
    features.settings_of(dataclasses.replace(spec, settings={**spec.settings, 'num_mels': 'many'}))


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('log_mell', r"No feature is called 'log_mell'. Did you mean 'log_mel'\? Known: chroma,"),
    ('log_mel:mels=3', "feature 'log_mel' has no setting 'mels'.*It has: dtype, window_s, hop_s"),
    ('log_mel:num_mels=many', "feature 'log_mel', num_mels: expected int, got 'many'"),
    ('log_mel:num_mels=0', "feature 'log_mel': num_mels must be at least 1, got 0"),
    ('waveform:dtype=float16', "feature 'waveform': dtype must be int16 or float32 here, got"),
  ],
)
def test_a_wrong_option_is_one_sentence(text, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    features.parse(text)
