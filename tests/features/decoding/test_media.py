"""What FFmpeg decodes: whole, as FFmpeg itself does it, or a reject."""

import dataclasses
import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.decoding import byte_ranges, clips, ffmpeg
from schemas import audio, rejects, utterance
from tests.helpers import wav_files

av = pytest.importorskip('av')
media_files = pytest.importorskip('tests.helpers.media_files')

RATE_HZ = 16_000
ANY_LENGTH = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.0)


def sound(seconds, rate_hz, channels=1):
  """Returns a glide: every moment of it sounds like no other."""
  time_s = np.arange(round(seconds * rate_hz)) / rate_hz
  glide = 0.4 * np.sin(2 * np.pi * (300 * time_s + 20 * time_s**2)).astype(np.float32)
  return glide if channels == 1 else np.stack([glide, glide / 2], axis=1)


def encoded(name, seconds, channels=1, **kwargs):
  rate_hz = kwargs.get('rate_hz') or media_files.CODINGS[name][2]
  return media_files.encoded(name, sound(seconds, rate_hz, channels), **kwargs)


def decoded(data, excerpt=None):
  return clips.decode(data, ANY_LENGTH, excerpt)


def rejected(data, **kwargs):
  with pytest.raises(clips.ClipError) as error:
    clips.decode(data, ANY_LENGTH, **kwargs)
  assert error.value.reason in rejects.ADVICE
  return error.value.reason, error.value.detail


def is_near(clip, seconds):
  return max(abs(clip.num_samples / RATE_HZ - seconds), abs(clip.source_s - seconds)) <= 0.05


@pytest.mark.parametrize('name', media_files.CODINGS)
@settings(max_examples=6)
@given(seconds=st.floats(0.1, 3.0), channels=st.integers(1, 2), cut=st.floats(0.3, 1.0))
def test_every_coding_is_whole_or_a_reject(name, seconds, channels, cut):
  data = encoded(name, seconds, 1 if name in media_files.MONO_ONLY else channels)
  wanted_s = media_files.seconds(data)
  assert is_near(decoded(data), wanted_s)
  # Two behind one another: both, or a reject. Cut: what is there, where nothing says how much was.
  try:
    assert is_near(decoded(data + data), 2 * wanted_s) or name == 'mp3'  # Each has its padding.
  except clips.ClipError as error:
    assert error.reason in ('in_part', 'wrong_size', 'truncated', 'not_audio')
  part = data[: round(cut * len(data))]
  try:
    clip = decoded(part)
  except clips.ClipError as error:
    assert error.reason in ('truncated', 'no_samples', 'not_audio', 'in_part')
  else:
    assert is_near(clip, media_files.seconds(part))


@pytest.mark.parametrize('name', ['m4a', 'alac', 'webm', 'wma', 'wavpack', 'ac3', 'amr'])
def test_the_sound_is_that_which_was_encoded(name):
  rate_hz = media_files.CODINGS[name][2]
  clip = decoded(encoded(name, 2.0))
  here = clip.samples[: 2 * RATE_HZ]
  wanted = clips.decode(
    wav_files.encoded(sound(2.0, rate_hz), format='WAV', subtype='FLOAT', sample_rate_hz=rate_hz),
    ANY_LENGTH,
  ).samples
  # A codec's delay is a shift of some milliseconds.
  shifts = [
    np.corrcoef(here[at : at + 20_000], wanted[2_000:22_000])[0, 1] for at in range(1_000, 4_000, 3)
  ]
  assert max(shifts) > 0.97
  assert np.std(here) == pytest.approx(np.std(wanted), rel=0.25 if name == 'amr' else 0.1)


def test_lossless_codings_are_the_samples_themselves():
  noise = wav_files.int16_noise(RATE_HZ, 2)
  data = media_files.encoded('alac', noise / np.float32(32768))
  wanted = noise.astype(np.float32).mean(axis=1) / 32768
  np.testing.assert_allclose(decoded(data).samples, wanted, atol=2e-5)


@pytest.mark.parametrize('name', ['alac', 'webm'])  # Counted by decoding, counted by packets.
@pytest.mark.parametrize('seconds', [1.0, 12.0])
def test_the_channel_that_is_asked_for_is_heard(name, seconds):
  rate_hz = media_files.CODINGS[name][2]
  time_s = np.arange(round(seconds * rate_hz)) / rate_hz
  tones = np.stack([0.2 * np.sin(2 * np.pi * hz * time_s) for hz in (400, 3_000)], axis=1)
  data = media_files.encoded(name, (tones * [1, 2]).astype(np.float32))
  part = utterance.Excerpt(start_s=seconds - 0.9, duration_s=0.8)
  for channel, hz in (('left', 400), ('2', 3_000), ('loudest', 3_000)):
    spec = dataclasses.replace(ANY_LENGTH, channel=channel)
    for excerpt in (None, part):
      heard = clips.decode(data, spec, excerpt).samples
      assert np.argmax(np.abs(np.fft.rfft(heard))) * RATE_HZ / len(heard) == pytest.approx(hz, 0.01)
  opposite = media_files.encoded(name, (tones[:, :1] * [1, -1]).astype(np.float32))
  assert 'cancelled' in decoded(opposite).noted


@pytest.mark.parametrize('name', ['m4a', 'mp4', 'webm', 'mka', 'adts', 'wma'])
def test_an_excerpt_is_that_part_of_the_whole(name):
  data = encoded(name, 30.0)
  whole = decoded(data).samples
  for start_s in (0.5, 14.0, 28.0):
    part = decoded(
      byte_ranges.ByteRanges(io.BytesIO(data)),
      utterance.Excerpt(start_s=start_s, duration_s=1.0),
    )
    assert part.num_samples == RATE_HZ
    begin = round(start_s * RATE_HZ)
    # A place that was sought in Matroska is known to the millisecond.
    places = range(begin - 16, begin + 17) if name in ('webm', 'mka') else [begin]
    off = [np.abs(whole[at + 100 : at + 15_900] - part.samples[100:15_900]).max() for at in places]
    assert min(off) < 0.02, (start_s, min(off))


@pytest.mark.parametrize('name', ['m4a', 'webm'])
def test_a_place_far_behind_is_sought(monkeypatch, name):
  data = encoded(name, 60.0)
  read = 0
  places = []
  sought = ffmpeg.Decoder._sought
  monkeypatch.setattr(
    ffmpeg.Decoder, '_sought', lambda self, begin: places.append(begin) or sought(self, begin)
  )

  class Counted(io.BytesIO):
    def read(self, size=-1):
      nonlocal read
      found = super().read(size)
      read += len(found)
      return found

  decoded(byte_ranges.ByteRanges(Counted(data)), utterance.Excerpt(start_s=50.0, duration_s=1.0))
  assert places
  assert read < len(data) / 2 or name == 'webm'  # All its packets are gone through, to count.


def test_of_several_streams_the_first_of_audio_is_taken():
  file = io.BytesIO()
  with av.open(file, 'w', format='mp4') as out:
    video = out.add_stream('mpeg4', rate=5)
    video.width = video.height = 16
    tracks = [out.add_stream('aac', rate=RATE_HZ, layout='mono') for _ in range(2)]
    for _ in range(15):  # 3 s of picture, 2 s of sound.
      out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))))
    out.mux(video.encode(None))
    for track, level in zip(tracks, (0.5, 0.0), strict=True):
      samples = level * sound(2.0, RATE_HZ)[None]
      frame = av.AudioFrame.from_ndarray(samples, format='fltp', layout='mono')
      frame.rate = RATE_HZ
      for part in (frame, None):
        out.mux(track.encode(part))
  clip = decoded(file.getvalue())
  assert is_near(clip, media_files.seconds(file.getvalue()))
  assert np.std(clip.samples) > 0.1


def test_a_picture_in_motion_without_a_sound_is_named():
  file = io.BytesIO()
  with av.open(file, 'w', format='mp4') as out:
    video = out.add_stream('mpeg4', rate=5)
    video.width = video.height = 16
    out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))))
    out.mux(video.encode(None))
  assert rejected(file.getvalue()) == (
    'no_sound',
    'Wanted a stream of audio, got mov without one.',
  )


def test_a_broken_installation_is_a_reject_too(monkeypatch):
  m4a = encoded('m4a', 0.5)
  monkeypatch.setattr(ffmpeg, 'is_installed', lambda: True)
  monkeypatch.setitem(sys.modules, 'av', None)  # Then `import av` raises an ImportError.
  reason, detail = rejected(m4a)
  assert reason == 'no_decoder'
  assert 'PyAV, and it cannot be loaded here: ' in detail
  assert rejected(bytes(100))[0] == 'not_audio'


@pytest.mark.parametrize('name', ['m4a', 'webm', 'wma', 'amr', 'ac3', 'wavpack', 'adts', 'tta'])
def test_without_ffmpeg_the_advice_says_what_to_install(monkeypatch, name):
  monkeypatch.setattr(ffmpeg, 'is_installed', lambda: False)
  reason, detail = rejected(encoded(name, 0.5))
  assert reason == 'no_decoder'
  assert 'begin with' in detail
  assert "pip install 'voxshard[media]'" in rejects.ADVICE[reason]


@pytest.mark.parametrize(
  'playlist',
  [
    'ffconcat version 1.0\nfile {path}\n',
    '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n',
    'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n',
  ],
)
def test_a_file_never_opens_another(tmp_path, playlist):
  secret = tmp_path / 'secret.wav'
  secret.write_bytes(wav_files.pcm16(wav_files.int16_noise(RATE_HZ)))
  assert rejected(playlist.format(path=secret).encode())[0] in ('not_audio', 'truncated')


def test_a_file_that_takes_too_long_is_ended():
  data = encoded('wavpack', 60.0)
  assert rejected(data, max_decode_s=0.001)[0] == 'too_slow'


def test_ffmpeg_is_loaded_for_files_that_need_it_alone():
  program = """
import io, sys
from features.decoding import clips
from schemas import audio
from tests.helpers import wav_files
spec = audio.AudioSpec(sample_rate_hz=16_000)
noise = wav_files.int16_noise(16_000)
for form, subtype in (('FLAC', 'PCM_16'), ('OGG', 'OPUS'), ('MP3', 'MPEG_LAYER_III')):
  clips.decode(wav_files.encoded(noise, format=form, subtype=subtype), spec)
print('av' in sys.modules)
"""
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
  assert done.stdout.strip() == 'False'
