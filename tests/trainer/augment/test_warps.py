"""What is done along time and frequency, against the same done to samples."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import features
from features import extractor
from features.augmentations import pitch_shift
from features.augmentations import speed as speed_lib
from schemas import audio, errors, record
from tests.helpers import signals
from trainer import augment
from trainer.augment import augmentation, chain, interpolation, vtlp

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=1.0)
ANY_LENGTH = dataclasses.replace(AUDIO, clip_s=0)
WAVEFORM = features.spec('waveform', features.parse('waveform')[1], AUDIO)


def spec_of(text, spec=AUDIO):
  return features.spec(*features.parse(text), spec)


def computed(samples, text, spec=AUDIO):
  wanted = spec_of(text, spec)
  return extractor.Extractor([wanted], spec).compute(samples)[wanted.name]


def apply(text, values, numbers, taken, *, spec=AUDIO, num_rows=None):
  steps = chain.Chain([text])
  name, settings = augment.parse(text)
  context = steps.context(taken, None, spec, fill=())
  numbers = tf.constant(np.array(numbers, np.float32).reshape(len(values), -1))
  given = augmentation.Examples(values=tf.constant(values), num_rows=num_rows)
  return augment.AUGMENTATIONS[name].apply(given, settings, numbers, context)


def voice(num_samples=16_000, *, hz=140.0):
  """Returns harmonics with a formant, in the first 60 % of a clip: float32 [1, num_samples]."""
  sounding = int(0.6 * num_samples)
  found = np.zeros(num_samples, np.float32)
  for i in range(1, 40):
    level = np.exp(-(((i * hz - 900) / 700) ** 2)) + 0.02
    found[:sounding] += signals.sine(sounding, sample_rate_hz=16_000, hz=i * hz, amplitude=level)
  found *= 0.05 * np.abs(np.sin(np.arange(num_samples) / 3_000))
  return found[np.newaxis].astype(np.float32)


@pytest.mark.parametrize('text', ['log_mel:num_mels=40', 'stft:fft_samples=512', 'mel'])
@pytest.mark.parametrize('rate', [0.9, 1.1])
def test_speed_of_features_is_nearly_that_of_samples(text, rate):
  values = computed(voice(), text)
  played = speed_lib.resampled(voice()[0], rate, num_samples=16_000)
  wanted = computed(played[np.newaxis], text)
  found = apply(f'speed:min_rate={rate},max_rate={rate}', values, [0.5], spec_of(text)).values
  assert found.shape == wanted.shape
  # Far nearer than what it was before.
  assert np.mean((found - wanted) ** 2) < 0.25 * np.mean((values - wanted) ** 2)
  assert np.corrcoef(np.ravel(found), np.ravel(wanted))[0, 1] > 0.97


def test_a_faster_clip_of_fixed_length_ends_in_silence():
  text = 'log_mel:num_mels=40'
  values = np.zeros((1, 98, 40), np.float32)
  found = apply('speed:min_rate=2,max_rate=2', values, [0.5], spec_of(text)).values.numpy()[0]
  np.testing.assert_allclose(found[50:], np.log(1e-6), rtol=1e-6)
  assert not found[:49].any()


@pytest.mark.parametrize(('position', 'kept'), [('start', 0), ('centre', 48), ('end', 97)])
def test_that_point_stays_at_which_the_job_pads(position, kept):
  values = np.repeat(np.arange(98, dtype=np.float32)[np.newaxis, :, np.newaxis], 40, axis=2)
  spec = dataclasses.replace(AUDIO, position=position)
  taken = spec_of('log_mel:num_mels=40')
  found = apply('speed:min_rate=0.5,max_rate=0.5', values, [0], taken, spec=spec).values.numpy()
  assert found[0, kept, 0] == pytest.approx(kept, abs=0.5)
  steps = np.diff(found[0, :, 0])
  np.testing.assert_allclose(steps, 0.5, atol=1e-4)


def test_clips_of_any_length_get_longer_or_shorter():
  text = 'log_mel:num_mels=40'
  taken = spec_of(text, ANY_LENGTH)
  rows = tf.constant([100, 51, 1, 100])
  values = np.ones((4, 100, 40), np.float32) * (np.arange(100) < rows.numpy()[:, None])[..., None]
  numbers = [0.0, 0.0, 0.99, 0.9999]
  found = apply(
    'speed:min_rate=0.5,max_rate=2', values, numbers, taken, spec=ANY_LENGTH, num_rows=rows
  )
  assert found.num_rows.numpy().tolist() == [200, 102, 1, 50]
  assert found.values.shape == (4, 200, 40)
  for clip, length in zip(found.values.numpy(), found.num_rows.numpy(), strict=True):
    np.testing.assert_allclose(clip[:length], 1, rtol=1e-6)
    assert not clip[length:].any()


def test_no_clip_gets_longer_than_the_longest_of_the_data_set():
  rows = tf.constant([100, 60])
  rates = tf.constant([0.5, 0.5])
  context = augmentation.Context(most_rows=150)
  lengths, places, is_there = interpolation.new_rows(
    rows, tf.constant(100), rates, context, slowest=0.5
  )
  assert lengths.numpy().tolist() == [150, 120]
  assert places.shape == (2, 150)
  np.testing.assert_array_equal(is_there.numpy().sum(axis=1), lengths)


def test_a_tone_is_where_its_speed_puts_it():
  text = 'stft:fft_samples=512'
  tone = signals.sine(16_000, sample_rate_hz=16_000, hz=2_000, amplitude=0.5)[np.newaxis]
  values = computed(tone.astype(np.float32), text)
  found = apply('speed:min_rate=1.5,max_rate=1.5', values, [0], spec_of(text)).values.numpy()
  assert found[0, 10].argmax() * 16_000 / 512 == pytest.approx(3_000, abs=20)


def paper(hz, warp, rate_hz=16_000, high_hz=4_800):
  """The function of Jaitly and Hinton, written out for one number."""
  top = high_hz * min(warp, 1)
  if hz <= top / warp:
    return hz * warp
  half = rate_hz / 2
  return half - (half - top) / (half - top / warp) * (half - hz)


@pytest.mark.parametrize('warp', [0.9, 1.0, 1.1])
def test_vtlp_moves_frequencies_as_the_paper_does(warp):
  hz = np.linspace(0, 8_000, 81, dtype=np.float32)
  found = vtlp.warped(tf.constant(hz), tf.constant([[warp]]), nyquist_hz=8_000, high_hz=4_800)
  np.testing.assert_allclose(found[0], [paper(x, warp) for x in hz], rtol=1e-5)
  assert (np.diff(found[0]) > 0).all()


def test_vtlp_of_a_straight_line_is_the_function_itself():
  """A feature whose value is the frequency of its bin shows where each bin was read."""
  taken = spec_of('log_mel:num_mels=40')
  bins_hz = np.array(features.FEATURES['log_mel'].bins_hz(features.settings_of(taken), AUDIO))
  values = np.tile(bins_hz.astype(np.float32), (2, 98, 1))
  found = apply('vtlp', values, [0.0, 0.999999], taken).values.numpy()
  for clip, warp in zip(found, (0.9, 1.1), strict=True):
    wanted = np.clip([paper(hz, warp) for hz in bins_hz], bins_hz[0], bins_hz[-1])
    np.testing.assert_allclose(clip, np.tile(wanted, (98, 1)), rtol=1e-4)


@pytest.mark.parametrize('text', ['mfcc', 'chroma', 'tempogram', 'fft'])
@pytest.mark.parametrize('name', ['speed', 'pitch', 'vtlp'])
def test_bins_that_are_no_frequencies_are_not_warped(name, text):
  with pytest.raises(errors.ConfigError, match=rf'--augment={name} moves .* works on stft, mel'):
    chain.Chain([name]).check(spec_of(text), None)


def test_pictures_are_not_warped():
  picture = record.FeatureSpec(name='image', shape=(8, 8, 3), dtype='uint8', settings={})
  with pytest.raises(errors.ConfigError, match="those of 'image' are no frequencies"):
    chain.Chain(['vtlp']).check(picture, None)
  chain.Chain(['cutout']).check(picture, None)


def test_the_frequencies_of_bins_are_where_tones_are_loudest():
  for text in ('log_mel:num_mels=40', 'mel:num_mels=40,scale=slaney', 'stft:fft_samples=512'):
    taken = spec_of(text)
    bins_hz = features.FEATURES[taken.name].bins_hz(features.settings_of(taken), AUDIO)
    assert len(bins_hz) == taken.num_bins
    assert (np.diff(bins_hz) > 0).all()
    for place in (12, 20, 35):
      tone = signals.sine(16_000, sample_rate_hz=16_000, hz=bins_hz[place], amplitude=0.5)
      found = computed(tone[np.newaxis].astype(np.float32), text)[0].mean(axis=0)
      assert abs(int(found.argmax()) - place) <= 1


def tones(*hz, num_samples=16_000):
  found = [signals.sine(num_samples, sample_rate_hz=16_000, hz=x, amplitude=0.5) for x in hz]
  return np.array(found, np.float32)


def loudest_hz(samples):
  """Returns the frequency of a tone, by the peak of a transform of eight times its length."""
  windowed = samples * np.hanning(len(samples))
  return np.abs(np.fft.rfft(windowed, 8 * len(samples))).argmax() * 16_000 / (8 * len(samples))


@pytest.mark.parametrize('hz', [100.0, 1_000.0, 6_000.0])
@pytest.mark.parametrize('rate', [0.8, 1.1])
def test_speed_of_samples_is_the_same_curve_read_faster(hz, rate):
  seconds = np.arange(16_000) / 16_000
  fade = np.sin(np.pi * seconds) ** 2
  values = (fade * np.sin(2 * np.pi * hz * seconds)).astype(np.float32)[np.newaxis]
  found = apply(f'speed:min_rate={rate},max_rate={rate}', values, [0.5], WAVEFORM).values.numpy()[0]
  played = np.minimum(seconds * rate, 1)
  wanted = np.sin(np.pi * played) ** 2 * np.sin(2 * np.pi * hz * played)
  assert np.sqrt(np.mean((found - wanted) ** 2)) < 1e-3 * np.sqrt(np.mean(wanted**2))


def test_what_would_lie_above_half_the_rate_is_taken_away():
  found = apply('speed:min_rate=1.25,max_rate=1.25', tones(7_500), [0.5], WAVEFORM).values.numpy()
  assert np.abs(found[0, 500:12_300]).max() < 1e-3  # Silence follows from 12,800 on.


def test_samples_of_any_length_get_longer_or_shorter():
  taken = features.spec('waveform', features.parse('waveform')[1], ANY_LENGTH)
  rows = tf.constant([1_000, 400, 1])
  values = tones(500, 500, 500, num_samples=1_000) * (np.arange(1_000) < rows.numpy()[:, None])
  found = apply(
    'speed:min_rate=0.8,max_rate=1.25',
    values.astype(np.float32),
    [0.0, 0.999999, 0.0],
    taken,
    spec=ANY_LENGTH,
    num_rows=rows,
  )
  assert found.num_rows.numpy().tolist() == [1_250, 320, 1]
  assert found.values.shape == (3, 1_250)
  assert not found.values[1, 320:].numpy().any()
  assert loudest_hz(found.values[0].numpy()) == pytest.approx(400, abs=2)
  assert loudest_hz(found.values[1, :320].numpy()) == pytest.approx(625, abs=5)


def test_pitch_of_samples_moves_tones_and_keeps_time_and_level():
  found = apply('pitch:max_semitones=4', tones(440, 440, 440), [0, 0.25, 0.999999], WAVEFORM)
  for clip, semitones in zip(found.values.numpy(), (-4, -2, 4), strict=True):
    assert clip.shape == (16_000,)
    assert loudest_hz(clip) == pytest.approx(440 * 2 ** (semitones / 12), abs=1)
    parts = np.sqrt(np.mean(clip.reshape(8, -1)[1:-1] ** 2, axis=1))
    np.testing.assert_allclose(parts, 0.5 / np.sqrt(2), rtol=0.15)


def test_pitch_of_samples_is_that_of_the_data_job():
  values = voice()
  found = apply('pitch:max_semitones=3', values, [0.999999], WAVEFORM).values.numpy()[0]
  wanted = pitch_shift.shifted(values[0], 3, window_samples=1_024)
  assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.01 * np.sqrt(np.mean(wanted**2))


def test_pitch_of_features_moves_a_tone():
  text = 'stft:fft_samples=512'
  values = computed(tones(2_000), text)
  found = apply('pitch:max_semitones=7', values, [0.999999], spec_of(text)).values.numpy()
  assert found[0, 10].argmax() * 16_000 / 512 == pytest.approx(3_000, abs=20)


def test_pitch_of_a_short_clip_stays_in_it():
  values = tones(440, 440) * (np.arange(16_000) < np.array([[16_000], [900]]))
  taken = features.spec('waveform', features.parse('waveform')[1], ANY_LENGTH)
  rows = tf.constant([16_000, 900])
  found = apply(
    'pitch', values.astype(np.float32), [0.9, 0.9], taken, spec=ANY_LENGTH, num_rows=rows
  )
  assert found.num_rows.numpy().tolist() == rows.numpy().tolist()
  assert found.values[1, :900].numpy().any() and not found.values[1, 900:].numpy().any()
