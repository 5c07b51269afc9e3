"""Recordings of a folder in memory: what is taken, in which bound, and what is said."""

import numpy as np
import pytest

from features.decoding import held_recordings
from schemas import errors
from tests.helpers import signals, wav_files

RATE_HZ = 8_000


def write(path, samples, *, rate_hz=RATE_HZ):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(wav_files.pcm16(np.asarray(samples, np.int16), sample_rate_hz=rate_hz))


def ramp(num_samples, *, top=10_000):
  return np.linspace(1, top, num_samples)


def read(folder, **more):
  defaults = {'window': held_recordings.WHOLE, 'max_bytes': 1 << 20, 'said_by': 'a folder'}
  return held_recordings.read(str(folder), RATE_HZ, **{**defaults, **more})


def parts(held):
  return [
    held.samples[start : start + length]
    for start, length in zip(held.starts, held.lengths, strict=True)
  ]


def test_all_below_a_folder_in_the_order_of_their_names(tmp_path):
  write(tmp_path / 'b' / 'two.wav', ramp(300))
  write(tmp_path / 'a.wav', -ramp(200, top=50))
  write(tmp_path / '.hidden' / 'three.wav', ramp(100))
  (tmp_path / 'notes.txt').write_text('no audio')
  held = read(tmp_path)
  first, second = parts(held)
  np.testing.assert_allclose(first, -ramp(200, top=50) / 50 * 32_767, atol=660)
  np.testing.assert_allclose(second, ramp(300) * 3.2767, atol=5)
  assert held.num_bytes == 2 * 500
  assert held.notes[0].startswith(f'2 recordings of {tmp_path}, 0.1 s at 8000 Hz')
  assert len(held.notes) == 1
  again = read(tmp_path)
  assert again.digest() == held.digest()
  write(tmp_path / 'a.wav', ramp(200))
  assert read(tmp_path).digest() != held.digest()


def test_a_file_stands_for_a_folder_of_one(tmp_path):
  write(tmp_path / 'a.wav', ramp(200))
  write(tmp_path / 'b.wav', ramp(300))
  assert read(tmp_path / 'b.wav').lengths.tolist() == [300]


def test_other_rates_are_resampled_and_counted(tmp_path):
  tone = signals.sine(44_100, sample_rate_hz=44_100, hz=1_000, amplitude=0.5)
  write(tmp_path / 'a.wav', 32_767 * tone, rate_hz=44_100)
  write(tmp_path / 'b.wav', ramp(100))
  held = read(tmp_path)
  assert held.lengths.tolist() == [8_000, 100]
  assert np.abs(np.fft.rfft(parts(held)[0])).argmax() == 1_000
  assert '1 of them had another rate and were resampled' in held.notes


def test_the_window_of_a_recording_and_its_silence_are_left_out(tmp_path):
  samples = ramp(8_000)
  samples[1_600:4_000] = 0
  write(tmp_path / 'a.wav', samples)
  (found,) = parts(read(tmp_path, window=(0.0, 0.8), without_silence=True))
  assert len(found) == 6_400 - 2_400
  assert found[:1_600].any() and (np.diff(found.astype(int)) >= 0).all()


def test_no_more_is_held_than_was_asked_for(tmp_path):
  for name, seconds in (('a', 1), ('b', 10), ('c', 30)):
    write(tmp_path / f'{name}.wav', ramp(seconds * RATE_HZ))
  held = read(tmp_path, max_bytes=2 * 16 * RATE_HZ)
  # 16 s: the second, and 7.5 s of each of the others.
  assert (held.lengths / RATE_HZ).tolist() == [1, 7.5, 7.5]
  assert held.num_bytes <= 2 * 16 * RATE_HZ
  assert 'at most the first 7.5 s of each. max_mb= holds more' in held.notes[1]
  held = read(tmp_path, max_bytes=2 * 2 * RATE_HZ)
  assert (held.lengths / RATE_HZ).tolist() == [1, 1]  # a and b, as c would leave too little of all.
  assert 'and 1 not at all' in held.notes[1]


def test_more_than_there_is_memory_for_is_refused(tmp_path, monkeypatch):
  write(tmp_path / 'a.wav', ramp(1_000))
  monkeypatch.setattr(held_recordings.free_memory, 'free_bytes', lambda: 1_000)
  with pytest.raises(errors.ConfigError, match='Name a smaller max_mb='):
    read(tmp_path)


def test_what_cannot_be_used_is_said(tmp_path):
  write(tmp_path / 'good.wav', ramp(100))
  write(tmp_path / 'zeros.wav', np.zeros(100))
  (tmp_path / 'empty.wav').touch()
  (tmp_path / 'text.flac').write_text('this is no audio')
  held = read(tmp_path)
  assert held.lengths.tolist() == [100]
  assert f'3 files cannot be used, the first {tmp_path}/empty.wav: ' in held.notes[-1]
  (tmp_path / 'good.wav').unlink()
  with pytest.raises(errors.ConfigError, match=r'None of 3 recordings .* can be used.*a folder'):
    read(tmp_path)


@pytest.mark.parametrize(
  ('name', 'sentence'),
  [
    ('missing', r"no recordings at '.*missing': No such file"),
    ('nothing', r"no audio file below '.*nothing'. Name a folder"),
    ('gs://bucket/noise/', r'rsync -r gs://bucket/noise FOLDER\), and name a folder\.$'),
    ('https://host/noise', r'not on this machine.* here first, and name a folder\.$'),
  ],
)
def test_folders_without_recordings_are_refused(tmp_path, name, sentence):
  (tmp_path / 'nothing').mkdir()
  with pytest.raises(errors.ConfigError, match=sentence):
    read(name if '://' in name else tmp_path / name)
