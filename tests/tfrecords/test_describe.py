"""The description of a data set, and the command line of the small programs."""

import dataclasses
import os
import re
import subprocess
import sys

import pytest

from schemas import command, rejects, utterance
from tests.helpers import datasets
from tfrecords import describe, verify

SETTINGS = {'num_mels': 16, 'low_hz': 20.0}


@pytest.fixture(scope='module')
def manifest(tmp_path_factory):
  return datasets.write_dataset(
    tmp_path_factory.mktemp('described'),
    features=(dataclasses.replace(datasets.LOG_MEL, settings=SETTINGS), datasets.WAVEFORM),
    clips_per_speaker=500,
    rejects={'empty': 2, 'too_short': 1_234},
    config={'split_by': 'speaker', 'seed': 7},
  )


def row(text, start):
  """Returns the words of the line that starts so."""
  return next(line.split() for line in text.splitlines() if line.strip().startswith(start))


def test_everything_a_user_asks_is_there(manifest):
  text = describe.describe(manifest)
  assert text.startswith('tiny: 3,500 clips, 0.39 hours of audio\n')
  assert 'audio: mono, 8000 Hz, clips of 0.5 s (4000 samples)' in text
  assert '  log_mel: float16 [20, 16], 640 bytes per clip\n    low_hz=20.0, num_mels=16\n' in text
  assert '  waveform: int16 [4000], 8,000 bytes per clip\n' in text
  train_bytes = sum(shard.num_bytes for shard in manifest.shards_of('train'))
  assert row(text, 'train ') == ['train', '2,000', '4', '0.22', '2', f'{train_bytes:,}']
  assert row(text, 'validation ')[:4] == ['validation', '500', '1', '0.06']
  assert row(text, '0 ') == ['0', 'no', '668', '167', '334']
  assert row(text, '2 ') == ['2', 'zero', '664', '166', '332']
  assert 'rejected clips: 1,236' in text
  assert row(text, 'empty ')[:3] == ['empty', '2', 'The']
  assert row(text, 'too_short')[:2] == ['too_short', '1,234']
  assert re.search(r'log_mel: 16 bins of 40,000 values, means -\S+ to -\S+, standard dev', text)
  assert re.search(r'waveform: 1 bin of 8,000,000 values', text)
  assert row(text, 'seed') == ['seed', '7']
  assert row(text, 'voxshard') == ['voxshard', 'test']


def test_the_hours_of_recordings_stand_beside_those_that_are_stored(manifest):
  shards = [dataclasses.replace(manifest.shards[0], source_s=36_000.0), *manifest.shards[1:]]
  text = describe.describe(dataclasses.replace(manifest, shards=tuple(shards)))
  words = 'tiny: 3,500 clips, 0.39 hours of audio, made of 10'
  assert re.match(words + r'.\d\d hours of recordings\n', text)


def test_columns_are_aligned(manifest):
  lines = describe.describe(manifest).splitlines()
  start = lines.index('splits')
  ends = {len(line) for line in lines[start + 1 : start + 5]}
  assert len(ends) == 1, 'numbers end in one column'


def test_a_data_set_without_extras_has_no_empty_sections(tmp_path):
  text = describe.describe(datasets.write_dataset(tmp_path))
  assert 'rejected clips: 0\n' in text
  assert '\n\n\n' not in text
  assert 'warning' not in text


def test_warnings_are_shown(manifest):
  warned = dataclasses.replace(manifest, warnings=('Only one speaker.',))
  assert 'warning: Only one speaker.\n' in describe.describe(warned)


def test_recordings_of_noise_are_no_speakers(tmp_path):
  noise = '_background_noise_/hum'
  made = datasets.write_dataset(
    tmp_path, speakers={'train': ('ada', 'bob', f'{noise}-train'), 'test': (f'{noise}-test',)}
  )
  text = describe.describe(made)
  assert row(text, 'split ')[:4] == ['split', 'clips', 'speakers', 'noises']
  assert row(text, 'train ')[2:4] == ['2', '1']
  assert row(text, 'test ')[2:4] == ['0', '1']
  of_speakers = text.partition('\nspeakers\n')[2].partition('\n\n')[0]
  assert of_speakers == '  train  ada, bob\n  test   none, recordings of noise alone'


def test_a_data_set_without_train_split_is_described(tmp_path):
  text = describe.describe(datasets.write_dataset(tmp_path, speakers={'test': ('fay',)}))
  assert row(text, 'test ')[:3] == ['test', '6', '1']
  assert 'statistics' not in text


def test_clips_of_any_length_are_described(tmp_path):
  made = datasets.write_dataset(
    tmp_path,
    features=(datasets.VARIABLE_LOG_MEL,),
    audio=dataclasses.replace(
      datasets.VARIABLE_AUDIO, trim_db=40.0, effects=('peak', 'high_pass:cutoff_hz=80.0')
    ),
  )
  text = describe.describe(made)
  assert 'audio: mono, 8000 Hz, clips as long as they are, up to 60 s\n' in text
  assert 'silence at the ends: dropped from 40 dB below the loudest on\n' in text
  assert 'effects: peak, high_pass:cutoff_hz=80.0\n' in text
  assert '  log_mel: float16 [any, 16], 32 bytes per row\n' in text
  shortest, longest = (f'{length / 8_000:.2f}' for length in made.length_samples('train'))
  assert row(text, 'split ')[3:8] == ['hours', 'shortest', 's', 'longest', 's']
  assert row(text, 'train ')[4:6] == [shortest, longest]


def test_pictures_are_described(tmp_path):
  made = datasets.write_dataset(tmp_path, features=(datasets.PICTURE,), audio=None)
  text = describe.describe(made)
  assert text.startswith('tiny: 42 pictures\nrecord version')
  assert '  image: uint8 [16, 16, 3], 768 bytes per picture\n' in text
  assert row(text, 'split ') == ['split', 'pictures', 'groups', 'shards', 'bytes']
  assert 'image: 3 bins of 6,144 values' in text
  assert 'audio' not in text


def test_where_a_clip_is_cut_is_said_unless_it_is_the_usual(tmp_path):
  made = datasets.write_dataset(
    tmp_path, audio=dataclasses.replace(datasets.AUDIO, position='centre')
  )
  assert 'clips of 0.5 s (4000 samples), cut and padded at their centre\n' in describe.describe(
    made
  )


def test_what_was_left_out_is_counted(manifest):
  text = describe.describe(
    dataclasses.replace(manifest, left_out={'not_wanted': 1_200, 'no_label': 34})
  )
  assert 'clips that were not asked for: 1,234\n' in text
  assert row(text, 'not_wanted')[:3] == ['not_wanted', '1,200', 'Neither']
  assert 'not asked for' not in describe.describe(manifest)


def test_what_is_noted_is_told(manifest):
  note = rejects.Noted(reason='silent', count=2, names=('a.wav', 'b.wav'))
  text = describe.describe(dataclasses.replace(manifest, noted=(note,)))
  assert f'noted: 2 silent: {rejects.NOTED["silent"]} (a.wav, b.wav)\n' in text


def test_clips_without_labels_are_described(tmp_path):
  made = datasets.write_dataset(
    tmp_path, labels=(utterance.UNLABELLED,), speakers={'test': ('fay',)}
  )
  assert 'labels: none, the clips are there to be predicted\n' in describe.describe(made)


@pytest.mark.parametrize('program', [describe, verify])
class TestCommandLine:
  """Both programs take one folder, and say what is wrong with anything else."""

  def run(self, program, arguments, capsys):
    code = command.run(program.main, [str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err

  def test_a_folder(self, program, capsys, tmp_path):
    datasets.write_dataset(tmp_path)
    code, out, err = self.run(program, [tmp_path], capsys)
    assert (code, err) == (0, '')
    assert out.startswith(str(tmp_path))

  @pytest.mark.parametrize('flag', ['--help', '-h'])
  def test_help(self, program, capsys, flag):
    code, out, err = self.run(program, [flag], capsys)
    assert (code, err) == (0, '')
    name = f'python -m {program.__name__} DIR'
    assert name in out
    assert '--debug' in out
    assert out.startswith(program.__doc__)

  def test_no_folder(self, program, capsys):
    assert self.run(program, [], capsys) == (
      2,
      '',
      "error: Expected one folder, the data job's --output; got none. "
      f'Usage: python -m {program.__name__} DIR.\n',
    )

  def test_an_empty_text(self, program, capsys):
    code, _, err = self.run(program, [''], capsys)
    assert code == 2
    assert err.startswith('error: Expected one folder')

  def test_two_folders(self, program, capsys):
    code, _, err = self.run(program, ['a', 'b'], capsys)
    assert code == 2
    assert err.startswith("error: Expected one folder, the data job's --output; got 2: a b. Usage")

  def test_an_unknown_flag(self, program, capsys):
    code, _, err = self.run(program, ['--debugg', 'a'], capsys)
    assert code == 2
    assert err.startswith("error: There is no flag --debugg. Did you mean '--debug'? Usage: ")

  def test_a_wrong_path(self, program, capsys, tmp_path):
    code, _, err = self.run(program, [tmp_path / 'no'], capsys)
    assert code == 2
    assert err.startswith(f"error: There is no folder '{tmp_path}/no'.")
    assert err.count('\n') == 1

  def test_debug_shows_the_traceback(self, program, capsys, tmp_path):
    code, _, err = self.run(program, ['--debug', tmp_path / 'no'], capsys)
    assert code == 2
    assert 'Traceback' in err

  def test_as_a_user_types_it(self, program, tmp_path):
    datasets.write_dataset(tmp_path)
    done = subprocess.run(
      [sys.executable, '-X', 'importtime', '-m', program.__name__, str(tmp_path)],
      env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
      capture_output=True,
      text=True,
      check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith(str(tmp_path))
    assert 'tensorflow' not in done.stderr, 'seconds of start-up'


def test_which_channel_was_heard_is_told(manifest):
  def head(**settings):
    spec = dataclasses.replace(manifest.audio, **settings)
    return describe.describe(dataclasses.replace(manifest, audio=spec)).splitlines()[1]

  assert head(channel='loudest').startswith('audio: mono, the loudest channel, 8000 Hz')
  assert head(channel='2').startswith('audio: mono, channel 2, 8000 Hz')
  assert head(full_scale=32768.0).startswith('audio: mono, full scale of floats 32768, 8000 Hz')
