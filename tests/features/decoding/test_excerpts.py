"""Parts of long recordings: the right samples, and no more read or decoded than they need."""

import io
import struct

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from features.decoding import byte_ranges, clips
from schemas import audio, rejects, utterance
from tests.helpers import signals, wav_files

RATE_HZ = 16_000
AUDIO = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=1.0)
ANY_LENGTH = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.0)
NOISE = wav_files.int16_noise(10 * RATE_HZ)
FLOATS = NOISE[:, 0] / np.float32(32768)
WAV = wav_files.pcm16(NOISE)


class CountedStream(io.BytesIO):
  """A file in memory that knows how much of it was read."""

  num_read_bytes = 0

  def read(self, size=-1):
    data = super().read(size)
    self.num_read_bytes += len(data)
    return data

  def readinto(self, buffer):
    data = self.read(len(buffer))
    buffer[: len(data)] = data
    return len(data)


def decoded(data, audio_spec=AUDIO, *, min_clip_s=0.0, **kwargs):
  ranges = byte_ranges.ByteRanges(io.BytesIO(data))
  return clips.decode(ranges, audio_spec, utterance.Excerpt(**kwargs), min_clip_s=min_clip_s)


def rejected(data, audio_spec=AUDIO, **kwargs):
  """Returns reason and detail of the reject that decoding must end in."""
  with pytest.raises(clips.ClipError) as error:
    decoded(data, audio_spec, **kwargs)
  assert error.value.reason in rejects.ADVICE
  return error.value.reason, error.value.detail


# Which part.


@pytest.mark.parametrize(
  ('excerpt', 'begin_s', 'end_s'),
  [
    ({'start_s': 2.5, 'duration_s': 1.0}, 2.5, 3.5),
    ({'start_s': 2.5, 'duration_s': 0.25}, 2.5, 2.75),
    ({'start_s': 9.5}, 9.5, 10.0),
    ({'start_s': 9.5, 'duration_s': 1.0}, 9.5, 10.0),  # As much as there is.
    ({'window_start': 0.2, 'window_end': 0.4, 'duration_s': 0.5}, 2.0, 2.5),
    ({'window_start': 0.2, 'window_end': 0.4, 'duration_s': 0.5, 'position': 1.0}, 3.5, 4.0),
    ({'window_start': 0.2, 'window_end': 0.4, 'duration_s': 0.5, 'position': 0.5}, 2.75, 3.25),
    ({'window_start': 0.95, 'duration_s': 1.0}, 9.5, 10.0),
  ],
)
@pytest.mark.parametrize(
  ('format', 'subtype'),
  [('WAV', 'PCM_16'), ('WAV', 'PCM_24'), ('AIFF', 'PCM_16'), ('FLAC', 'PCM_16')],
)
def test_the_part_that_the_excerpt_names(format, subtype, excerpt, begin_s, end_s):
  data = wav_files.encoded(NOISE, format=format, subtype=subtype)
  begin, end = round(begin_s * RATE_HZ), round(end_s * RATE_HZ)
  clip = decoded(data, **excerpt)
  np.testing.assert_array_equal(clip.samples[: end - begin], FLOATS[begin:end])
  assert not clip.samples[end - begin :].any()
  assert clip.samples.shape == (RATE_HZ,)
  assert clip.num_samples == end - begin
  assert clip.source_s == pytest.approx(end_s - begin_s, abs=1e-9)
  any_length = decoded(data, ANY_LENGTH, **excerpt)
  np.testing.assert_array_equal(any_length.samples, FLOATS[begin:end])


@pytest.mark.parametrize('position', audio.POSITIONS)
def test_of_a_part_longer_than_a_clip_the_clip_is_cut_by_position(position):
  spec = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.5, position=position)
  clip = decoded(WAV, spec, start_s=3.0, duration_s=2.0)
  first = 3 * RATE_HZ + {'start': 0, 'centre': 12_000, 'end': 24_000}[position]
  np.testing.assert_array_equal(clip.samples, FLOATS[first : first + 8_000])
  assert clip.source_s == 2.0


def test_the_excerpt_that_is_all_of_it_is_the_file():
  for data in (WAV, wav_files.encoded(NOISE, format='FLAC', subtype='PCM_16')):
    assert decoded(data).samples.tobytes() == clips.decode(data, AUDIO).samples.tobytes()
    assert decoded(data).source_s == 10.0


@settings(max_examples=200)
@given(
  start_s=st.floats(0, 8.5),
  duration_s=st.floats(0.001, 3),
  rate_hz=st.sampled_from([8_000, 16_000, 22_050, 44_100]),
)
def test_as_many_samples_as_the_duration_says_wherever_it_begins(start_s, duration_s, rate_hz):
  spec = audio.AudioSpec(sample_rate_hz=rate_hz, clip_s=0.0)
  clip = decoded(WAV, spec, start_s=start_s, duration_s=duration_s)
  wanted_s = min(duration_s, 10 - start_s)
  assert clip.source_s == pytest.approx(wanted_s, abs=1e-8)
  if duration_s <= 10 - start_s:
    assert clip.num_samples == round(clip.source_s * rate_hz)
  assert abs(clip.num_samples - wanted_s * rate_hz) <= 1.5


def test_a_duration_of_a_second_is_a_second_wherever_it_begins():
  one = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.0, max_clip_s=1.0)
  for tenth in range(90):
    clip = decoded(WAV, one, start_s=tenth / 10, duration_s=1.0, min_clip_s=1.0)
    assert (clip.num_samples, clip.source_s) == (RATE_HZ, 1.0)


@pytest.mark.parametrize('rate_hz', [8_000, 11_025, 22_050, 44_100, 48_000])
def test_a_resampled_part_is_that_of_the_resampled_whole(rate_hz):
  data = wav_files.pcm16(NOISE, sample_rate_hz=rate_hz)
  whole = soxr.resample(FLOATS, rate_hz, RATE_HZ, quality='HQ')
  for start_s in (0.0, 0.01, 0.37, 1.234567):
    clip = decoded(data, start_s=start_s, duration_s=1.0)
    first = round(start_s * RATE_HZ)
    # Blocks of the transform begin elsewhere, which rounds differently.
    np.testing.assert_allclose(clip.samples, whole[first : first + RATE_HZ], atol=1e-6)


@pytest.mark.parametrize('rate_hz', [16_000, 24_000])
@pytest.mark.parametrize(
  ('format', 'subtype', 'difference'),
  [
    ('FLAC', 'PCM_16', 0.0),
    ('OGG', 'VORBIS', 0.0),
    # Measured on 300 places of speech, tones and noise: 2e-7 and 6e-3.
    ('MP3', 'MPEG_LAYER_III', 1e-6),
    ('OGG', 'OPUS', 1e-2),
  ],
)
def test_a_part_of_a_compressed_file_is_that_of_the_whole(format, subtype, difference, rate_hz):
  # Bursts and pauses: what makes MP3 save bytes for later.
  seconds = np.arange(20 * rate_hz) / rate_hz
  bursts = np.sin(6 * np.pi * seconds).clip(0, 1) ** 2
  noise = signals.noise(20 * rate_hz, amplitude=0.3)
  sound = bursts * (0.4 * np.sin(2 * np.pi * 440 * seconds) + noise)
  data = wav_files.encoded(sound, format=format, subtype=subtype, sample_rate_hz=rate_hz)
  whole = wav_files.decoded(data)[:, 0]
  spec = audio.AudioSpec(sample_rate_hz=rate_hz, clip_s=0.5)
  for place in range(36):
    first = place * rate_hz // 2 + 331 * place
    clip = decoded(data, spec, start_s=first / rate_hz, duration_s=0.5)
    np.testing.assert_allclose(
      clip.samples, whole[first : first + rate_hz // 2], atol=difference, err_msg=str(place)
    )


def test_the_same_part_twice_is_the_same_whatever_was_read_before():
  data = wav_files.encoded(FLOATS, format='MP3', subtype='MPEG_LAYER_III')
  stream = io.BytesIO(data)
  first = utterance.Excerpt(start_s=4.0, duration_s=1.0)
  expected = clips.decode(byte_ranges.ByteRanges(stream), AUDIO, first).samples.tobytes()
  clips.decode(byte_ranges.ByteRanges(stream), AUDIO, utterance.Excerpt(start_s=8.0))
  assert clips.decode(byte_ranges.ByteRanges(stream), AUDIO, first).samples.tobytes() == expected
  assert not stream.closed


# What is done to it.


@pytest.mark.parametrize('gain_db', [-20.0, 6.0])
def test_the_gain(gain_db):
  clip = decoded(WAV, start_s=1.0, duration_s=1.0, gain_db=gain_db)
  expected = FLOATS[RATE_HZ : 2 * RATE_HZ] * 10 ** (gain_db / 20)
  np.testing.assert_allclose(clip.samples, expected, rtol=1e-6)


def test_a_gain_beyond_all_numbers_is_refused():
  for gain_db in (300.0, 1e300):
    assert rejected(WAV, duration_s=1.0, gain_db=gain_db)[0] == 'not_finite'
  assert not decoded(WAV, duration_s=1.0, gain_db=-1e300).samples.any()


def test_effects_are_applied_behind_the_gain_and_trimming_before():
  quiet = FLOATS.copy()
  quiet[: 2 * RATE_HZ] *= 1e-4
  data = wav_files.encoded(quiet, format='WAV', subtype='FLOAT')
  spec = audio.AudioSpec(
    sample_rate_hz=RATE_HZ, clip_s=2.0, trim_db=40.0, effects=('peak:level_db=-6',)
  )
  clip = decoded(data, spec, start_s=1.0, duration_s=2.0, gain_db=-10.0)
  assert 15_500 < clip.num_samples < 17_500
  assert np.abs(clip.samples).max() == pytest.approx(10 ** (-6 / 20), rel=1e-6)


# What is refused.


def test_a_part_behind_the_end():
  assert rejected(WAV, start_s=10.0, duration_s=1.0) == (
    'bad_excerpt',
    'Wanted a part that begins before 10 s, where the audio ends, got one from 10 s to 11 s.',
  )
  assert rejected(WAV, start_s=12.5)[0] == 'bad_excerpt'
  detail = rejected(WAV, start_s=3.0, duration_s=1.0, window_start=0.5, window_end=0.75)[1]
  assert detail == (
    'Wanted a part that begins before 7.5 s, where the audio ends, got one from 8 s to 9 s.'
  )
  assert rejected(WAV, start_s=1.0, duration_s=1e-6)[0] == 'bad_excerpt'


@pytest.mark.parametrize('beyond_s', [0.0, 0.001, 0.02])
def test_a_rounding_of_the_end_passes(beyond_s):
  clip = decoded(WAV, start_s=9.6, duration_s=0.4 + beyond_s)
  assert clip.noted == () and clip.num_samples == round(0.4 * RATE_HZ)


def test_a_part_that_is_there_for_the_most_is_padded_and_noted():
  clip = decoded(WAV, start_s=9.4, duration_s=1.0)
  assert clip.noted == ('padded_excerpt',)
  assert clip.num_samples == round(0.6 * RATE_HZ) and not clip.samples[clip.num_samples :].any()
  assert decoded(WAV, ANY_LENGTH, start_s=9.4, duration_s=1.0).noted == ('padded_excerpt',)


def test_a_part_that_lies_behind_the_end_for_the_most_is_refused_with_what_is_there():
  assert rejected(WAV, start_s=9.9, duration_s=5.0) == (
    'bad_excerpt',
    'Wanted 5 s from 9.9 s on, got 0.1 s: the audio ends at 10 s.',
  )
  assert rejected(WAV, start_s=9.95, duration_s=0.11)[0] == 'bad_excerpt'


def test_what_was_not_asked_for_in_seconds_is_as_long_as_it_is():
  assert decoded(WAV, start_s=9.9).noted == ()
  assert decoded(WAV, window_start=0.8, window_end=0.9, duration_s=50.0).noted == ()


def test_the_limits_of_length_are_those_of_the_part():
  assert rejected(WAV, start_s=9.5, duration_s=1.0, min_clip_s=0.6) == (
    'too_short',
    'Wanted at least 0.6 s, got 0.5 s.',
  )
  short = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.0, max_clip_s=2.0)
  assert decoded(WAV, short, start_s=1.0, duration_s=2.0).num_samples == 2 * RATE_HZ
  assert rejected(WAV, short, start_s=1.0, duration_s=2.1) == (
    'too_long',
    'Wanted at most 2 s, got 2.1 s.',
  )


@pytest.mark.parametrize('data', [b'', b'Hello, this is text.\n' * 50, WAV[:20_000], WAV[:30]])
def test_bad_files_are_rejected_as_whole_ones_are(data):
  with pytest.raises(clips.ClipError) as whole:
    clips.decode(data, AUDIO)
  assert rejected(data, duration_s=1.0) == (whole.value.reason, whole.value.detail)


@pytest.mark.parametrize('subtype', ['PCM_16', 'PCM_24'])
@pytest.mark.parametrize('declared', [0, 0xFFFFFFFF])
def test_a_streamed_wav(subtype, declared):
  data = bytearray(wav_files.encoded(NOISE, format='WAV', subtype=subtype))
  at = data.index(b'data') + 4
  data[at : at + 4] = struct.pack('<I', declared)
  clip = decoded(bytes(data), start_s=9.0, duration_s=1.5)
  np.testing.assert_array_equal(clip.samples, FLOATS[9 * RATE_HZ :])


def test_a_flac_stream_without_a_count():
  data = bytearray(wav_files.encoded(NOISE, format='FLAC', subtype='PCM_16'))
  data[21] &= 0xF0  # The last 36 bits of its 26 bytes: the number of samples, 0 for unknown.
  data[22:26] = bytes(4)
  clip = decoded(bytes(data), start_s=9.5, duration_s=0.8)
  np.testing.assert_array_equal(clip.samples[:8_000], FLOATS[-8_000:])
  assert (clip.num_samples, clip.source_s) == (8_000, 0.5)


class BrokenStream(io.BytesIO):
  """A file whose disk fails behind some byte."""

  good_bytes = 0

  def read(self, size=-1):
    if self.tell() + (size if size >= 0 else 1 << 40) > self.good_bytes:
      raise OSError(5, 'Input/output error')
    return super().read(size)


@pytest.mark.parametrize(
  ('format', 'subtype'), [('WAV', 'PCM_16'), ('WAV', 'PCM_24'), ('FLAC', 'PCM_16')]
)
@pytest.mark.parametrize('good_bytes', [0, 30_000])
def test_a_disk_that_fails_is_no_damaged_file(format, subtype, good_bytes, capfd):
  stream = BrokenStream(wav_files.encoded(NOISE, format=format, subtype=subtype))
  stream.good_bytes = good_bytes
  with pytest.raises(clips.ClipError) as error:
    clips.decode(byte_ranges.ByteRanges(stream), AUDIO, utterance.Excerpt(start_s=5.0))
  assert (error.value.reason, error.value.detail) == (
    'unreadable',
    'Wanted the content of the file, got: Input/output error.',
  )
  assert capfd.readouterr().err == ''  # No traceback from a callback.


# What it costs.

PARTS = [
  # format, subtype, most bytes of an excerpt of 1 s. What is searched for takes some blocks more.
  ('WAV', 'PCM_16', 2 * 16_000 + 100),
  ('WAV', 'PCM_24', 3 * 16_000 + 1_500),
  ('WAV', 'ULAW', 16_000 + 1_500),
  ('AIFF', 'PCM_16', 2 * 16_000 + 1_500),
  ('FLAC', 'PCM_16', 180_000),
  ('OGG', 'VORBIS', 260_000),
  ('OGG', 'OPUS', 260_000),
]


@pytest.mark.parametrize(('format', 'subtype', 'most_bytes'), PARTS)
def test_the_rest_of_the_file_is_not_read(format, subtype, most_bytes):
  sound = np.tile(NOISE, (12, 1)) // 4
  data = wav_files.encoded(sound, format=format, subtype=subtype)
  for start_s in (0.0, 83.3, 119.0):
    stream = CountedStream(data)
    clips.decode(
      byte_ranges.ByteRanges(stream), AUDIO, utterance.Excerpt(start_s=start_s, duration_s=1.0)
    )
    assert stream.num_read_bytes < min(most_bytes, len(data) / 2)


@pytest.mark.parametrize('format', ['WAV', 'FLAC', 'OGG', 'MP3'])
def test_the_rest_of_the_file_is_not_decoded(monkeypatch, format):
  subtype = soundfile.default_subtype(format) if format != 'WAV' else 'PCM_24'
  data = wav_files.encoded(np.tile(NOISE, (6, 1)) // 4, format=format, subtype=subtype)
  num_read = []
  read = soundfile.SoundFile.read

  def counted(self, *args, **kwargs):
    samples = read(self, *args, **kwargs)
    num_read.append(len(samples))
    return samples

  monkeypatch.setattr(soundfile.SoundFile, 'read', counted)
  decoded(data, start_s=40.0, duration_s=1.0)
  assert sum(num_read) == RATE_HZ + (16 * 1152 if format == 'MP3' else 0)


def test_two_hours_in_pieces_of_a_second(tmp_path):
  # A file with holes, so that it takes no space: each second begins with its number.
  rate_hz, seconds = 8_000, 7_200
  header = wav_files.riff(
    wav_files.chunk(b'fmt ', wav_files.wave_format(sample_rate_hz=rate_hz)),
    wav_files.chunk(b'data', b'', declared=2 * rate_hz * seconds),
  )
  path = tmp_path / 'long.wav'
  with path.open('wb') as file:
    file.write(header)
    for second in range(seconds):
      file.seek(len(header) + 2 * rate_hz * second)
      file.write(struct.pack('<h', second))
    file.truncate(len(header) + 2 * rate_hz * seconds)
  spec = audio.AudioSpec(sample_rate_hz=rate_hz, clip_s=1.0)
  heard = []
  with path.open('rb') as stream:
    for second in range(seconds):
      part = utterance.Excerpt(start_s=float(second), duration_s=1.0)
      clip = clips.decode(byte_ranges.ByteRanges(stream), spec, part, min_clip_s=1.0)
      heard.append(round(float(clip.samples[0]) * 32768))
      assert not clip.samples[1:].any()
  assert heard == list(range(seconds))


def test_silence_stays_silence_whatever_the_gain():
  silent = np.zeros(RATE_HZ, np.float32)
  np.testing.assert_array_equal(clips._amplified(silent, 5_000.0), silent)
