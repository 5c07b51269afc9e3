"""The effects held against librosa, SciPy, and signals whose answer is known."""

import librosa
import numpy as np
import pytest
import scipy.signal

from features import effects
from schemas import errors
from tests.helpers import signals

RATE_HZ = 16_000
NOISE = signals.noise(RATE_HZ)


def applied(text, samples=NOISE, sample_rate_hz=RATE_HZ):
  return effects.apply(samples, [text], sample_rate_hz)


def level_db(samples):
  """Level of the loudest sample, in dB of full scale."""
  return 20 * np.log10(np.abs(samples).max())


@pytest.mark.parametrize('level', [-1.0, 0.0, -20.0])
@pytest.mark.parametrize('loudness', [1e-6, 0.1, 1.0, 1e6])
def test_peak(level, loudness):
  out = applied(f'peak:level_db={level}', NOISE * np.float32(loudness))
  assert level_db(out) == pytest.approx(level, abs=1e-5)
  # Nothing but a scale.
  np.testing.assert_allclose(out / np.abs(out).max(), NOISE / np.abs(NOISE).max(), atol=1e-6)


@pytest.mark.parametrize('level', [-20.0, -30.0])
@pytest.mark.parametrize('loudness', [1e-6, 0.1, 1.0, 1e6])
def test_rms(level, loudness):
  out = applied(f'rms:level_db={level}', NOISE * np.float32(loudness))
  measured = np.sqrt(np.mean(np.square(out, dtype=np.float64)))
  assert 20 * np.log10(measured) == pytest.approx(level, abs=1e-5)


def test_a_sine_of_full_scale_has_an_rms_of_3_db_less():
  sine = signals.sine(RATE_HZ, sample_rate_hz=RATE_HZ, hz=1_000.0)
  np.testing.assert_allclose(applied(f'rms:level_db={-10 * np.log10(2)}', sine), sine, atol=1e-6)


@pytest.mark.parametrize('coefficient', [0.0, 0.5, 0.97, 1.0])
def test_pre_emphasis_is_librosas(coefficient):
  # librosa's first sample continues the line of the first two; ours, as HTK's, the first.
  before = -np.float32(coefficient) * NOISE[:1]
  theirs = librosa.effects.preemphasis(NOISE, coef=coefficient, zi=before)
  ours = applied(f'pre_emphasis:coefficient={coefficient}')
  np.testing.assert_allclose(ours, theirs, atol=1e-7)
  np.testing.assert_allclose(
    ours[1:], librosa.effects.preemphasis(NOISE, coef=coefficient)[1:], atol=1e-7
  )


@pytest.mark.parametrize('kind', ['high', 'low'])
@pytest.mark.parametrize(('hz', 'order'), [(80, 4), (300, 1), (3_400, 8), (7_999, 2), (20, 12)])
def test_filters_are_scipys(kind, hz, order):
  sections = scipy.signal.butter(order, hz, f'{kind}pass', fs=RATE_HZ, output='sos')
  state = scipy.signal.sosfilt_zi(sections) * float(NOISE[0])
  theirs, _ = scipy.signal.sosfilt(sections, NOISE.astype(np.float64), zi=state)
  ours = applied(f'{kind}_pass:hz={hz},order={order}')
  np.testing.assert_allclose(ours, theirs, atol=1e-7)  # Rounded to 32 bits.


def gain_db(text, hz):
  """How a tone comes out, in dB, once the filter has settled."""
  tone = signals.sine(4 * RATE_HZ, sample_rate_hz=RATE_HZ, hz=hz, amplitude=0.5)
  out = applied(text, tone)[2 * RATE_HZ :]
  return 20 * np.log10(np.sqrt(np.mean(out**2)) / np.sqrt(np.mean(tone**2)))


@pytest.mark.parametrize(('name', 'octave'), [('high_pass', 0.5), ('low_pass', 2.0)])
@pytest.mark.parametrize('order', [1, 2, 4])
def test_the_cut_off_is_where_it_says_and_as_steep(name, octave, order):
  text = f'{name}:hz=400,order={order}'
  assert gain_db(text, 400) == pytest.approx(-3.01, abs=0.02)
  expected = -10 * np.log10(1 + 4**order)  # Butterworth's magnitude, an octave beyond.
  assert gain_db(text, 400 * octave) == pytest.approx(expected, abs=0.15 * order)
  assert gain_db(text, 400 / octave**3) == pytest.approx(0, abs=0.1)


def test_an_offset_goes_without_a_thump():
  offset = np.full(RATE_HZ, 0.3, np.float32)
  assert np.abs(applied('high_pass', offset)).max() < 1e-6
  np.testing.assert_allclose(applied('low_pass', offset), offset, atol=1e-6)


def test_effects_follow_one_another():
  both = effects.apply(NOISE, ['high_pass:hz=1000', 'peak:level_db=-6'], RATE_HZ)
  np.testing.assert_array_equal(both, applied('peak:level_db=-6', applied('high_pass:hz=1000')))
  assert level_db(both) == pytest.approx(-6, abs=1e-5)
  assert effects.apply(NOISE, [], RATE_HZ) is NOISE


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('pek', "No effect is called 'pek'. Did you mean 'peak'"),
    ('peak:db=1', "effect 'peak' has no setting 'db'.*It has: level_db"),
    ('peak:level_db=3', r'level_db must be in \[-120, 0\] dB of full scale, such as -1, got 3.0'),
    ('rms:level_db=nan', r'level_db must be in \[-120, 0\] dB of full scale, such as -1, got nan'),
    ('pre_emphasis:coefficient=1.1', r'coefficient must be in \[0, 1\], such as 0.97, got 1.1'),
    ('high_pass:hz=-1', 'hz must be a positive frequency, such as 80, got -1.0'),
    ('low_pass:hz=nan', 'hz must be a positive frequency, such as 80, got nan'),
    ('high_pass:order=0', r'order must be in \[1, 12\], such as 4, got 0'),
    ('high_pass:order=2.5', "effect 'high_pass', order: expected int, got '2.5'"),
    (
      'low_pass:hz=8000',
      "effect 'low_pass': hz must be below half the sample rate, 8000 Hz at 16000 Hz, got 8000. "
      'Lower it, or raise the sample rate.',
    ),
    ('high_pass:hz=9e3', "effect 'high_pass': hz must be below half the sample rate, 8000 Hz"),
  ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_decoded(text, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    effects.check(['peak', text], RATE_HZ)


def test_what_makes_sense_is_not_refused():
  effects.check(['peak', 'rms:level_db=-30', 'low_pass:hz=3999', 'low_pass'], 8_000)
