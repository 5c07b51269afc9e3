import os

import pytest

from schemas import errors
from tfrecords.storage import half_written
from trainer.runs import run_folder


def make_run(path):
  folder = run_folder.RunFolder(str(path))
  folder.create(overwrite=False)
  folder.write_json(folder.config_file, {'seed': 3})
  for file in (*folder.judgement.files, folder.history_file):
    with open(file, 'w', encoding='utf-8') as stream:
      stream.write('old')
  for name in ('best', 'last'):
    with open(folder.checkpoint_file(name), 'w', encoding='utf-8') as stream:
      stream.write('old')
  return folder


def files_of(path):
  return sorted(
    os.path.relpath(os.path.join(top, name), path)
    for top, _, names in os.walk(path)
    for name in names
  )


def test_folders_are_made(tmp_path):
  folder = run_folder.RunFolder(str(tmp_path / 'a' / 'b'))
  folder.create(overwrite=False)
  assert sorted(os.listdir(folder.path)) == ['checkpoints', 'logs']
  assert folder.checkpoint_file('best') == str(tmp_path / 'a/b/checkpoints/best.keras')


def test_empty_folder_is_taken(tmp_path):
  run_folder.RunFolder(str(tmp_path)).create(overwrite=False)


def test_an_earlier_run_is_kept_unless_overwritten(tmp_path):
  folder = make_run(tmp_path / 'run')
  before = files_of(folder.path)
  with pytest.raises(
    errors.ConfigError, match=r'already holds a run\. Replace it with --overwrite'
  ):
    folder.check_usable(overwrite=False)
  with pytest.raises(errors.ConfigError, match='already holds a run'):
    folder.create(overwrite=False)
  assert files_of(folder.path) == before


def test_overwriting_takes_the_old_run_away_and_nothing_else(tmp_path):
  folder = make_run(tmp_path / 'run')
  (tmp_path / 'run' / 'notes.txt').write_text('mine')
  folder.create(overwrite=True)
  assert files_of(folder.path) == ['config.json', 'notes.txt']


@pytest.mark.parametrize('overwrite', [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path, overwrite):
  (tmp_path / 'thesis.tex').write_text('years of work')
  folder = run_folder.RunFolder(str(tmp_path))
  with pytest.raises(errors.ConfigError, match=r"files that are of no run \('thesis.tex'"):
    folder.create(overwrite=overwrite)
  assert files_of(tmp_path) == ['thesis.tex']


def test_a_file_is_no_folder(tmp_path):
  (tmp_path / 'file').write_text('x')
  with pytest.raises(errors.ConfigError, match=r'--run_dir=.*file is a file'):
    run_folder.RunFolder(str(tmp_path / 'file')).check_usable(overwrite=True)
  with pytest.raises(errors.ConfigError, match=r"Could not write '.*inside': Not a directory"):
    run_folder.RunFolder(str(tmp_path / 'file' / 'inside')).create(overwrite=True)


def test_default_folders_are_numbered(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  claimed = [run_folder.claim_default('demo', 'cnn').path for _ in range(3)]
  claimed.append(run_folder.claim_default('demo', 'vgg16').path)
  assert claimed == ['runs/demo-cnn', 'runs/demo-cnn-2', 'runs/demo-cnn-3', 'runs/demo-vgg16']
  assert all(os.path.isdir(path) for path in claimed)


def test_config_is_read_back(tmp_path):
  assert make_run(tmp_path / 'run').read_config() == {'seed': 3}


def test_no_run_in_the_folder(tmp_path):
  with pytest.raises(errors.ConfigError, match=r'holds no run: there is no config.json'):
    run_folder.RunFolder(str(tmp_path)).read_config()
  with pytest.raises(errors.ConfigError, match=r'holds no run'):
    run_folder.RunFolder(str(tmp_path / 'nothing')).read_config()


def test_a_folder_that_a_killed_process_had_just_made_is_taken(tmp_path):
  folder = run_folder.RunFolder(str(tmp_path / 'run'))
  folder.create(overwrite=False)
  for name in ('manifest.json', 'config.json.tmp-0a'):
    (tmp_path / 'run' / name).write_text('{')
  folder.check_usable(overwrite=False)
  folder.create(overwrite=False)
  (tmp_path / 'run' / 'checkpoints' / 'best.keras').write_text('work')
  with pytest.raises(errors.ConfigError, match='files that are of no run'):
    folder.check_usable(overwrite=False)


def test_what_dead_processes_left_half_written_goes(tmp_path, capsys):
  drawn = '0123456789abcdef' * 2
  folder = make_run(tmp_path / 'run')
  for name in (f'last.keras.tmp-{drawn}.keras', f'state-000000000003.npz.tmp-{drawn}'):
    (tmp_path / 'run' / 'checkpoints' / name).write_text('half')
  for name in (f'history.json.tmp-{drawn}', f'report.json.tmp-{drawn}'):
    (tmp_path / 'run' / name).write_text('half')
  (tmp_path / 'run' / 'graphs' / f'.tmp-{drawn}').mkdir(parents=True)
  (tmp_path / 'run' / 'graphs' / f'.tmp-{drawn}' / 'block1').write_text('half')
  kept = [name for name in files_of(folder.path) if '.tmp-' not in name]
  (tmp_path / 'run' / 'notes.tmp-mine').write_text('of the user')
  kept.append('notes.tmp-mine')
  # An evaluation is writing the report just now.
  held = half_written.locked(str(tmp_path / 'run' / f'report.json.tmp-{drawn}'))
  folder.remove_leftovers()
  os.close(held)
  assert f'graphs/.tmp-{drawn}' in capsys.readouterr().err
  assert files_of(folder.path) == sorted([*kept, f'report.json.tmp-{drawn}'])


@pytest.mark.parametrize(
  'begin',
  [
    lambda folder: folder.create(overwrite=True),
    lambda folder: folder.reopen({}),
  ],
  ids=['anew', 'longer'],
)
def test_what_was_said_of_a_model_goes_where_another_is_trained(tmp_path, begin):
  folder = make_run(tmp_path / 'run')
  said = ('confidence.json', 'unknown.parquet', 'report.json', 'predictions.parquet')
  for name in said:
    (tmp_path / 'run' / name).write_text('{}')
  begin(folder)
  assert not set(said) & set(os.listdir(tmp_path / 'run'))


def test_damaged_config_is_named(tmp_path):
  (tmp_path / 'config.json').write_text('{"seed": ')
  with pytest.raises(errors.ConfigError, match=r"config.json' is damaged: .*--overwrite"):
    run_folder.RunFolder(str(tmp_path)).read_config()


def test_a_run_says_when_it_finished(tmp_path, monkeypatch):
  folder = run_folder.RunFolder(str(tmp_path))
  monkeypatch.setattr(run_folder.time, 'time', lambda: 1_764_142_200.9)
  folder.write_outcome(epochs=3, steps=9, stopped='')
  with open(folder.outcome_file, encoding='utf-8') as stream:
    assert '"finished_at": "2025-11-26T07:30:00+00:00"' in stream.read()
  assert folder.read_outcome() == {'epochs': 3, 'steps': 9, 'stopped': ''}
