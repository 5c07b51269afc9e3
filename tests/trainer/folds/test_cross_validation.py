"""Folds of baselines, which train in milliseconds, in this process; and the flags of programs."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest

from schemas import errors
from tests.helpers import datasets
from tfrecords import command_line
from trainer import baseline, evaluate
from trainer import config as config_lib
from trainer.compare import compared_runs
from trainer.data import datasets as data_sets
from trainer.folds import cross_validation, fold_plan, network_folds, out_of_fold
from trainer.predictions import parquet_reader
from trainer.runs import cv_folder, run_folder, saved_run

SPEAKERS = {'train': ('ada', 'bob', 'cyd', 'dan'), 'validation': ('eve',), 'test': ('fay', 'gus')}


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  """Seven voices, of which four have copies."""
  path = str(tmp_path_factory.mktemp('data') / 'tiny')
  datasets.write_dataset(path, speakers=SPEAKERS, clips_per_speaker=6, copies=1)
  return path


def asked(data_dir, **changes):
  defaults = {'model': 'logistic', 'folds': 'speaker:3', 'jobs': 1}
  return baseline.BaselineConfig(data=data_dir, **{**defaults, **changes})


def in_process(commands, *, log_of, on_start, on_end, **_):
  """Stands for fold_processes.run_all."""
  for number, arguments in commands.items():
    on_start(number)
    assert arguments[:2] == ['-m', 'trainer.baseline']
    with open(log_of(number), 'a', encoding='utf-8') as log:
      log.write('memory   about 1 MB\n')
    baseline.main(arguments[2:])
    on_end(number)


def train(config, run_all=in_process):
  return cross_validation.train(baseline._folds(config), run_all)


@pytest.fixture(scope='module')
def trained(data_dir, tmp_path_factory):
  return train(asked(data_dir, run_dir=str(tmp_path_factory.mktemp('cv') / 'run')))


def no_process(*_, **__):
  raise AssertionError('A process was started.')


def test_every_original_is_in_the_one_file_and_says_its_fold(trained):
  reader = parquet_reader.Reader(trained.top.judgement.predictions_file)
  assert reader.header.split == 'folds'
  rows = [
    row
    for batch in reader.batches()
    for row in zip(batch.ids, batch.speakers, batch.numbers('fold').tolist(), strict=True)
  ]
  assert len(rows) == len({clip for clip, _, _ in rows}) == 7 * 6
  fold_of = {speaker: fold for _, speaker, fold in rows}
  assert len({(speaker, fold) for _, speaker, fold in rows}) == len(fold_of) == 7
  assert set(fold_of.values()) == {0, 1, 2}
  # Each is what the run of that fold says.
  of_folds = [
    batch.logits
    for number in range(3)
    for batch in parquet_reader.Reader(trained.run(number).judgement.predictions_file).batches()
  ]
  together = np.concatenate([batch.logits for batch in reader.batches()])
  np.testing.assert_array_equal(together, np.concatenate(of_folds))


def test_the_one_report_has_the_folds_and_their_mean(trained):
  report = trained.top.read_report()
  reports = [trained.run(number).read_report() for number in range(3)]
  assert report['num_examples'] == 42
  assert report['split'] == 'folds'
  assert report['same_data_as_training']
  assert 'of its own, in the confidence.json of its run' in json.dumps(report)
  accuracies = [one['accuracy'] for one in reports]
  assert [one['accuracy'] for one in report['folds']] == accuracies
  assert [one['num_examples'] for one in report['folds']] == [18, 12, 12]
  voices = [name for one in report['folds'] for name in one['speakers']]
  assert sorted(voices) == sorted(name for names in SPEAKERS.values() for name in names)
  assert report['mean_over_folds']['accuracy'] == pytest.approx(np.mean(accuracies), abs=1e-6)
  # Each fold says the label that is most frequent where it learns.
  right = sum(one['majority_baseline']['accuracy'] * one['num_examples'] for one in reports)
  assert report['majority_baseline']['accuracy'] == pytest.approx(right / 42, abs=1e-6)


def test_the_interval_is_that_of_students_t():
  # By hand: mean 0.7, deviation sqrt(0.02 / 3), t(3, 0.975) = 3.182446.
  found = out_of_fold.mean_over_folds([0.6, 0.7, 0.7, 0.8])
  half = 3.182446 * (0.02 / 3) ** 0.5 / 2
  assert found['accuracy'] == 0.7
  assert (found['low'], found['high']) == pytest.approx((0.7 - half, 0.7 + half), abs=1e-6)
  assert 'too narrow' in found['note']
  assert out_of_fold.mean_over_folds([0.5, 1.0])['low'] == 0


def test_a_fold_is_a_run_that_other_programs_take_and_all_are_none(trained, capsys):
  evaluate.main([f'--run_dir={trained.run(1).path}', '--split=validation'])
  assert 'accuracy' in capsys.readouterr().out
  with pytest.raises(errors.ConfigError, match=r"a model of its own: name one .*fold-00'"):
    saved_run.load(trained.path)


def test_what_is_finished_is_not_done_again(trained, data_dir, capsys):
  before = {name: os.stat(os.path.join(trained.path, name)) for name in os.listdir(trained.path)}
  train(asked(data_dir, run_dir=trained.path), no_process)
  assert 'came to their end; nothing was done' in capsys.readouterr().out
  assert before == {
    name: os.stat(os.path.join(trained.path, name)) for name in os.listdir(trained.path)
  }


@pytest.fixture
def copy(trained, tmp_path):
  """A copy of the finished folds, to be damaged."""
  shutil.copytree(trained.path, tmp_path / 'cv')
  return cv_folder.CvFolder(str(tmp_path / 'cv'))


def nothing_left(commands, **_):
  assert not commands


def noting(done):
  def run_all(commands, **given):
    done.extend(commands)
    in_process(commands, **given)

  return run_all


def test_a_fold_that_was_removed_is_trained_again_and_the_others_are_kept(
  copy, trained, data_dir, capsys
):
  shutil.rmtree(copy.run(1).path)
  done = []
  train(asked(data_dir, run_dir=copy.path), noting(done))
  assert done == [1]
  assert copy.top.read_report() == trained.top.read_report()
  train(asked(data_dir, run_dir=copy.path), no_process)
  assert 'nothing was done' in capsys.readouterr().out


def test_predictions_of_all_folds_that_were_removed_are_written_again(copy, trained, data_dir):
  os.remove(copy.top.judgement.predictions_file)
  with pytest.raises(errors.ConfigError, match=r'the folds are not finished.* same command again'):
    compared_runs.find([copy.path, trained.path])
  train(asked(data_dir, run_dir=copy.path), nothing_left)
  made, wanted = (pathlib.Path(one.top.judgement.predictions_file) for one in (copy, trained))
  assert made.read_bytes() == wanted.read_bytes()


@pytest.mark.parametrize('what', ['predictions.parquet', ''])
def test_answers_of_another_fold_are_never_counted_for_one(what, copy, data_dir):
  """Also where they are as many."""
  for path in (copy.top.outcome_file, copy.top.judgement.report_file):
    os.remove(path)
  before = pathlib.Path(copy.top.judgement.predictions_file).read_bytes()
  here, other = (os.path.join(copy.run(number).path, what) for number in (1, 2))
  if what:
    shutil.copy(other, here)
  else:
    shutil.rmtree(here)
    shutil.copytree(other, here)
  plan = json.loads(pathlib.Path(copy.plan_file).read_text())
  assert plan['folds'][1]['num_test'] == plan['folds'][2]['num_test']
  with pytest.raises(errors.ConfigError, match=r'is not of the 12 clips of fold 1\. Remove the f'):
    train(asked(data_dir, run_dir=copy.path), nothing_left)
  assert pathlib.Path(copy.top.judgement.predictions_file).read_bytes() == before
  shutil.rmtree(copy.run(1).path)
  train(asked(data_dir, run_dir=copy.path))


@pytest.mark.parametrize('name', ['plan.json', 'groups.npy', '01', '01/fold.json', ''])
def test_what_says_which_clips_are_in_which_fold_is_made_anew_the_same(
  name, copy, trained, data_dir
):
  os.remove(copy.top.outcome_file)
  path = os.path.join(copy.data_dir, name)
  (shutil.rmtree if os.path.isdir(path) else os.remove)(path)
  os.remove(copy.top.manifest_file)
  train(asked(data_dir, run_dir=copy.path), nothing_left)
  for one in (
    *pathlib.Path(trained.data_dir).rglob('*.*'),
    pathlib.Path(trained.top.manifest_file),
  ):
    other = pathlib.Path(copy.path, one.relative_to(trained.path))
    assert other.read_bytes() == one.read_bytes()


@pytest.mark.parametrize(
  ('name', 'content', 'wanted'),
  [
    (
      'fold-01/config.json',
      '{',
      r'^Fold 1: .*config\.json.* is damaged.* remove the folder .*-01',
    ),
    ('fold-01/outcome.json', '[]', r'^Fold 1: .*outcome\.json.* remove the folder .*fold-01'),
    (
      'data/01/manifest.json',
      '{',
      r'/manifest\.json is not JSON.* Remove the folder .*data.* anew',
    ),
  ],
)
def test_what_is_damaged_in_a_fold_is_named_with_what_to_do(name, content, wanted, copy, data_dir):
  os.remove(copy.top.outcome_file)
  pathlib.Path(copy.path, name).write_text(content)
  with pytest.raises(errors.ConfigError, match=wanted):
    train(asked(data_dir, run_dir=copy.path), nothing_left)


@pytest.mark.parametrize(
  ('change', 'wanted'),
  [
    ({'flags': {'seed': 7}}, '--seed=7, and this command trains its folds with 0'),
    ({'flags': {'model': 'svm'}}, '--model=svm, and this command trains its folds with logistic'),
    ({'model': 'svm'}, 'model=svm, and'),
    ({'feature': {'name': 'x'}}, 'feature=.*x.*, and'),
  ],
)
def test_a_fold_of_other_settings_is_named_with_what_to_do(change, wanted, copy, data_dir):
  run = copy.run(1)
  config = run.read_config()
  flags = {**config['flags'], **change.pop('flags', {})}
  run.write_json(run.config_file, {**config, **change, 'flags': flags})
  with pytest.raises(errors.ConfigError, match=f'^Fold 1: .*config.json. says {wanted}') as found:
    train(asked(data_dir, run_dir=copy.path), nothing_left)
  assert 'remove the folder' in str(found.value)
  (pathlib.Path(copy.path) / 'outcome.json').unlink()  # As if it were not finished.
  with pytest.raises(errors.ConfigError, match=f'^Fold 1: .*config.json. says {wanted}'):
    train(asked(data_dir, run_dir=copy.path), nothing_left)
  shutil.rmtree(run.path)
  train(asked(data_dir, run_dir=copy.path))


def test_what_is_killed_goes_on_with_the_folds_that_are_left(trained, data_dir, tmp_path, capsys):
  killed = asked(data_dir, run_dir=str(tmp_path / 'run'))

  def one_only(commands, **given):
    first = min(commands)
    in_process({first: commands[first]}, **given)
    raise KeyboardInterrupt

  for _ in range(2):
    with pytest.raises(KeyboardInterrupt):
      train(killed, one_only)
  done = []
  folder = train(killed, noting(done))
  assert done == [2]
  said = capsys.readouterr().out
  assert said.count('(kept)') == 3  # One in the second command, two in the third.
  assert folder.top.read_outcome() == trained.top.read_outcome()
  for name in ('report.json', 'data/plan.json'):
    with open(f'{folder.path}/{name}', 'rb') as one, open(f'{trained.path}/{name}', 'rb') as two:
      assert one.read() == two.read()


def test_a_fold_whose_process_alone_was_asked_to_stop_is_not_taken_for_a_whole_one(
  data_dir, tmp_path
):
  def saved(commands, *, on_start, on_end, **_):
    for number in commands:
      on_start(number)
      on_end(number)  # SIGTERM: its state is saved, and the exit code 0.

  config = asked(data_dir, run_dir=str(tmp_path / 'run'))
  with pytest.raises(errors.ConfigError, match='fold 0 was asked to stop .* run the same command'):
    train(config, saved)
  train(config)


def test_the_line_of_each_fold_and_the_table_are_said(data_dir, tmp_path, capsys):
  train(asked(data_dir, run_dir=str(tmp_path / 'run'), folds='field:take:2'))
  said = capsys.readouterr().out
  assert "folds    2 of 6 values of 'take', each judged on 21 clips; 1 at a time" in said
  assert 'memory   about 1 MB\n' in said
  assert 'fold 0   0, 2, 4: accuracy ' in said
  assert 'mean     accuracy ' in said
  assert 'gus ' in said
  assert "divided by 'take': a voice may be in several" in said
  assert 'learned from and never judged; every one has some' in said


def stopped(*_, **__):
  raise KeyboardInterrupt


def test_voices_without_copies_are_counted(data_dir, tmp_path, capsys):
  with pytest.raises(KeyboardInterrupt):
    train(asked(data_dir, run_dir=str(tmp_path / 'run')), stopped)
  assert '3 voices have none, as the data job makes them' in capsys.readouterr().out


def test_recordings_of_noise_make_no_fold_and_are_judged_beside_voices(tmp_path, capsys):
  noises = tuple(f'_background_noise_/{name}' for name in ('hum', 'tap', 'wind', 'rain'))
  data, run = str(tmp_path / 'data'), str(tmp_path / 'run')
  datasets.write_dataset(data, speakers={'train': (*noises, 'ada', 'bob', 'cyd')})
  with pytest.raises(errors.ConfigError, match=r'has 3 voices \(ada, bob, cyd\)'):
    train(asked(data, folds='speaker:4', run_dir=run), no_process)
  report = train(asked(data, folds='speaker:all', run_dir=run)).top.read_report()
  said = capsys.readouterr().out
  assert 'folds    3 of 3 voices and 4 noises' in said
  assert 'fold 0   ada and 2 noises: accuracy ' in said
  assert '4 recordings of noise are dealt out over the folds' in said
  assert [fold['values'] for fold in report['folds']] == [['ada'], ['bob'], ['cyd']]
  assert [fold['speakers'] for fold in report['folds']] == [['ada'], ['bob'], ['cyd']]
  assert report['mean_over_folds']['num_folds'] == 3
  assert {one['speaker'] for one in report['noises']} == set(noises)
  assert '_background_noise_' not in said


def test_folds_that_were_begun_with_noises_among_voices_go_on_so(data_dir, tmp_path):
  made = cv_folder.CvFolder(str(tmp_path))
  data = data_sets.load(data_dir)
  fold_plan.write(made, fold_plan.divide(data, 'speaker:3'))
  with open(made.plan_file, encoding='utf-8') as stream:
    early = json.load(stream)
  early['version'] = 1
  for fold in early['folds']:
    del fold['num_noises']
  with open(made.plan_file, 'w', encoding='utf-8') as stream:
    json.dump(early, stream)
  assert fold_plan.load(made, data, 'speaker:3').num_noises == 0


def test_labels_that_a_fold_does_not_learn_are_named(tmp_path, capsys):
  # Take number i is of label number i: each fold lacks that of its own and of the next.
  data = tmp_path / 'data'
  datasets.write_dataset(data, labels=('a', 'b', 'c', 'd'), clips_per_speaker=4)
  with pytest.raises(KeyboardInterrupt):
    train(asked(str(data), folds='field:take:4', run_dir=str(tmp_path / 'run')), stopped)
  said = capsys.readouterr().out
  assert 'note: fold 0 learns from no clip of a, b.' in said
  assert 'note: fold 3 learns from no clip of a, d.' in said


def test_one_process_is_given_the_flags_of_all_and_its_number(data_dir, tmp_path):
  folder = str(tmp_path / 'run')
  config = asked(data_dir, run_dir=folder, quantiles='', parallel_folds=3, fold=2)
  baseline.main(command_line.arguments(config))  # By hand, as on another machine.
  assert sorted(os.listdir(folder)) == ['config.json', 'data', 'fold-02', 'lock', 'manifest.json']
  stored = json.loads((tmp_path / 'run' / 'fold-02' / 'config.json').read_text())
  assert stored['data_dir'] == os.path.join(folder, 'data', '02')
  assert (stored['flags']['quantiles'], stored['flags']['folds']) == ('', '')
  with pytest.raises(errors.ConfigError, match=r'makes 3 folds, numbered 0 to 2\.'):
    asked(data_dir, fold=3)
  with pytest.raises(errors.ConfigError, match=r'makes 7 folds, numbered 0 to 6\.'):
    every = asked(data_dir, folds='speaker:all', fold=9, run_dir=str(tmp_path / 'all'))
    baseline.main(command_line.arguments(every))


@pytest.mark.parametrize(
  ('changes', 'wanted'),
  [
    ({'folds': 'speaker:8'}, r'has 7 voices \(ada, bob, .*Ask for at most 7 folds'),
    ({'folds': 'field:takes:3'}, r"70? ?of .* no field 'takes'|no field 'takes'; there are: take"),
  ],
)
def test_what_cannot_be_divided_is_refused_and_nothing_is_written(
  data_dir, tmp_path, changes, wanted
):
  with pytest.raises(errors.ConfigError, match=wanted):
    train(asked(data_dir, run_dir=str(tmp_path / 'run'), **changes), no_process)
  assert not os.listdir(tmp_path)


def test_a_fold_that_could_learn_nothing_is_refused(tmp_path):
  datasets.write_dataset(
    tmp_path / 'data', speakers={'train': ('ada', 'bob')}, labels=('no', 'yes'), clips_per_speaker=2
  )
  with pytest.raises(errors.DatasetError, match='fold 0 would learn from clips of 1 label'):
    train(asked(str(tmp_path / 'data'), folds='field:take:2', run_dir=str(tmp_path / 'run')))


def test_a_data_set_that_was_moved_goes_on_where_it_lies_now(trained, data_dir, tmp_path):
  moved, copy = str(tmp_path / 'moved'), str(tmp_path / 'run')
  shutil.copytree(data_dir, moved)
  shutil.copytree(trained.path, copy)
  shutil.rmtree(os.path.join(copy, 'fold-01'))
  os.remove(os.path.join(copy, 'outcome.json'))
  folder = train(asked(moved, run_dir=copy))
  with open(f'{folder.data(1)}/fold.json', encoding='utf-8') as stream:
    assert json.load(stream)['data_dir'] == moved
  accuracies = [
    [one['accuracy'] for one in cv.top.read_report()['folds']] for cv in (trained, folder)
  ]
  assert accuracies[0] == accuracies[1]


def test_other_flags_or_data_or_a_plain_run_are_refused(trained, data_dir, tmp_path):
  with pytest.raises(errors.ConfigError, match=r'--folds=speaker:3 \(here speaker:2\)'):
    train(asked(data_dir, run_dir=trained.path, folds='speaker:2'), no_process)
  other = tmp_path / 'data'
  datasets.write_dataset(other, clips_per_speaker=3)
  with pytest.raises(errors.ConfigError, match='on another data set than'):
    train(asked(str(other), run_dir=trained.path), no_process)
  with pytest.raises(errors.ConfigError, match=r'--folds=speaker:3 \(here \)'):
    baseline.main(command_line.arguments(asked(data_dir, run_dir=trained.path, folds='')))


def test_overwrite_leaves_nothing_of_the_folds_before(trained, data_dir, tmp_path):
  copy = str(tmp_path / 'run')
  shutil.copytree(trained.path, copy)
  train(asked(data_dir, run_dir=copy, folds='speaker:2', overwrite=True))
  assert not os.path.exists(os.path.join(copy, 'fold-02'))
  baseline.main(command_line.arguments(asked(data_dir, run_dir=copy, folds='', overwrite=True)))
  assert not {'fold-00', 'fold-00.log', 'data'} & set(os.listdir(copy))


@pytest.mark.parametrize(
  ('flags', 'wanted'),
  [
    ({'fold': 1, 'folds': ''}, r'--fold=1 has no effect without --folds'),
    ({'parallel_folds': 2, 'folds': ''}, r'--parallel_folds=2 has no effect without --folds'),
    ({'random_data': True}, 'does not go together with --random_data'),
    ({'unknown_labels': '1'}, 'does not go together with --unknown_labels=1'),
    ({'find_learning_rate': True}, 'does not go together with --find_learning_rate'),
    ({'strategy': 'mirrored', 'parallel_folds': 2}, 'spreads each run over all devices'),
  ],
)
def test_flags_that_do_not_go_together(flags, wanted):
  with pytest.raises(errors.ConfigError, match=wanted):
    config_lib.TrainConfig(**{'folds': 'speaker:2', **flags})


def test_the_process_of_a_fold_trains_an_ordinary_run_on_its_part(data_dir, tmp_path):
  config = config_lib.TrainConfig(
    data=data_dir, folds='speaker:all', fold=1, run_dir=str(tmp_path / 'run'), epochs=7
  )
  alone = network_folds.of_fold(config)
  assert alone.data == str(tmp_path / 'run' / 'data' / '01')
  assert alone.run_dir == str(tmp_path / 'run' / 'fold-01')
  assert (alone.folds, alone.fold, alone.epochs) == ('', None, 7)
  assert (
    command_line.parse(config_lib.TrainConfig, command_line.arguments(config), description='')
    == config
  )


def stand_in(commands, *, on_start, on_end, **_):
  """Leaves what the process of a fold of `python -m trainer --notest` leaves of itself."""
  for number, arguments in commands.items():
    on_start(number)
    asked_for = command_line.parse(config_lib.TrainConfig, arguments[2:], description='')
    alone = network_folds.of_fold(asked_for)
    folder = run_folder.RunFolder(alone.run_dir)
    os.makedirs(folder.path, exist_ok=True)
    folder.write_json(folder.config_file, {'flags': alone.to_json()})
    folder.write_json(folder.outcome_file, {'epochs': alone.epochs, 'steps': 1, 'stopped': ''})
    on_end(number)


def test_more_epochs_train_every_fold_on_and_fewer_are_refused(data_dir, tmp_path, capsys):
  def train_networks(epochs, run_all=stand_in, **changes):
    asked_for = {'data': data_dir, 'folds': 'speaker:2', 'run_dir': str(tmp_path / 'run')}
    config = config_lib.TrainConfig(**{**asked_for, 'epochs': epochs, 'test': False, **changes})
    cross_validation.train(network_folds.job(config), run_all)

  def one_only(commands, **given):
    stand_in({0: commands[0]}, **given)
    raise KeyboardInterrupt

  train_networks(2)
  assert 'trained and not judged (--notest)' in capsys.readouterr().out
  train_networks(2, no_process)
  with pytest.raises(KeyboardInterrupt):
    train_networks(3, one_only)
  left = []
  train_networks(3, lambda commands, **given: left.extend(commands))
  assert left == [1]
  with pytest.raises(errors.ConfigError, match='epochs may be added, not taken away'):
    train_networks(2, no_process)
  # What was trained without the test is judged by the same process without --notest.
  asked_of = {}

  def note(commands, **_):
    asked_of.update(commands)
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    train_networks(3, note, test=True)
  assert sorted(asked_of) == [0, 1]
  assert '--test' in asked_of[0]


def test_networks_are_trained_anew_where_they_are_told_to(data_dir, tmp_path):
  config = config_lib.TrainConfig(
    data=data_dir, model='cnn', folds='speaker:3', run_dir=str(tmp_path / 'run'), overwrite=True
  )
  assert network_folds.job(config).config is config
