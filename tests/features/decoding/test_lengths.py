"""Which part of a recording becomes the clip, and clips that are as long as they are."""

import io
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from features.decoding import clips, cutting, opening, resampling
from schemas import audio, rejects
from tests.helpers import signals, wav_files

RATE_HZ = 16_000
NOISE = wav_files.int16_noise(5 * RATE_HZ)
FLOATS = NOISE[:, 0] / np.float32(32768)
FIRST = {'start': 0, 'centre': (5 * RATE_HZ - 8_000) // 2, 'end': 5 * RATE_HZ - 8_000}


def spec(**kwargs):
  return audio.AudioSpec(**{'sample_rate_hz': RATE_HZ, 'clip_s': 0.5, **kwargs})


def speechlike(num_samples):
  """Returns bursts of noise and tones with pauses: what makes a codec save bytes for later."""
  bursts = np.sin(np.arange(num_samples) * (2 * np.pi * 3 / RATE_HZ)).clip(0, 1)
  tone = signals.sine(num_samples, sample_rate_hz=RATE_HZ, hz=440.0, amplitude=0.4)
  return (bursts * (tone + signals.noise(num_samples, amplitude=0.3))).astype(np.float32)


def rejected(data, audio_spec, **kwargs):
  """Returns reason and detail of the reject that decoding must end in."""
  with pytest.raises(clips.ClipError) as error:
    clips.decode(data, audio_spec, **kwargs)
  assert error.value.reason in rejects.ADVICE
  return error.value.reason, error.value.detail


# What is kept of longer audio.


@pytest.mark.parametrize('position', audio.POSITIONS)
@pytest.mark.parametrize(
  ('format', 'subtype'), [('WAV', 'PCM_16'), ('WAV', 'PCM_24'), ('FLAC', 'PCM_16')]
)
def test_the_part_that_the_position_names(position, format, subtype):
  data = wav_files.encoded(NOISE, format=format, subtype=subtype)
  clip = clips.decode(data, spec(position=position))
  first = FIRST[position]
  np.testing.assert_array_equal(clip.samples, FLOATS[first : first + 8_000])
  assert (clip.num_samples, clip.source_s) == (8_000, 5.0)


@pytest.mark.parametrize('position', ['centre', 'end'])
@pytest.mark.parametrize(
  ('format', 'subtype', 'difference'),
  [
    ('OGG', 'VORBIS', 0.0),
    # Measured on 300 places of speech, tones and noise: 2e-7 and 6e-3.
    ('MP3', 'MPEG_LAYER_III', 1e-6),
    ('OGG', 'OPUS', 1e-2),
  ],
)
def test_the_part_of_a_compressed_file_is_that_of_the_whole(position, format, subtype, difference):
  speech = speechlike(5 * RATE_HZ)
  data = wav_files.encoded(speech, format=format, subtype=subtype)
  clip = clips.decode(data, spec(position=position))
  whole = wav_files.decoded(data)[:, 0]
  first = {'centre': (len(whole) - 8_000) // 2, 'end': len(whole) - 8_000}[position]
  np.testing.assert_allclose(clip.samples, whole[first : first + 8_000], atol=difference)


@pytest.mark.parametrize('position', audio.POSITIONS)
@pytest.mark.parametrize('rate_hz', [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_part_is_resampled_as_in_the_whole(position, rate_hz):
  noise = wav_files.int16_noise(4 * rate_hz + 17)
  data = wav_files.pcm16(noise, sample_rate_hz=rate_hz)
  clip = clips.decode(data, spec(position=position))
  whole = soxr.resample(noise[:, 0] / np.float32(32768), rate_hz, RATE_HZ, quality='HQ')
  first = cutting.offset(len(whole), 8_000, position)
  # Blocks of the transform begin elsewhere, which rounds differently.
  np.testing.assert_allclose(clip.samples, whole[first : first + 8_000], atol=1e-6)


@settings(max_examples=100)
@given(
  rate_hz=st.integers(4_000, 50_000),
  num_frames=st.integers(1, 60_000),
  begin=st.floats(0, 1),
  length=st.integers(1, 3_000),
)
def test_any_part_at_any_rate_is_resampled_as_in_the_whole(rate_hz, num_frames, begin, length):
  noise = wav_files.int16_noise(num_frames)
  whole = soxr.resample(noise[:, 0] / np.float32(32768), rate_hz, RATE_HZ, quality='HQ')
  assert len(whole) == resampling.num_resampled(num_frames, rate_hz, RATE_HZ)
  first = int(begin * len(whole))
  source = opening.open_recording(wav_files.pcm16(noise, sample_rate_hz=rate_hz))
  part = resampling.read(source, RATE_HZ, first, first + length)
  # Where the ratio of the rates is none of small numbers, the resampler counts it up with an error
  # that grows through the whole: 1e-5 after 8 s. For the usual rates it is 1e-6, see above.
  np.testing.assert_allclose(part, whole[first : first + length], atol=1e-4)


@pytest.mark.parametrize('format', ['WAV', 'FLAC', 'OGG', 'AIFF'])
@pytest.mark.parametrize('position', ['centre', 'end'])
def test_only_the_part_is_decoded(monkeypatch, format, position):
  subtype = soundfile.default_subtype(format) if format != 'WAV' else 'PCM_24'
  data = wav_files.encoded(NOISE, format=format, subtype=subtype)
  num_read = []
  read = soundfile.SoundFile.read

  def counted(self, *args, **kwargs):
    samples = read(self, *args, **kwargs)
    num_read.append(len(samples))
    return samples

  monkeypatch.setattr(soundfile.SoundFile, 'read', counted)
  clips.decode(data, spec(position=position))
  assert sum(num_read) == 8_000


def test_the_end_of_a_stream_without_a_count_is_found():
  data = bytearray(wav_files.encoded(NOISE, format='FLAC', subtype='PCM_16'))
  data[21] &= 0xF0  # The last 36 bits of its 26 bytes: the number of samples, 0 for unknown.
  data[22:26] = bytes(4)
  for position, first in FIRST.items():
    clip = clips.decode(bytes(data), spec(position=position))
    np.testing.assert_array_equal(clip.samples, FLOATS[first : first + 8_000])
    assert clip.source_s == 5.0


# Where shorter audio stands.


@pytest.mark.parametrize(('position', 'first'), [('start', 0), ('centre', 2_499), ('end', 4_999)])
def test_where_shorter_audio_stands_in_the_padding(position, first):
  clip = clips.decode(wav_files.pcm16(NOISE[:3_001]), spec(position=position))
  np.testing.assert_array_equal(clip.samples[first : first + 3_001], FLOATS[:3_001])
  assert not clip.samples[:first].any()
  assert not clip.samples[first + 3_001 :].any()
  assert clip.samples.shape == (8_000,)
  assert clip.num_samples == 3_001


@given(
  num_samples=st.integers(1, 60),
  wanted=st.integers(1, 60),
  position=st.sampled_from(audio.POSITIONS),
)
def test_fitted_keeps_what_fits_and_adds_silence_only(num_samples, wanted, position):
  samples = np.arange(1, num_samples + 1, dtype=np.float32)
  one = audio.AudioSpec(sample_rate_hz=1_000, clip_s=wanted / 1_000, position=position)
  out, num_kept = clips.fitted(samples, one)
  assert out.shape == (wanted,)
  assert out.dtype == np.float32
  assert num_kept == min(num_samples, wanted) == np.count_nonzero(out)
  kept = out[out > 0]
  np.testing.assert_array_equal(np.diff(kept), 1)  # One piece, in order.
  free = abs(num_samples - wanted)
  before = int(kept[0]) - 1 if num_samples > wanted else int(np.flatnonzero(out)[0])
  assert before == {'start': 0, 'centre': free // 2, 'end': free}[position]


def test_fitted_gives_a_copy_also_where_nothing_is_to_be_done():
  for one in (spec(), spec(clip_s=0.0)):
    samples = FLOATS[:8_000].copy()
    out, num_kept = clips.fitted(samples, one)
    np.testing.assert_array_equal(out, samples)
    assert num_kept == 8_000
    assert not np.shares_memory(out, samples)


# As long as it is.


@pytest.mark.parametrize('num_frames', [1, 777, 5 * RATE_HZ])
@pytest.mark.parametrize(('format', 'subtype'), [('WAV', 'PCM_16'), ('FLAC', 'PCM_16')])
def test_a_clip_of_any_length(num_frames, format, subtype):
  data = wav_files.encoded(NOISE[:num_frames], format=format, subtype=subtype)
  clip = clips.decode(data, spec(clip_s=0.0))
  np.testing.assert_array_equal(clip.samples, FLOATS[:num_frames])
  assert (clip.num_samples, clip.source_s) == (num_frames, num_frames / RATE_HZ)


def test_a_clip_of_any_length_is_resampled_whole():
  data = wav_files.pcm16(NOISE[:44_100], sample_rate_hz=44_100)
  clip = clips.decode(data, spec(clip_s=0.0))
  theirs = soxr.resample(FLOATS[:44_100], 44_100, RATE_HZ, quality='HQ')
  assert clip.samples.tobytes() == theirs.tobytes()
  assert clip.num_samples == RATE_HZ


@pytest.mark.parametrize('format', ['WAV', 'FLAC', 'OGG', 'MP3'])
def test_longer_than_may_be_is_refused_before_it_is_decoded(monkeypatch, format):
  data = wav_files.encoded(NOISE, format=format, subtype=soundfile.default_subtype(format))
  assert clips.decode(data, spec(clip_s=0.0, max_clip_s=5.0)).num_samples == 80_000

  def forbidden(self, *args, **kwargs):
    raise AssertionError('nothing should be decoded')

  monkeypatch.setattr(soundfile.SoundFile, 'read', forbidden)
  assert rejected(data, spec(clip_s=0.0, max_clip_s=4.999)) == (
    'too_long',
    'Wanted at most 4.999 s, got 5 s.',
  )


def test_fixed_clips_may_be_of_any_length():
  assert clips.decode(wav_files.pcm16(NOISE), spec(max_clip_s=1.0)).num_samples == 8_000


def test_of_a_stream_without_a_count_no_more_is_decoded_than_may_be(monkeypatch):
  rate_hz = 8_000
  data = bytearray(
    wav_files.encoded(
      wav_files.int16_noise(120 * rate_hz), format='FLAC', subtype='PCM_16', sample_rate_hz=rate_hz
    )
  )
  data[21] &= 0xF0
  data[22:26] = bytes(4)
  num_read = []
  read = soundfile.SoundFile.read

  def counted(self, *args, **kwargs):
    samples = read(self, *args, **kwargs)
    num_read.append(len(samples))
    return samples

  monkeypatch.setattr(soundfile.SoundFile, 'read', counted)
  tracemalloc.start()
  try:
    reason, detail = rejected(bytes(data), spec(clip_s=0.0, max_clip_s=2.0))
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
  finally:
    tracemalloc.stop()
  assert reason == 'too_long'
  assert detail.startswith('Wanted at most 2 s, got ')
  assert sum(num_read) < 20 * rate_hz
  assert len(clips.decode(bytes(data), spec(clip_s=0.0, max_clip_s=120.0)).samples) == 120 * RATE_HZ


def test_many_channels_of_a_long_recording_are_not_held_at_once():
  channels, rate_hz = 8, 48_000
  file = io.BytesIO()
  soundfile.write(
    file, np.zeros((30 * rate_hz, channels), np.int16), rate_hz, format='FLAC', subtype='PCM_16'
  )
  tracemalloc.start()
  try:
    clip = clips.decode(file.getvalue(), spec(sample_rate_hz=rate_hz, clip_s=0.0))
    # 5.8 MB are the clip; twice more while blocks are put together; 46 MB were all the channels.
    assert tracemalloc.get_traced_memory()[1] < 25_000_000
  finally:
    tracemalloc.stop()
  assert clip.num_samples == 30 * rate_hz


def test_too_short_is_too_short_at_any_length():
  assert rejected(wav_files.pcm16(NOISE[:100]), spec(clip_s=0.0), min_clip_s=0.1) == (
    'too_short',
    'Wanted at least 0.1 s, got 0.00625 s.',
  )
