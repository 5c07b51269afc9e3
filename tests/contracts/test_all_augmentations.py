"""The rules that every augmentation keeps, run over the whole table."""

import dataclasses
import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from features import augmentations
from features.augmentations import augmentation, chain
from schemas import errors, options
from tests.helpers import signals

ROOT = pathlib.Path(__file__).parent.parent.parent
RATES_HZ = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]
MIXTURE = signals.mixture(4_800, sample_rate_hz=16_000)

every_augmentation = pytest.mark.parametrize('name', augmentations.AUGMENTATIONS)


def white_noise(generator, num_samples):
  return generator.uniform(-0.1, 0.1, num_samples).astype(np.float32)


def run(name, samples, *, sample_rate_hz=16_000, clip_id='anna/yes_0', copy=1, seed=0, **settings):
  option = options.format_option(name, augmentations.SETTINGS[name](**settings))
  made = chain.Chain([option], sample_rate_hz, white_noise)
  return made.apply(samples, clip_id=clip_id, copy=copy, seed=seed)


def test_the_table_can_be_written_on_a_command_line():
  options.check_table(augmentations.SETTINGS)


@every_augmentation
def test_settings_survive_the_command_line(name):
  cls = augmentations.SETTINGS[name]
  # Numbers that the identity names, and a probability: none of them the default.
  for settings in (
    cls(),
    cls(probability=0.25),
    cls(**augmentations.AUGMENTATIONS[name].identity),
  ):
    assert augmentations.parse(options.format_option(name, settings)) == (name, settings)


@every_augmentation
def test_settings_are_a_frozen_keyword_only_class_with_a_probability(name):
  cls = augmentations.SETTINGS[name]
  assert issubclass(cls, augmentation.Settings)
  assert all(field.kw_only for field in dataclasses.fields(cls))
  with pytest.raises(dataclasses.FrozenInstanceError):
    cls().probability = 0.5


@every_augmentation
@pytest.mark.parametrize('value', ['-0.1', '1.01', 'nan'])
def test_a_probability_beyond_certainty_is_refused(name, value):
  with pytest.raises(errors.ConfigError, match=rf'{name}.*probability must be in \[0, 1\]'):
    augmentations.parse(f'{name}:probability={value}')


@every_augmentation
def test_numbers_that_are_none_are_refused(name):
  for field in dataclasses.fields(augmentations.SETTINGS[name]):
    if field.type in (float, 'float'):
      for value in ('nan', 'inf', '-inf', '1e9', '-1e9'):
        with pytest.raises(errors.ConfigError, match=f'{name}.* must be in '):
          augmentations.parse(f'{name}:{field.name}={value}')


@every_augmentation
def test_the_same_twice_and_the_input_as_it_was(name):
  for samples in MIXTURE:
    given = samples.copy()
    given.flags.writeable = False
    first, text = run(name, given)
    second, again = run(name, given)
    assert first.tobytes() == second.tobytes()
    assert text == again
    assert not np.shares_memory(first, given)
    first[:] = 0  # The caller's to change.
    np.testing.assert_array_equal(given, samples)


PROGRAM = """
from tests.contracts import test_all_augmentations as contract
for name in contract.augmentations.AUGMENTATIONS:
  print(name, contract.fingerprint(name))
"""


def fingerprint(name):
  samples, text = run(name, MIXTURE[3], copy=3, seed=7)
  return f'{text} {hashlib.sha256(samples.tobytes()).hexdigest()}'


@pytest.fixture(scope='module')
def elsewhere():
  """Fingerprints by name, as two other processes print them."""
  said = [
    subprocess.run(
      [sys.executable, '-c', PROGRAM],
      cwd=ROOT,
      env={**os.environ, 'PYTHONHASHSEED': salt, 'PYTHONPATH': str(ROOT)},
      capture_output=True,
      text=True,
      check=True,
    ).stdout
    for salt in ('1', '2')
  ]
  return [dict(line.split(' ', 1) for line in text.splitlines()) for text in said]


@every_augmentation
def test_the_same_in_another_process(name, elsewhere):
  assert [found[name] for found in elsewhere] == [fingerprint(name)] * 2


@every_augmentation
def test_other_copies_clips_and_seeds_differ(name):
  results = [
    run(name, MIXTURE[3]),
    *(run(name, MIXTURE[3], copy=copy) for copy in range(2, 6)),
    run(name, MIXTURE[3], clip_id='anna/yes_1'),
    run(name, MIXTURE[3], seed=1),
  ]
  assert len({text for _, text in results}) == len(results)
  assert len({samples.tobytes() for samples, _ in results}) == len(results)


@every_augmentation
def test_the_same_step_draws_anew_at_another_place(name):
  _, text = chain.Chain([name, name], 16_000, white_noise).apply(
    MIXTURE[3], clip_id='a', copy=1, seed=0
  )
  first, second = text.split('+')
  assert first != second


@every_augmentation
def test_no_strength_is_the_clip_itself(name):
  identity = augmentations.AUGMENTATIONS[name].identity
  for samples in MIXTURE:
    found, text = run(name, samples, **identity)
    assert found.shape == samples.shape
    assert text.startswith(f'{name}:')
    peak = np.abs(samples).max()
    np.testing.assert_allclose(found, samples, rtol=0, atol=1e-4 * peak + 2e-6)


@every_augmentation
def test_the_defaults_change_something(name):
  found, _ = run(name, MIXTURE[3])
  assert found.shape != MIXTURE[3].shape or np.abs(found - MIXTURE[3]).max() > 1e-3


@every_augmentation
@pytest.mark.parametrize('sample_rate_hz', RATES_HZ)
def test_any_rate(name, sample_rate_hz):
  for samples in signals.mixture(sample_rate_hz // 5, sample_rate_hz=sample_rate_hz):
    found, text = run(name, samples, sample_rate_hz=sample_rate_hz)
    check(name, found, text)


@every_augmentation
@pytest.mark.parametrize('num_samples', [1, 2, 3, 100, 255, 257])
def test_short_clips(name, num_samples):
  samples = signals.noise(num_samples)
  for copy in range(1, 10):
    check(name, *run(name, samples, copy=copy))
  check(name, *run(name, np.zeros(num_samples, np.float32)))


@every_augmentation
@pytest.mark.parametrize('amplitude', [1e-40, 1e-20, 100.0, 1e9])
def test_very_quiet_and_very_loud_clips_stay_finite(name, amplitude):
  samples = (signals.noise(2_000) * 2 * amplitude).astype(np.float32)
  check(name, *run(name, samples))


def check(name, samples, text):
  assert samples.dtype == np.float32
  assert samples.ndim == 1
  assert len(samples) >= 1
  assert samples.flags.c_contiguous
  assert np.isfinite(samples).all()
  assert text.startswith(f'{name}:')


@every_augmentation
def test_what_is_recorded_reads_as_numbers(name):
  _, text = run(name, MIXTURE[3])
  found, _, values = text.partition(':')
  assert found == name
  for part in values.split(','):
    key, _, value = part.partition('=')
    assert key.isidentifier()
    assert repr(float(value)) == value
    assert len(value) <= 8
  assert text.isascii()


@every_augmentation
def test_no_probability_does_nothing_and_says_so(name):
  for samples in MIXTURE:
    found, text = run(name, samples, probability=0.0)
    assert text == 'none'
    np.testing.assert_array_equal(found, samples)
    assert not np.shares_memory(found, samples)


@every_augmentation
def test_a_probability_is_a_share_of_the_copies_and_changes_no_draw(name):
  samples = signals.noise(400)
  always = [run(name, samples, copy=copy)[1] for copy in range(200)]
  half = [run(name, samples, copy=copy, probability=0.5)[1] for copy in range(200)]
  assert 70 < half.count('none') < 130
  assert all(text in ('none', expected) for text, expected in zip(half, always, strict=True))


@every_augmentation
def test_it_says_whether_it_reads_noise(name):
  if augmentations.AUGMENTATIONS[name].needs_noise:
    assert chain.noise_folder([f'{name}:folder=noises']) == 'noises'
    with pytest.raises(errors.ConfigError, match=f'{name} needs recordings of noise'):
      chain.Chain([name], 16_000, None)
  else:
    assert chain.noise_folder([name]) is None
    chain.Chain([name], 16_000, None).apply(MIXTURE[3], clip_id='a', copy=1, seed=0)
