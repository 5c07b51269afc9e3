import io
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from features.decoding import byte_ranges, clips, wav
from schemas import audio
from tests.helpers import wav_files

RATE_HZ = 16_000
NOISE = wav_files.int16_noise(1_000)
AUDIO = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.1)


def read(data):
  """Returns the samples of the fast path, int16 [num_frames, channels]."""
  header = wav.read_header(data)
  assert header is not None
  assert header.is_pcm16
  return wav.samples(data, header)


def pcm(samples):
  return samples.astype('<i2').tobytes()


FORMAT = wav_files.chunk(b'fmt ', wav_files.wave_format())
DATA = wav_files.chunk(b'data', pcm(NOISE))
LIST = wav_files.chunk(b'LIST', b'INFOISFT\x06\0\0\0Lavf5\0')
ODD = wav_files.chunk(b'note', b'odd')

GOOD = {
  'plain': wav_files.riff(FORMAT, DATA),
  'LIST before data': wav_files.riff(FORMAT, LIST, DATA),
  'LIST before fmt': wav_files.riff(LIST, FORMAT, DATA),
  'odd chunk with padding': wav_files.riff(ODD, FORMAT, ODD, DATA),
  'chunks behind': wav_files.riff(FORMAT, DATA, LIST, ODD),
  'empty chunk': wav_files.riff(FORMAT, wav_files.chunk(b'junk', b''), DATA),
  'extensible': wav_files.riff(wav_files.chunk(b'fmt ', wav_files.extensible_format()), DATA),
  'fmt of 18 bytes': wav_files.riff(
    wav_files.chunk(b'fmt ', wav_files.wave_format() + b'\0\0'), DATA
  ),
  'RIFF size 0': wav_files.riff(FORMAT, DATA, declared=0),
  'RIFF size unknown': wav_files.riff(FORMAT, DATA, declared=0xFFFFFFFF),
  'RIFF size too large': wav_files.riff(FORMAT, DATA, declared=10_000),
  'garbage behind': wav_files.riff(FORMAT, DATA) + b'garbage',
}


@pytest.mark.parametrize('name', GOOD)
def test_the_fast_path_is_libsndfile_to_the_bit(name):
  data = GOOD[name]
  np.testing.assert_array_equal(read(data), NOISE)
  np.testing.assert_array_equal(read(data) / np.float32(32768), wav_files.decoded(data))


def said(data):
  """Returns the header, or the reason why there is none."""
  try:
    return wav.read_header(data)
  except clips.ClipError as error:
    return error.reason


@settings(max_examples=200)
@given(
  place=st.integers(0, 43),
  value=st.sampled_from([0, 1, 2, 8, 16, 127, 255]) | st.integers(0, 255),
  cut=st.sampled_from([0, 0, 1, 2, 1_900, 2_000]),
)
def test_a_plain_header_says_what_its_chunks_say(place, value, cut):
  data = bytearray(GOOD['plain'])
  data[place] = value
  data = bytes(data[: len(data) - cut])
  # Of what is no bytes, the chunks are always gone through.
  assert said(data) == said(byte_ranges.ByteRanges(io.BytesIO(data)))


@pytest.mark.parametrize('channels', [1, 2, 8])
@pytest.mark.parametrize('num_frames', [1, 2, 999])
def test_any_number_of_channels_and_frames(channels, num_frames):
  noise = wav_files.int16_noise(num_frames, channels)
  data = wav_files.pcm16(noise)
  np.testing.assert_array_equal(read(data), noise)
  np.testing.assert_array_equal(noise / np.float32(32768), wav_files.decoded(data))


def test_what_libsndfile_writes_is_read():
  for format in ('WAV', 'WAVEX'):
    data = wav_files.encoded(NOISE, format=format, subtype='PCM_16')
    np.testing.assert_array_equal(read(data), NOISE)


def test_nothing_is_copied():
  data = GOOD['plain']
  samples = read(data)
  assert not samples.flags.owndata
  assert not samples.flags.writeable
  assert np.shares_memory(samples, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(
  'declared', [0, 0xFFFFFFFF, 0xFFFFFFFE, 0x80000000, 0x7FFFFFFF, 0x7FFFF000]
)
def test_a_stream_without_a_size_ends_with_the_file(declared):
  data = wav_files.pcm16(NOISE, declared=declared)
  np.testing.assert_array_equal(read(data), NOISE)


def test_a_stream_of_three_channels_from_sox():
  # SoX rounds its sign for an unknown size down to whole frames.
  noise = wav_files.int16_noise(100, 3)
  data = wav_files.pcm16(noise, declared=0x7FFFF000 // 6 * 6)
  np.testing.assert_array_equal(read(data), noise)


def test_half_a_frame_at_the_end_is_dropped():
  noise = wav_files.int16_noise(100, 2)
  data = wav_files.riff(
    wav_files.chunk(b'fmt ', wav_files.wave_format(channels=2)),
    wav_files.chunk(b'data', pcm(noise) + b'\1\2\3'),
  )
  np.testing.assert_array_equal(read(data), noise)


OTHERS = {
  'nothing': b'',
  'text': b'This is a text file, not audio.\n' * 10,
  'short': b'RIFF',
  'RIFX': b'RIFX' + GOOD['plain'][4:],
  'RF64': b'RF64' + GOOD['plain'][4:],
  'AVI': wav_files.riff(FORMAT, DATA).replace(b'WAVE', b'AVI '),
  'data before fmt': wav_files.riff(DATA, FORMAT),
  'no fmt': wav_files.riff(LIST, DATA),
  'short fmt': wav_files.riff(wav_files.chunk(b'fmt ', b'\1\0\1\0'), DATA),
  'no channel': wav_files.riff(wav_files.chunk(b'fmt ', wav_files.wave_format(channels=0)), DATA),
  'no data': wav_files.riff(FORMAT, LIST),
}


@pytest.mark.parametrize('name', OTHERS)
def test_what_it_does_not_know_is_left_to_libsndfile(name):
  assert wav.read_header(OTHERS[name]) is None


@pytest.mark.parametrize(
  'form',
  [
    wav_files.wave_format(bits=8),
    wav_files.wave_format(bits=24),
    wav_files.wave_format(bits=32),
    wav_files.wave_format(tag=3, bits=32),
    wav_files.wave_format(tag=7, bits=8),
    wav_files.wave_format(tag=0x55, bits=16),
    wav_files.extensible_format(valid_bits=12),
    wav_files.extensible_format(guid=bytes(16)),
    wav_files.extensible_format()[:24],
    wav_files.wave_format()[:12] + struct.pack('<HH', 4, 16),  # Two bytes of padding a frame.
  ],
)
def test_other_codings_are_left_to_libsndfile(form):
  header = wav.read_header(wav_files.riff(wav_files.chunk(b'fmt ', form), DATA))
  assert header is not None
  assert not header.is_pcm16


def reason_of(data):
  with pytest.raises(clips.ClipError) as error:
    clips.decode(data, AUDIO)
  return error.value.reason, error.value.detail


@pytest.mark.parametrize('form', [wav_files.wave_format(), wav_files.wave_format(bits=24)])
def test_less_audio_than_promised_is_truncated(form):
  whole = wav_files.riff(wav_files.chunk(b'fmt ', form), DATA)
  assert reason_of(whole[:-1]) == (
    'truncated',
    'Wanted 2000 bytes of audio, as the header says, got 1999.',
  )


@pytest.mark.parametrize('declared', [2_002, 1 << 30, 0x7FFFEFFE, 0xFFFFFFF0])
def test_a_giant_promise_is_truncated_and_takes_no_memory(declared):
  data = wav_files.pcm16(NOISE, declared=declared)
  tracemalloc.start()
  try:
    reason, detail = reason_of(data)
    assert tracemalloc.get_traced_memory()[1] < 100_000
  finally:
    tracemalloc.stop()
  assert reason == 'truncated'
  assert detail == f'Wanted {declared} bytes of audio, as the header says, got 2000.'


def test_a_file_cut_off_in_the_header_is_truncated():
  data = GOOD['LIST before data'][:40]
  assert reason_of(data) == (
    'truncated',
    f'Wanted a file of {len(GOOD["LIST before data"])} bytes, got 40 and no audio.',
  )


@pytest.mark.parametrize(
  'data',
  [
    wav_files.pcm16(NOISE[:0]),
    wav_files.riff(FORMAT, wav_files.chunk(b'data', b''), LIST),
    wav_files.riff(FORMAT, wav_files.chunk(b'data', b''), LIST, ODD)[:-1],
    wav_files.riff(FORMAT, wav_files.chunk(b'data', b'\1')),
    wav_files.pcm16(NOISE[:0], declared=0xFFFFFFFF),
  ],
)
def test_no_samples(data):
  assert reason_of(data)[0] == 'no_samples'


@pytest.mark.parametrize('rate_hz', [0, 1, 999, 768_001, 0xFFFFFFFF])
def test_a_rate_that_makes_no_sense(rate_hz):
  assert reason_of(wav_files.pcm16(NOISE, sample_rate_hz=rate_hz)) == (
    'bad_rate',
    f'Wanted 1000 to 768000 Hz, got {rate_hz} Hz.',
  )


def decode_or_reject(data):
  """Anything but a Clip or a ClipError fails the test."""
  try:
    clip = clips.decode(data, AUDIO)
  except clips.ClipError as error:
    assert str(error)
    return None
  assert clip.samples.shape == (AUDIO.clip_samples,)
  assert clip.samples.dtype == np.float32
  assert np.isfinite(clip.samples).all()
  assert 1 <= clip.num_samples <= AUDIO.clip_samples
  assert not clip.samples[clip.num_samples :].any()
  assert clip.source_s > 0
  return clip


@settings(max_examples=300)
@given(
  tail=st.binary(max_size=200),
  start=st.sampled_from([b'', b'RIFF\0\0\0\0WAVE', GOOD['plain'][:36]]),
)
def test_random_bytes_are_a_clip_or_a_reject(start, tail):
  decode_or_reject(start + tail)


@settings(max_examples=300)
@given(
  chunks=st.lists(
    st.builds(
      wav_files.chunk,
      st.sampled_from([b'fmt ', b'data', b'LIST', b'fact', b'junk']),
      st.one_of(st.binary(max_size=64), st.just(wav_files.wave_format())),
      declared=st.one_of(st.none(), st.integers(0, 0xFFFFFFFF)),
    ),
    max_size=5,
  ),
  declared=st.one_of(st.none(), st.integers(0, 0xFFFFFFFF)),
)
def test_random_chunks_are_a_clip_or_a_reject(chunks, declared):
  decode_or_reject(wav_files.riff(*chunks, declared=declared))


@pytest.mark.parametrize('name', GOOD)
def test_a_flipped_bit_in_the_header_never_changes_what_is_heard(name):
  # Each bit of each header: a reject, or what libsndfile hears, where it hears anything.
  data = GOOD[name]
  for bit in range(8 * (data.index(pcm(NOISE)))):
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
      header = wav.read_header(bytes(damaged))
      theirs = wav_files.decoded(bytes(damaged))
    except (clips.ClipError, soundfile.LibsndfileError):
      continue
    if header is not None and header.is_pcm16:
      ours = wav.samples(bytes(damaged), header)
      np.testing.assert_array_equal(ours / np.float32(32768), theirs)


@settings(max_examples=200)
@given(bit=st.integers(0, 8 * 64 - 1))
def test_a_flipped_bit_is_a_clip_or_a_reject(bit):
  damaged = bytearray(GOOD['LIST before data'])
  damaged[bit // 8] ^= 1 << bit % 8
  decode_or_reject(bytes(damaged))


@settings(max_examples=300)
@given(cut=st.integers(0, 2_043))
def test_a_file_cut_off_anywhere_is_rejected(cut):
  with pytest.raises(clips.ClipError) as error:
    clips.decode(GOOD['plain'][:cut], AUDIO)
  assert error.value.reason in ('empty', 'truncated', 'not_audio')
