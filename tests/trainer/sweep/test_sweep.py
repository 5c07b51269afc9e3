"""Whole sweeps, whose trials are processes that stand in for the trainer's."""

import contextlib
import csv
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from schemas import errors
from tests.helpers import datasets, waits
from tests.trainer.sweep import starts
from trainer import config as config_lib
from trainer import sweep
from trainer.sweep import journal, leases, sweeping

RATES = '--over=learning_rate=0.001|0.01|0.1'


def commands(folder):
  """The command lines of all processes of a trial."""
  name = pathlib.Path(folder).name
  log = pathlib.Path(folder).parent / 'processes' / f'{name}.txt'
  return re.findall(r'^\$ (.*)$', log.read_text(), re.MULTILINE)


def test_a_grid_is_done_and_its_winner_alone_sees_the_test_split(swept, tmp_path, capsys, data_dir):
  found = swept('--search=grid', RATES, '--over=augment=|cutout')
  assert [(one.number, one.chosen['learning_rate'], one.chosen['augment']) for one in found.rows][
    :2
  ] == [(2, '0.01', ''), (3, '0.01', 'cutout')]
  assert len(found.done) == 6
  assert found.winner.value == pytest.approx(0.875) and found.winner.epoch == 3
  assert [path.parent.name for path in tmp_path.glob('out/*/report.json')] == ['trial-0002']
  trained, judged = commands(found.winner.folder)
  assert trained.split()[1:] == [
    '-m', 'tests.trainer.sweep.pretend', 'trainer', f'--data={data_dir}', '--epochs=3',
    '--learning_rate=0.01', f'--run_dir={tmp_path}/out/trial-0002', '--notest',
  ]  # fmt: skip
  assert judged == trained.removesuffix(' --notest')

  out = capsys.readouterr().out
  assert re.search(r'trial-0002 +87.5 % +3 +0.01 +none +1.5 s +70.0 % \(60.0 % to 80.0 %\)', out)
  assert 'the validation measure of a winner is too good' in out
  again = shlex.split(re.search(r'^again +(.*)$', out, re.MULTILINE)[1])
  assert again == [
    'python', '-m', 'trainer', f'--data={data_dir}', '--learning_rate=0.01', '--epochs=3'
  ]  # fmt: skip

  rows = list(csv.DictReader((tmp_path / 'out' / 'sweep.csv').open()))
  assert [row['trial'] for row in rows[:2]] == ['trial-0002', 'trial-0003']
  assert (rows[0]['accuracy'], rows[0]['test_accuracy'], rows[1]['test_low']) == (
    '0.875',
    '0.7',
    '',
  )
  written = json.loads((tmp_path / 'out' / 'sweep.json').read_text())
  assert written['winner'] == 2 and shlex.split(written['winners_command']) == again

  assert swept('--search=grid', RATES, '--over=augment=|cutout', start=starts.forbidden) == found


def test_all_or_none_are_judged_where_that_is_asked(swept, tmp_path, capsys):
  swept('--search=grid', RATES, '--judge=none')
  assert not list(tmp_path.glob('out/*/report.json'))
  swept('--search=grid', RATES, '--judge=all', '--format=markdown')
  assert len(list(tmp_path.glob('out/*/report.json'))) == 3
  out = capsys.readouterr().out
  assert '| trial-0000 | 15.9 % | 3 | 0.001 | 1.5 s | 70.0 % (60.0 % to 80.0 %) |' in out
  assert 'every finished trial was judged on the test split, to be compared' in out


def test_the_worst_loss_is_not_the_best(swept):
  found = swept('--search=grid', RATES, passed=['--monitor=loss'])
  assert found.winner.chosen == {'learning_rate': '0.01'}
  assert found.winner.value == pytest.approx(0.125)


DRAWN = (
  '--over=learning_rate=log:1e-3..1e-1',
  '--over=model=linear|cnn',
  '--over=model.filters=2..9',
)


@pytest.mark.parametrize(('search', 'count'), [('tpe', 12), ('random', 4)])
def test_the_same_seed_gives_the_same_trials_also_where_the_sweep_was_stopped(swept, search, count):
  flags = (f'--search={search}', f'--trials={count}', '--prune=none', '--judge=none', *DRAWN)
  whole = swept(*flags)
  assert len({str(one.chosen) for one in whole.rows}) == count
  assert all(
    ('model.filters' in one.chosen) == (one.chosen['model'] == 'cnn') for one in whole.rows
  )

  started = []

  def dying(*arguments, **others):
    started.append(arguments)
    if len(started) in (2, count - 1):
      raise KeyboardInterrupt
    return starts.pretend(*arguments, **others)

  for _ in range(2):
    with pytest.raises(KeyboardInterrupt):
      swept(*flags, output='stopped', start=dying)
  again = swept(*flags, output='stopped', start=dying)
  assert [(one.number, one.chosen, one.value) for one in again.rows] == [
    (one.number, one.chosen, one.value) for one in whole.rows
  ]
  if search == 'random':
    other = swept(*flags, '--seed=1', output='other')
    assert [one.chosen for one in other.rows] != [one.chosen for one in whole.rows]


def test_more_trials_may_be_asked_for_later(swept, capsys):
  flags = ('--search=random', '--prune=none', DRAWN[0])
  assert len(swept(*flags, '--trials=2').done) == 2
  assert len(swept(*flags, '--trials=6', '--jobs=3').done) == 6
  out = capsys.readouterr().out
  assert 'the test split has been looked at 2 times' in out
  assert 'trains each once' not in out


def test_what_is_drawn_again_is_not_trained_again(swept, tmp_path, capsys):
  flags = ('--search=random', '--prune=none', '--judge=all', RATES, '--over=seed=0..1')
  found = swept(*flags, '--trials=9')
  same = [one for one in found.rows if one.state == 'same']
  assert len(found.done) + len(same) == 9 and len(found.done) <= 6 and len(same) >= 3
  assert len({tuple(one.chosen.items()) for one in found.done}) == len(found.done)
  assert found.rows[-len(same) :] == tuple(same)  # Ranked with nobody, and judged by nobody.
  for one in same:
    assert one.value is None and not os.path.exists(one.folder)
    other = next(row for row in found.done if row.chosen == one.chosen)
    assert one.why == f'the training of trial-{other.number:04d} again'
    assert other.number < one.number
  out = capsys.readouterr().out
  assert 'note: --over has 6 trainings for 9 trials: those that are drawn again are not done' in out
  assert f'trial-{same[0].number:04d}  is {same[0].why}, and not done twice' in out
  assert f'trial-{same[0].number:04d} same: {same[0].why}' in out
  assert swept(*flags, '--trials=9', '--retry_failed', start=starts.forbidden) == found


HANGING = (
  '--over=trunk_learning_rate=log:1e-4..1e-2', '--over=freeze=none|trunk', '--judge=none'
)  # fmt: skip


@pytest.mark.parametrize('search', ['tpe', 'random'])
def test_a_flag_is_drawn_only_where_it_has_an_effect(swept, search, capsys):
  flags = (f'--search={search}', '--trials=6', '--prune=none', *HANGING)
  found = swept(*flags)
  assert len(found.rows) == 6
  for one in found.rows:
    assert ('trunk_learning_rate' in one.chosen) == (one.chosen['freeze'] == 'none')
  # Without a rate all are one training.
  assert [one.chosen['freeze'] for one in found.done].count('trunk') <= 1
  said = 'note: trunk_learning_rate has no effect with --freeze=trunk: such a trial goes without it'
  assert said in capsys.readouterr().out

  def dying(*arguments, **others):
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    swept(*flags, output='stopped', start=dying)
  again = swept(*flags, output='stopped')
  assert [(one.number, one.state, one.chosen) for one in again.rows] == [
    (one.number, one.state, one.chosen) for one in found.rows
  ]


def test_a_grid_in_which_one_combination_cannot_use_a_flag_tries_the_others(
  swept, tmp_path, capsys, monkeypatch
):
  flags = ('--search=grid', '--over=freeze=none|trunk')
  passed = ['--trunk_learning_rate=0.002']
  monkeypatch.setenv('PRETEND_FAIL', '--freeze=none')
  asked, ask = [], journal.Journal.ask

  def ask_once(self):
    if asked:
      raise KeyboardInterrupt
    asked.append(self)
    return ask(self)

  with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
    stopped.setattr(journal.Journal, 'ask', ask_once)
    swept(*flags, passed=passed)
  monkeypatch.delenv('PRETEND_FAIL')
  # A trial that is done again takes a number, and no combination of others.
  found = swept(*flags, '--retry_failed', passed=passed)
  assert sorted((one.number, *one.chosen.values()) for one in found.done) == [
    (1, 'none', '0.002'), (2, 'trunk')
  ]  # fmt: skip
  assert '--trunk_learning_rate' not in commands(tmp_path / 'out' / 'trial-0002')[0]
  out = capsys.readouterr().out
  assert (
    'trunk_learning_rate has no effect with --freeze=trunk: such a trial goes without it' in out
  )
  assert re.search(r'trial-0002 .* trunk +- ', out)
  with pytest.raises(errors.ConfigError, match=r'with -- --trunk_learning_rate 0.002 \(here 0.003'):
    swept(*flags, passed=['--trunk_learning_rate=0.003'])


def test_trials_below_the_median_are_ended_by_a_signal(swept, monkeypatch, tmp_path):
  monkeypatch.setenv('PRETEND_EPOCH_S', '0.02')
  monkeypatch.setenv('PRETEND_WAIT_AT', '9 --learning_rate=0.5')  # However late the signal comes.
  rates = '--over=learning_rate=0.008|0.009|0.01|0.011|0.012|0.5'
  found = swept('--search=grid', rates, '--prune=median', passed=['--epochs=40'])
  last = found.rows[-1]
  assert (last.number, last.state, last.why) == (5, 'pruned', 'after epoch 3')
  assert len(found.done) == 5
  assert 'stopped before epoch' in (tmp_path / 'out' / 'processes' / 'trial-0005.txt').read_text()
  assert not (tmp_path / 'out' / 'trial-0005' / 'outcome.json').exists()


def test_hyperband_prunes_too(swept):
  rates = '--over=learning_rate=0.01|0.009|0.3|0.4|0.5|0.6|0.7|0.8|0.9'
  found = swept('--search=grid', rates, '--prune=hyperband', passed=['--epochs=9'])
  assert found.winner.chosen == {'learning_rate': '0.01'}
  assert {one.state for one in found.rows} == {'done', 'pruned'}


def test_of_folds_the_mean_counts_and_is_shown_with_its_interval(swept, tmp_path, capsys):
  rates = '--over=learning_rate=0.008|0.009|0.01|0.011|0.012|0.5'
  flags = ('--search=grid', rates, '--prune=median')
  found = swept(*flags, passed=['--folds=speaker:4'])
  folds = sorted((tmp_path / 'out' / 'trial-0001').glob('fold-*/history.json'))
  best = [json.loads(path.read_text())[-1]['validation']['accuracy'] for path in folds]
  (second,) = (one for one in found.rows if one.number == 1)
  assert second.value == pytest.approx(sum(best) / 4)
  half = 3.182446 * np.std(best, ddof=1) / 2  # Student's t of 3 degrees of freedom.
  assert second.interval == pytest.approx((second.value - half, second.value + half), abs=1e-6)
  assert found.rows[-1].why == 'after fold 3' and found.winner.number == 0
  assert len(list(tmp_path.glob('out/*/report.json'))) == 1
  out = capsys.readouterr().out
  shown = r'trial-0000 +done +\d+.\d % \(\d+.\d % to \d+.\d %\) .* 50.0 % \(25.0 % to 75.0 %\)'
  assert re.search(shown, out)
  (row, *_) = csv.DictReader((tmp_path / 'out' / 'sweep.csv').open())
  assert (row['test_accuracy'], row['test_low'], row['epoch']) == ('0.5', '0.25', '')
  assert float(row['low']) < float(row['accuracy']) < float(row['high'])


def test_a_trial_that_fails_is_kept_with_the_sentence_of_the_trainer(swept, monkeypatch, capsys):
  monkeypatch.setenv('PRETEND_FAIL', '--learning_rate=0.01')
  found = swept('--search=grid', RATES)
  assert {one.number for one in found.done} == {0, 2}
  assert (found.rows[-1].state, found.rows[-1].why) == (
    'failed', 'The model does not fit into the memory of this machine.'
  )  # fmt: skip
  assert 'trial-0001 failed: The model does not fit' in capsys.readouterr().out
  monkeypatch.delenv('PRETEND_FAIL')
  assert len(swept('--search=grid', RATES, start=starts.forbidden).done) == 2
  again = swept('--search=grid', RATES, '--retry_failed')
  assert (again.winner.number, again.winner.chosen) == (3, {'learning_rate': '0.01'})
  assert {one.number for one in again.done} == {0, 2, 3}


def test_where_one_trial_after_the_other_fails_the_sweep_stops(swept, monkeypatch):
  monkeypatch.setenv('PRETEND_FAIL', '--epochs=3')
  with pytest.raises(
    errors.ConfigError, match='3 trials failed one after the other, the last with: The model'
  ):
    swept('--trials=9', DRAWN[0])


def test_a_trial_whose_process_dies_is_begun_again_and_goes_on(swept, monkeypatch, capsys):
  monkeypatch.setenv('PRETEND_DIE', '--learning_rate=0.01')
  found = swept('--search=grid', RATES)
  assert found.winner.chosen == {'learning_rate': '0.01'} and found.winner.epoch == 3
  assert len(commands(found.winner.folder)) == 3  # Twice trained, once judged.
  assert 'trial-0001  its process died, and is begun again' in capsys.readouterr().out


def test_what_another_holds_is_left_alone_until_it_shows_no_life(swept, tmp_path, monkeypatch):
  monkeypatch.setattr(leases, 'PATIENCE_S', 0.5)
  with pytest.raises(KeyboardInterrupt):
    swept('--search=grid', RATES, start=starts.interrupting(2))
  elsewhere = leases.Leases(str(tmp_path / 'out' / 'processes'))
  elsewhere.take('trial-0001')
  path = tmp_path / 'out' / 'processes' / 'trial-0001.lease'
  fields = json.loads(path.read_text())
  fields['sweep']['machine'] = 'another'
  path.write_text(json.dumps(fields))
  began_s = time.monotonic()
  found = swept('--search=grid', RATES)
  assert len(found.done) == 3
  assert time.monotonic() - began_s > 0.5
  assert len(commands(found.winner.folder)) == 2
  assert not list((tmp_path / 'out' / 'processes').glob('*.lease'))


def test_two_that_share_a_folder_do_every_trial_once(swept, monkeypatch):
  monkeypatch.setenv('PRETEND_EPOCH_S', '0.01')
  rates = '--over=learning_rate=' + '|'.join(str(0.001 * n) for n in range(1, 9))
  found = []
  threads = [
    threading.Thread(target=lambda: found.append(swept('--search=grid', rates, '--jobs=2')))
    for _ in range(2)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert found[0] == found[1] and len(found[0].done) == 8
  counts = [len(commands(one.folder)) for one in found[0].rows]
  assert counts == [2] + [1] * 7  # The winner was judged, once.


def test_a_trial_that_another_ends_while_it_is_looked_for_is_left_alone(swept, monkeypatch):
  with pytest.raises(KeyboardInterrupt):
    swept('--search=grid', RATES, start=starts.interrupting(2))
  look, elsewhere = journal.Journal.trials, []

  def look_early(self):
    found = look(self)
    if not elsewhere and any(one.state.name == sweeping.RUNNING for one in found):
      elsewhere.append(None)
      elsewhere[0] = swept('--search=grid', RATES)
    return found

  monkeypatch.setattr(journal.Journal, 'trials', look_early)
  monkeypatch.setattr(leases.Leases, 'locked', lambda self: contextlib.nullcontext())
  found = swept('--search=grid', RATES)
  assert found == elsewhere[0] and len(found.done) == 3


SWEPT = """
import sys
from tests.trainer.sweep import starts
from trainer import sweep
config, passed = sweep.parse(sys.argv[1:])
space = sweep.asked_space.make(config.over, passed)
sweep.sweep(config, *sweep.looked_up.look(space), start=starts.pretend)
"""


def test_a_sweep_that_is_killed_takes_its_processes_along_and_goes_on(
  swept, tmp_path, data_dir, monkeypatch
):
  monkeypatch.setenv('PRETEND_WAIT_AT', '2 --learning_rate=0.01')
  killed = subprocess.Popen(
    [sys.executable, '-c', SWEPT, f'--output={tmp_path}/out', f'--data={data_dir}',
     '--search=grid', RATES, '--', '--epochs=3'],
    stdout=subprocess.DEVNULL, cwd=starts.ROOT,
  )  # fmt: skip
  history = tmp_path / 'out' / 'trial-0001' / 'history.json'
  try:
    waits.until(history.exists)
  finally:
    killed.kill()
    killed.wait()
  log = tmp_path / 'out' / 'processes' / 'trial-0001.txt'
  waits.until(lambda: 'stopped before epoch' in log.read_text())
  assert len(json.loads(history.read_text())) == 1
  monkeypatch.delenv('PRETEND_WAIT_AT')
  found = swept('--search=grid', RATES)
  assert [one.number for one in found.done] == [1, 2, 0]
  assert len(commands(tmp_path / 'out' / 'trial-0001')) == 3
  assert len(commands(tmp_path / 'out' / 'trial-0000')) == 1


def test_a_line_that_was_cut_is_dropped_and_a_damaged_one_refused(swept, tmp_path):
  whole = swept('--search=grid', RATES)
  journal_file = tmp_path / 'out' / 'journal.jsonl'
  kept = journal_file.read_bytes()
  journal_file.write_bytes(kept + b'{"op_code": 4, "wor')
  assert swept('--search=grid', RATES, start=starts.forbidden) == whole
  assert journal_file.read_bytes().startswith(kept + b'{"op_code":0,')
  lines = kept.splitlines(keepends=True)
  journal_file.write_bytes(b''.join([*lines[:3], b'{"op_\n', *lines[3:]]))
  with pytest.raises(errors.ConfigError, match=r"journal.jsonl' is damaged .* Put back a copy"):
    swept('--search=grid', RATES)
  journal_file.unlink()
  journal_file.mkdir()
  with pytest.raises(errors.ConfigError, match=r"^Could not write '.*/journal.jsonl': Is a dir"):
    swept('--search=grid', RATES)


def test_another_sweep_in_the_same_folder_is_refused_with_what_differs(swept):
  swept('--search=grid', RATES)
  for flags, passed, said in (
    (('--search=grid', '--over=learning_rate=1|2'), (), r'--over=learning_rate 0.001\|0.01\|0.1'),
    (('--search=random', RATES), (), r'--search grid \(here random\)'),
    (('--search=grid', RATES), ['--batch_size=8'], r'-- --batch_size 64 \(here 8\)'),
    (('--search=grid', RATES, '--over=seed=0|1'), (), r'--over of learning_rate \(here learning_'),
  ):
    with pytest.raises(errors.ConfigError, match=f'holds another sweep, with .*{said}'):
      swept(*flags, passed=passed, start=starts.forbidden)


def test_another_data_set_is_refused_and_other_places_are_not(swept, tmp_path, data_dir):
  swept('--search=grid', RATES)
  datasets.write_dataset(tmp_path / 'other', clips_per_speaker=4)
  with pytest.raises(errors.ConfigError, match='a data set of digest'):
    swept('--search=grid', RATES, f'--data={tmp_path}/other', start=starts.forbidden)
  os.symlink(data_dir, tmp_path / 'link')
  swept('--search=grid', RATES, f'--data={tmp_path}/link', '--jobs=2', start=starts.forbidden)


@pytest.mark.parametrize(
  ('arguments', 'said'),
  [
    ([RATES], 'Name --output=FOLDER'),
    (['--output=gs://b/x', RATES], 'wants a folder of this machine'),
    (['--output={tmp}/x'], 'Name what the sweep goes over'),
    (['--output={tmp}/x', '--epochs=3', RATES], '--epochs is a flag of the trainer'),
    (['--output={tmp}/x', '--notf32', RATES], '--tf32 is a flag of the trainer'),
    (['--output={tmp}/x', '--trails=3', RATES], "no flag --trails. Did you mean '--trials'"),
    (['--output={tmp}/x', '--search=grid', '--trials=3', RATES], 'no effect with --search=grid'),
    (['--output={tmp}/x', '--search=grid', '--over=ema=0..0.5'], 'a grid wants every value'),
    (['--output={tmp}/x', '--data=x', RATES, '--', '--data=y'], 'given before and behind'),
    (['--output={tmp}/x', RATES, '--', '--folds=speaker:2', '--fold=1'], 'a trial is all folds'),
    (
      ['--output={tmp}/x', '--data={data}', RATES, '--prune=hyperband', '--', '--folds=speaker:2'],
      'fold by fold',
    ),
    (['--output={tmp}/file', '--data={data}', RATES], 'is a file'),
    (['--output={data}', '--data={data}', RATES], 'and no sweep'),
    (['--output={tmp}/x', '--data={tmp}/none', RATES], 'none'),
    (['--output={tmp}/x', '--data={bare}', RATES], 'compared on the validation split'),
    (['--output={tmp}/x', '--over=data={data}|{bare}'], 'validation split'),
    (['--output={tmp}/x', '--data={data}', '--over=feature=log_mel|mfcc'], 'mfcc'),
  ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_written(arguments, said, tmp_path, data_dir):
  (tmp_path / 'file').touch()
  datasets.write_dataset(tmp_path / 'bare', speakers={'train': ('ada', 'bob')})
  places = {'tmp': tmp_path, 'data': data_dir, 'bare': tmp_path / 'bare'}
  with pytest.raises(errors.VoxshardError, match=said):
    sweep.main([one.format(**places) for one in arguments])
  assert not (tmp_path / 'x').exists()


def test_without_optuna_one_sentence_says_what_to_install(tmp_path, data_dir, monkeypatch):
  monkeypatch.setitem(sys.modules, 'optuna', None)
  with pytest.raises(errors.ConfigError, match=r"Run pip install 'voxshard\[sweep\]'"):
    sweep.main([f'--output={tmp_path}/x', f'--data={data_dir}', RATES])
  assert not (tmp_path / 'x').exists()


def test_help_and_the_checks_need_neither_tensorflow_nor_optuna():
  code = (
    'import sys\nfrom trainer import sweep\nsweep.main(["--help"])\n'
    'print(*sorted({"tensorflow", "keras", "optuna"} & set(sys.modules)), file=sys.stderr)'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=starts.ROOT, capture_output=True, text=True, check=True
  )
  assert done.stderr == '\n' and 'log:LOW..HIGH' in done.stdout


def test_a_lease_of_a_machine_that_was_started_again_is_free(tmp_path):
  ours, others = leases.Leases(str(tmp_path)), leases.Leases(str(tmp_path))
  ours.take('x')
  assert not others.is_free('x') and not ours.is_free('x')
  path = tmp_path / 'x.lease'
  fields = json.loads(path.read_text())
  fields['sweep']['boot'] = 'before'
  path.write_text(json.dumps(fields))
  assert others.is_free('x')
  others.take('x')
  assert not ours.is_ours('x')
  ours.release('x')
  assert others.is_ours('x')
  fields['sweep'] |= {'boot': leases._here()[1], 'pid': os.getpid(), 'start': '1'}
  path.write_text(json.dumps(fields))
  assert others.is_free('x')  # The number of a process that is another one today.


def test_the_winners_command_names_what_is_not_by_itself_so(data_dir):
  space = sweep.asked_space.make(
    ['augment=|gain+shift', 'tf32=true|false'], [f'--data={data_dir}', '--patience=5', '--ema=0.5']
  )
  row = sweep.standings.Row(
    number=0, folder='x', state='done', chosen={'augment': 'gain+shift', 'tf32': 'false'}
  )
  words = shlex.split(sweep.winners_command(space, row))
  assert words[3:] == [
    f'--data={data_dir}', '--augment=gain', '--augment=shift', '--notf32', '--ema=0.5'
  ]  # fmt: skip
  assert config_lib.TrainConfig(
    data=data_dir, augment=('gain', 'shift'), tf32=False, ema=0.5
  ) == space.config(row.chosen)
