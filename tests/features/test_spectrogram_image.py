"""Pictures of spectrograms against librosa, Pillow and Matplotlib."""

import os
import pathlib
import subprocess
import sys

import librosa
import numpy as np
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import features
from features import extractor, spectrogram_image
from features.decoding import clips
from features.pixels import colormaps
from schemas import audio, errors
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.5)
ANY_LENGTH = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0)
MIXTURE = signals.mixture(AUDIO.clip_samples, sample_rate_hz=AUDIO.sample_rate_hz)


def kernel(spec=AUDIO, **values):
  return spectrogram_image.kernel(spectrogram_image.SpectrogramImage(**values), spec)


def levels_by_librosa(samples, image, spec):
  """Returns [bands, num_frames] in dB below the loudest, float64, the lowest band first."""
  frames = image.frames(spec)
  before = (frames.transform_samples - frames.window_samples) // 2
  after = frames.transform_samples - frames.window_samples - before
  spectrum = librosa.stft(
    np.pad(samples.astype(np.float64), (before, after)),
    n_fft=frames.transform_samples,
    hop_length=frames.hop_samples,
    win_length=frames.window_samples,
    center=False,
  )
  power = np.abs(spectrum) ** 2
  if image.of == 'log_mel':
    power = image.filterbank(spec).T.astype(np.float64) @ power
  else:
    bins_hz = librosa.fft_frequencies(sr=spec.sample_rate_hz, n_fft=frames.transform_samples)
    power = power[bins_hz >= image.low_hz]
  return librosa.power_to_db(power, ref=np.max, top_db=image.top_db)


def picture_by_others(samples, image, spec):
  """Returns the index of the colour of each pixel: librosa, then Pillow, then as Matplotlib."""
  levels = levels_by_librosa(samples, image, spec)[::-1] / image.top_db + 1
  resized = Image.fromarray(np.ascontiguousarray(levels, np.float32)).resize(
    (image.width, image.height), Image.Resampling.BILINEAR
  )
  return np.minimum(np.asarray(resized) * 256, 255).astype(int)


def assert_same_picture(samples, image, spec):
  ours = spectrogram_image.kernel(image, spec)(samples[None])[0]
  expected = picture_by_others(samples, image, spec)
  colours = colormaps.table(image.colormap)
  # A level on the border of two colours may go either way by the rounding of float32.
  off = np.min(
    [np.abs(ours - colours[np.clip(expected + step, 0, 255)]).max(axis=-1) for step in (-1, 0, 1)],
    axis=0,
  )
  assert off.max() == 0
  # Measured: at most 0.2 % of the pixels, 0.006 % on real recordings.
  assert (ours == colours[expected]).all(axis=-1).mean() > 0.99


@pytest.mark.parametrize('of', spectrogram_image.OF)
@pytest.mark.parametrize(('height', 'width'), [(224, 224), (64, 20), (300, 7)])
@pytest.mark.parametrize('index', [2, 3, 6])
def test_the_picture_agrees_with_librosa_pillow_and_matplotlib(of, height, width, index):
  image = spectrogram_image.SpectrogramImage(of=of, height=height, width=width, num_mels=64)
  assert_same_picture(MIXTURE[index], image, AUDIO)


@pytest.mark.parametrize('of', spectrogram_image.OF)
def test_low_frequencies_are_at_the_bottom(of):
  low = signals.sine(8_000, sample_rate_hz=16_000, hz=400.0)
  high = signals.sine(8_000, sample_rate_hz=16_000, hz=7_000.0)
  pictures = kernel(of=of, colormap='gray')(np.stack([low, high]))[..., 0]
  rows = pictures.sum(axis=2).argmax(axis=1)
  assert rows[0] > 150
  assert rows[1] < 50
  if of == 'stft':  # Linear: 400 Hz of 8,000 stand at a twentieth from below.
    assert abs(rows[0] - 224 * (1 - 400 / 8_000)) <= 2


def test_time_goes_to_the_right():
  samples = np.zeros(8_000, np.float32)
  samples[2_000:2_500] = signals.noise(500)
  picture = kernel(colormap='gray')(samples[None])[0, ..., 0]
  # The middle of the noise, seen by windows whose middles go from 320 to 7680.
  expected = 224 * (2_250 - 320) / (7_680 - 320)
  assert abs(picture.sum(axis=0).argmax() - expected) < 12


def test_it_holds_bytes_of_the_colormap():
  for name in ('viridis', 'magma', 'gray', 'jet_r'):
    picture = kernel(colormap=name)(MIXTURE)
    assert picture.dtype == np.float32
    known = {tuple(colour) for colour in colormaps.table(name).astype(int)}
    assert {tuple(pixel) for pixel in picture.reshape(-1, 3).astype(int)} <= known


def test_silence_is_the_darkest_colour():
  picture = kernel()(np.zeros((1, 8_000), np.float32))[0]
  np.testing.assert_array_equal(np.unique(picture.reshape(-1, 3), axis=0), [[68, 1, 84]])


def test_loudness_makes_no_difference_until_it_is_very_quiet():
  compute = kernel(colormap='gray')
  word = signals.noise(8_000)[None] * np.hanning(8_000).astype(np.float32)
  full = compute(word)
  assert full.max() > 250
  assert np.abs(compute(word / 30) - full).max() <= 1
  # The rounding of 16 bits in a silent recording is not blown up to a picture of its own.
  rounding = signals.noise(8_000, amplitude=0.5 / 32_768)[None]
  assert compute(rounding).max() < 100


def test_top_db_is_the_range():
  samples = signals.sine(8_000, sample_rate_hz=16_000, hz=1_000.0)
  samples += 1e-2 * signals.sine(8_000, sample_rate_hz=16_000, hz=4_000.0)  # -40 dB.
  for top_db, expected in ((80.0, 0.5), (160.0 / 3, 0.25), (39.0, 0.0)):
    picture = kernel(of='stft', colormap='gray', top_db=top_db, height=320)(samples[None])[
      0, ..., 0
    ]
    row = picture[320 // 2 - 2 : 320 // 2 + 3].max(axis=0)  # 4,000 Hz: the middle.
    np.testing.assert_allclose(row, expected * 255, atol=6)


def test_the_band_of_the_picture():
  tone = signals.sine(8_000, sample_rate_hz=16_000, hz=2_000.0)[None]
  picture = kernel(of='stft', colormap='gray', low_hz=1_000, high_hz=3_000)(tone)[0, ..., 0]
  assert abs(picture.sum(axis=1).argmax() - 112) <= 3


def test_a_bin_that_lies_just_on_an_end_of_the_band_belongs_to_it():
  image = spectrogram_image.SpectrogramImage(
    of='stft', window_s=0.11, fft_samples=1_760, low_hz=100, high_hz=200
  )
  assert image.bins(AUDIO) == slice(11, 23)  # 9.0909 Hz apart.


@settings(max_examples=25)
@given(
  num_samples=st.integers(640, 40_000),
  height=st.integers(1, 70),
  width=st.integers(1, 70),
  of=st.sampled_from(spectrogram_image.OF),
)
def test_the_size_is_fixed_whatever_the_length(num_samples, height, width, of):
  compute = kernel(ANY_LENGTH, height=height, width=width, of=of)
  batch = signals.noise(3 * num_samples).reshape(3, -1)
  pictures = compute(batch)
  assert pictures.shape == (3, height, width, 3)
  assert ((pictures >= 0) & (pictures <= 255) & (pictures == np.rint(pictures))).all()
  for index in range(3):
    assert compute(batch[index : index + 1])[0].tobytes() == pictures[index].tobytes()


def test_clips_of_any_length_come_out_of_the_extractor():
  image = spectrogram_image.SpectrogramImage(height=32, width=48)
  spec = features.spec('spectrogram_image', image, ANY_LENGTH)
  assert spec.shape == (32, 48, 3)
  source = extractor.Extractor([spec], ANY_LENGTH)
  assert source.min_samples == 640
  for num_samples in (10, 640, 20_000):
    stored = source.compute_stored(signals.noise(num_samples)[None])['spectrogram_image']
    assert stored.shape == (1, 32, 48, 3)
    assert stored.dtype == np.uint8


def test_bits_do_not_depend_on_the_number_of_threads():
  results = set()
  for threads in (1, 2):
    with threadpoolctl.threadpool_limits(threads):
      results.add(kernel()(MIXTURE).tobytes())
  assert len(results) == 1


@pytest.mark.parametrize(
  ('name', 'sentence'),
  [
    ('virids', r"No colormap is called 'virids'. Did you mean viridis.*\?"),
    ('Viridis', 'Did you mean viridis'),
    ('blues', 'Did you mean Blues'),
    ('qqqqqq', 'Try viridis, magma, inferno or gray. Matplotlib has'),
    ('', "No colormap is called ''"),
  ],
)
def test_a_wrong_colormap_names_those_near(name, sentence):
  image = spectrogram_image.SpectrogramImage(colormap=name)
  for make in (spectrogram_image.shape, spectrogram_image.kernel):
    with pytest.raises(errors.FeatureError, match=sentence):
      make(image, AUDIO)


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'of': 'mel'}, "of must be log_mel or stft, got 'mel'"),
    ({'height': 0}, r'height must be in \[1, 2048\] pixels, got 0'),
    ({'width': 4_000}, r'width must be in \[1, 2048\] pixels, got 4000'),
    ({'top_db': -80.0}, 'top_db must be positive, such as 80 dB, got -80'),
    ({'top_db': float('nan')}, 'top_db must be positive'),
    ({'dtype': 'float32'}, "dtype must be uint8 here, got 'float32'"),
    ({'hop_s': 1.0}, 'A hop longer than the window skips audio'),
    ({'num_mels': 0}, 'num_mels must be at least 1'),
    ({'scale': 'bark'}, 'scale must be htk or slaney'),
    ({'high_hz': 10.0}, 'high_hz must be above low_hz'),
  ],
)
def test_nonsense_is_refused_at_birth(values, sentence):
  with pytest.raises(errors.FeatureError, match=sentence):
    spectrogram_image.SpectrogramImage(**values)


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'of': 'stft', 'high_hz': 8_001.0}, 'bins are 15.625 Hz apart and end at 8000 Hz'),
    ({'of': 'stft', 'low_hz': 16.0, 'high_hz': 31.0}, 'There is no bin of the spectrum from'),
    ({'of': 'log_mel', 'num_mels': 600}, 'filters .* are too many'),
    ({'window_s': 1.0}, 'is shorter than one window of 16000 samples'),
    ({'window_s': 1.0, 'of': 'stft'}, 'is shorter than one window of 16000 samples'),
  ],
)
def test_what_does_not_fit_is_refused(values, sentence):
  image = spectrogram_image.SpectrogramImage(**values)
  for make in (spectrogram_image.shape, spectrogram_image.kernel):
    with pytest.raises(errors.FeatureError, match=sentence):
      make(image, AUDIO)


def test_matplotlib_is_imported_when_it_is_needed_and_never_pyplot():
  program = (
    'import sys\nimport features\nfrom schemas import audio\n'
    'found = [sorted({"matplotlib", "matplotlib.pyplot"} & set(sys.modules))]\n'
    'features.spec(*features.parse("spectrogram_image"), audio.AudioSpec())\n'
    'found.append(sorted({"matplotlib", "matplotlib.pyplot"} & set(sys.modules)))\n'
    'print(found)\n'
  )
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
  assert done.stdout.strip() == "[[], ['matplotlib']]"


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
@pytest.mark.parametrize('of', spectrogram_image.OF)
def test_pictures_of_real_digits_agree_with_librosa_pillow_and_matplotlib(of):
  spec = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0.6)
  paths = sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::100]
  image = spectrogram_image.SpectrogramImage(of=of)
  for path in paths:
    samples = clips.decode(clips.read_bytes(str(path)), spec).samples
    assert_same_picture(samples, image, spec)
