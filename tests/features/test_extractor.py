import dataclasses
import pickle

import numpy as np
import pytest

import features
from features import extractor, stored_form
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
    np.testing.assert_array_equal(array, stored_form.to_stored(arrays[spec.name], spec.dtype))


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


VARIABLE = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0)


def variable_specs(*options):
  return [features.spec(*features.parse(option), VARIABLE) for option in options]


def test_clips_of_any_length_in_one_extractor():
  made = extractor.Extractor(variable_specs(*OPTIONS, 'fft:fft_samples=2048'), VARIABLE)
  assert made.min_samples == 200  # A window.
  for num_samples, num_frames in ((0, 1), (1, 1), (200, 1), (279, 1), (280, 2), (8_000, 98)):
    arrays = made.compute(np.zeros((3, num_samples), np.float32))
    assert {name: array.shape for name, array in arrays.items()} == {
      'waveform': (3, max(num_samples, 200)),
      'stft': (3, num_frames, 129),
      'mel': (3, num_frames, 20),
      'log_mel': (3, num_frames, 30),
      'fft': (3, 1, 1_025),
    }


def test_the_longest_least_length_counts_for_all_features():
  made = extractor.Extractor(variable_specs('stft:window_s=0.064', 'log_mel:num_mels=30'), VARIABLE)
  assert made.min_samples == 512
  arrays = made.compute(signals.noise(100)[None])
  assert (arrays['stft'].shape[1], arrays['log_mel'].shape[1]) == (1, 4)
  waveform = extractor.Extractor(variable_specs('waveform'), VARIABLE)
  assert waveform.compute(signals.noise(100)[None])['waveform'].shape == (1, 100)


def test_zeros_stand_behind_short_clips():
  made = extractor.Extractor(variable_specs('waveform', 'stft'), VARIABLE)
  noise = signals.noise(50)[None]
  waveform = made.compute(noise)['waveform'][0]
  np.testing.assert_array_equal(waveform[:50], noise[0])
  assert not waveform[50:].any()


def test_the_bits_of_a_clip_do_not_depend_on_earlier_lengths():
  options = ('stft', 'mel:num_mels=20', 'mfcc:num_mels=30,deltas=2', 'fft:fft_samples=2048')
  made = extractor.Extractor(variable_specs(*options), VARIABLE)
  noise = signals.noise(1_500)[None]
  first = made.compute(noise)
  made.compute(np.ones((4, 4_000), np.float32))
  for name, array in made.compute(noise).items():
    assert array.tobytes() == first[name].tobytes()


@pytest.mark.parametrize('batch', [np.zeros((2, 9)), np.zeros(9, np.float32)])
def test_another_batch_of_any_length_is_refused(batch):
  with pytest.raises(errors.FeatureError, match=r'samples as float32 \[clips, any\], got float'):
    extractor.Extractor(variable_specs('waveform'), VARIABLE).compute(batch)


def test_pictures():
  spec = features.spec(*features.parse('image:height=4,width=6,channels=1'), None)
  assert (spec.shape, spec.dtype) == ((4, 6, 1), 'uint8')
  made = extractor.Extractor([spec], None)
  batch = np.arange(48, dtype=np.float32).reshape(2, 4, 6, 1)
  stored = made.compute_stored(batch)['image']
  assert stored.dtype == np.uint8
  np.testing.assert_array_equal(stored, batch)
  for wrong in (batch[:, :3], batch[0], batch.astype(np.uint8)):
    with pytest.raises(errors.FeatureError, match=r'pictures as float32 \[clips, 4, 6, 1\], got'):
      made.compute(wrong)


def test_sound_and_pictures_do_not_mix():
  picture = features.spec(*features.parse('image'), None)
  with pytest.raises(
    errors.FeatureError,
    match="'image' is computed from pictures, but the corpus is of audio. Use --feature=waveform",
  ):
    extractor.Extractor([*specs(), picture], AUDIO)
  with pytest.raises(
    errors.FeatureError,
    match="'waveform' is computed from audio, but the corpus is of pictures. Use --feature=image,",
  ):
    extractor.Extractor([picture, *specs()], None)


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
    (
      'log_mell',
      r"No feature is called 'log_mell'. Did you mean 'log_mel'\? Known: .*log_mel, mel,",
    ),
    ('log_mel:mels=3', "feature 'log_mel' has no setting 'mels'.*It has: dtype, window_s, hop_s"),
    ('log_mel:num_mels=many', "feature 'log_mel', num_mels: expected int, got 'many'"),
    ('log_mel:num_mels=0', "feature 'log_mel': num_mels must be at least 1, got 0"),
    ('waveform:dtype=float16', "feature 'waveform': dtype must be int16 or float32 here, got"),
  ],
)
def test_a_wrong_option_is_one_sentence(text, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    features.parse(text)
