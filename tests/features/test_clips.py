"""The decoder on real files, good and bad."""

import io
import os
import pathlib
import pickle
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from features import clips
from schemas import audio, errors, rejects
from tests.helpers import signals, wav_files

RATE_HZ = 16_000
AUDIO = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.5)
TONE = signals.sine(RATE_HZ, sample_rate_hz=RATE_HZ, hz=440.0, amplitude=0.5)
NOISE = wav_files.int16_noise(RATE_HZ)


def decode_file(path, data, **kwargs):
  """Writes a file, reads it as the job does, and decodes it."""
  path.write_bytes(data)
  return clips.decode(clips.read_bytes(str(path)), AUDIO, **kwargs)


def rejected(call, *args, **kwargs):
  with pytest.raises(clips.ClipError) as error:
    call(*args, **kwargs)
  assert error.value.reason in rejects.ADVICE
  return error.value.reason, error.value.detail


# Good files.


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


# Bad files, each tried as a file.


def test_zero_bytes(tmp_path):
  assert rejected(decode_file, tmp_path / 'a.wav', b'') == (
    'empty',
    'Wanted an audio file, got 0 bytes.',
  )
  assert rejected(clips.decode, b'', AUDIO)[0] == 'empty'


def test_text_named_wav(tmp_path):
  reason, detail = rejected(decode_file, tmp_path / 'a.wav', b'Hello, this is text.\n' * 50)
  assert reason == 'not_audio'
  assert detail == (
    'Wanted a format that libsndfile knows, got 1050 bytes that begin with '
    "b'Hell': Format not recognised."
  )


@pytest.mark.parametrize('subtype', ['PCM_16', 'PCM_24', 'PCM_U8', 'FLOAT', 'ULAW'])
def test_a_wav_file_cut_off(tmp_path, subtype):
  data = wav_files.encoded(TONE, format='WAV', subtype=subtype)
  reason, detail = rejected(decode_file, tmp_path / 'a.wav', data[: len(data) // 2])
  assert reason == 'truncated'
  assert detail.startswith('Wanted ')
  assert 'as the header says, got ' in detail


@pytest.mark.parametrize(
  ('format', 'subtype'),
  [
    ('AIFF', 'PCM_16'),
    ('AU', 'PCM_16'),
    ('SVX', 'PCM_16'),
    ('RF64', 'PCM_16'),
    ('NIST', 'PCM_16'),
    ('FLAC', 'PCM_16'),
    ('OGG', 'VORBIS'),
    ('OGG', 'OPUS'),
    ('MP3', 'MPEG_LAYER_III'),
  ],
)
def test_other_formats_cut_off(tmp_path, format, subtype):
  data = wav_files.encoded(TONE, format=format, subtype=subtype)
  whole = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=1.0)
  clips.decode(data, whole)
  path = tmp_path / 'a.audio'
  path.write_bytes(data[: len(data) // 2])
  reason, detail = rejected(clips.decode, clips.read_bytes(str(path)), whole)
  assert reason == 'truncated', detail


@pytest.mark.parametrize('format', ['WAV', 'AIFF', 'AU', 'CAF', 'RF64'])
def test_a_header_without_samples(tmp_path, format):
  data = wav_files.encoded(TONE[:0], format=format, subtype='PCM_24')
  assert rejected(decode_file, tmp_path / 'a.wav', data)[0] == 'no_samples'
  data = wav_files.encoded(TONE[:0], format=format, subtype='PCM_16')
  assert rejected(decode_file, tmp_path / 'b.wav', data)[0] == 'no_samples'


def test_less_than_one_sample_at_the_wanted_rate():
  data = wav_files.pcm16(NOISE[:2], sample_rate_hz=96_000)
  assert rejected(clips.decode, data, AUDIO) == (
    'no_samples',
    'Wanted samples at 16000 Hz, got 2 at 96000 Hz, less than half of one.',
  )


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e10, -3e38])
@pytest.mark.parametrize('format', ['WAV', 'AU', 'CAF'])
def test_samples_that_are_no_numbers(tmp_path, bad, format):
  tone = TONE.copy()
  tone[4_000] = bad
  data = wav_files.encoded(tone, format=format, subtype='FLOAT')
  assert rejected(decode_file, tmp_path / 'a.wav', data) == (
    'not_finite',
    f'Wanted samples in [-1, 1], got {np.float32(bad):g} after 0.25 s.',
  )


def test_samples_above_full_scale_are_kept(tmp_path):
  # A float file may be louder than 1; what becomes of it is the feature's choice.
  data = wav_files.encoded(TONE * 100, format='WAV', subtype='FLOAT')
  clip = decode_file(tmp_path / 'a.wav', data)
  np.testing.assert_array_equal(clip.samples, TONE[:8_000] * np.float32(100))


@pytest.mark.parametrize('rate_hz', [0, 5, 2_000_000])
@pytest.mark.parametrize('subtype', ['PCM_16', 'PCM_24'])
def test_a_rate_that_makes_no_sense(tmp_path, rate_hz, subtype):
  data = bytearray(wav_files.encoded(TONE, format='WAV', subtype=subtype))
  data[24:28] = rate_hz.to_bytes(4, 'little')
  assert rejected(decode_file, tmp_path / 'a.wav', bytes(data)) == (
    'bad_rate',
    f'Wanted 1000 to 768000 Hz, got {rate_hz} Hz.',
  )


def test_a_rate_that_makes_no_sense_in_another_format():
  data = wav_files.encoded(TONE, format='AU', subtype='PCM_16', sample_rate_hz=7)
  assert rejected(clips.decode, data, AUDIO)[0] == 'bad_rate'


def test_shorter_than_wanted(tmp_path):
  data = wav_files.pcm16(NOISE[:3_000])
  assert decode_file(tmp_path / 'a.wav', data, min_clip_s=0.1875).num_samples == 3_000
  assert rejected(decode_file, tmp_path / 'a.wav', data, min_clip_s=0.2) == (
    'too_short',
    'Wanted at least 0.2 s, got 0.1875 s.',
  )


# What is no file at all.


def test_a_folder_named_wav(tmp_path):
  path = tmp_path / 'x.wav'
  path.mkdir()
  assert rejected(clips.read_bytes, str(path)) == (
    'not_a_file',
    'Wanted a file, got a folder or a device.',
  )


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='this system has no named pipes')
def test_a_named_pipe_and_a_socket_do_not_hang(tmp_path, monkeypatch):
  os.mkfifo(tmp_path / 'pipe.wav')
  assert rejected(clips.read_bytes, str(tmp_path / 'pipe.wav'))[0] == 'not_a_file'
  monkeypatch.chdir(tmp_path)  # The path of a socket may not be long.
  with socket.socket(socket.AF_UNIX) as listener:
    listener.bind('socket.wav')
    assert rejected(clips.read_bytes, 'socket.wav')[0] == 'not_a_file'


def test_no_file_and_a_dangling_link(tmp_path):
  expected = ('missing', 'Wanted a file, got nothing under this name.')
  assert rejected(clips.read_bytes, str(tmp_path / 'a.wav')) == expected
  link = tmp_path / 'link.wav'
  link.symlink_to(tmp_path / 'gone.wav')
  assert rejected(clips.read_bytes, str(link)) == expected
  (tmp_path / 'file').write_bytes(b'x')
  assert rejected(clips.read_bytes, str(tmp_path / 'file' / 'a.wav')) == expected


def test_a_link_to_itself_and_an_impossible_name(tmp_path):
  link = tmp_path / 'link.wav'
  link.symlink_to(link)
  assert rejected(clips.read_bytes, str(link))[0] == 'unreadable'
  assert rejected(clips.read_bytes, f'{tmp_path}/\0.wav')[0] == 'unreadable'


READ_AS_NOBODY = """
import os, sys
os.setgid(65534)
os.setuid(65534)
from features import clips
try:
  clips.read_bytes(sys.argv[1])
except clips.ClipError as error:
  print(error.reason, '|', error.detail)
"""


def test_a_file_that_one_may_not_read(tmp_path):
  path = tmp_path / 'secret.wav'
  path.write_bytes(wav_files.pcm16(NOISE))
  path.chmod(0)
  expected = ('no_permission', 'Wanted to read the file, got no permission.')
  if os.geteuid() != 0:
    assert rejected(clips.read_bytes, str(path)) == expected
    return
  # The superuser may read everything, so somebody else has to try. He must get as far as the file.
  for folder in (path.parent, *path.parent.parents):
    if folder.stat().st_uid == 0 and folder.name.startswith('pytest'):
      folder.chmod(0o755)
  completed = subprocess.run(
    [sys.executable, '-c', 'import features.clips\n' + READ_AS_NOBODY, str(path)],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parents[2],
  )
  if 'PermissionError' in completed.stderr and 'setgid' in completed.stderr:
    pytest.skip('this superuser may not become another user')
  assert completed.stdout.strip() == ' | '.join(expected), completed.stderr


# The error itself.


def test_an_error_is_a_sentence_and_survives_pickling():
  error = clips.ClipError('empty', 'Wanted an audio file, got 0 bytes.')
  copy = pickle.loads(pickle.dumps(error))
  assert (copy.reason, copy.detail) == (error.reason, error.detail)
  assert isinstance(copy, errors.FeatureError)
  assert str(copy) == (
    'Wanted an audio file, got 0 bytes. The file has zero bytes. Copy it again from where it came.'
  )


def test_a_reason_must_be_known():
  with pytest.raises(errors.SchemaError, match="No reject reason is called 'broken'"):
    clips.ClipError('broken', 'x')


# Damage.

DAMAGED = {
  name: wav_files.encoded(TONE[:2_000], format=format, subtype=subtype)
  for name, format, subtype in [
    ('wav', 'WAV', 'PCM_16'),
    ('wav24', 'WAV', 'PCM_24'),
    ('float', 'WAV', 'FLOAT'),
    ('flac', 'FLAC', 'PCM_16'),
    ('aiff', 'AIFF', 'PCM_16'),
  ]
}


@settings(deadline=None, max_examples=500)
@given(
  name=st.sampled_from(sorted(DAMAGED)),
  # Half of them in the first 100 bytes, where the headers are.
  places=st.lists(st.one_of(st.integers(0, 800), st.integers(0, 40_000)), min_size=1, max_size=3),
)
def test_flipped_bits_are_a_clip_or_a_reject(name, places):
  data = bytearray(DAMAGED[name])
  for place in places:
    data[place // 8 % len(data)] ^= 1 << place % 8
  try:
    clip = clips.decode(bytes(data), AUDIO)
  except clips.ClipError as error:
    assert error.reason in rejects.ADVICE
    assert ' at 0x' not in error.detail  # The address of an object: other bytes in every run.
    return
  assert clip.samples.shape == (8_000,)
  assert np.isfinite(clip.samples).all()
  assert 1 <= clip.num_samples <= 8_000


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_real_digits_are_what_libsndfile_hears():
  spec = audio.AudioSpec(sample_rate_hz=8_000)
  for path in sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::10]:
    clip = clips.decode(clips.read_bytes(str(path)), spec)
    theirs, _ = soundfile.read(str(path), dtype='float32')
    np.testing.assert_array_equal(clip.samples[: clip.num_samples], theirs[:8_000])
    assert clip.source_s == len(theirs) / 8_000
