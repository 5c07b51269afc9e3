"""Where the windows of a long recording lie, and what is heard in each."""

import io

import numpy as np
import pytest

from exports import windows as windows_lib
from features.decoding import byte_ranges, clips, ffmpeg, recording, sound_file
from schemas import audio as audio_schema
from schemas import errors
from schemas import utterance as utterance_lib
from tests.helpers import media_files, signals, wav_files
from tfrecords import command_line

RATE_HZ = 8_000


def spec(**settings):
  return audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, **settings)


def spans(recording_s, window_s, hop_s):
  found = windows_lib.Windows(window_s=window_s, hop_s=hop_s)
  listed = [(round(start, 6), round(end, 6)) for start, end in found.spans(recording_s)]
  assert len(listed) == found.num_windows(recording_s) == len([*found.excerpts(recording_s)])
  return listed


def test_the_last_window_is_moved_back_to_end_with_the_recording():
  assert spans(3.0, 1.0, 1.0) == [(0, 1), (1, 2), (2, 3)]
  assert spans(3.2, 1.0, 1.0) == [(0, 1), (1, 2), (2, 3), (2.2, 3.2)]
  assert spans(2.0, 1.0, 0.4) == [(0, 1), (0.4, 1.4), (0.8, 1.8), (1, 2)]
  assert spans(1.0, 1.0, 0.5) == [(0, 1)]
  assert spans(0.3, 1.0, 0.5) == [(0, 0.3)]
  assert len(spans(3600.0, 1.0, 0.1)) == 35_991  # Tenths do not add up to a window more.


@pytest.mark.parametrize(
  ('window_s', 'hop_s', 'sentence'),
  [
    (0.0, 1.0, '--window_s must be at least 0.001 s, got 0'),
    (-1.0, 1.0, '--window_s must be at least 0.001 s, got -1'),
    (1.0, 0.0, '--hop_s must be at least 0.001 s, got 0'),
    (1.0, float('nan'), '--hop_s must be at least 0.001 s, got nan'),
    (1.0, 2.0, '--hop_s=2 is longer than --window_s=1'),
  ],
)
def test_windows_that_there_cannot_be(window_s, hop_s, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    windows_lib.Windows(window_s=window_s, hop_s=hop_s)


def test_flags_are_held_against_the_model():
  def flags(**settings):
    found = windows_lib.WindowFlags(**settings)
    command_line.check(found)
    found.check_windows()
    return found

  assert flags().windows_for(spec()) is None
  found = flags(window_s=0.5).windows_for(spec(clip_s=1))
  assert (found.window_s, found.hop_s) == (0.5, 0.5)
  with pytest.raises(errors.ConfigError, match='--hop_s=1 has no effect without --window_s'):
    flags(hop_s=1)
  with pytest.raises(errors.ConfigError, match='hears 1 s, as it was trained. Write --window_s=1'):
    flags(window_s=2).windows_for(spec(clip_s=1))
  with pytest.raises(errors.ConfigError, match='hears up to 3 s'):
    flags(window_s=9).windows_for(spec(clip_s=0, max_clip_s=30), most_samples=3 * RATE_HZ)
  with pytest.raises(errors.ConfigError, match='the model takes pictures'):
    flags(window_s=2).windows_for(None)


def heard(data, audio, window_s=0.5, hop_s=0.2):
  found = windows_lib.Windows(window_s=window_s, hop_s=hop_s)
  return list(windows_lib.of_recording(data, audio, found))


FORMS = {
  'samples as they are': {},
  'resampled': {'sample_rate_hz': 11_025},
  'any length': {'clip_s': 0},
  'the loudest channel': {'channel': 'loudest'},
  'effects and trimming': {'effects': ('rms',), 'trim_db': 30.0},
}


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('coding', ['PCM_16', 'FLOAT'])
def test_a_window_is_what_the_decoder_makes_of_that_part(form, coding):
  left = signals.noise(20_000, seed=1) * np.linspace(0.1, 1, 20_000, dtype=np.float32)
  stereo = np.stack([left, signals.noise(20_000, seed=2, amplitude=0.2)], axis=1)
  data = wav_files.encoded(stereo, format='WAV', subtype=coding, sample_rate_hz=RATE_HZ)
  audio = audio_schema.AudioSpec(**{'sample_rate_hz': RATE_HZ, 'clip_s': 0.5} | FORMS[form])
  found = heard(byte_ranges.ByteRanges(io.BytesIO(data)), audio)
  assert len(found) == 11
  for window in found:
    part = utterance_lib.Excerpt(start_s=window.start_s, duration_s=0.5)
    alone = clips.decode(data, audio, part)
    np.testing.assert_array_equal(window.clip.samples, alone.samples)
    assert window.clip.noted == alone.noted


# Of WMA no header says how many frames there are: a long one is decoded to count them.
@pytest.mark.parametrize(
  ('coding', 'seconds', 'times'),
  [
    ('webm', 12, 1),
    ('mp4', 12, 1),
    ('m4a', 3, 1),
    ('opus', 3, 1),
    ('mp3', 3, 1),
    ('flac', 3, 1),
    ('wma', 3, 2),
  ],
)
def test_a_compressed_recording_is_decoded_once(coding, seconds, times, monkeypatch):
  rate_hz = media_files.CODINGS[coding][2]
  data = media_files.encoded(coding, signals.noise(seconds * rate_hz, amplitude=0.2))
  whole = clips.decode(data, spec(clip_s=0, max_clip_s=99)).samples
  monkeypatch.setattr(ffmpeg, '_KEPT_VALUES', 1 if coding == 'wma' else 1 << 21)
  decoded = []
  for decoder, method in ((ffmpeg.Decoder, '_samples'), (sound_file.Decoder, '_read')):
    monkeypatch.setattr(decoder, method, _counting(getattr(decoder, method), decoded))
  found = heard(data, spec(clip_s=0), hop_s=0.25)
  assert sum(decoded) / rate_hz == pytest.approx(times * seconds, rel=0.05, abs=0.2)
  assert found[-1].end_s == pytest.approx(seconds, abs=0.15)
  for window in found[1:-1]:
    start = round(window.start_s * RATE_HZ)
    part = whole[start : start + len(window.clip.samples)]
    assert len(window.clip.samples) == RATE_HZ // 2
    np.testing.assert_allclose(window.clip.samples[: len(part)], part, atol=2e-3)


def _counting(method, counts):
  def counted(self, given):
    block = method(self, given)
    counts.append(len(block))
    return block

  return counted


def test_windows_before_the_damage_are_heard():
  samples = signals.noise(30_000, amplitude=0.2)
  data = wav_files.encoded(samples, format='FLAC', subtype='PCM_16', sample_rate_hz=RATE_HZ)
  damaged = data[: len(data) * 2 // 3]
  found = []
  with pytest.raises(clips.ClipError, match='Wanted'):
    for window in windows_lib.of_recording(
      damaged, spec(clip_s=0.5), windows_lib.Windows(window_s=0.5, hop_s=0.5)
    ):
      found.append(window)
  assert 3 <= len(found) <= 5
  with pytest.raises(clips.ClipError, match='0 bytes'):
    heard(b'', spec())


def test_no_more_is_held_than_a_window(monkeypatch):
  monkeypatch.setattr(recording, '_MAX_HELD_VALUES', RATE_HZ // 2)
  mono = wav_files.encoded(
    signals.noise(30_000), format='WAV', subtype='FLOAT', sample_rate_hz=RATE_HZ
  )
  assert len(heard(mono, spec(clip_s=0.5))) == 18
  stereo = wav_files.encoded(
    signals.noise(30_000).reshape(-1, 2), format='WAV', subtype='FLOAT', sample_rate_hz=RATE_HZ
  )
  with pytest.raises(clips.ClipError, match='got 2 channels at 8000 Hz. Name shorter parts'):
    heard(stereo, spec(clip_s=0.5))
