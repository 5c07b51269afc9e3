"""The program: from predictions and a data set to a list and a page."""

import csv
import hashlib
import io
import os
import shutil

import numpy as np
import pytest
import soundfile

from beam_jobs import featurize
from schemas import command
from tests.helpers import datasets, exploring, out_of_fold, prediction_files, tiny_manifest
from trainer import suspects
from trainer.runs import run_folder

HOSTILE, CHINESE, QUOTED = '<script>alert(1)</script>', '零', 'it\'s "so"'
LABELS = (HOSTILE, CHINESE, QUOTED)
SPEAKERS = ('ann', 'bob', 'cyd', 'dan', 'eve')
TAKES = 4
RATE_HZ = 8_000


def tone(label, speaker, take):
  """A clip that shows its label."""
  time_s = np.arange(RATE_HZ // 2) / RATE_HZ
  random = np.random.default_rng([label, speaker, take])
  hz = (400, 900, 1_700)[label] * (1 + 0.02 * speaker)
  return 0.3 * np.sin(2 * np.pi * hz * time_s) + 0.02 * random.standard_normal(len(time_s))


def write_corpus(root):
  """Writes a table and its clips; returns the ids that are wrong, by what is wrong with them."""
  rows, wrong = [['path', 'label', 'speaker', 'take']], {}
  root.mkdir()
  for label in range(3):
    for i, speaker in enumerate(SPEAKERS):
      for take in range(TAKES):
        name = f'{label}_{speaker}_{take}.wav'
        samples, given = tone(label, i, take), LABELS[label]
        if (label, speaker, take) in ((0, 'ann', 1), (1, 'cyd', 2)):
          given = LABELS[label + 1]
          wrong.setdefault('flipped', []).append(name)
        if (label, speaker, take) == (2, 'dan', 0):
          samples = np.zeros(len(samples))
          wrong['silent'] = [name]
        if (label, speaker, take) == (2, 'eve', 3):
          samples = np.clip(samples * 9, -1, 1)
          wrong['clipped'] = [name]
        soundfile.write(root / name, samples, RATE_HZ, subtype='PCM_16')
        rows.append([name, given, speaker, str(take)])
  shutil.copy(root / '0_bob_0.wav', root / 'again.wav')
  rows.append(['again.wav', QUOTED, 'bob', '0'])
  wrong['same'] = ['again.wav']
  stream = io.StringIO()
  csv.writer(stream).writerows(rows)
  (root / 'clips.csv').write_text(stream.getvalue(), encoding='utf-8')
  return wrong


def featurized(root, output, *more):
  argv = [
    '--source=table', f'--input={root / "clips.csv"}', f'--output={output}', '--workers=0',
    f'--sample_rate_hz={RATE_HZ}', '--clip_seconds=0.5', '--notfds_metadata',
    '--feature=log_mel:num_mels=20', '--min_train_shards=1', *more,
  ]  # fmt: skip
  assert command.run(featurize.main, argv) == 0


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  folder = tmp_path_factory.mktemp('made')
  wrong = write_corpus(folder / 'corpus')
  featurized(folder / 'corpus', folder / 'data')
  out_of_fold.write(folder / 'run', folder / 'data', lambda clip: int(clip.fields['take']))
  return folder, wrong


def listed(folder):
  with open(folder / 'suspects.csv', encoding='utf-8', newline='') as stream:
    return {row['id']: row for row in csv.DictReader(stream)}


def test_what_is_wrong_is_listed_first_with_its_reasons(made, tmp_path, capsys):
  folder, wrong = made
  arguments = [f'--run_dir={folder}/run', f'--output={tmp_path}', '--max_clips=6']
  assert command.run(suspects.main, arguments) == 0
  told = capsys.readouterr().out
  rows = listed(tmp_path)
  assert len(rows) == 3 * len(SPEAKERS) * TAKES + 1
  first = list(rows)[:6]
  assert {*wrong['flipped'], *wrong['silent'], *wrong['same']} <= set(first)
  for name in wrong['flipped']:
    assert rows[name]['suggested'] == LABELS[int(name[0])]
    assert 'label_error' in rows[name]['reasons'].split()
  (silent,), (clipped,), (same,) = wrong['silent'], wrong['clipped'], wrong['same']
  assert 'silent' in rows[silent]['reasons']
  assert 'clipped' in rows[clipped]['reasons'].split()
  assert (rows[same]['twin'], rows[same]['suggested']) == ('0_bob_0.wav', HOSTILE)
  assert 'same_audio' in rows[same]['reasons']
  assert 'same_audio' in rows['0_bob_0.wav']['reasons']
  quiet = [name for name, row in rows.items() if not row['reasons']]
  assert len(quiet) > 40
  assert [row['rank'] for row in rows.values()] == [str(i + 1) for i in range(len(rows))]
  scores = [float(row['score']) for row in rows.values()]
  assert scores == sorted(scores, reverse=True)
  assert 'Every clip was judged by a model that was not trained on it.' in told
  assert 'that counts as' in told


def test_the_same_predictions_give_the_same_bytes(made, tmp_path):
  folder, _ = made
  digests = []
  for name in ('one', 'two'):
    arguments = [f'--run_dir={folder}/run', f'--output={tmp_path / name}', '--max_clips=5']
    assert command.run(suspects.main, arguments) == 0
    digests.append(
      [
        hashlib.sha256((tmp_path / name / file).read_bytes()).hexdigest()
        for file in ('suspects.csv', 'suspects.html')
      ]
    )
  assert digests[0] == digests[1]


def test_the_page_shows_and_runs_nothing_of_what_labels_say(made, tmp_path):
  folder, _ = made
  arguments = [f'--run_dir={folder}/run', f'--output={tmp_path}', '--max_clips=4']
  assert command.run(suspects.main, arguments) == 0
  text = (tmp_path / 'suspects.html').read_text(encoding='utf-8')
  page = exploring.Page(text)
  assert '<script>alert' not in text
  assert HOSTILE in page.text
  assert CHINESE in page.text
  assert sum(tag == 'audio' for tag, _ in page.tags) == 4
  assert sum(tag == 'article' for tag, _ in page.tags) == 4
  assert all(address.startswith(('data:', '#')) for address in page.addresses)


def test_a_data_set_that_is_gone_or_changed_leaves_what_predictions_say(made, tmp_path, capsys):
  folder, wrong = made
  shutil.copytree(folder / 'run', tmp_path / 'run')
  (folder / 'data').rename(folder / 'away')
  try:
    assert command.run(suspects.main, [f'--run_dir={tmp_path}/run', '--max_listed=9']) == 0
  finally:
    (folder / 'away').rename(folder / 'data')
  told = capsys.readouterr().out
  assert 'is not in' in told
  assert 'The first 9 of 61 clips are listed.' in told
  rows = listed(tmp_path / 'run')
  assert len(rows) == 9
  assert set(wrong['flipped']) <= set(rows)
  assert 'silent' in rows[wrong['silent'][0]]['reasons']  # Its file is still there.


def plain_run(folder, judged, *, copies=0, **changes):
  """Writes a run whose split was judged, of no data set that is there."""
  run = run_folder.RunFolder(str(folder))
  (folder / 'checkpoints').mkdir(parents=True)
  (folder / 'config.json').write_text('{}')
  (folder / 'manifest.json').write_text(tiny_manifest.of().to_text())
  ids = [f'clip {i}' for i in range(6)] + [f'clip {i}#copy1' for i in range(copies)]
  target = run.other_judgement(judged)
  os.makedirs(target.path, exist_ok=True)
  logits = np.eye(3)[np.arange(len(ids)) % 3] * 4
  truth = np.arange(len(ids)) % 3
  truth[0] = 1
  prediction_files.write(
    target.predictions_file, ('no', 'yes', 'zero'), truth, logits, ids=ids, split=judged,
    data_dir=str(folder / 'nowhere'), **changes,
  )  # fmt: skip


def test_of_training_clips_it_says_that_errors_hide_and_copies_are_left_out(tmp_path, capsys):
  plain_run(tmp_path / 'run', 'train', copies=3)
  arguments = [f'--run_dir={tmp_path}/run', '--split=train', f'--output={tmp_path}/out']
  assert command.run(suspects.main, arguments) == 0
  told = capsys.readouterr().out
  assert 'learned many of their wrong labels by heart, which hides them' in told
  assert 'left out: 3' in told
  rows = listed(tmp_path / 'out')
  assert list(rows)[0] == 'clip 0'
  assert len(rows) == 6


def test_of_the_test_split_it_says_that_it_is_not_all(tmp_path, capsys):
  plain_run(tmp_path / 'run', 'test')
  assert command.run(suspects.main, [f'--run_dir={tmp_path}/run']) == 0
  assert 'Only clips of the test split were looked at' in capsys.readouterr().out
  assert (tmp_path / 'run' / 'suspects.html').exists()


@pytest.mark.parametrize(
  ('more', 'said'),
  [
    (['--run_dir={none}'], 'holds no run'),
    (['--run_dir={run}', '--split=validation'], 'python -m trainer.evaluate --run_dir='),
    (['--run_dir={folds}', '--split=test'], '--split=test is for runs without folds'),
    (['--run_dir={run}', '--split=all'], "one of train, validation, test, got 'all'"),
    (['--run_dir={run}', '--max_clips=0'], '--max_clips must be at least 1'),
    (['--run_dir={run}', '--output={file}'], 'Could not write'),
    (['--run_dir={damaged}'], 'holds no predictions that can be read'),
    (['--run_dir={cut}'], 'It is the copy of a run: copy the manifest.json of the data set'),
    (['--run_dir={doubled}'], "has 1 clip more than once, such as 'a': nobody can tell"),
  ],
)
def test_bad_input_is_a_sentence(tmp_path, capsys, more, said):
  plain_run(tmp_path / 'run', 'test')
  plain_run(tmp_path / 'folds', 'test')
  (tmp_path / 'folds' / 'predictions.parquet').unlink()
  prediction_files.write(
    tmp_path / 'folds' / 'predictions.parquet', 'ab', [0, 1], np.eye(2), split='folds'
  )
  plain_run(tmp_path / 'damaged', 'test')
  (tmp_path / 'damaged' / 'predictions.parquet').write_bytes(b'PAR1 no')
  for name in ('cut', 'doubled'):
    plain_run(tmp_path / name, 'test')
  (tmp_path / 'cut' / 'manifest.json').write_text('{"a"')
  (tmp_path / 'doubled' / 'predictions.parquet').unlink()
  prediction_files.write(
    tmp_path / 'doubled' / 'predictions.parquet', 'ab', [0, 1, 0], np.eye(2)[[0, 1, 0]],
    ids=['b', 'a', 'a'],
  )  # fmt: skip
  (tmp_path / 'file').write_text('x')
  places = {
    name: tmp_path / name for name in ('run', 'folds', 'none', 'damaged', 'cut', 'doubled', 'file')
  }
  assert command.run(suspects.main, [part.format(**places) for part in more]) == 2
  assert said in capsys.readouterr().err


def test_how_often_the_model_was_right_stands_beside_the_estimate(tmp_path, capsys):
  # Of 400 clips 8 have a wrong label. A good model has these wrong, another one 120 more.
  truth = np.arange(400) % 2
  given = truth ^ (np.arange(400) % 50 == 0)
  for name, step in (('good', 400), ('weak', 3)):
    plain_run(tmp_path / name, 'test')
    path = tmp_path / name / 'predictions.parquet'
    path.unlink()
    said = truth ^ (np.arange(400) % step == 1)
    # Of its own mistakes it is not sure.
    sure = np.where(said == truth, 4.0 - np.arange(400) % 25 / 10, 0.2)[:, None]
    reader = prediction_files.write(path, ('no', 'yes'), given, np.eye(2)[said] * sure)
    assert command.run(suspects.main, [f'--run_dir={tmp_path}/{name}']) == 0
    told = capsys.readouterr().out
    answers = np.concatenate([batch.answers for batch in reader.batches()])
    share = f'{100 * (answers == given).mean():.1f} %'
    assert f'by a model that has {share} of the clips right' in told
    page = (tmp_path / name / 'suspects.html').read_text()
    assert share in page and 'of clips that the model has right' in page
    caution = 'about as large as the share of clips that the model has wrong'
    assert (caution in told) == (caution in page) == (name == 'good')


def test_nothing_but_copies_is_a_sentence(tmp_path, capsys):
  plain_run(tmp_path / 'run', 'test')
  path = tmp_path / 'run' / 'predictions.parquet'
  path.unlink()
  prediction_files.write(path, 'ab', [0, 1], np.eye(2), ids=['a#copy1', 'b#copy2'])
  assert command.run(suspects.main, [f'--run_dir={tmp_path}/run']) == 2
  assert 'holds no clip but augmented copies' in capsys.readouterr().err


def made_of(folder, **changes):
  """Writes a data set that no corpus is behind, and what folds say of it; returns the page."""
  datasets.write_dataset(folder / 'data', **changes)
  out_of_fold.write(folder / 'run', folder / 'data', lambda clip: ord(clip.speaker_id[0]) % 2)
  assert command.run(suspects.main, [f'--run_dir={folder}/run', '--max_clips=3']) == 0
  return exploring.Page((folder / 'run' / 'suspects.html').read_text(encoding='utf-8'))


def test_stored_waveforms_are_heard_and_measured(tmp_path, capsys):
  def arrays(spec, label, random):
    if spec.name == 'waveform':
      loud = random.random() < 0.2
      values = datasets.make_array(spec, label=label, num_labels=3, rng=random, noise=0.1)
      return np.where(np.arange(values.size) % 40 < 10, 32767, values) if loud else values // 20_000
    return datasets.make_array(spec, label=label, num_labels=3, rng=random, noise=0.3)

  page = made_of(tmp_path, features=(datasets.LOG_MEL, datasets.WAVEFORM), arrays=arrays)
  assert sum(tag == 'audio' for tag, _ in page.tags) == 3
  reasons = [row['reasons'].split() for row in listed(tmp_path / 'run').values()]
  clipped, silent = (sum(name in some for some in reasons) for name in ('clipped', 'silent'))
  assert clipped > 2
  assert clipped + silent <= len(reasons)
  assert 'Silence and clipping are of the files' not in capsys.readouterr().out


def test_pictures_are_shown_and_features_without_audio_too(tmp_path, capsys):
  for name, changes in (
    ('pictures', {'features': (datasets.PICTURE,), 'audio': None}),
    ('features', {}),
  ):
    page = made_of(tmp_path / name, **changes)
    images = [values for tag, values in page.tags if tag == 'img']
    assert len(images) == 3
    assert not any(tag == 'audio' for tag, _ in page.tags)
  assert 'No file of a clip is found' in capsys.readouterr().out
