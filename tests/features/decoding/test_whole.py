"""Audio is taken whole or refused: counts and sizes that lie, open sizes, joined files."""

import io
import struct
import time

import numpy as np
import pytest
import soundfile

from features.decoding import byte_ranges, clips, ffmpeg
from features.decoding.containers import mpeg_audio
from schemas import audio, rejects, utterance
from tests.helpers import wav_files

RATE_HZ = 16_000
ANY_LENGTH = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.0)
NOISE = wav_files.int16_noise(3 * RATE_HZ)


@pytest.fixture(autouse=True)
def without_ffmpeg(monkeypatch):
  """What is refused here is read by FFmpeg where that is installed: see test_media.py."""
  monkeypatch.setattr(ffmpeg, 'is_installed', lambda: False)


def seconds(data, **kwargs):
  return clips.decode(data, ANY_LENGTH, **kwargs).num_samples / RATE_HZ


def rejected(data):
  with pytest.raises(clips.ClipError) as error:
    clips.decode(data, ANY_LENGTH)
  assert error.value.reason in rejects.ADVICE
  return error.value.reason, error.value.detail


def ranges(data):
  return byte_ranges.ByteRanges(io.BytesIO(data))


# MP3.


def loud_and_quiet(rate_hz, channels=1):
  """Returns 6 s: a variable rate takes many bytes for the first frame, and few for most others."""
  noise = np.random.default_rng(0).standard_normal((6 * rate_hz, channels)).astype(np.float32)
  noise[rate_hz // 4 : 4 * rate_hz] *= 1e-4
  return noise * 0.3


def mp3(samples, rate_hz, mode='VARIABLE'):
  file = io.BytesIO()
  soundfile.write(file, samples, rate_hz, format='MP3', bitrate_mode=mode, compression_level=0.5)
  return file.getvalue()


def without_count(data):
  """Returns an MP3 file without its first frame, which holds no sound but the count."""
  stream = mpeg_audio.find(data)
  assert stream.promised_frames
  return data[: stream.start] + data[stream.start + stream.first.num_bytes :]


@pytest.fixture(scope='module')
def counted_mp3():
  return mp3(loud_and_quiet(44_100), 44_100)


def test_an_mp3_file_without_a_count_is_whole(counted_mp3):
  bare = without_count(counted_mp3)
  with soundfile.SoundFile(io.BytesIO(bare)) as file:
    assert file.frames < 5 * 44_100  # What libsndfile guesses from the first frames.
  assert seconds(counted_mp3) == 6.0
  for data in (bare, bare + bytes(5_000), bare + np.random.default_rng(1).bytes(5_000)):
    assert seconds(data) == pytest.approx(6.0, abs=0.05)
    assert seconds(ranges(data)) == seconds(data)


def test_excerpts_of_an_mp3_file_without_a_count(counted_mp3):
  bare = without_count(counted_mp3)
  loud = utterance.Excerpt(start_s=4.0, duration_s=1.0)
  parts = [clips.decode(ranges(data), ANY_LENGTH, loud).samples for data in (counted_mp3, bare)]
  assert [len(part) for part in parts] == [RATE_HZ, RATE_HZ]
  assert [float(np.std(part)) > 0.05 for part in parts] == [True, True]


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize('rate_hz', [8_000, 11_025, 16_000, 24_000, 32_000, 48_000])
def test_frames_of_every_version_are_counted(rate_hz, channels):
  data = mp3(loud_and_quiet(rate_hz, channels), rate_hz)
  stream = mpeg_audio.find(data)
  found, end = mpeg_audio.count(data, stream, clips.deadline.Deadline())
  assert found == stream.promised_frames
  assert end == len(data)
  assert seconds(without_count(data)) == pytest.approx(6.0, abs=0.25 if rate_hz < 16_000 else 0.1)


def test_a_constant_rate_without_a_count_stays_as_libsndfile_decodes_it():
  data = without_count(mp3(loud_and_quiet(44_100), 44_100, 'CONSTANT'))
  theirs, rate_hz = soundfile.read(io.BytesIO(data), dtype='float32')
  spec = audio.AudioSpec(sample_rate_hz=rate_hz, clip_s=0.0)
  assert clips.decode(data, spec).samples.tobytes() == theirs.tobytes()


def test_joined_mp3_files_are_all_there(counted_mp3):
  assert seconds(counted_mp3 + counted_mp3) == pytest.approx(12.0, abs=0.1)


def test_an_mp3_file_that_was_cut_says_what_is_missing(counted_mp3):
  reason, detail = rejected(counted_mp3[: len(counted_mp3) * 2 // 3])
  assert reason == 'truncated'
  assert detail.startswith('Wanted 266112 frames') and 'as the header says, got ' in detail


# Sizes.


def smaller(data, size, place, form):
  out = bytearray(data)
  struct.pack_into(form, out, place, size)
  return bytes(out)


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize(('tag', 'bits'), [(1, 16), (1, 24), (3, 32), (3, 64), (7, 8)])
def test_audio_behind_the_size_of_a_wav_file(tag, bits, channels):
  form = wav_files.wave_format(tag=tag, bits=bits, channels=channels)
  one_s = RATE_HZ * channels * bits // 8
  body = np.random.default_rng(0).integers(1, 60, 3 * one_s, np.uint8).tobytes()
  info = wav_files.chunk(b'LIST', b'INFOISFT' + struct.pack('<I', 4) + b'Lavf')
  chunks = [wav_files.chunk(b'fmt ', form), wav_files.chunk(b'data', body, declared=one_s)]
  assert rejected(wav_files.riff(*chunks)) == (
    'wrong_size',
    f'Wanted {one_s} bytes of audio, as the header says, got {3 * one_s}: what lies behind is no '
    'chunk.',
  )
  honest = wav_files.riff(chunks[0], wav_files.chunk(b'data', body[:one_s]), info)
  for data in (honest, honest + b'TAG' + b'x' * 125, honest + bytes(4_096)):
    assert seconds(data) == 1.0


SIZES = {
  ('RF64', 'PCM_16'): lambda data: (data.index(b'ds64') + 16, '<Q'),
  ('W64', 'PCM_24'): lambda data: (data.index(b'data') + 16, '<Q'),
  ('AIFF', 'PCM_16'): lambda data: (data.index(b'SSND') + 4, '>I'),
  ('AU', 'FLOAT'): lambda data: (8, '>I'),
  ('CAF', 'PCM_16'): lambda data: (data.index(b'data') + 4, '>q'),
  ('SVX', 'PCM_16'): lambda data: (data.index(b'BODY') + 4, '>I'),
}


@pytest.mark.parametrize(('format', 'subtype'), SIZES)
def test_audio_behind_the_size_of_other_files(format, subtype):
  noise = NOISE / 32_768 if subtype == 'FLOAT' else NOISE
  data = wav_files.encoded(noise, format=format, subtype=subtype)
  assert seconds(data) == 3.0
  place, form = SIZES[format, subtype](data)
  (size,) = struct.unpack_from(form, data, place)
  assert rejected(smaller(data, size // 3 & ~1, place, form))[0] in ('wrong_size', 'truncated')
  # Cut: some of it was taken, silently, of W64 and CAF.
  assert rejected(data[: len(data) * 2 // 3])[0] == 'truncated'
  assert rejected(data + data)[0] in ('wrong_size', 'not_audio')


def test_a_sphere_file_with_more_samples_than_it_counts():
  data = wav_files.encoded(NOISE, format='NIST', subtype='PCM_16')
  shorter = data.replace(b'sample_count -i 48000', b'sample_count -i 16000')
  assert rejected(shorter)[0] == 'wrong_size'


class SparseStream(io.RawIOBase):
  """A file of many bytes of which only the first are not zero."""

  def __init__(self, head, num_bytes):
    super().__init__()
    self._head, self._num_bytes, self._at = head, num_bytes, 0

  def seek(self, offset, whence=0):
    self._at = offset + (0, self._at, self._num_bytes)[whence]
    return self._at

  def tell(self):
    return self._at

  def read(self, size=-1):
    stop = min(self._num_bytes, self._at + size)
    found = self._head[self._at : stop]
    self._at, num_read = stop, stop - self._at
    return found + bytes(num_read - len(found))


@pytest.mark.parametrize('bits', [16, 24])
def test_a_size_that_wrapped_at_4_gib(bits):
  num_bytes = (1 << 32) + 2 * RATE_HZ * 3  # 37 h, of which the header says 3 or 2 s.
  form = wav_files.wave_format(bits=bits)
  head = wav_files.riff(wav_files.chunk(b'fmt ', form), wav_files.chunk(b'data', b'\1\0' * 99))
  head = head[:40] + (num_bytes & 0xFFFFFFFF).to_bytes(4, 'little') + head[44:]
  data = byte_ranges.ByteRanges(SparseStream(head, 44 + num_bytes))
  if bits == 16:
    clip = clips.decode(data, audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=1.0))
    assert clip.source_s == num_bytes / 2 / RATE_HZ
  else:
    assert rejected(data)[0] == 'wrong_size'


# Open sizes.


@pytest.mark.parametrize('declared', [0, 0xFFFFFFFF, 0x7FFFF000])
@pytest.mark.parametrize('bits', [16, 24])
def test_a_stream_of_zeros_is_silence(declared, bits):
  form = wav_files.wave_format(bits=bits)
  body = bytes(RATE_HZ * bits // 8)
  chunks = [wav_files.chunk(b'fmt ', form), wav_files.chunk(b'data', body, declared=declared)]
  clip = clips.decode(wav_files.riff(*chunks), ANY_LENGTH)
  assert clip.num_samples == RATE_HZ
  assert clip.noted == ('silent',)


@pytest.mark.parametrize('value', [0, 0x6161, 1])
def test_to_parse_an_open_header_takes_no_longer_with_the_content(value):
  # 10 min took 2 s: every 8 bytes were a chunk of no size.
  body = np.full(600 * RATE_HZ, value, np.int16)
  if value == 0x6161:
    body[2::4] = body[3::4] = 0  # Chunks called aaaa.
  data = wav_files.pcm16(body, declared=0)
  start_s = time.thread_time()
  source = clips.opening.open_recording(data)
  assert time.thread_time() - start_s < 1.0  # It takes a millisecond.
  assert source.num_frames == len(body)


# Several in one.


@pytest.mark.parametrize(
  ('format', 'subtype'), [('OGG', 'VORBIS'), ('OGG', 'OPUS'), ('FLAC', 'PCM_16')]
)
def test_joined_files_are_no_first_part(format, subtype):
  data = wav_files.encoded(NOISE, format=format, subtype=subtype)
  assert seconds(data) == seconds(ranges(data)) == 3.0
  reason, detail = rejected(data + data)
  assert reason == 'in_part'
  assert detail.startswith('Wanted one stream with its length, got ')
  assert "pip install 'voxshard[media]'" in rejects.ADVICE[reason]


def test_a_flac_file_with_more_samples_than_it_counts():
  data = bytearray(wav_files.encoded(NOISE, format='FLAC', subtype='PCM_16'))
  data[22:26] = (RATE_HZ).to_bytes(4, 'big')
  wanted = ('in_part', 'Wanted one stream with its length, got 48000 samples of FLAC, of which the '
            'header counts 16000.')  # fmt: skip
  assert rejected(bytes(data)) == rejected(ranges(bytes(data))) == wanted
  data[21] &= 0xF0
  data[22:26] = bytes(4)
  assert seconds(bytes(data)) == 3.0  # Not known: decoded to its end.


def test_an_ogg_file_that_was_cut_in_its_last_page():
  data = wav_files.encoded(NOISE, format='OGG', subtype='OPUS')
  pages = [at for at in range(len(data)) if data[at : at + 4] == b'OggS']
  assert len(pages) > 3
  assert rejected(data[: pages[-1] + 100])[0] == 'truncated'


# What takes too long.


def test_a_decoder_that_takes_too_long_is_ended(monkeypatch):
  minutes = wav_files.encoded(
    np.zeros(60 * 60 * RATE_HZ, np.int16), format='FLAC', subtype='PCM_16'
  )
  open_ended = bytearray(minutes)
  open_ended[21] &= 0xF0
  open_ended[22:26] = bytes(4)
  one_s = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=1.0, position='end')
  with pytest.raises(clips.ClipError) as error:
    clips.decode(bytes(open_ended), one_s, max_decode_s=0.02)
  assert (error.value.reason, error.value.detail) == (
    'too_slow',
    'Wanted the clip in 0.02 s of processor time, got none until then.',
  )
  assert '--max_decode_s' in str(error.value)
