"""The decoder on bad files: each a reject with its reason, none an exception of another kind."""

import os
import pathlib
import pickle
import socket
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.decoding import clips
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
  """Returns reason and detail of the reject that the call must end in."""
  with pytest.raises(clips.ClipError) as error:
    call(*args, **kwargs)
  assert error.value.reason in rejects.ADVICE
  return error.value.reason, error.value.detail


# Tried as files.


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


def test_text_in_utf16_begins_like_mp3(tmp_path):
  data = ('Hello, this is text.\n' * 50).encode('utf-16')
  reason, detail = rejected(decode_file, tmp_path / 'a.mp3', data)
  assert reason == 'not_audio'
  assert detail.endswith('no frame of MPEG audio found.')


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


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e10, -3e38, 11.0])
@pytest.mark.parametrize('format', ['WAV', 'AU', 'CAF'])
def test_samples_that_are_no_numbers(tmp_path, bad, format):
  tone = TONE.copy()
  tone[4_000] = bad
  data = wav_files.encoded(tone, format=format, subtype='FLOAT')
  assert rejected(decode_file, tmp_path / 'a.wav', data) == (
    'not_in_one' if np.isfinite(bad) else 'not_finite',
    f'Wanted samples in [-1, 1], got {np.float32(bad):g} after 0.25 s.',
  )


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
  expected = ('missing', 'Wanted a file, got a link that leads to itself.')
  assert rejected(clips.read_bytes, str(link)) == expected
  expected = ('missing', 'Wanted a file, got a name with a zero byte.')
  assert rejected(clips.read_bytes, f'{tmp_path}/\0.wav') == expected
  expected = ('missing', 'Wanted a file, got a name that is too long for one.')
  assert rejected(clips.read_bytes, f'{tmp_path}/{"a" * 300}.wav') == expected


# All of it, before there are no rights to read what Python imports.
IMPORTS = 'import features.decoding.clips\nfrom tfrecords.storage import passing_faults\n'
READ_AS_NOBODY = """
import os, sys
os.setgid(65534)
os.setuid(65534)
from features.decoding import clips
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
    [sys.executable, '-c', IMPORTS + READ_AS_NOBODY, str(path)],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parents[3],
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


@settings(max_examples=500)
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
