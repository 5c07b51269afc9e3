"""The rules that every effect keeps, run over the whole table."""

import dataclasses

import numpy as np
import pytest

from features import effects
from features.decoding import clips
from schemas import audio, options
from tests.helpers import signals, wav_files

RATES_HZ = (8_000, 16_000, 44_100)
SILENCE = np.zeros(4_000, np.float32)

every_effect = pytest.mark.parametrize('name', effects.EFFECTS)


def made(name, sample_rate_hz=16_000):
  """Returns the filter with its default settings."""
  member = effects.EFFECTS[name]
  return member.make(member.settings(), sample_rate_hz)


def test_the_table_can_be_written_on_a_command_line():
  options.check_table(effects.SETTINGS)


@every_effect
def test_settings_survive_the_command_line(name):
  settings = effects.SETTINGS[name]()
  assert effects.parse(name) == (name, settings)
  for field in dataclasses.fields(settings):
    other = dataclasses.replace(settings, **{field.name: type(field.default)(field.default * 0.75)})
    assert other != settings
    assert effects.parse(options.format_option(name, other)) == (name, other)


@every_effect
@pytest.mark.parametrize('sample_rate_hz', RATES_HZ)
def test_as_many_finite_samples_come_out_and_the_input_stays(name, sample_rate_hz):
  apply = made(name, sample_rate_hz)
  for samples in signals.mixture(4_000, sample_rate_hz=sample_rate_hz):
    kept = samples.copy()
    kept.flags.writeable = False
    out = apply(kept)
    assert out.shape == samples.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert not np.shares_memory(out, kept)
    assert out.tobytes() == apply(samples).tobytes()


@every_effect
def test_silence_stays_silence(name):
  np.testing.assert_array_equal(made(name)(SILENCE), SILENCE)


@every_effect
@pytest.mark.parametrize('level', [1e-45, 1e-38, 1e-20, 1e9])
def test_no_level_makes_it_infinite(name, level):
  out = made(name)(signals.noise(4_000, amplitude=1.0) * np.float32(level))
  assert np.isfinite(out).all()


@every_effect
@pytest.mark.parametrize('num_samples', [1, 2, 3])
def test_a_clip_may_be_as_short_as_a_sample(name, num_samples):
  out = made(name)(np.full(num_samples, 0.25, np.float32))
  assert out.shape == (num_samples,)
  assert np.isfinite(out).all()


@every_effect
def test_it_changes_something(name):
  noise = signals.noise(4_000)
  assert np.abs(made(name)(noise) - noise).max() > 1e-3


@every_effect
def test_the_decoder_applies_it_to_the_audio_and_not_to_the_padding(name):
  noise = wav_files.int16_noise(3_000)
  spec = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.5, effects=(name,), position='end')
  clip = clips.decode(wav_files.pcm16(noise), spec)
  assert clip.num_samples == 3_000
  assert not clip.samples[:5_000].any()
  expected = effects.apply(noise[:, 0] / np.float32(32768), [name], 16_000)
  assert clip.samples[5_000:].tobytes() == expected.tobytes()
