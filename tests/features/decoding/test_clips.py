"""The decoder on good files; test_bad_clips.py has the others."""

import io
import os
import pathlib
import threading

import numpy as np
import pytest
import soundfile
import soxr

from features.decoding import clips
from schemas import audio
from tests.helpers import signals, wav_files

RATE_HZ = 16_000
AUDIO = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.5)
TONE = signals.sine(RATE_HZ, sample_rate_hz=RATE_HZ, hz=440.0, amplitude=0.5)
NOISE = wav_files.int16_noise(RATE_HZ)


def decode_file(path, data, **kwargs):
  """Writes a file, reads it as the job does, and decodes it."""
  path.write_bytes(data)
  return clips.decode(clips.read_bytes(str(path)), AUDIO, **kwargs)


def test_a_wav_file_of_the_wanted_rate_is_its_samples(tmp_path):
  clip = decode_file(tmp_path / 'a.wav', wav_files.pcm16(NOISE))
  np.testing.assert_array_equal(clip.samples, NOISE[:8_000, 0] / np.float32(32768))
  assert clip.samples.dtype == np.float32
  assert (clip.num_samples, clip.source_s) == (8_000, 1.0)


def test_a_short_clip_is_filled_with_silence(tmp_path):
  clip = decode_file(tmp_path / 'a.wav', wav_files.pcm16(NOISE[:3_000]))
  np.testing.assert_array_equal(clip.samples[:3_000], NOISE[:3_000, 0] / np.float32(32768))
  assert not clip.samples[3_000:].any()
  assert clip.samples.shape == (8_000,)
  assert (clip.num_samples, clip.source_s) == (3_000, 3_000 / RATE_HZ)


@pytest.mark.parametrize('channels', [1, 2, 8])
def test_channels_become_their_mean_on_both_paths(tmp_path, channels):
  noise = wav_files.int16_noise(8_000, channels)
  fast = decode_file(tmp_path / 'a.wav', wav_files.pcm16(noise))
  # AIFF holds the same samples and goes to libsndfile.
  slow = decode_file(tmp_path / 'a.aiff', wav_files.encoded(noise, format='AIFF', subtype='PCM_16'))
  assert fast.samples.tobytes() == slow.samples.tobytes()
  expected = noise.astype(np.float64).mean(axis=1) / 32768
  np.testing.assert_allclose(fast.samples, expected, atol=3e-7)


def test_opposite_channels_cancel(tmp_path):
  stereo = np.stack([TONE, -TONE], axis=1)
  clip = decode_file(tmp_path / 'a.wav', wav_files.encoded(stereo, format='WAV', subtype='PCM_16'))
  assert np.abs(clip.samples).max() <= 1 / 32768


FORMATS = [
  # format, subtype, largest difference: half a step of rounding, or what the coding costs.
  ('WAV', 'PCM_U8', 1 / 128),
  ('WAV', 'PCM_16', 1 / 32768),
  ('WAV', 'PCM_24', 2.0**-23),
  ('WAV', 'PCM_32', 2.0**-24),
  ('WAV', 'FLOAT', 0.0),
  ('WAV', 'DOUBLE', 0.0),
  ('WAV', 'ULAW', 0.02),
  ('WAV', 'ALAW', 0.02),
  ('WAV', 'MS_ADPCM', 0.05),
  ('WAV', 'GSM610', 0.2),
  ('WAVEX', 'PCM_16', 1 / 32768),
  ('WAVEX', 'PCM_24', 2.0**-23),
  ('RF64', 'PCM_16', 1 / 32768),
  ('W64', 'PCM_16', 1 / 32768),
  ('AIFF', 'PCM_16', 1 / 32768),
  ('AU', 'PCM_16', 1 / 32768),
  ('CAF', 'PCM_16', 1 / 32768),
  ('NIST', 'PCM_16', 1 / 32768),
  ('FLAC', 'PCM_16', 1 / 32768),
  ('FLAC', 'PCM_24', 2.0**-23),
  ('OGG', 'VORBIS', 0.1),
  ('OGG', 'OPUS', 0.2),
  ('MP3', 'MPEG_LAYER_III', 0.1),
]


@pytest.mark.parametrize(('format', 'subtype', 'difference'), FORMATS)
def test_every_format_of_libsndfile(tmp_path, format, subtype, difference):
  if not soundfile.check_format(format, subtype):
    pytest.skip(f'this libsndfile writes no {format} {subtype}')
  data = wav_files.encoded(TONE, format=format, subtype=subtype)
  clip = decode_file(tmp_path / 'a.audio', data)
  assert clip.num_samples == 8_000
  assert clip.source_s == pytest.approx(1.0, abs=0.03)  # Some pad to whole blocks.
  # Past the beginning, where a codec may still be settling.
  np.testing.assert_allclose(clip.samples[1_000:], TONE[1_000:8_000], atol=difference)


@pytest.mark.parametrize('rate_hz', [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_other_rates_are_resampled(tmp_path, rate_hz):
  tone = signals.sine(rate_hz, sample_rate_hz=rate_hz, hz=440.0, amplitude=0.5)
  data = wav_files.encoded(tone, format='WAV', subtype='FLOAT', sample_rate_hz=rate_hz)
  clip = decode_file(tmp_path / 'a.wav', data)
  assert (clip.num_samples, clip.source_s) == (8_000, 1.0)
  # The same tone, past the edge that the filter rounds. HQ keeps 20 bits.
  np.testing.assert_allclose(clip.samples[500:], TONE[500:8_000], atol=1e-5)


def test_what_lies_above_the_band_is_removed(tmp_path):
  whistle = signals.sine(96_000, sample_rate_hz=96_000, hz=20_000.0)
  data = wav_files.encoded(whistle, format='WAV', subtype='PCM_24', sample_rate_hz=96_000)
  clip = decode_file(tmp_path / 'a.wav', data)
  assert np.abs(clip.samples[500:]).max() < 1e-4


@pytest.mark.parametrize('rate_hz', [8_000, 44_100, 96_000])
@pytest.mark.parametrize('num_source', [50, 400, 3_000])
def test_a_short_clip_of_another_rate_keeps_its_length(tmp_path, rate_hz, num_source):
  data = wav_files.pcm16(NOISE[:num_source], sample_rate_hz=rate_hz)
  clip = decode_file(tmp_path / 'a.wav', data)
  assert abs(clip.num_samples - num_source * RATE_HZ / rate_hz) <= 1
  assert not clip.samples[clip.num_samples :].any()
  assert clip.source_s == num_source / rate_hz


@pytest.mark.parametrize('rate_hz', [8_000, 11_025, 22_050, 44_100, 96_000])
def test_the_beginning_of_a_long_file_is_resampled_as_in_the_whole(rate_hz):
  # 8,000 samples are 0.5 s; the file has 5 s. As much as the decoder leaves out, nothing is heard
  # of it: the filter looks ahead 100 frames of the lower rate, the decoder reads 2,048.
  noise = wav_files.int16_noise(5 * rate_hz)
  clip = clips.decode(wav_files.pcm16(noise, sample_rate_hz=rate_hz), AUDIO)
  whole = soxr.resample(noise[:, 0] / np.float32(32768), rate_hz, RATE_HZ, quality='HQ')
  # Blocks of the transform may end elsewhere, which rounds differently. Measured: 0.
  np.testing.assert_allclose(clip.samples, whole[:8_000], atol=1e-6)
  assert clip.source_s == 5.0


def test_what_follows_the_clip_does_not_matter():
  rate_hz = 44_100
  noise = wav_files.int16_noise(5 * rate_hz)
  other = noise.copy()
  other[rate_hz:] = wav_files.int16_noise(4 * rate_hz, seed=1)
  one, two = (
    clips.decode(wav_files.pcm16(samples, sample_rate_hz=rate_hz), AUDIO)
    for samples in (noise, other)
  )
  assert one.samples.tobytes() == two.samples.tobytes()


@pytest.mark.parametrize('format', ['WAV', 'FLAC', 'OGG', 'MP3'])
def test_only_what_is_needed_is_decoded(monkeypatch, format):
  subtype = soundfile.default_subtype(format) if format != 'WAV' else 'PCM_24'
  data = wav_files.encoded(np.tile(TONE, 20), format=format, subtype=subtype)
  num_read = []
  read = soundfile.SoundFile.read

  def counted(self, *args, **kwargs):
    samples = read(self, *args, **kwargs)
    num_read.append(len(samples))
    return samples

  monkeypatch.setattr(soundfile.SoundFile, 'read', counted)
  clip = clips.decode(data, AUDIO)
  assert sum(num_read) == 8_000
  assert clip.source_s == pytest.approx(20.0)


def test_the_same_twice_and_in_threads():
  data = wav_files.pcm16(wav_files.int16_noise(44_100), sample_rate_hz=44_100)
  expected = clips.decode(data, AUDIO).samples.tobytes()
  found = []
  threads = [
    threading.Thread(target=lambda: found.append(clips.decode(data, AUDIO).samples.tobytes()))
    for _ in range(8)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert set(found) == {expected}


def test_a_clip_is_its_own(tmp_path):
  data = wav_files.pcm16(NOISE)
  clip = clips.decode(data, AUDIO)
  clip.samples[:] = 0
  assert clips.decode(data, AUDIO).samples.any()


@pytest.mark.parametrize('declared', [0, 0xFFFFFFFF])
def test_a_streamed_wav_of_another_coding(declared):
  data = bytearray(wav_files.encoded(TONE, format='WAV', subtype='PCM_24'))
  at = data.index(b'data') + 4
  data[at : at + 4] = declared.to_bytes(4, 'little')
  clip = clips.decode(bytes(data), AUDIO)
  assert clip.source_s == 1.0
  np.testing.assert_allclose(clip.samples, TONE[:8_000], atol=2.0**-23)


def test_a_streamed_flac_is_counted_to_its_end():
  data = bytearray(wav_files.encoded(np.tile(TONE, 9), format='FLAC', subtype='PCM_16'))
  data[21] &= 0xF0  # The last 36 bits of its 26 bytes: the number of samples, 0 for unknown.
  data[22:26] = bytes(4)
  clip = clips.decode(bytes(data), AUDIO)
  assert (clip.num_samples, clip.source_s) == (8_000, 9.0)
  np.testing.assert_allclose(clip.samples, TONE[:8_000], atol=1 / 32768)


def test_an_mp3_of_changing_rate_without_a_count_is_counted_to_its_end():
  quiet_then_loud = np.concatenate([np.zeros_like(TONE), np.tile(TONE, 4)])
  quiet_then_loud[2 * RATE_HZ :] += signals.noise(3 * RATE_HZ, amplitude=0.4)
  path = io.BytesIO()
  soundfile.write(path, quiet_then_loud, RATE_HZ, format='MP3', bitrate_mode='VARIABLE')
  data = path.getvalue()
  counted = clips.decode(data, AUDIO)
  assert counted.source_s == pytest.approx(5.0, abs=0.1)
  second_frame = data.index(data[:2], 4)
  assert b'Xing' in data[:second_frame]
  uncounted = clips.decode(data[second_frame:], AUDIO)
  assert uncounted.source_s == pytest.approx(5.0, abs=0.2)


def test_samples_above_full_scale_are_kept(tmp_path):
  # A float file may be louder than 1; what becomes of it is the feature's choice.
  data = wav_files.encoded(TONE * 5, format='WAV', subtype='FLOAT')
  clip = decode_file(tmp_path / 'a.wav', data)
  np.testing.assert_array_equal(clip.samples, TONE[:8_000] * np.float32(5))


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_real_digits_are_what_libsndfile_hears():
  spec = audio.AudioSpec(sample_rate_hz=8_000)
  for path in sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::10]:
    clip = clips.decode(clips.read_bytes(str(path)), spec)
    theirs, _ = soundfile.read(str(path), dtype='float32')
    np.testing.assert_array_equal(clip.samples[: clip.num_samples], theirs[:8_000])
    assert clip.source_s == len(theirs) / 8_000
