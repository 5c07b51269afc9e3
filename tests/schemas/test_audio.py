"""Frame arithmetic against slicing, and the sentences of refusal."""

import json
import math

import hypothesis
import pytest
from hypothesis import strategies as st

from schemas import audio, errors


def frames_by_slicing(num_samples, window, hop):
  """The definition: every slice of a whole window that starts at a multiple of the hop."""
  samples = range(num_samples)
  return sum(len(samples[start : start + window]) == window for start in range(0, num_samples, hop))


@hypothesis.given(
  num_samples=st.integers(0, 3_000), window=st.integers(2, 500), hop=st.integers(1, 500)
)
def test_the_number_of_frames_agrees_with_slicing(num_samples, window, hop):
  hypothesis.assume(hop <= window)
  spec = audio.FrameSpec(sample_rate_hz=1_000, window_s=window / 1_000, hop_s=hop / 1_000)
  assert (spec.window_samples, spec.hop_samples) == (window, hop)
  assert spec.num_frames(num_samples) == frames_by_slicing(num_samples, window, hop)


@hypothesis.given(window=st.integers(2, 5_000))
def test_the_transform_is_the_smallest_power_of_two_that_holds_the_window(window):
  spec = audio.FrameSpec(sample_rate_hz=1_000, window_s=window / 1_000, hop_s=0.001)
  length = spec.transform_samples
  assert length >= window > length // 2
  assert math.log2(length).is_integer()
  assert spec.num_bins == length // 2 + 1


def test_the_usual_settings_give_the_usual_numbers():
  spec = audio.FrameSpec()
  assert (spec.window_samples, spec.hop_samples, spec.transform_samples) == (400, 160, 512)
  assert (spec.num_bins, spec.num_frames(16_000)) == (257, 98)


def test_a_given_transform_length_is_taken():
  assert audio.FrameSpec(fft_samples=600).num_bins == 301


def test_clips_may_have_lengths_of_their_own():
  assert audio.AudioSpec(clip_s=0.0).is_variable
  assert audio.AudioSpec(clip_s=0.0).clip_samples == 0
  assert not audio.AudioSpec().is_variable


def test_a_spec_survives_json():
  spec = audio.AudioSpec(position='centre', trim_db=30.0, effects=('peak', 'high_pass:hz=80.0'))
  assert audio.AudioSpec.from_json(json.loads(json.dumps(spec.to_json())), where='test') == spec


def test_clip_samples():
  assert audio.AudioSpec(sample_rate_hz=8_000, clip_s=0.5).clip_samples == 4_000
  assert audio.AudioSpec(sample_rate_hz=11_025, clip_s=0.3).clip_samples == 3_308  # Rounded.


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({'sample_rate_hz': 999}, r'sample_rate_hz must be in \[1000, 768000\], got 999\.'),
    ({'sample_rate_hz': 768_001}, r'got 768001\.'),
    ({'clip_s': 1e-5}, r'clip_s must be 0 .* at least one sample long, got 1e-05 seconds\.'),
    ({'max_clip_s': 0.0}, r'max_clip_s must be positive, got 0\.0'),
    ({'position': 'middle'}, r"position must be start, centre, end, got 'middle'"),
    ({'trim_db': -1.0}, r'trim_db must be 0 .* got -1\.0'),
    ({'clip_s': -1.0}, r'got -1\.0 seconds'),
    ({'clip_s': 1e-9}, r'got 1e-09 seconds'),
    ({'clip_s': math.inf}, r'got inf seconds'),
    ({'clip_s': math.nan}, r'got nan seconds'),
    ({'clip_s': 9e99}, r'at most 2147483647 samples long, got 9e\+99 seconds'),
  ],
)
def test_audio_that_cannot_be_is_refused(settings, sentence):
  with pytest.raises(errors.SchemaError, match=sentence):
    audio.AudioSpec(**settings)


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({'hop_s': 0.0}, r'hop_s must be in \(0, window_s=0\.025\] seconds, got 0\.0\.'),
    ({'hop_s': -0.01}, r'got -0\.01\.'),
    ({'hop_s': 0.03}, r'got 0\.03\. A hop longer than the window skips audio\.'),
    ({'hop_s': math.nan}, 'got nan'),
    ({'window_s': math.nan}, 'window_s=nan'),
    ({'window_s': math.inf}, 'window_s=inf'),
    ({'window_s': 5e-5, 'hop_s': 5e-5}, 'must be at least 2 and 1 samples at 16000 Hz'),
    ({'hop_s': 1e-5}, 'must be at least 2 and 1 samples at 16000 Hz'),
    (
      {'fft_samples': 399},
      r'fft_samples must be 0 or at least the window of 400 samples, got 399\.',
    ),
    ({'fft_samples': -1}, r'got -1\.'),
  ],
)
def test_frames_that_cannot_be_are_refused(settings, sentence):
  with pytest.raises(errors.SchemaError, match=sentence):
    audio.FrameSpec(**settings)
