"""Chains: order, text, noise, errors; and what importing them costs."""

import os
import pathlib
import subprocess
import sys

import librosa
import numpy as np
import pytest

from features import augmentations
from features.augmentations import chain, phase_vocoder, pitch_shift
from features.decoding import clips
from schemas import audio, errors, options, stable_hash
from tests.helpers import signals

ALL = list(augmentations.AUGMENTATIONS)
SAMPLES = signals.noise(8_000)

# The drawn value's key, and the settings that draw it for certain.
FIXED = {
  'background_noise': lambda snr_db: {'min_snr_db': snr_db, 'max_snr_db': snr_db},
  'time_stretch': lambda rate: {'min_rate': rate, 'max_rate': rate},
  'speed': lambda rate: {'min_rate': rate, 'max_rate': rate},
  'gain': lambda gain_db: {'min_db': gain_db, 'max_db': gain_db},
}


def white_noise(generator, num_samples):
  return generator.uniform(-0.1, 0.1, num_samples).astype(np.float32)


def run(chain_options, samples=SAMPLES, *, noise=white_noise, copy=1, clip_id='anna/yes_0'):
  return chain.Chain(chain_options, 16_000, noise).apply(
    samples, clip_id=clip_id, copy=copy, seed=5
  )


def steps(text):
  """Returns the names and values of a recorded text."""
  return [
    (name, dict(part.split('=') for part in values.split(',')))
    for name, _, values in (step.partition(':') for step in text.split('+'))
  ]


def test_steps_are_applied_in_the_order_given():
  _, text = run(ALL)
  assert [name for name, _ in steps(text)] == ALL
  _, text = run(ALL[::-1])
  assert [name for name, _ in steps(text)] == ALL[::-1]


def test_each_step_is_given_what_the_one_before_made():
  quiet, _ = run(['gain:min_db=-20,max_db=-20', 'background_noise:min_snr_db=0,max_snr_db=0'])
  loud, _ = run(['background_noise:min_snr_db=0,max_snr_db=0', 'gain:min_db=-20,max_db=-20'])
  # The noise follows the audio's power; but each draws at its own place in the chain.
  assert np.mean(quiet**2) == pytest.approx(np.mean(loud**2), rel=0.05)
  assert quiet.tobytes() != loud.tobytes()


def test_an_empty_chain_does_nothing():
  found, text = run([])
  assert text == 'none'
  np.testing.assert_array_equal(found, SAMPLES)


def test_what_was_not_applied_is_absent():
  _, text = run(['gain:probability=0', 'time_shift', 'speed:probability=0'])
  assert [name for name, _ in steps(text)] == ['time_shift']


@pytest.mark.parametrize('name', FIXED)
def test_the_recorded_values_make_the_same_bytes_again(name):
  for copy in range(1, 5):
    found, text = run([name], copy=copy)
    ((_, values),) = steps(text)
    (value,) = values.values()
    settings = augmentations.SETTINGS[name](**FIXED[name](float(value)))
    again, text_again = run([options.format_option(name, settings)], copy=copy)
    assert again.tobytes() == found.tobytes()
    assert text_again == text


def test_the_generator_is_made_of_the_clip_the_copy_the_place_and_the_seed(monkeypatch):
  texts = []
  digest = stable_hash.digest
  monkeypatch.setattr(
    chain.stable_hash, 'digest', lambda text, *, salt: texts.append(text) or digest(text, salt=salt)
  )
  run(['gain', 'gain'], copy=3, clip_id='a/1')
  assert texts == ['5/3/0/a/1', '5/3/1/a/1']


GOLDEN = (
  'background_noise:snr_db=1.22'
  '+time_shift:shift_s=0.0604'
  '+time_stretch:rate=1.0936'
  '+speed:rate=0.9124'
  '+pitch_shift:semitones=0.35'
  '+gain:gain_db=-7.37'
)


def test_draws_stay_what_they_are():
  # A change here changes every augmented data set: it must bump RECORD_VERSION.
  _, text = run(ALL, copy=2, clip_id='ÄÖ/\udcff')
  assert text == GOLDEN


def test_ids_of_any_text_work():
  texts = {run(['gain'], clip_id=clip_id)[1] for clip_id in ('', 'a', 'a/0', '中文', '\udcff')}
  assert len(texts) == 5


@pytest.mark.parametrize(
  ('chain_options', 'folder'),
  [
    ([], None),
    (['gain', 'speed'], None),
    (['gain', 'background_noise'], ''),
    (['background_noise:folder=gs://bucket/noise', 'gain'], 'gs://bucket/noise'),
    ([r'background_noise:folder=a\,b=c:d'], 'a,b=c:d'),
    (['background_noise:folder=n', 'speed', 'background_noise:folder=n,min_snr_db=5'], 'n'),
  ],
)
def test_the_folder_of_the_noise(chain_options, folder):
  assert chain.noise_folder(chain_options) == folder


def test_two_folders_of_noise_are_refused():
  with pytest.raises(errors.ConfigError, match="One folder of noise .* got 'a', ''"):
    chain.noise_folder(['background_noise:folder=a', 'background_noise'])


def test_a_chain_that_needs_noise_says_so_when_it_is_made():
  with pytest.raises(errors.ConfigError, match='needs recordings of noise and there are none'):
    chain.Chain(['gain', 'background_noise'], 16_000, None)


@pytest.mark.parametrize(
  'samples',
  [np.zeros(10), np.zeros((1, 10), np.float32), np.zeros(0, np.float32), np.zeros(10, np.int16)],
  ids=['float64', 'batch', 'nothing', 'int16'],
)
def test_samples_of_another_form_are_refused(samples):
  with pytest.raises(errors.FeatureError, match=r'Wanted samples to augment as float32'):
    run(['gain'], samples)


def test_a_member_that_reads_noise_without_saying_so_is_told():
  member = augmentations.AUGMENTATIONS['background_noise']
  draws = chain.augmentation.Draws(np.random.default_rng(0))
  with pytest.raises(errors.FeatureError, match='made without any'):
    member.apply(SAMPLES, 16_000, member.settings(), draws)


def test_strided_and_unaligned_samples_give_the_same_bytes():
  expected, _ = run(ALL)
  spread = np.zeros(2 * len(SAMPLES), np.float32)
  spread[::2] = SAMPLES
  assert run(ALL, spread[::2])[0].tobytes() == expected.tobytes()
  unaligned = np.frombuffer(b'\0' + SAMPLES.tobytes(), np.uint8)[1:].view(np.float32)
  assert run(ALL, unaligned)[0].tobytes() == expected.tobytes()


def test_importing_augmentations_is_quick():
  heavy = ('soxr', 'soundfile', 'librosa', 'tensorflow', 'keras', 'apache_beam', 'matplotlib')
  program = (
    'import sys; from features.augmentations import chain; '
    f'print(*sorted(set({heavy}) & set(sys.modules)), "scipy.signal" in sys.modules)'
  )
  done = subprocess.run(
    [sys.executable, '-c', program],
    cwd=pathlib.Path(__file__).parents[3],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.split() == ['False']


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_real_digits():
  spec = audio.AudioSpec(sample_rate_hz=8_000)
  made = chain.Chain(ALL, 8_000, white_noise)
  for path in sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::40]:
    clip = clips.decode(clips.read_bytes(str(path)), spec)
    samples = clip.samples[: clip.num_samples]
    doubles = samples.astype(np.float64)
    for rate in (0.8, 1.13):
      theirs = librosa.effects.time_stretch(doubles, rate=rate, n_fft=512)
      ours = phase_vocoder.stretched(samples, rate, window_samples=512)
      # Measured over the corpus: up to 4e-6.
      np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-5 * np.abs(theirs).max())
    theirs = librosa.effects.pitch_shift(doubles, sr=8_000, n_steps=1.7, n_fft=512)
    ours = pitch_shift.shifted(samples, 1.7, window_samples=512)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-5 * np.abs(theirs).max())
    found, text = made.apply(samples, clip_id=path.stem, copy=1, seed=0)
    assert [name for name, _ in steps(text)] == ALL
    assert np.isfinite(found).all()
    noisy, text = chain.Chain(['background_noise'], 8_000, white_noise).apply(
      samples, clip_id=path.stem, copy=1, seed=0
    )
    power = np.mean(np.trim_zeros(doubles) ** 2) / np.mean((noisy - doubles) ** 2)
    assert 10 * np.log10(power) == pytest.approx(float(steps(text)[0][1]['snr_db']), abs=0.01)
