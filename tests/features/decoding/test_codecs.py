"""Every coding, rate and number of channels that libsndfile writes gives the same features.

A sound is stored in each and decoded to one AudioSpec; its log mel energies are compared with those
of the same sound stored as 32-bit float WAV at the same rate with the same channels.
"""

import functools

import numpy as np
import pytest
import soundfile

import features
from features import extractor
from features.decoding import clips
from schemas import audio
from tests.helpers import signals, wav_files

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.5)
RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)
ALL = range(1, 9)
MONO_AND_STEREO = range(1, 3)

# What libsndfile 1.2.2 refuses to write, as the codecs know nothing else: Opus has five rates; MP3
# has nine, and two channels.
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
MP3_RATES_HZ = tuple(rate_hz for rate_hz in RATES_HZ if rate_hz <= 48_000)

# Format, coding, channels, and the mean difference of log mel energies, in nats (0.1 are 0.43 dB):
# in bins within 30 dB of the loudest, and in all, where noise of coding stands on a quiet room's.
# The worst that was measured over all rates and channels, times 1.5. Qualities are libsndfile's
# defaults. FLAC rounds to 8 bits, WAV and AIFF cut off. Opus with more than two channels and rates
# of 12 to 24 kHz loses its upper half: the encoder has too few bits a channel.
CODECS = [
  ('WAV', 'PCM_U8', ALL, 0.06, 0.9),
  ('WAV', 'PCM_16', ALL, 2e-4, 2e-3),
  ('WAV', 'PCM_24', ALL, 1e-6, 2e-5),
  ('WAV', 'PCM_32', ALL, 4e-7, 1e-5),
  ('WAV', 'FLOAT', ALL, 0.0, 0.0),
  ('WAV', 'DOUBLE', ALL, 0.0, 0.0),
  ('WAV', 'ULAW', ALL, 0.027, 0.32),
  ('WAV', 'ALAW', ALL, 0.027, 0.32),
  ('AIFF', 'PCM_S8', ALL, 0.06, 0.9),
  ('AIFF', 'PCM_16', ALL, 2e-4, 2e-3),
  ('AIFF', 'PCM_24', ALL, 1e-6, 2e-5),
  ('AIFF', 'PCM_32', ALL, 4e-7, 1e-5),
  ('AIFF', 'FLOAT', ALL, 0.0, 0.0),
  ('AIFF', 'DOUBLE', ALL, 0.0, 0.0),
  ('AIFF', 'ULAW', ALL, 0.027, 0.32),
  ('AIFF', 'ALAW', ALL, 0.027, 0.32),
  ('FLAC', 'PCM_S8', ALL, 0.05, 0.7),
  ('FLAC', 'PCM_16', ALL, 2e-4, 2e-3),
  ('FLAC', 'PCM_24', ALL, 1e-6, 2e-5),
  ('OGG', 'VORBIS', ALL, 0.3, 0.5),
  ('OGG', 'OPUS', MONO_AND_STEREO, 0.3, 0.4),
  ('OGG', 'OPUS', range(3, 9), 1.6, 2.6),
  ('MP3', 'MPEG_LAYER_III', MONO_AND_STEREO, 0.24, 0.55),
]


def rates_hz(subtype):
  return {'OPUS': OPUS_RATES_HZ, 'MPEG_LAYER_III': MP3_RATES_HZ}.get(subtype, RATES_HZ)


@functools.cache
def voice(sample_rate_hz, channels):
  """Returns something like a voice, float32 [num_frames, channels], of 0.6 s.

  Harmonics of a gliding pitch under two formants, then a hiss, and a room's noise 50 dB below;
  each channel is a little quieter than the one before.
  """
  seconds = np.arange(round(0.6 * sample_rate_hz)) / sample_rate_hz
  phase = 2 * np.pi * np.cumsum(120 + 40 * seconds) / sample_rate_hz
  sound = np.zeros(len(seconds))
  for harmonic in range(1, 30):
    hz = 140 * harmonic
    if hz < 0.45 * sample_rate_hz:
      formants = sum(np.exp(-(((hz - centre) / 400) ** 2)) for centre in (600, 1_800))
      sound += (0.02 + formants) * np.sin(harmonic * phase)
  hiss = signals.noise(len(seconds), amplitude=0.5) * (seconds > 0.4)
  sound = 0.4 * (sound / np.abs(sound).max() + hiss * 0.4)
  levels = 0.9 ** np.arange(channels)
  room = [signals.noise(len(seconds), seed=1 + c, amplitude=2e-3) for c in range(channels)]
  return (sound[:, np.newaxis] * levels + np.stack(room, axis=1)).astype(np.float32)


@functools.cache
def log_mel():
  settings = features.SETTINGS['log_mel'](dtype='float32')
  return extractor.Extractor([features.spec('log_mel', settings, AUDIO)], AUDIO)


def features_of(data):
  clip = clips.decode(data, AUDIO)
  assert clip.num_samples == AUDIO.clip_samples
  return log_mel().compute(clip.samples[np.newaxis])['log_mel'][0]


@functools.cache
def expected(sample_rate_hz, channels):
  sound = voice(sample_rate_hz, channels)
  data = wav_files.encoded(sound, format='WAV', subtype='FLOAT', sample_rate_hz=sample_rate_hz)
  return features_of(data)


def differences(format, subtype, sample_rate_hz, channels):
  """Returns the mean difference in bins within 30 dB of the loudest, and in all."""
  sound = voice(sample_rate_hz, channels)
  data = wav_files.encoded(sound, format=format, subtype=subtype, sample_rate_hz=sample_rate_hz)
  wanted = expected(sample_rate_hz, channels)
  difference = np.abs(features_of(data) - wanted)
  is_loud = wanted > wanted.max() - 3 * np.log(10)
  return difference[is_loud].mean(), difference.mean()


@pytest.mark.parametrize('sample_rate_hz', RATES_HZ)
@pytest.mark.parametrize(('format', 'subtype', 'channels', 'loud', 'all_bins'), CODECS)
def test_the_features_are_those_of_the_float_file(
  format, subtype, channels, loud, all_bins, sample_rate_hz
):
  if sample_rate_hz not in rates_hz(subtype):
    with pytest.raises(soundfile.LibsndfileError):
      differences(format, subtype, sample_rate_hz, channels[0])
    return
  found = [differences(format, subtype, sample_rate_hz, number) for number in channels]
  worst_loud, worst_all = np.max(found, axis=0)
  assert worst_loud <= loud
  assert worst_all <= all_bins


@pytest.mark.parametrize('channels', range(3, 9))
def test_mp3_has_two_channels_at_most(channels):
  with pytest.raises(soundfile.LibsndfileError, match='Format not recognised'):
    wav_files.encoded(voice(16_000, channels), format='MP3', subtype='MPEG_LAYER_III')


def test_the_comparison_notices_another_sound():
  # What a loss is measured against: a band missing, or a gain of 1 dB.
  assert np.abs(expected(16_000, 1) - expected(8_000, 1)).mean() > 0.5
  louder = wav_files.encoded(voice(16_000, 1) * 1.122, format='WAV', subtype='FLOAT')
  difference = np.abs(features_of(louder) - expected(16_000, 1))
  assert difference.mean() == pytest.approx(0.23, abs=0.02)
