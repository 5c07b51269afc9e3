"""Trimming, held against librosa.effects.trim."""

import os
import pathlib

import librosa
import numpy as np
import pytest
import soundfile

from features.decoding import clips, trimming
from schemas import audio
from tests.helpers import signals, wav_files

RATES_HZ = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000)


def librosas(samples, sample_rate_hz, trim_db):
  """Returns what librosa keeps, with our lengths of window and hop."""
  window, hop = trimming.window_and_hop(sample_rate_hz)
  _, (begin, end) = librosa.effects.trim(
    samples, top_db=trim_db, frame_length=window, hop_length=hop
  )
  return begin, end


def word(sample_rate_hz, *, before_s=0.4, after_s=0.7, floor=1e-4):
  """Returns faint noise with a fading tone of 0.5 s in it."""
  num_samples = round((before_s + 0.5 + after_s) * sample_rate_hz)
  samples = signals.noise(num_samples, amplitude=floor)
  begin, length = round(before_s * sample_rate_hz), sample_rate_hz // 2
  fade = np.hanning(length).astype(np.float32)
  samples[begin : begin + length] += fade * signals.sine(
    length, sample_rate_hz=sample_rate_hz, hz=440.0, amplitude=0.5
  )
  return samples


def test_at_librosas_own_rate_the_window_is_librosas():
  assert trimming.window_and_hop(22_050) == (2048, 512)


@pytest.mark.parametrize('sample_rate_hz', RATES_HZ)
@pytest.mark.parametrize('trim_db', [10.0, 30.0, 60.0])
def test_what_is_kept_is_what_librosa_keeps(sample_rate_hz, trim_db):
  _, hop = trimming.window_and_hop(sample_rate_hz)
  for samples in [
    word(sample_rate_hz),
    word(sample_rate_hz, before_s=0.0),
    word(sample_rate_hz, after_s=0.0),
    word(sample_rate_hz)[: sample_rate_hz // 50],
    *signals.mixture(sample_rate_hz, sample_rate_hz=sample_rate_hz),
  ]:
    ours = trimming.bounds(samples, sample_rate_hz, trim_db)
    # librosa sums in 32 bits: a window that is just at the limit may fall on the other side.
    np.testing.assert_allclose(ours, librosas(samples, sample_rate_hz, trim_db), atol=hop)


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
@pytest.mark.parametrize('trim_db', [20.0, 40.0])
def test_real_digits_are_trimmed_as_librosa_does(trim_db):
  _, hop = trimming.window_and_hop(8_000)
  num_other = 0
  paths = sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::10]
  for path in paths:
    samples, _ = soundfile.read(str(path), dtype='float32')
    ours, theirs = trimming.bounds(samples, 8_000, trim_db), librosas(samples, 8_000, trim_db)
    np.testing.assert_allclose(ours, theirs, atol=hop)
    num_other += ours != tuple(theirs)
  assert num_other <= len(paths) // 100


@pytest.mark.parametrize('num_samples', [1, 100, 16_000])
def test_silence_and_what_is_equally_loud_is_kept_whole(num_samples):
  silence = np.zeros(num_samples, np.float32)
  assert trimming.bounds(silence, 16_000, 40.0) == (0, num_samples)
  tone = signals.sine(num_samples, sample_rate_hz=16_000, hz=440.0)
  assert trimming.bounds(tone + np.float32(0.1), 16_000, 40.0) == (0, num_samples)


def decoded(samples, **kwargs):
  data = wav_files.encoded(samples, format='WAV', subtype='FLOAT')
  return clips.decode(data, audio.AudioSpec(sample_rate_hz=16_000, **kwargs))


def test_the_decoder_trims_before_it_cuts():
  samples = word(16_000, before_s=3.0, after_s=2.0)
  clip = decoded(samples, clip_s=1.0, trim_db=30.0)
  begin, end = trimming.bounds(samples, 16_000, 30.0)
  assert 46_000 < begin < 49_500
  assert clip.num_samples == end - begin < 12_000
  np.testing.assert_array_equal(clip.samples[: end - begin], samples[begin:end])
  assert not clip.samples[end - begin :].any()
  assert clip.source_s == 5.5  # What was recorded, not what is left of it.


def test_the_decoder_cuts_what_is_still_too_long():
  samples = word(16_000, before_s=3.0, after_s=2.0)
  begin, end = trimming.bounds(samples, 16_000, 30.0)
  for position, first in [('start', begin), ('centre', (begin + end - 1_600) // 2)]:
    clip = decoded(samples, clip_s=0.1, trim_db=30.0, position=position)
    np.testing.assert_array_equal(clip.samples, samples[first : first + 1_600])


def test_a_clip_of_any_length_is_as_long_as_what_is_left():
  samples = word(16_000)
  clip = decoded(samples, clip_s=0.0, trim_db=30.0)
  begin, end = trimming.bounds(samples, 16_000, 30.0)
  np.testing.assert_array_equal(clip.samples, samples[begin:end])
  assert clip.num_samples == end - begin
