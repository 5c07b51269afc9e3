"""The NumPy face against librosa, float64, and signals whose features are known."""

import math
import os
import pathlib

import librosa
import numpy as np
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st

import features
from features.decoding import clips
from schemas import audio, medium
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.5)
MIXTURE = signals.mixture(AUDIO.clip_samples, sample_rate_hz=AUDIO.sample_rate_hz)


def kernel(option, spec=AUDIO):
  name, member_settings = features.parse(option)
  return features.FEATURES[name].kernel(member_settings, spec)


def power_by_librosa(batch, *, window_samples=400, hop_samples=160, fft_samples=512):
  """Returns |X|^2 in float64, [clips, num_frames, num_bins].

  librosa puts a window that is shorter than the transform in its middle, ours begins with it. The
  magnitude does not see the difference, if the audio is moved by as much.
  """
  before = (fft_samples - window_samples) // 2
  after = fft_samples - window_samples - before
  spectrum = librosa.stft(
    np.pad(batch.astype(np.float64), ((0, 0), (before, after))),
    n_fft=fft_samples,
    hop_length=hop_samples,
    win_length=window_samples,
    window='hann',
    center=False,
  )
  return np.abs(spectrum.transpose(0, 2, 1)) ** 2


def assert_log_close(ours, power, floor):
  """Compares logarithms, where float32 can be held to account.

  The rounding of a float32 transform is relative to the largest bin of a frame, not to each: about
  1e-7 of its magnitude (measured: up to 1.2e-7). Where a bin is small against that, a logarithm
  can be off by as much as the floor lets it.
  """
  magnitude = np.sqrt(power)
  error = 4e-7 * magnitude.max(axis=-1, keepdims=True) / (magnitude + floor)
  assert (np.abs(ours - np.log(magnitude + floor)) <= 2e-6 + error).all()


def test_stft_agrees_with_librosa():
  ours = kernel('stft')(MIXTURE)
  assert_log_close(ours, power_by_librosa(MIXTURE), 1e-3)


def test_stft_of_other_lengths_agrees_with_librosa():
  # A window of odd length, a transform that is no power of two.
  ours = kernel('stft:window_s=0.0250625,hop_s=0.005,fft_samples=600')(MIXTURE)
  power = power_by_librosa(MIXTURE, window_samples=401, hop_samples=80, fft_samples=600)
  assert_log_close(ours, power, 1e-3)


@pytest.mark.parametrize('scale', ['htk', 'slaney'])
def test_mel_agrees_with_librosa(scale):
  theirs = power_by_librosa(MIXTURE) @ filterbank_by_librosa(scale).T.astype(np.float64)
  ours = kernel(f'mel:num_mels=40,scale={scale}')(MIXTURE)
  # Relative to the loudest band of the clip. Measured: up to 3.6e-7.
  loudest = theirs.max(axis=(1, 2), keepdims=True) + 1e-30
  np.testing.assert_allclose(ours / loudest, theirs / loudest, atol=2e-6)


@pytest.mark.parametrize('scale', ['htk', 'slaney'])
def test_log_mel_agrees_with_librosa(scale):
  energy = power_by_librosa(MIXTURE) @ filterbank_by_librosa(scale).T.astype(np.float64)
  ours = kernel(f'log_mel:num_mels=40,scale={scale}')(MIXTURE)
  # Beside a tone a band can hold 1e-10 of the tone's energy, of which float32 leaves 1e-3.
  # Measured: up to 4e-4 there, up to 1e-6 on the other signals.
  np.testing.assert_allclose(ours, np.log(energy + 1e-6), atol=2e-3)


def filterbank_by_librosa(scale):
  if scale == 'slaney':
    return librosa.filters.mel(sr=16_000, n_fft=512, n_mels=40, fmin=20.0)
  # librosa's HTK triangles stand over Hz, TensorFlow's and ours over mels; so this comparison
  # takes our own table, which test_mel_filterbank.py holds against TensorFlow's.
  return features.parse('log_mel:num_mels=40')[1].filterbank(AUDIO).T


def test_a_sine_on_a_bin_peaks_there_with_half_the_windows_sum():
  sine = signals.sine(8_000, sample_rate_hz=16_000, hz=32 * 16_000 / 512)
  magnitude = np.exp(kernel('stft')(sine[None])) - 1e-3
  assert (magnitude.argmax(axis=-1) == 32).all()
  np.testing.assert_allclose(magnitude[..., 32], 100.0, rtol=1e-5)  # A Hann window adds up to N/2.


def test_an_impulse_has_a_flat_spectrum_of_the_windows_height():
  magnitude = np.exp(kernel('stft')(signals.impulse(8_000, at=200)[None])) - 1e-3
  # 200 is the middle of the first window, where it is 1, and 40 of the second.
  np.testing.assert_allclose(magnitude[0, 0], 1.0, atol=1e-6)
  expected = 0.5 - 0.5 * math.cos(2 * math.pi * 40 / 400)
  np.testing.assert_allclose(magnitude[0, 1], expected, atol=1e-6)


@pytest.mark.parametrize(
  ('option', 'silence'),
  [
    ('waveform', 0.0),
    ('fft', math.log(1e-2)),
    ('fft:scale=linear,num_bins=7', 0.0),
    ('stft', math.log(1e-3)),
    ('stft:floor=0.5', math.log(0.5)),
    ('mel', 0.0),
    ('log_mel', math.log(1e-6)),
    ('log_mel:floor=0.25', math.log(0.25)),
  ],
)
def test_silence_gives_the_floor(option, silence):
  array = kernel(option)(np.zeros((2, AUDIO.clip_samples), np.float32))
  np.testing.assert_allclose(array, silence, rtol=1e-6)


def test_twice_the_amplitude_adds_the_logarithm_of_four():
  noise = signals.noise(AUDIO.clip_samples)
  compute = kernel('log_mel:floor=1e-20')
  difference = compute(2 * noise[None]) - compute(noise[None])
  np.testing.assert_allclose(difference, math.log(4), atol=2e-6)


def test_a_shift_by_one_hop_shifts_by_one_frame():
  noise = signals.noise(AUDIO.clip_samples + 160)
  compute = kernel('log_mel')
  np.testing.assert_array_equal(
    compute(noise[None, 160:])[0, :-1], compute(noise[None, :-160])[0, 1:]
  )


OPTIONS = [
  'waveform',
  'stft',
  'stft:window_s=0.064,hop_s=0.016',
  'mel:num_mels=23',
  'log_mel',
  'log_mel:num_mels=40,scale=slaney',
  'log_mel:window_s=0.0030625,hop_s=0.001,num_mels=7',
  'fft',
  'fft:num_bins=100,max_hz=3000',
  'fft:fft_samples=1001,scale=linear',
  'mfcc',
  'mfcc:deltas=2,lifter=22,delta_frames=5',
]


@settings(max_examples=60)
@given(
  option=st.sampled_from([option for option in OPTIONS if not option.startswith('fft')]),
  lengths=st.lists(st.integers(1_024, 9_000), min_size=2, max_size=5),
)
def test_clips_of_any_length_are_those_of_this_length(option, lengths):
  compute = kernel(option, audio.AudioSpec(clip_s=0))
  for num_samples in lengths:
    noise = signals.noise(2 * num_samples, seed=num_samples).reshape(2, num_samples)
    fixed = kernel(option, audio.AudioSpec(clip_s=num_samples / 16_000))
    assert compute(noise).tobytes() == fixed(noise).tobytes()


@settings(max_examples=60)
@given(
  option=st.sampled_from(OPTIONS),
  # Up to 40 frames a clip and 20 clips; and clips that are cut into several pieces.
  clip_s=st.one_of(st.floats(0.064, 0.4), st.floats(4.0, 6.0)),
  num_clips=st.integers(1, 20),
  seed=st.integers(0, 100),
)
def test_a_clips_bits_do_not_depend_on_its_batch(option, clip_s, num_clips, seed):
  spec = audio.AudioSpec(sample_rate_hz=16_000, clip_s=clip_s)
  num_clips = num_clips if clip_s < 1 else min(num_clips, 3)
  loudness = 10.0 ** -np.arange(num_clips)[:, None]
  batch = signals.noise(num_clips * spec.clip_samples, seed=seed).reshape(num_clips, -1) * loudness
  batch = batch.astype(np.float32)
  compute = kernel(option, spec)
  together = compute(batch)
  for index in range(num_clips):
    alone = compute(batch[index : index + 1])[0]
    assert together[index].tobytes() == alone.tobytes()


@pytest.mark.parametrize('option', OPTIONS)
def test_bits_do_not_depend_on_where_the_batch_lies(option):
  compute = kernel(option)
  expected = compute(MIXTURE).tobytes()
  spread = np.zeros((len(MIXTURE), 2 * AUDIO.clip_samples + 3), np.float32)
  spread[:, 3::2] = MIXTURE
  assert compute(spread[:, 3::2]).tobytes() == expected
  assert compute(np.asfortranarray(MIXTURE)).tobytes() == expected
  unaligned = np.frombuffer(b'\0' + MIXTURE.tobytes(), np.uint8)[1:].view(np.float32)
  assert compute(unaligned.reshape(MIXTURE.shape)).tobytes() == expected


@pytest.mark.parametrize('option', OPTIONS)
def test_bits_do_not_depend_on_the_number_of_threads(option):
  batch = signals.noise(20 * AUDIO.clip_samples).reshape(20, -1)
  results = set()
  for threads in (1, 2, 4):
    with threadpoolctl.threadpool_limits(threads):
      results.add(kernel(option)(batch).tobytes())
  assert len(results) == 1


def test_no_doubles_in_the_hot_path(monkeypatch):
  # A float64 anywhere would show in what the transform is given, or in what comes out.
  seen = []
  transform = features.spectra.spectrum.scipy.fft.rfft
  monkeypatch.setattr(
    features.spectra.spectrum.scipy.fft,
    'rfft',
    lambda array, **kwargs: seen.append(array.dtype) or transform(array, **kwargs),
  )
  for name, member in features.FEATURES.items():
    if member.medium == medium.PICTURES:
      continue
    assert member.kernel(member.settings(), AUDIO)(MIXTURE).dtype == np.float32, name
  assert set(seen) == {np.dtype(np.float32)}


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_log_mel_of_real_digits_agrees_with_librosa():
  spec = audio.AudioSpec(sample_rate_hz=8_000)
  paths = sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::40]
  batch = np.stack([clips.decode(clips.read_bytes(str(path)), spec).samples for path in paths])
  power = power_by_librosa(batch, window_samples=200, hop_samples=80, fft_samples=256)
  filters = librosa.filters.mel(sr=8_000, n_fft=256, n_mels=40, fmin=20.0).T.astype(np.float64)
  ours = kernel('log_mel:num_mels=40,scale=slaney', spec)(batch)
  # Measured over the corpus: up to 4e-5, in quiet bands beside loud ones.
  np.testing.assert_allclose(ours, np.log(power @ filters + 1e-6), atol=2e-4)
