"""predict on files: folders, patterns, windows, true labels, forms, exports as well as runs."""

import csv
import errno
import io
import json

import numpy as np
import PIL.Image
import pytest
import soundfile
from pyarrow import parquet

from schemas import audio as audio_schema
from schemas import command
from tests.helpers import made_runs, media_files, signals
from tfrecords import storage
from trainer import predict
from trainer.confidence import caution
from trainer.export import exporting

RATE_HZ = 8_000
LABELS = ('no', 'stop', 'yes')
AUDIO = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.5, effects=('pre_emphasis', 'peak'))


@pytest.fixture(scope='module')
def run_dir(tmp_path_factory):
  """A run of clips of half a second."""
  path = tmp_path_factory.mktemp('runs') / 'run'
  made_runs.make(path, audio=AUDIO, feature='log_mel:num_mels=20', labels=LABELS)
  return str(path)


@pytest.fixture(scope='module')
def export(run_dir, tmp_path_factory):
  """The same, exported with a temperature and a threshold."""
  from trainer.runs import saved_run

  path = str(tmp_path_factory.mktemp('exports') / 'export')
  how = caution.Caution(temperature=2.0, score='softmax', threshold=0.36)
  made = exporting.make(saved_run.load(run_dir), caution=how)
  exporting.write(made, path, ['saved_model'], overwrite=False)
  return path


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Recordings in folders of labels, one of them long; beside them, what is no audio."""
  path = tmp_path_factory.mktemp('recordings')
  for name, seconds in {
    'yes/a.wav': 0.5, 'yes/b.FLAC': 0.4, 'no/deep/c.wav': 0.5, 'no/long.wav': 2.3,
  }.items():  # fmt: skip
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    samples = signals.noise(round(seconds * RATE_HZ), seed=len(name)) * np.linspace(
      0, 1, round(seconds * RATE_HZ)
    )
    soundfile.write(path / name, samples, RATE_HZ)
  (path / 'no' / 'notes.txt').write_text('no audio')
  return path


@pytest.fixture
def said(run_dir, folder, capsys, monkeypatch):
  """Returns what is printed of a run to stdout and to stderr, in the folder of recordings."""
  monkeypatch.chdir(folder)

  def said(*argv, code=0, model=run_dir):
    assert command.run(predict.main, [f'--model={model}', *argv]) == code
    found = capsys.readouterr()
    assert 'Traceback' not in found.err
    return found.out, found.err

  return said


def files_of(out):
  return [json.loads(line)['file'] for line in out.splitlines()]


def test_folders_and_patterns_in_their_order(said):
  out, err = said('--format=jsonl', 'yes', 'no/**/*.wav')
  assert files_of(out) == ['yes/a.wav', 'yes/b.FLAC', 'no/deep/c.wav', 'no/long.wav']
  out, err = said('--format=jsonl', '**')
  assert files_of(out) == ['no/deep/c.wav', 'no/long.wav', 'yes/a.wav', 'yes/b.FLAC']
  assert "Of '**' 4 files are read, and passed by for their endings: 1 .txt (notes.txt)." in err
  # A folder that a pattern matches stands for what is in it.
  assert files_of(said('--format=jsonl', 'no/d*')[0]) == ['no/deep/c.wav']
  assert files_of(said('--format=jsonl', 'yes/[ab].*')[0]) == ['yes/a.wav', 'yes/b.FLAC']


def test_a_link_into_its_own_folder_is_no_end_of_folders(said, tmp_path):
  soundfile.write(tmp_path / 'a.wav', signals.noise(RATE_HZ), RATE_HZ)
  (tmp_path / 'loop').symlink_to(tmp_path)
  assert files_of(said('--format=jsonl', f'{tmp_path}/**')[0]) == [f'{tmp_path}/a.wav']
  assert files_of(said('--format=jsonl', str(tmp_path))[0]) == [f'{tmp_path}/a.wav']


def test_what_is_not_there_is_named_and_the_others_predicted(said, folder):
  out, err = said('--format=jsonl', 'yes/a.wav', 'yes/z.wav', 'no/*.mp3', code=2)
  found = [json.loads(line) for line in out.splitlines()]
  assert ['error' in line for line in found] == [False, True, True]
  assert "The pattern 'no/*.mp3' matches no file. Is it quoted" in err
  assert 'yes/z.wav: Wanted a file, got nothing under this name.' in err
  assert 'error: 2 of 3 files could not be used' in err
  assert "error: The pattern 'x/*.wav' matches no file" in said('x/*.wav', code=2)[1]
  (folder / 'empty').mkdir(exist_ok=True)
  assert 'there is no file in it' in said('empty', code=2)[1]


@pytest.mark.parametrize('kind', ['run', 'export'])
def test_a_long_recording_is_heard_in_windows(said, export, run_dir, folder, kind):
  """Each is what a file of that part alone is."""
  model = export if kind == 'export' else run_dir
  out, err = said(
    '--format=jsonl', '--window_s=0.5', '--hop_s=0.25', 'no/long.wav', 'yes/b.FLAC', model=model
  )
  assert 'heard only' not in err
  found = [json.loads(line) for line in out.splitlines()]
  starts = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 1.8]
  assert [line['start_s'] for line in found] == [*starts, 0]
  assert [line['end_s'] for line in found] == [*(start + 0.5 for start in starts), 0.4]
  samples, _ = soundfile.read(folder / 'no' / 'long.wav', dtype='int16')
  parts = []
  for i, start_s in enumerate(starts):
    start = round(start_s * RATE_HZ)
    parts.append(f'{i}.wav')
    soundfile.write(folder / parts[-1], samples[start : start + RATE_HZ // 2], RATE_HZ)
  alone = [json.loads(line) for line in said('--format=jsonl', *parts, model=model)[0].splitlines()]
  for part in parts:
    (folder / part).unlink()
  assert [line['predictions'] for line in found[:-1]] == [line['predictions'] for line in alone]
  # Without the flags the beginning is heard, which is said with what to do.
  out, err = said('no/long.wav', model=model)
  assert len(out.splitlines()) == 1
  assert 'heard only 0.5 s, the start, of 1 of 1 file' in err and '--window_s=0.5' in err


def test_the_windows_before_the_damage_are_there(said, tmp_path):
  samples = signals.noise(3 * RATE_HZ)
  soundfile.write(tmp_path / 'x.flac', samples, RATE_HZ)
  data = (tmp_path / 'x.flac').read_bytes()
  (tmp_path / 'x.flac').write_bytes(data[: len(data) // 2])
  out, err = said('--format=csv', '--window_s=0.5', str(tmp_path / 'x.flac'), 'yes/a.wav', code=2)
  rows = list(csv.DictReader(io.StringIO(out)))
  assert 1 <= len(rows) - 1 < 5 and rows[-1]['file'] == 'yes/a.wav'
  assert 'error: 1 of 2 files could not be used' in err


@pytest.mark.parametrize('name', ['clip.webm', 'clip.mp4', 'clip.m4a'])
@pytest.mark.parametrize('kind', ['run', 'export'])
def test_what_browsers_record_is_heard(said, tmp_path, run_dir, export, kind, name):
  model = export if kind == 'export' else run_dir
  coding = name.partition('.')[2]
  samples = signals.noise(media_files.CODINGS[coding][2], amplitude=0.2)
  (tmp_path / name).write_bytes(media_files.encoded(coding, samples))
  argv = ('--format=csv', '--window_s=0.5', str(tmp_path / name))
  rows = list(csv.DictReader(io.StringIO(said(*argv, model=model)[0])))
  assert [row['start_s'][:3] for row in rows[:2]] == ['0.0', '0.5'] and len(rows) in (2, 3)


def test_an_export_answers_as_it_was_made(said, export, folder):
  argv = ('--format=csv', '--probabilities=all', 'yes', 'no')
  of_run = list(csv.DictReader(io.StringIO(said(*argv)[0])))
  of_export = list(csv.DictReader(io.StringIO(said(*argv, model=export)[0])))
  for plain, row in zip(of_run, of_export, strict=True):
    before, after = (
      np.array([float(one[f'probability_{label}']) for label in LABELS]) for one in (plain, row)
    )
    # The temperature is 2; the threshold is for probabilities without it.
    np.testing.assert_allclose(after, before**0.5 / (before**0.5).sum(), atol=1e-4)
    assert row['answer'] == ('none of these' if before.max() < 0.36 else plain['answer'])
  for flag, sentence in {
    '--calibrated': 'answers as it was made. Leave the flag away, or export the run again',
    '--checkpoint=last': 'is of best of a run, and holds no other',
  }.items():
    assert sentence in said(flag, 'yes', code=2, model=export)[1]
  _, err = said(f'--data={folder}', code=2, model=export)
  assert 'takes audio as recorded. Name files, or the run with --run_dir' in err


def test_true_labels_are_those_of_folders_where_that_is_asked(said, folder):
  out, err = said('--format=csv', '--labels_from=folder', 'no/long.wav', 'yes', 'no/deep')
  rows = list(csv.DictReader(io.StringIO(out)))
  assert [row['true_label'] for row in rows] == ['no', 'yes', 'yes', 'deep']
  right = sum(row['label_1'] == row['true_label'] for row in rows[:3])
  assert f'accuracy {100 * right / 3:.1f} %: {right} of 3 clips whose label is known' in err
  assert '1 clip of labels that the model lacks' in err
  text = said('--labels_from=folder', 'yes/a.wav')[0]
  assert text.rstrip().endswith('[true: yes]')
  assert 'true_label' not in said('--format=csv', 'yes')[0]


@pytest.mark.parametrize('form', ['text', 'csv', 'jsonl', 'submission'])
def test_a_file_of_answers_is_what_is_printed(said, tmp_path, form):
  printed = said(f'--format={form}', 'yes', 'no/long.wav')[0]
  path = tmp_path / 'answers'
  path.write_text('of yesterday')
  out, _ = said(f'--format={form}', f'--output={path}', 'yes', 'no/long.wav')
  assert not out
  assert path.read_text() == printed


def test_a_table_has_all_probabilities(said, tmp_path):
  path = tmp_path / 'answers.parquet'
  argv = ('--window_s=0.5', '--probabilities=all', '--labels_from=folder', 'no/long.wav', 'yes')
  said('--format=parquet', f'--output={path}', *argv)
  found = parquet.read_table(path)
  rows = list(csv.DictReader(io.StringIO(said('--format=csv', *argv)[0])))
  assert found.column('file').to_pylist() == [row['file'] for row in rows]
  assert found.column('answer').to_pylist() == [row['answer'] for row in rows]
  said_too = [[float(row[f'probability_{label}']) for label in LABELS] for row in rows]
  np.testing.assert_allclose(found.column('probabilities').to_pylist(), said_too, atol=1e-6)


def test_label_tracks_of_audacity(said, tmp_path):
  argv = ('--format=audacity', '--window_s=0.5', '--hop_s=0.25')
  out, _ = said(*argv, 'no/long.wav')
  spans = [line.split('\t') for line in out.splitlines()]
  assert float(spans[0][0]) == 0 and float(spans[-1][1]) == pytest.approx(2.3)
  assert {label for _, _, label in spans} <= set(LABELS)
  assert all(a[1] == b[0] and a[2] != b[2] for a, b in zip(spans, spans[1:], strict=False))
  said(*argv, f'--output={tmp_path / "tracks"}', '.')
  found = sorted(
    path.relative_to(tmp_path / 'tracks').as_posix()
    for path in (tmp_path / 'tracks').rglob('*.txt')
  )
  assert found == ['no/deep/c.wav.txt', 'no/long.wav.txt', 'yes/a.wav.txt', 'yes/b.FLAC.txt']
  assert (tmp_path / 'tracks' / 'no' / 'long.wav.txt').read_text() == out
  assert 'name a folder for them with --output=FOLDER' in said(*argv, 'yes', code=2)[1]
  assert "'yes/a.wav' is named twice" in said(
    *argv, f'--output={tmp_path}', 'yes/a.wav', 'yes', code=2
  )[1]  # fmt: skip


def test_answers_to_the_challenge(said, tmp_path):
  (tmp_path / 'bad.wav').write_bytes(b'no audio')
  out, err = said('--format=kaggle', 'yes', str(tmp_path / 'bad.wav'), 'no', code=2)
  rows = list(csv.reader(io.StringIO(out)))
  assert rows[0] == ['fname', 'label']
  assert [row[0] for row in rows[1:]] == ['a.wav', 'b.FLAC', 'bad.wav', 'c.wav', 'long.wav']
  assert rows[3][1] == 'unknown' and {row[1] for row in rows[1:]} <= {*LABELS, 'unknown'}
  assert 'note: The model lacks up, down, left, right, on, off, go, silence, unknown of' in err
  (tmp_path / 'a.wav').write_bytes(b'')
  _, err = said('--format=kaggle', 'yes', str(tmp_path / 'a.wav'), code=2)
  assert "A submission would call two clips 'a.wav'" in err
  assert '--submission_names' not in err  # The challenge knows names without folders alone.


@pytest.mark.parametrize(
  ('argv', 'sentence'),
  [
    (['--window_s=-1'], '--window_s must be at least 0.001 s, got -1'),
    (['--window_s=0.5', '--hop_s=-1'], '--hop_s must be at least 0.001 s'),
    (['--hop_s=1'], '--hop_s=1 has no effect without --window_s'),
    (['--window_s=0.5', '--hop_s=1'], 'is longer than --window_s=0.5'),
    (['--window_s=3'], 'the model hears 0.5 s, as it was trained. Write --window_s=0.5'),
    (['--window_s=0.5', '--format=kaggle'], '--format=kaggle has one answer for each clip'),
    (['--format=audacity'], 'write --window_s too'),
    (['--format=parquet'], 'name a file for it with --output=FILE.parquet'),
    (['--probabilities=all', '--top=5'], '--top=5 has no effect with --probabilities=all'),
    (['--format=submission', '--columns=a,a'], 'expected two different names'),
    (['--output=nowhere/x.csv'], 'there is no folder'),
    (['--output=./yes/a.wav'], 'is one of the files that are to be predicted'),
    (['--output=yes'], '--output=yes is a folder. Name a file'),
    (['--output=https://x.org/a'], 'is on a web server'),
    (['--output={run_dir}/report.json'], 'whose files it might replace'),
    (['--output=/dev/null'], 'is a device or a pipe'),
    (['--run_dir=x'], 'Expected --run_dir or --model, got both'),
    (['--labels_from=name'], "expected one of folder, got 'name'"),
  ],
)
def test_wrong_flags_are_a_sentence(said, run_dir, argv, sentence):
  argv = [one.format(run_dir=run_dir) for one in argv]
  out, err = said(*argv, 'yes/a.wav', code=2)
  assert not out and err.startswith('error: ') and sentence in err


@pytest.mark.parametrize('form', ['csv', 'parquet'])
def test_a_disk_that_is_full_leaves_nothing(said, tmp_path, monkeypatch, form):
  path = tmp_path / 'answers'
  path.write_text('of yesterday')
  real = storage.local.write_behind.open_new

  class Full(io.RawIOBase):
    def __init__(self, name):
      self.real = real(name)

    def write(self, data):
      raise OSError(errno.ENOSPC, 'No space left on device')

    def writable(self):
      return True

    def close(self):
      self.real.close()

  monkeypatch.setattr(storage.local.write_behind, 'open_new', Full)
  _, err = said(f'--format={form}', f'--output={path}', 'yes', code=2)
  assert f"error: Could not write the answers to '{path}': No space left on device" in err
  assert path.read_text() == 'of yesterday'
  assert [one.name for one in tmp_path.iterdir()] == ['answers']


def test_pictures_are_seen_by_a_run_and_by_its_export(tmp_path, capsys):
  made = made_runs.make(
    tmp_path / 'run', feature='image:height=16,width=16', audio=None, model='cnn'
  )
  exporting.write(exporting.make(made), str(tmp_path / 'export'), ['saved_model'], overwrite=False)
  pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
  PIL.Image.fromarray(pixels).save(tmp_path / 'x.png')
  said = []
  for name in ('run', 'export'):
    argv = [f'--model={tmp_path / name}', str(tmp_path / 'x.png')]
    assert command.run(predict.main, [*argv, '--format=csv']) == 0
    said.append(capsys.readouterr().out)
    assert command.run(predict.main, [*argv, '--window_s=1']) == 2
    assert 'is for recordings, and the model takes pictures' in capsys.readouterr().err
  assert said[0] == said[1]
