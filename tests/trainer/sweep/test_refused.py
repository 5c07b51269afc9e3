"""Combinations that the trainer refuses, among others that it takes."""

import csv
import json
import re

import pytest

from schemas import errors
from tests.trainer.sweep import starts
from trainer import preflight, sweep
from trainer.sweep import asked_space, journal, left_out

EXCLUDING = ('--over=balance_batches=false|true', '--over=class_weights=none|balanced')
SENTENCE = '--balance_batches draws rare labels more often, and --class_weights=balanced lets'
# Of 44 clips to train on.
STEPS = ('--over=batch_size=8|64', '--over=accumulate=1|4')


def test_a_grid_leaves_out_what_cannot_be_trained_and_says_so_first(swept, tmp_path, capsys):
  began = []

  def start(*arguments, **others):
    if not began:
      began.append(capsys.readouterr().out)
    return starts.pretend(*arguments, **others)

  flags = ('--search=grid', '--over=seed=0|1', *EXCLUDING)
  found = swept(*flags, start=start)
  assert [one.number for one in found.rows] == list(range(6)) and len(found.done) == 6
  both = {'balance_batches': 'true', 'class_weights': 'balanced'}
  assert not any(both.items() <= one.chosen.items() for one in found.rows)
  said = (
    'note: the trainer refuses 2 of 8 trainings of --over, which the grid leaves out\n'
    'note: seed=0, balance_batches=true, class_weights=balanced and 1 other: ' + SENTENCE
  )
  assert ': 6 trials by grid over' in began[0] and said in began[0]
  assert said in capsys.readouterr().out  # Below the table.
  written = json.loads((tmp_path / 'out' / 'sweep.json').read_text())
  assert [one['chosen'] for one in written['refused']] == [{'seed': '0', **both},
                                                           {'seed': '1', **both}]  # fmt: skip
  assert all(one['why'].startswith(SENTENCE) for one in written['refused'])
  assert swept(*flags, '--retry_failed', start=starts.forbidden) == found


def test_a_grid_that_was_stopped_goes_on_without_what_cannot_be_trained(swept):
  flags = ('--search=grid', *EXCLUDING)
  with pytest.raises(KeyboardInterrupt):
    swept(*flags, start=starts.interrupting(2))
  found = swept(*flags)
  assert sorted((one.number, *one.chosen.values()) for one in found.done) == [
    (0, 'false', 'none'), (1, 'false', 'balanced'), (2, 'true', 'none')
  ]  # fmt: skip


def test_what_the_data_refuses_of_some_combinations_is_left_out_too(swept, capsys):
  found = swept('--search=grid', *STEPS)
  assert [tuple(one.chosen.values()) for one in found.rows] == [
    ('8', '1'), ('8', '4'), ('64', '1')
  ]  # fmt: skip
  said = 'note: batch_size=64, accumulate=4: --accumulate=4 with --batch_size=64 makes steps of 256'
  assert said in capsys.readouterr().out


@pytest.mark.parametrize('search', ['tpe', 'random'])
def test_a_draw_that_is_refused_is_no_trial_and_another_is_drawn(swept, search, tmp_path, capsys):
  flags = (f'--search={search}', '--trials=6', '--prune=none', *EXCLUDING, *STEPS,
           '--over=learning_rate=log:1e-3..1e-1')  # fmt: skip
  found = swept(*flags)
  assert len(found.done) == 6 and len(found.rows) == 6 + len(found.refused)
  assert found.refused and found.rows[6:] == found.refused
  for one in found.refused:
    assert (one.state, one.value) == ('refused', None)
    assert one.why.startswith((SENTENCE, '--accumulate=4 with --batch_size=64'))
    assert not (tmp_path / 'out' / 'processes' / f'trial-{one.number:04d}.txt').exists()
  for one in found.done:
    assert not {('balance_batches', 'true'), ('class_weights', 'balanced')} <= {*one.chosen.items()}
    assert not {('batch_size', '64'), ('accumulate', '4')} <= {*one.chosen.items()}
  out = capsys.readouterr().out
  assert f': 6 trials by {search} over' in out
  assert 'note: the trainer refuses some of what may be drawn: that is no trial, and' in out
  number, why = found.refused[0].number, found.refused[0].why
  assert f'trial-{number:04d}  is refused, and no trial: {why}' in out
  assert f'trial-{number:04d} refused: {why}' in out
  count = len(found.refused)
  assert re.search(rf'note: {count} draws? (was|were) refused by the trainer and trained noth', out)
  rows = list(csv.DictReader((tmp_path / 'out' / 'sweep.csv').open()))
  assert [row['note'] for row in rows if row['state'] == 'refused'] == [
    one.why for one in found.refused
  ]
  # Nothing of it failed.
  assert swept(*flags, '--retry_failed', start=starts.forbidden) == found
  with pytest.raises(KeyboardInterrupt):
    swept(*flags, output='stopped', start=starts.interrupting(3))
  again = swept(*flags, output='stopped')
  assert [(one.number, one.state, one.chosen) for one in again.rows] == [
    (one.number, one.state, one.chosen) for one in found.rows
  ]


def test_a_draw_whose_refusal_was_not_noted_is_refused_when_the_sweep_goes_on(
  swept, monkeypatch, tmp_path
):
  flags = ('--search=random', '--trials=6', '--prune=none', *EXCLUDING, '--over=seed=0..99')
  whole = swept(*flags)
  tell = journal.Journal.tell

  def dying(self, trial, state, value=None):
    if journal.REFUSED in self.trials()[trial.number].user_attrs:
      raise KeyboardInterrupt
    tell(self, trial, state, value)

  with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
    killed.setattr(journal.Journal, 'tell', dying)
    swept(*flags, output='stopped')
  (lease,) = (tmp_path / 'stopped' / 'processes').glob('*.lease')
  lease.unlink()  # As its process is dead.
  again = swept(*flags, output='stopped')
  assert [(one.number, one.state, one.chosen) for one in again.rows] == [
    (one.number, one.state, one.chosen) for one in whole.rows
  ]


def test_where_nearly_all_is_refused_drawing_has_an_end(swept, monkeypatch, capsys):
  monkeypatch.setattr(journal, 'MOST_REFUSED', 0)
  flags = ('--search=random', '--trials=6', '--prune=none', *EXCLUDING, '--over=seed=0..99')
  found = swept(*flags)
  assert found.refused and len(found.rows) == len(found.refused) + len(found.done) == 6
  out = capsys.readouterr().out
  assert f'note: only {len(found.done)} of 6 trials were begun, as 0 draws for each trial' in out
  monkeypatch.setattr(journal, 'MOST_REFUSED', 10)
  assert len(swept(*flags).done) == 6
  assert 'were begun' not in capsys.readouterr().out


@pytest.mark.parametrize(
  ('over', 'passed', 'said'),
  [
    # Every combination.
    (['seed=0|1'], ['--balance_batches', '--class_weights=balanced'], SENTENCE),
    (['balance_batches=true|false'], ['--class_weights=balanced'], SENTENCE),
    # A value that nothing goes with, beside two that exclude each other only.
    (['class_weights=none|balanced|balancd', 'balance_batches=true|false'], [], "'balanced'?"),
    (
      ['balance_batches=true|false', 'class_weights=balanced|none', 'model=cnm|cnn'],
      [],
      "called 'cnm'",
    ),
    (['batch_size=8|x', 'balance_batches=true|false'], [], "a whole number, got 'x'"),
    (['ema=0..7', 'balance_batches=true|false'], [], '--ema must be'),
  ],
)
def test_a_value_that_no_trial_can_have_is_an_error_at_once(over, passed, said):
  with pytest.raises(errors.ConfigError, match=re.escape(said)):
    asked_space.make(over, passed)


def test_what_all_trials_have_may_be_right_only_beside_what_each_has():
  passed = ['--schedule=cosine:warmup_epochs=90']
  space = asked_space.make(['epochs=100|200'], passed)
  assert [space.config(one).epochs for one in space.grid()] == [100, 200]
  with pytest.raises(errors.ConfigError, match='warms up for 90 epochs, of --epochs=50'):
    asked_space.make(['epochs=50|200'], passed)
  with pytest.raises(errors.ConfigError, match='--seed: expected a whole number'):
    asked_space.make(['epochs=100|200'], [*passed, '--seed=x'])


MANY = ['seed=' + '|'.join(map(str, range(31))), 'batch_size=8|16', 'ema=0.1|0.2|0.3|0.4']


def test_of_many_combinations_a_value_is_right_that_goes_with_some():
  # The first of each exclude each other.
  over = ['balance_batches=true|false', 'class_weights=balanced|none', *MANY]
  space = asked_space.make(over, [])
  assert not space.has_few and len(space.grid()) == 3 * 31 * 2 * 4
  assert left_out.lines(space, is_grid=True)[0].startswith('the trainer refuses 248 of 992 train')
  with pytest.raises(errors.ConfigError, match="No model is called 'cnm'"):
    asked_space.make([*over, 'model=cnn|cnm'], [])


def test_data_that_no_trial_can_read_ends_the_sweep_and_a_disk_that_is_silent_too(
  data_dir, tmp_path, monkeypatch
):
  with pytest.raises(errors.VoxshardError, match='none'):
    sweep.main([f'--output={tmp_path}/x', f'--over=data={data_dir}|{tmp_path}/none'])
  with pytest.raises(errors.ConfigError, match='--accumulate=9 with --batch_size=64'):
    steps = ('--over=batch_size=64|128', '--over=accumulate=1|9')
    sweep.main([f'--output={tmp_path}/x', f'--data={data_dir}', *steps])

  check = preflight.check

  def silent(config):
    if config.accumulate == 4:
      raise errors.StorageError('The disk does not answer.')
    return check(config)

  monkeypatch.setattr(preflight, 'check', silent)
  with pytest.raises(errors.StorageError, match='does not answer'):
    sweep.main([f'--output={tmp_path}/x', f'--data={data_dir}', '--search=grid', *STEPS])
  assert not (tmp_path / 'x').exists()
