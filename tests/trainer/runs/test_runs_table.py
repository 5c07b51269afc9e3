"""All runs below a folder in a table, from nothing but their JSON files."""

import csv
import io
import json
import os
import re
import time

import pytest

from schemas import command
from trainer.runs import run_search, run_summary, runs_table


def epoch(accuracy, loss=1.0, train_s=2.0):
  scores = {'accuracy': accuracy, 'loss': loss, 'num_examples': 10}
  return {'train_s': train_s, 'validation': scores}


def write(path, *, config=None, history=(), outcome=None, report=None):
  """Makes a run folder of JSON files alone; what is None is not there, texts are as they are."""
  path.mkdir(parents=True)
  contents = {'config': config, 'history': list(history), 'outcome': outcome, 'report': report}
  for name, value in contents.items():
    if value is not None:
      text = value if isinstance(value, str) else json.dumps(value)
      (path / f'{name}.json').write_text(text, 'utf-8')


def config_of(**changes):
  return {
    'flags': {'epochs': 3, 'monitor': 'accuracy', 'model': 'cnn'},
    'dataset': 'digits', 'model': 'cnn:filters=4', 'feature': {'name': 'log_mel'},
    'computed': None, 'manifest_sha256': 'ab', 'num_parameters': 1234, **changes,
  }  # fmt: skip


DONE = {'epochs': 3, 'steps': 9, 'stopped': '', 'finished_at': '2026-11-26T07:30:00+00:00'}
REPORT = {
  'accuracy': 0.9,
  'accuracy_interval_95': {'low': 0.85, 'high': 0.93, 'over': 'speakers', 'num_speakers': 20},
}


@pytest.fixture
def runs(tmp_path):
  """A folder with one of each kind."""
  folder = tmp_path / 'runs'
  history = [epoch(0.5), epoch(0.8, 2.0), epoch(0.8, 1.0)]
  write(folder / 'run-10', config=config_of(), history=history, outcome=DONE, report=REPORT)
  write(folder / 'run-2', config=config_of(dataset='数字', model='tc_resnet'), history=[epoch(0.4)])
  baseline = config_of(flags={'model': 'svm'}, model='svm:c=1', num_parameters=None, pooling={})
  lately = {**DONE, 'finished_at': '2026-11-27T00:00:00+00:00'}
  interval = {'low': 0.1, 'high': 0.9}
  report = {'accuracy': 0.5, 'accuracy_interval_95': interval}
  write(folder / 'svm', config=baseline, history=[epoch(0.7)], outcome=lately, report=report)
  write(folder / 'early', config=config_of(), outcome={**DONE, 'stopped': 'no gain'})
  folds = folder / 'folded'
  write(folds, config={'folds': {'text': 'speaker:3'}, 'manifest_sha256': 'ab'})
  (folds / 'data').mkdir()
  (folds / 'data' / 'plan.json').write_text('{"folds": [{}, {}, {}]}')
  for i in range(2):
    outcome = DONE if i == 0 else None
    write(folds / f'fold-{i:02}', config=config_of(), history=history, outcome=outcome)
  write(folder / 'recipe' / 'head', config=config_of(), history=history, outcome=DONE)
  return folder


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
  monkeypatch.setenv('COLUMNS', '400')  # Narrow ones have tests of their own.


def lines(out):
  """Returns the cells of each line of the table by the name of the run."""
  return {line.split()[0]: line.split() for line in out.splitlines() if line}


def test_each_kind_of_run_has_a_line(runs, capsys):
  runs_table.main([str(runs)])
  found = lines(capsys.readouterr().out)
  assert list(found) == ['run', 'early', 'folded', 'recipe/head', 'run-2', 'run-10', 'svm', '*']
  said = ' '.join(found['run-10'])
  assert said.startswith(
    'run-10 digits ab cnn:filters=4 log_mel 80.0 % 90.0 % 85.0 % to 93.0 % 3 of 3 '
  )
  assert said.endswith(' 6 s 1,234 finished')
  assert ' '.join(found['run-2']) == '数字'.join(
    ('run-2 ', ' ab tc_resnet log_mel 40.0 % - - 1 of 3 - 2 s 1,234 unfinished')
  )
  assert '10.0 % to 90.0 %*' in ' '.join(found['svm'])
  assert ' '.join(found['early']).endswith('finished early')
  said = ' '.join(found['folded'])
  assert said.startswith('folded digits ab cnn:filters=4 log_mel - - - - - 12 s 1,234 folds 1 of 3')


def test_data_sets_of_one_name_look_different(tmp_path, capsys):
  for i in range(2):
    write(tmp_path / f'run-{i}', config=config_of(manifest_sha256=f'{i}a' * 32))
  runs_table.main([str(tmp_path)])
  found = lines(capsys.readouterr().out)
  assert [' '.join(found[f'run-{i}']).split()[1:3] for i in range(2)] == [
    ['digits', '0a0a0a0a'],
    ['digits', '1a1a1a1a'],
  ]
  runs_table.main([str(tmp_path), '--data=1a1a', '--format=csv'])
  (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
  assert row['manifest_sha256'] == '1a' * 32


def test_data_sets_of_one_source_are_chosen_by_their_folders(tmp_path, capsys):
  for name in ('words', 'digits'):
    of_folder = config_of(dataset='folders', data_dir=f'/data/{name}')
    write(tmp_path / f'on-{name}', config=of_folder)
  runs_table.main([str(tmp_path), '--data=DIGITS', '--format=csv'])
  (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
  assert row['data_dir'] == '/data/digits'
  runs_table.main([str(tmp_path), '--data=data'])  # Of all folders the last alone.
  assert 'no runs on such data' in capsys.readouterr().out


def test_csv_holds_whole_values(runs, capsys):
  runs_table.main([str(runs), '--format=csv', '--folds'])
  rows = {
    os.path.relpath(row['path'], runs): row
    for row in csv.DictReader(io.StringIO(capsys.readouterr().out))
  }
  assert list(rows)[1:4] == ['folded', 'folded/fold-00', 'folded/fold-01']
  assert (rows['folded']['folds'], rows['folded']['of_folds']) == ('1', '3')
  assert rows['run-2']['dataset'] == '数字'
  assert rows['run-10']['test_low'] == '0.85'
  assert rows['run-10']['finished_at'] == DONE['finished_at']
  assert rows['svm']['interval_over'] == 'examples'
  assert rows['early']['reason'] == 'no gain'


@pytest.mark.parametrize(
  ('flags', 'first', 'last'),
  [
    (['--sort=test'], 'run-10', 'run-2'),
    (['--sort=test', '--reverse'], 'svm', 'run-2'),
    (['--sort=finished'], 'svm', 'run-2'),
    (['--sort=model'], 'early', 'run-2'),
    (['--sort=parameters', '--data=DIGITS'], 'early', 'svm'),
    (['--model=cnn'], 'early', 'run-10'),
  ],
)
def test_lines_are_ordered_and_chosen(runs, capsys, flags, first, last):
  runs_table.main([str(runs), *flags])
  found = [name for name in lines(capsys.readouterr().out) if name not in ('run', '*')]
  assert (found[0], found[-1]) == (first, last)


@pytest.mark.parametrize(
  ('changes', 'sentence'),
  [
    ({'config': '{"flags": '}, 'config.json is damaged'),
    ({'config': '[]'}, 'config.json is no object'),
    ({'config': config_of(), 'history': [3]}, 'history.json is no list of epochs'),
    ({'config': config_of(), 'outcome': '{"epo'}, 'outcome.json is damaged'),
    ({'config': config_of(), 'report': '[' * 100_000}, 'report.json is damaged'),
    ({'config': config_of(), 'report': '\x00'}, 'report.json is damaged'),
  ],
)
def test_what_is_damaged_is_named_and_the_others_are_shown(runs, capsys, changes, sentence):
  write(runs / 'broken', **changes)
  runs_table.main([str(runs)])
  out = capsys.readouterr().out
  assert lines(out)['broken'][-1] == 'damaged'
  assert f'note: {runs}/broken: {sentence}' in out
  assert 'run-10' in out


@pytest.mark.parametrize(
  'value', [None, True, 'x', [], {}, float('nan'), -1, 10**400], ids=lambda value: str(value)[:5]
)
def test_no_value_of_another_kind_stops_the_table(tmp_path, capsys, value):
  config = dict.fromkeys(config_of(), value)
  for where in (config, {'flags': dict.fromkeys(('epochs', 'monitor', 'model'), value)}):
    folder = tmp_path / f'{len(os.listdir(tmp_path))}'
    scores = {'validation': value, 'train_s': value}
    outcome = dict.fromkeys(DONE, value)
    report = dict.fromkeys(REPORT, value)
    write(folder, config=where, history=[scores], outcome=outcome, report=report)
  for form in runs_table.FORMATS:
    runs_table.main([str(tmp_path), f'--format={form}'])
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize('zone', ['Asia/Tokyo', 'America/New_York'])
def test_a_time_that_is_none_of_this_place_stops_no_table(tmp_path, capsys, monkeypatch, zone):
  for name, said in (('first', '0001-01-01T00:00:00+00:00'), ('last', '9999-12-31T23:59:59+00:00')):
    write(tmp_path / name, config=config_of(), outcome={**DONE, 'finished_at': said})
  monkeypatch.setenv('TZ', zone)
  time.tzset()
  try:
    runs_table.main([str(tmp_path)])
  finally:
    monkeypatch.undo()
    time.tzset()
  assert len(capsys.readouterr().out.splitlines()) == 3


def test_links_in_a_circle_and_to_nowhere_and_other_programs_files(runs, capsys):
  os.symlink(runs, runs / 'recipe' / 'circle')
  os.symlink('nowhere', runs / 'nowhere')
  os.symlink('self', runs / 'self')
  os.symlink(runs / 'run-2', runs / 'again')
  write(runs / 'other', config={'architectures': []})
  (runs / 'data').mkdir()
  (runs / 'data' / 'manifest.json').touch()
  runs_table.main([str(runs)])
  found = lines(capsys.readouterr().out)
  # A link is another name of what has a line already.
  assert list(found) == ['run', 'early', 'folded', 'recipe/head', 'run-2', 'run-10', 'svm', '*']
  os.rename(runs / 'run-2', runs.parent / 'elsewhere')
  os.symlink(runs.parent / 'elsewhere', runs / 'linked')
  runs_table.main([str(runs)])
  assert 'linked' in lines(capsys.readouterr().out)


def test_a_folder_that_cannot_be_read_is_named(runs, capsys, monkeypatch):
  scandir = os.scandir

  def refuse(path):
    if str(path).endswith('recipe'):
      raise PermissionError(13, 'Permission denied')
    return scandir(path)

  monkeypatch.setattr(run_search.os, 'scandir', refuse)
  runs_table.main([str(runs)])
  out, err = capsys.readouterr()
  assert err == f'note: {runs}/recipe cannot be read: Permission denied\n'
  assert 'run-10' in out


def test_a_run_without_its_config_is_damaged_and_a_run_itself_may_be_named(runs, capsys):
  (runs / 'run-10' / 'checkpoints').mkdir()
  (runs / 'run-10' / 'config.json').unlink()
  runs_table.main([str(runs / 'run-10')])
  out = capsys.readouterr().out
  assert lines(out)['run-10'][-1] == 'damaged'
  assert 'there is no config.json' in out


def test_names_may_be_any_bytes(tmp_path, capfdbinary):
  try:
    write(tmp_path / os.fsdecode(b'a\xff'), config=config_of())
  except OSError:
    pytest.skip('this file system takes no such names')
  assert command.run(runs_table.main, [str(tmp_path), '--format=csv']) == 0
  assert b'a\xff,digits' in capfdbinary.readouterr().out
  assert command.run(runs_table.main, [str(tmp_path)]) == 0
  assert b'a?' in capfdbinary.readouterr().out


@pytest.mark.parametrize(
  ('arguments', 'sentence'),
  [
    (['nowhere'], "'nowhere' is not there: there are no runs in it"),
    (['a', 'b'], 'Expected one folder with runs, got 2: a, b'),
    (['--sort=tset'], r'--sort: expected one of .* Did you mean .*test'),
  ],
)
def test_what_cannot_be_done_is_a_sentence(capsys, arguments, sentence):
  assert command.run(runs_table.main, arguments) == command.EXIT_BAD_INPUT
  error = capsys.readouterr().err
  assert error.startswith('error: ') and error.count('\n') == 1
  assert re.search(sentence, error)


def test_where_there_are_none_it_says_so(tmp_path, capsys):
  runs_table.main([str(tmp_path)])
  assert capsys.readouterr().out == f'There are no runs below {str(tmp_path)!r}.\n'


def test_a_thousand_runs_take_no_time(tmp_path):
  text = json.dumps({**REPORT, 'labels': [{'label': f'word {i}', 'f1': 0.5} for i in range(35)]})
  for i in range(1_000):
    history = [epoch(0.5)] * 30
    write(tmp_path / f'{i}', config=config_of(), history=history, outcome=DONE, report=text)
  started_s = time.thread_time()
  for path in tmp_path.glob('*/*.json'):
    json.loads(path.read_text())
  read_s = time.thread_time() - started_s
  found, _ = runs_table.gather(runs_table.RunsConfig(folders=(str(tmp_path),)))
  assert len(found) == 1_000
  # As long as to read them takes, some times: on any machine.
  assert time.thread_time() - started_s < 20 * read_s, read_s


def test_the_best_epoch_is_by_what_the_run_looks_at():
  history = [epoch(0.9, loss=2.0), epoch(0.8, loss=1.0), {'train_s': 1.0, 'validation': None}]
  assert run_summary._validation(history, 'accuracy') == 0.9
  assert run_summary._validation(history, 'loss') == 0.8
  assert run_summary._validation(history[2:], 'accuracy') is None
