"""The program: what it hears of files, streams and a microphone that is made up."""

import dataclasses
import io
import json
import pathlib
import re
import shutil
import sys
import threading
import time
import types

import numpy as np
import pytest
import soundfile

from schemas import audio as audio_schema
from schemas import command, errors
from tests.helpers import made_exports, made_runs
from tfrecords import manifest_file
from trainer.export import exporting, opened
from trainer.listen import (
  heard_text,
  listen_config,
  listening,
  microphone,
  sound_input,
  sound_picture,
  ways,
)
from trainer.runs import saved_run

ROOT = pathlib.Path(__file__).parents[3]
RATE_HZ = 8_000
# Seconds and pitch of what is heard in 6 s.
SAID = [(1.0, 1.4, 'low'), (3.0, 3.4, 'high'), (4.5, 4.9, 'low')]
HZ = {'low': 300, 'high': 2_500}
FLAGS = ('--smoothing_s=0.1', '--threshold=0.8', '--refractory_s=0.5')


def recording(seconds=6.0):
  rng = np.random.default_rng(1)
  samples = (1e-3 * rng.standard_normal(round(seconds * RATE_HZ))).astype(np.float32)
  for start_s, end_s, label in SAID:
    first, last = round(start_s * RATE_HZ), round(end_s * RATE_HZ)
    times = np.arange(last - first) / RATE_HZ
    samples[first:last] += (0.5 * np.sin(2 * np.pi * HZ[label] * times)).astype(np.float32)
  return samples


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A run that tells low from high tones, and both from what is soft."""
  made = made_runs.make(
    tmp_path_factory.mktemp('tones') / 'run',
    model='linear:pool=true',
    feature='log_mel:num_mels=20,hop_s=0.02',
    audio=audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.4),
    labels=('high', 'low', 'silence'),
  )
  model = made.load_model('best')
  weights = np.zeros((40, 3), np.float32)  # Of the means of 20 bands, then of their deviations.
  weights[2:5, 1] = weights[14:18, 0] = 2.0
  weights[14:18, 1] = weights[2:5, 0] = -2.0
  weights[:20, 2] = -0.4
  model.get_layer('logits').set_weights([weights, np.zeros(3, np.float32)])
  model.save(made.folder.checkpoint_file('best'))
  return made.folder.path


@pytest.fixture(scope='module')
def file(tmp_path_factory):
  path = tmp_path_factory.mktemp('sound') / 'tones.wav'
  soundfile.write(path, recording(), RATE_HZ, subtype='PCM_16')
  return str(path)


def said(capsys, *flags):
  assert command.run(listening.main, [*FLAGS, *flags]) == 0, capsys.readouterr().err
  return capsys.readouterr()


def rows(out):
  return [json.loads(line) for line in out.splitlines()]


def is_right(found):
  assert [row['predictions'][0]['label'] for row in found] == [label for *_, label in SAID]
  for row, (start_s, end_s, _) in zip(found, SAID, strict=True):
    assert start_s < row['end_s'] <= end_s + 0.1 and row['start_s'] < row['end_s']


@pytest.mark.parametrize('how', ['state', 'ring', 'windows'])
def test_a_file_is_heard_in_each_way(how, run, file, capsys):
  flags = (f'--run_dir={run}', f'--input={file}', f'--streaming={how}', '--format=jsonl')
  first = said(capsys, *flags)
  is_right(rows(first.out))
  assert f'way      {how}: ' in first.err
  assert said(capsys, *flags) == first
  # A moment that is less than a sample is one, and not the whole.
  assert 'heard    0:00.00 in 1 window\n' in said(capsys, *flags, '--duration_s=1e-9').err


def test_forms_of_output(run, file, capsys):
  base = (f'--run_dir={run}', f'--input={file}', '--streaming=ring')
  for line, (*_, label) in zip(said(capsys, *base).out.splitlines(), SAID, strict=True):
    assert re.fullmatch(rf'0:0\d\.\d\d to 0:0\d\.\d\d   \d\d\.\d %  {label}', line)
  track = said(capsys, *base, '--format=audacity').out.splitlines()
  assert [line.split('\t')[2] for line in track] == [label for *_, label in SAID]
  header, *lines = said(capsys, *base, '--format=csv', '--labels=high').out.splitlines()
  assert header == 'file,start_s,end_s,label_1,probability_1' and len(lines) == 1


def test_it_is_told_how_it_listens_and_what_came_of_it(run, file, capsys):
  base = (f'--run_dir={run}', f'--input={file}', '--streaming=ring')
  err = said(capsys, *base).err.splitlines()
  assert err == [
    f'model    {run}',
    f'sound    {file}, heard at 8,000 Hz',
    'window   0.4 s, another one every 0.1 s',
    'way      ring: the feature of each frame once',
    'detects  a label whose mean over 0.1 s is at least 80 %; then none for 0.5 s',
    'labels   high, low',
    'heard    0:06.00 in 57 windows',
    'found    3 detections: high 1, low 2',
  ]
  flags = (*base, '--labels=silence', '--duration_s=1.5', '--smoothing_s=0', '--refractory_s=0')
  found = said(capsys, *flags, '--threshold=1')
  *_, detects, names, heard, nothing = found.err.splitlines()
  assert (detects, names) == (
    'detects  a label whose probability is at least 100 %', 'labels   silence'
  )  # fmt: skip
  assert heard == 'heard    0:01.50 in 12 windows' and not found.out
  assert re.fullmatch(
    r'found    nothing; nearest was silence at 0:0\d\.\d\d, with \d+\.\d %', nothing
  )


@pytest.mark.parametrize(
  ('time_s', 'text'),
  [(0, '0:00.00'), (2.5, '0:02.50'), (59.996, '1:00.00'), (3599.99, '59:59.99'),
   (3723.04, '1:02:03.04'), (360_000, '100:00:00.00')],
)  # fmt: skip
def test_times_are_those_of_a_clock(time_s, text):
  assert heard_text.clock(time_s) == text


def test_figures_and_the_page(run, file, tmp_path, capsys):
  truth = tmp_path / 'truth.csv'
  table = [*SAID, (5.5, 5.6, 'high'), (0.1, 0.2, 'silence'), (7, 8, 'low')]
  lines = ''.join(f'{a},{b},{label}\n' for a, b, label in table)
  truth.write_text(f'start_s,end_s,label\n{lines}')
  figures, page = tmp_path / 'figures.json', tmp_path / 'page.html'
  flags = (
    f'--run_dir={run}', f'--input={file}', f'--truth={truth}', f'--figures={figures}',
    f'--picture={page}', '--streaming=ring',
  )  # fmt: skip
  err = said(capsys, *flags).err
  assert 'left out, as they are not detected: silence' in err
  assert f'of --truth={truth} 1 line begins behind the 6.00 s that were heard' in err
  assert 'recall   75.0 %: 3 of 4 that were said were found\nfalse    0 alarms, 0.0 an hour' in err
  assert f'figures  {figures}\npicture  {page}\n' in err
  found = json.loads(figures.read_text())
  assert (found['all']['said'], found['all']['found'], found['all']['recall']) == (4, 3, 0.75)
  assert found['labels']['low']['recall'] == 1 and found['heard_s'] == 6
  curve = found['thresholds']
  assert [one['threshold'] for one in curve] == list(listen_config.THRESHOLDS)
  assert [one['said'] for one in curve] == [4] * 19
  text = page.read_text()
  assert text.count('<rect') == 3 + 4 and 'http' not in text.replace('http://www.w3.org', '')
  before = page.read_bytes(), figures.read_bytes()
  said(capsys, *flags)
  assert (page.read_bytes(), figures.read_bytes()) == before


def test_the_page_does_not_run_what_a_name_says(tmp_path):
  page = sound_picture.page(
    name='<script>x</script>', facts={'a': '<b>'}, spectrogram=sound_picture.Spectrogram(8_000),
    rate_hz=8_000, num_marks=700, events=[], counts={},
    marks=[sound_picture.Mark(start_s=0, end_s=1, label='<img src=x>', probability=0.5)],
  )  # fmt: skip
  assert '<script>x' not in page and '<img' not in page and 'of 700 detections' in page


def test_a_spectrogram_of_any_length_is_as_large():
  spectrogram = sound_picture.Spectrogram(8_000)
  for _ in range(40):
    spectrogram.add(np.ones(80_000, np.float32))
  assert spectrogram.levels().shape[1] <= 2 * sound_picture.COLUMNS
  assert spectrogram.seconds == 400 and spectrogram.drawn_s == pytest.approx(400, abs=0.1)


@pytest.fixture
def trained_so(run, tmp_path):
  """Makes a copy of the run whose clips came to be in another way."""

  def make(made, on_the_fly=()):
    folder = tmp_path / 'run'
    shutil.copytree(run, folder)
    manifest_file.save(dataclasses.replace(saved_run.load(run).manifest, config=made), str(folder))
    config = json.loads((folder / 'config.json').read_text())
    config['flags'] = {'augment': on_the_fly}
    (folder / 'config.json').write_text(json.dumps(config))
    return str(folder)

  return make


@pytest.mark.parametrize(
  ('made', 'on_the_fly', 'is_moved'),
  [
    ({'augmentations': []}, [], False),
    ({'augmentations': ['background_noise']}, ['noise:min_snr_db=5'], False),
    ({'augmentations': ['time_shift:max_shift_s=0.5', 'gain']}, [], True),
    ({'augmentations': []}, ['spec_augment', 'shift'], True),
    ({'raw_files': 'folders'}, [], False),
    ({}, [], None),
  ],
)
def test_it_is_known_whether_clips_were_moved_in_time(made, on_the_fly, is_moved, trained_so):
  assert saved_run.load(trained_so(made, on_the_fly)).moved_in_time is is_moved


def test_a_model_that_knows_words_at_one_place_is_named(
  run, trained_so, file, tmp_path, capsys, monkeypatch
):
  note, flags = 'note: no clip of its training was moved in time', (f'--input={file}',)
  assert note not in said(capsys, f'--run_dir={run}', '--duration_s=0.5', *flags).err
  folder = trained_so({'augmentations': []})
  err = said(capsys, f'--run_dir={folder}', '--duration_s=0.5', *flags).err
  title = 'A model that listens well'
  assert note in err and f'docs/listening.md, "{title}"' in err
  assert f'\n## {title}\n' in (ROOT / 'docs' / 'listening.md').read_text(encoding='utf-8')
  # An export knows it of the run.
  export = exporting.make(saved_run.load(folder)).export
  assert export.moved_in_time is False
  monkeypatch.setattr(ways, 'of_export', lambda *_: ways.Way(kind='windows', hop_samples=800))
  for moved in (False, True, None):
    made = tmp_path / f'export-{moved}'
    made_exports.make(made, audio=export.audio, most_samples=3200, moved_in_time=moved)
    monkeypatch.setattr(opened.exported, 'Exported', made_exports.Stub)
    err = said(capsys, f'--model={made}', '--duration_s=0.5', *flags).err
    assert (note in err) == (moved is False)


def pcm(samples):
  return np.rint(samples * 32768).astype('<i2').tobytes()


def test_standard_input_raw_and_as_wav(run, file, capsys, monkeypatch):
  flags = (f'--run_dir={run}', '--input=-', '--streaming=ring', '--format=jsonl')
  found = []
  with open(file, 'rb') as stream:
    contents = [pcm(recording()), stream.read()]
  for content in contents:
    monkeypatch.setattr(sys, 'stdin', types.SimpleNamespace(buffer=io.BytesIO(content)))
    found.append(rows(said(capsys, *flags).out))
  is_right(found[0])
  assert [row['end_s'] for row in found[1]] == [row['end_s'] for row in found[0]]


def test_standard_input_that_is_closed(run, monkeypatch, capsys):
  monkeypatch.setattr(sys, 'stdin', None)
  assert command.run(listening.main, [f'--run_dir={run}', '--input=-']) == command.EXIT_BAD_INPUT
  assert '--input=-: standard input is closed.' in capsys.readouterr().err


def test_a_wav_header_of_something_else_is_refused(tmp_path):
  path = tmp_path / 'stereo.wav'
  soundfile.write(path, np.zeros((80, 2)), 16_000)
  with pytest.raises(errors.ConfigError, match='got a WAV header of 16-bit PCM, 2 channels, 16000'):
    list(sound_input.of_stream(io.BytesIO(path.read_bytes()), 8_000))
  with pytest.raises(errors.ConfigError, match='without samples'):
    list(sound_input.of_stream(io.BytesIO(path.read_bytes()[:20]), 8_000))
  soundfile.write(path, np.zeros(0), 8_000)
  for content in (b'', b'x', path.read_bytes()):
    with pytest.raises(errors.ConfigError, match='no sound came before standard input ended'):
      list(sound_input.of_stream(io.BytesIO(content), 8_000))
  [few] = sound_input.of_stream(io.BytesIO(b'\0\x40' * 3), 8_000)
  assert few.tolist() == [0.5] * 3


def test_blocks_of_a_file_are_the_whole(tmp_path, monkeypatch):
  path = tmp_path / 'sound.flac'
  samples = 0.3 * np.random.default_rng(2).standard_normal(11_025 * 3 + 17)
  soundfile.write(path, samples, 11_025)
  audio = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, effects=('peak',), trim_db=20.0)
  [whole] = list(sound_input.of_file(str(path), audio))
  monkeypatch.setattr(sound_input, 'BLOCK_S', 0.7)
  blocks = list(sound_input.of_file(str(path), audio))
  assert len(blocks) > 3
  np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)
  with pytest.raises(errors.ConfigError, match='cannot be heard: Wanted a file, got nothing'):
    list(sound_input.of_file(str(tmp_path / 'none.wav'), audio))


def test_ctrl_c_ends_with_the_summary(run, file, capsys, monkeypatch):
  blocks = sound_input.of_file

  def stopped(path, audio):
    for block in blocks(path, audio):
      yield block[: 2 * RATE_HZ]
      raise KeyboardInterrupt

  monkeypatch.setattr(sound_input, 'of_file', stopped)
  flags = (f'--run_dir={run}', f'--input={file}', '--streaming=ring', '--format=jsonl')
  assert command.run(listening.main, [*FLAGS, *flags], stopped='again') == command.EXIT_INTERRUPTED
  found = capsys.readouterr()
  assert len(rows(found.out)) == 1 and 'heard    0:02.00 in' in found.err
  assert 'interrupted: 2.00 s of' in found.err


class PortAudioError(Exception):
  """As sounddevice's."""


def stand_in(monkeypatch, *, opens=True, overflows=False):
  """A sounddevice whose microphone hears the recording, called back in a thread of its own."""

  class InputStream:
    """As sounddevice's, of what is used of it."""

    def __init__(self, samplerate=None, blocksize=None, device=None, channels=None, dtype=None,
                 callback=None):  # fmt: skip
      if not opens:
        raise PortAudioError('Error opening InputStream: Invalid sample rate [PaErrorCode -9997]')
      assert (samplerate, channels, dtype, device) == (RATE_HZ, 1, 'float32', 2)
      self._blocksize, self._callback = blocksize, callback
      self._ends = threading.Event()

    def _go(self):
      samples = recording()
      memory = np.zeros((self._blocksize, 1), np.float32)  # PortAudio's, used again and again.
      for start in range(0, len(samples) - self._blocksize, self._blocksize):
        memory[:, 0] = samples[start : start + self._blocksize]
        status = types.SimpleNamespace(input_overflow=overflows and start == 0)
        self._callback(memory, self._blocksize, None, status)
        memory[:] = 0
        time.sleep(0)
        if self._ends.is_set():
          break

    def __enter__(self):
      self._thread = threading.Thread(target=self._go)
      self._thread.start()
      return self

    def __exit__(self, *args):
      self._ends.set()
      self._thread.join()

  module = types.SimpleNamespace(InputStream=InputStream, PortAudioError=PortAudioError)
  monkeypatch.setitem(sys.modules, 'sounddevice', module)


def test_a_microphone_is_heard(run, capsys, monkeypatch):
  stand_in(monkeypatch, overflows=True)
  flags = (f'--run_dir={run}', '--device=2', '--duration_s=5.5', '--streaming=ring')
  found = said(capsys, *flags, '--format=jsonl')
  is_right(rows(found.out))
  assert 'listening; Ctrl-C ends it.' in found.err and 'heard    0:05.50 in' in found.err
  assert 'the system lost samples 1 time' in found.err


def test_a_microphone_that_is_not_there(monkeypatch):
  stand_in(monkeypatch, opens=False)
  with pytest.raises(errors.ConfigError, match=r'--device=2 that gives 8000 Hz .*Invalid sample'):
    microphone.Microphone(RATE_HZ, '2')
  monkeypatch.setitem(sys.modules, 'sounddevice', None)
  with pytest.raises(errors.ConfigError, match=r"pip install 'voxshard\[listen\]'"):
    microphone.check()


def test_a_microphone_that_is_gone(monkeypatch):
  stand_in(monkeypatch)
  monkeypatch.setattr(microphone, '_GONE_S', 0.01)
  heard = microphone.Microphone(RATE_HZ, '2')
  with pytest.raises(errors.ConfigError, match='gave nothing for'):
    for _ in heard.blocks():
      pass
  assert not heard.lost_s


@pytest.mark.parametrize(
  ('flags', 'text'),
  [
    (['--input=nothing.wav'], '--input=nothing.wav cannot be heard: Wanted a file'),
    (['--input={file}', '--window_s=2'], 'the model hears 0.4 s'),
    (['--input={file}', '--hop_s=0.5'], 'is longer than --window_s'),
    (['--input={file}', '--hop_s=nan'], '--hop_s must be at least 0.001 s, got nan'),
    (['--input={file}', '--hop_s=inf'], '--hop_s must be at least 0.001 s and finite, got inf'),
    (['--input={file}', '--hop_s=0.03', '--streaming=ring'], 'no multiple of the 0.02 s'),
    (['--input={file}', '--labels=loud'], 'the model knows no loud, but high, low, silence'),
    (['--input={file}', '--figures=x.json'], 'has no effect without --truth'),
    (['--input={file}', '--device=1'], '--device=1 has no effect with --input='),
    (['--model=x'], 'Expected --run_dir or --model, got both'),
    (['--input={file}', '--threshold=2'], '--threshold must be'),
    (['--input={file}', '--smoothing_s=-1'], '--smoothing_s must be'),
    (['--input={file}', '--truth={file}'], 'cannot be read'),
    (['--input={file}', '--truth=/dev/zero'], 'is longer than 64 MiB'),
    (['--input={file}', '--truth={wide}'], 'cannot be read: field larger than'),
    (['--input={file}', '--truth={open}'], 'cannot be read: unexpected end of data'),
    (['--input={file}', '--labels=,'], '--labels=, names none. The model knows high, low'),
    (['--input={file}', '--picture={file}'], 'would take the place of'),
    (['--input={file}', '--picture={run}/report.html'], 'would take the place of'),
    (['--input={file}', '--truth=x', '--figures=x'], "would take the place of 'x'"),
    (['--input={file}', '--picture=nowhere/x.html'], '--picture=nowhere/x.html: there is no'),
    (['--input={file}', '--picture=/dev/null'], '--picture=/dev/null is a device'),
  ],
)
def test_bad_input_is_a_sentence(flags, text, run, file, tmp_path, capsys, monkeypatch):
  wide = tmp_path / 'wide.csv'
  wide.write_text(f'start_s,end_s,label\n1,2,"{"x" * 140_000}"\n')
  unclosed = tmp_path / 'unclosed.csv'
  unclosed.write_text('start_s,end_s,label\n1,2,"low\n3,4,high\n')
  given = [flag.format(file=file, run=run, wide=wide, open=unclosed) for flag in flags]
  assert command.run(listening.main, [f'--run_dir={run}', *given]) == command.EXIT_BAD_INPUT
  found = capsys.readouterr()
  assert text in found.err and not found.out
