"""python -m trainer.baseline as a user meets it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import skops.io
import tensorflow as tf
from sklearn import pipeline, preprocessing

from schemas import command, record
from tests.helpers import datasets
from tfrecords.resources import free_memory
from trainer import __main__, baseline, baselines, evaluate, predict
from trainer.baselines import classifier, family
from trainer.judging import judge, judged
from trainer.runs import run_folder, saved_run

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope='module')
def run_dir(data_dir, tmp_path_factory):
  """A finished run that nobody changes."""
  path = str(tmp_path_factory.mktemp('runs') / 'logistic')
  assert (
    command.run(baseline.main, [f'--data={data_dir}', '--model=logistic', f'--run_dir={path}']) == 0
  )
  return path


@pytest.fixture
def copy(run_dir, tmp_path):
  return pathlib.Path(shutil.copytree(run_dir, tmp_path / 'copy'))


def done(capsys, *argv, main=baseline.main):
  assert command.run(main, argv) == 0
  return capsys.readouterr().out


def refused(capsys, *argv, main=baseline.main):
  assert command.run(main, argv) == 2
  said = capsys.readouterr().err
  assert said.startswith('error: ') and 'Traceback' not in said
  return said


def test_it_learns_is_judged_and_predicts_without_tensorflow(data_dir, tmp_path):
  asked = ['--run_dir=runs/one', f'--data={data_dir}']
  code = f"""
import sys
from trainer import baseline, evaluate, predict
baseline.main({[*asked, '--model=svm']})
evaluate.main({asked})
predict.main({asked} + ['--split=test', '--format=csv'])
assert not {{'tensorflow', 'keras'}} & set(sys.modules)
"""
  found = subprocess.run(
    [sys.executable, '-c', code], cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(ROOT)},
    capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert (found.returncode, found.stderr) == (0, '')
  lines = found.stdout.splitlines()
  assert lines[0] == f'data     {data_dir}: 3 labels; clips: train 44, validation 11, test 22'
  assert lines[1] == 'model    svm on log_mel, 20 rows x 16 bins: 112 numbers a clip'
  assert 'test     accuracy 100.0 % on 22 clips' in lines
  assert len([line for line in lines if line.startswith('no/')]) == 8


def test_help_and_a_wrong_flag_are_answered_before_scikit_learn_is_there():
  code = (
    'import sys\nfrom schemas import command\nfrom trainer import baseline\n'
    'for flag in ("--help", "--modle=svm", "--model=svm:d=1", "--data=nowhere"):\n'
    '  command.run(baseline.main, [flag])\n'
    'assert not {"tensorflow", "sklearn", "skops"} & set(sys.modules)'
  )
  found = subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True, capture_output=True)
  assert b'--quantiles=0.1,0.25,0.5,0.75,0.9' in found.stdout
  assert found.stderr.count(b'error: ') == 3


@pytest.mark.parametrize(
  ('argument', 'sentence'),
  [
    ('--model=swm', "No baseline is called 'swm'. Did you mean 'svm'?"),
    ('--model=svm:C=3', "has no setting 'C'. Did you mean 'c'?"),
    ('--model=svm:kernel=poly', "kernel must be one of rbf, linear, got 'poly'"),
    ('--model=svm:c=-1', 'c must be 0 or more, got -1'),
    ('--model=random_forest:trees=0', 'trees must be at least 1 and below 2**31, got 0'),
    ('--model=gradient_boosting:max_leaves=1', 'max_leaves must be at least 2'),
    ('--quantiles=0.1,half', "--quantiles: expected numbers from 0 to 1 as in 0.1,0.5,0.9, got"),
    ('--quantiles=0.1,2', '--quantiles must be numbers from 0 to 1'),
    ('--quantiles=nan', '--quantiles must be numbers from 0 to 1'),
    ('--parts=0', '--parts must be at least 1 and below 2**31, got 0'),
    ('--jobs=99999999', '--jobs must be in [0, 4096], got 99999999'),
    ('--parts=2000', '--parts must be from 1 to 1,000, got 2000'),
    ('--data=folders:x', 'a baseline learns from the features of a data set, and not from raw'),
    ('--run_name=a/b', "--run_name must be the name of a folder, got 'a/b'"),
    ('--class_weights=equal', '--class_weights: expected one of none, balanced'),
    ('--data=nowhere', "'nowhere'"),
  ],
)  # fmt: skip
def test_a_wrong_flag_is_a_sentence(capsys, argument, sentence):
  assert sentence in refused(capsys, argument)


def test_the_same_command_on_a_finished_run_does_nothing(run_dir, data_dir, copy, capsys):
  asked = [f'--data={data_dir}', '--model=logistic', f'--run_dir={copy}']
  before = {path: path.stat().st_mtime_ns for path in copy.rglob('*')}
  assert f'finished {copy}: the run of this command' in done(capsys, *asked, '--jobs=1')
  assert {path: path.stat().st_mtime_ns for path in copy.rglob('*')} == before
  assert '--seed=0 (here 1)' in refused(capsys, *asked, '--seed=1')
  assert '--model=logistic (here svm)' in refused(capsys, asked[0], '--model=svm', asked[2])
  (copy / 'outcome.json').unlink()  # As if it had been killed.
  assert 'test     accuracy 100.0 %' in done(capsys, *asked)
  assert (copy / 'outcome.json').exists()
  assert 'learned  svm' in done(capsys, asked[0], '--model=svm', asked[2], '--overwrite')


def test_another_data_set_in_the_place_of_the_first_is_refused(copy, tmp_path, capsys):
  datasets.write_dataset(tmp_path / 'other', seed=3)
  said = refused(capsys, f'--data={tmp_path / "other"}', '--model=logistic', f'--run_dir={copy}')
  assert 'on another data set than' in said


def test_runs_of_the_two_programs_are_kept_apart(data_dir, copy, capsys):
  said = refused(capsys, f'--data={data_dir}', f'--run_dir={copy}', main=__main__.main)
  assert 'already holds a run of `python -m trainer.baseline`. Replace it with --overwrite' in said
  config = json.loads((copy / 'config.json').read_text())
  (copy / 'config.json').write_text(json.dumps({**config, 'pooling': None}))
  said = refused(capsys, f'--data={data_dir}', '--model=logistic', f'--run_dir={copy}')
  assert 'already holds a run of `python -m trainer`. Replace it with --overwrite' in said


def test_a_baseline_has_no_keras_model(run_dir):
  with pytest.raises(
    ValueError, match=r'is of `python -m trainer.baseline` \(logistic\), and has no'
  ):
    saved_run.load(run_dir).load_model('best')


def test_a_folder_of_no_run_is_left_alone(data_dir, tmp_path, capsys):
  (tmp_path / 'letter.txt').write_text('dear')
  assert 'of no run' in refused(capsys, f'--data={data_dir}', f'--run_dir={tmp_path}')
  assert os.listdir(tmp_path) == ['letter.txt']


def test_without_a_folder_a_run_takes_one_of_its_own(data_dir, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  for _ in range(2):
    done(capsys, f'--data={data_dir}', '--model=logistic')
  assert sorted(os.listdir('runs')) == ['tiny-logistic', 'tiny-logistic-2']


def test_memory_is_asked_first(data_dir, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(free_memory, 'free_bytes', lambda: 20_000)
  said = refused(capsys, f'--data={data_dir}', f'--run_dir={tmp_path / "run"}')
  # 44 clips of 112 float32.
  assert 'The memory does not suffice: 44 clips pooled to 112 numbers take 20 kB' in said
  assert not (tmp_path / 'run').exists()


def test_of_several_features_one_is_named_and_samples_are_none(tmp_path, capsys):
  datasets.write_dataset(tmp_path / 'data', features=(datasets.LOG_MEL, datasets.WAVEFORM))
  asked = [f'--data={tmp_path / "data"}', f'--run_dir={tmp_path / "run"}', '--model=logistic']
  assert 'Pick one with --feature=NAME' in refused(capsys, *asked)
  assert 'holds samples' in refused(capsys, *asked, '--feature=waveform')
  assert 'accuracy 100.0 %' in done(capsys, *asked, '--feature=log_mel')


@pytest.mark.parametrize('shape', [(24,), (5, 24)])
def test_it_learns_from_embeddings(tmp_path, capsys, shape):
  spec = record.FeatureSpec(name='embedding', shape=shape, dtype='float32', settings={})

  def arrays(spec, label, rng):
    return (np.arange(24) % 3 == label) + rng.normal(size=spec.shape).astype(np.float32) * 0.1

  datasets.write_dataset(
    tmp_path / 'data', features=(spec,), arrays=lambda *a: arrays(*a).astype(np.float32)
  )
  said = done(capsys, f'--data={tmp_path / "data"}', f'--run_dir={tmp_path / "run"}', '--model=svm')
  assert f'{24 if len(shape) == 1 else 168} numbers a clip' in said
  assert 'accuracy 100.0 %' in said


def test_pictures_are_taken_pixel_by_pixel(tmp_path, capsys):
  datasets.write_dataset(tmp_path / 'data', features=(datasets.PICTURE,), audio=None)
  said = done(
    capsys, f'--data={tmp_path / "data"}', f'--run_dir={tmp_path / "run"}', '--model=logistic'
  )
  assert 'on image, 16 x 16 x 3: 768 numbers a picture' in said
  assert 'accuracy 100.0 % on 12 pictures' in said


def test_the_validation_split_chooses_c(data_dir, untested_dir, tmp_path, capsys):
  asked = [f'--run_dir={tmp_path / "run"}', '--model=logistic:c=0']
  said = done(capsys, f'--data={untested_dir}', *asked)
  assert 'note: there is no test split, so there is no report.' in said
  history = json.loads((tmp_path / 'run' / 'history.json').read_text())
  ranks = [(one['validation']['accuracy'], -one['validation']['loss']) for one in history]
  assert len(history) == 5
  best = history[ranks.index(max(ranks))]['model']
  assert saved_run.load(tmp_path / 'run').model_text == best
  datasets.write_dataset(tmp_path / 'data', speakers={'train': ('ada', 'bob')})
  said = refused(capsys, f'--data={tmp_path / "data"}', asked[1])
  assert 'with c=0 the validation split chooses, and' in said


def test_a_regression_that_is_stopped_says_so(data_dir, tmp_path, capsys):
  said = done(
    capsys, f'--data={data_dir}', '--model=logistic:max_iterations=2',
    f'--run_dir={tmp_path / "run"}',
  )  # fmt: skip
  assert 'note: logistic was stopped after 2 iterations, before it came to its end' in said


def test_many_clips_for_an_svm_are_said():
  member = baselines.BASELINES['svm']
  size = family.Size(clips=40_000, values=10, labels=2)
  assert (
    'grows with the square of the clips, and 40,000' in member.cautions(member.settings(), size)[0]
  )
  assert not member.cautions(member.settings(), family.Size(clips=4_000, values=10, labels=2))
  (said,) = member.cautions(member.settings(), family.Size(clips=4_000, values=10, labels=1_000))
  assert 'each pair of labels, 499,500 of them' in said


# The file.


def test_a_file_that_holds_a_foreign_type_is_not_opened(copy, capsys):
  foreign = pipeline.make_pipeline(preprocessing.FunctionTransformer(run_folder.of_name))
  skops.io.dump(foreign, copy / 'checkpoints' / 'best.skops')
  said = refused(capsys, f'--run_dir={copy}', 'x.wav', main=predict.main)
  assert 'is not what the run wrote' in said
  (copy / 'checkpoints.json').unlink()
  for main in (evaluate.main, predict.main):
    files = ['x.wav'] if main is predict.main else []
    said = refused(capsys, f'--run_dir={copy}', *files, main=main)
    assert 'holds trainer.runs.run_folder.of_name, which no baseline of this program has' in said


@pytest.mark.parametrize('damage', ['cut', 'gone', 'another', 'no classifier'])
def test_a_file_that_is_not_as_it_was_written_is_a_sentence(copy, capsys, damage):
  path = copy / 'checkpoints' / 'best.skops'
  (copy / 'checkpoints.json').unlink()
  if damage == 'cut':
    path.write_bytes(path.read_bytes()[:2_000])
    wanted = 'cannot be read (BadZipFile). It is damaged, or was written by another version of'
  elif damage == 'gone':
    path.unlink()
    wanted = 'There is no classifier'
  elif damage == 'another':
    found, _ = classifier.learn(
      'logistic', baselines.parse('logistic')[1], np.eye(6, dtype=np.float32), np.arange(6) % 2,
      num_labels=2, fit=family.Fit(),
    )  # fmt: skip
    skops.io.dump(found.estimator, path)
    wanted = 'takes 6 values and knows 2 labels, but the run was on 112 values of log_mel'
  else:
    skops.io.dump({'a': 1}, path)
    wanted = 'holds a dict, and no classifier that has learned'
  assert wanted in refused(capsys, f'--run_dir={copy}', main=evaluate.main)


def test_another_scikit_learn_is_said(copy, capsys):
  config = json.loads((copy / 'config.json').read_text())
  assert set(config['versions']) == {'voxshard', 'python', 'scikit-learn', 'skops', 'numpy'}
  config['versions']['scikit-learn'] = '0.1'
  (copy / 'config.json').write_text(json.dumps(config))
  said = done(capsys, f'--run_dir={copy}', main=evaluate.main)
  assert 'note: the run was made with scikit-learn 0.1, here is scikit-learn ' in said


def test_what_is_no_number_is_a_sentence_with_its_record(tmp_path, capsys):
  calls = iter(range(1_000))

  def arrays(spec, label, rng):  # Behind the 24 clips of the train split.
    return np.full(spec.shape, np.inf if next(calls) == 25 else label, np.float16)

  datasets.write_dataset(tmp_path / 'data', arrays=arrays)
  said = refused(
    capsys, f'--data={tmp_path / "data"}', f'--run_dir={tmp_path / "run"}', '--model=logistic'
  )
  assert "Record 'yes/eve_1.wav'" in said and 'its log_mel holds what is no number' in said


def test_a_damaged_shard_is_named(tmp_path, capsys):
  datasets.write_dataset(tmp_path / 'data')
  shard = next((tmp_path / 'data').glob('*-train.tfrecord-*'))
  content = bytearray(shard.read_bytes())
  content[200] ^= 1
  shard.write_bytes(bytes(content))
  said = refused(capsys, f'--data={tmp_path / "data"}', f'--run_dir={tmp_path / "run"}')
  assert f'{shard}, record 0 at byte 0: the checksum of its data is' in said


# The same measures as of a network.


def test_answers_are_judged_as_those_of_a_network():
  rng = np.random.default_rng(0)
  logits = (rng.standard_normal((50, 7)) * 4).astype(np.float32)
  labels = rng.integers(0, 7, 50)
  found = judged.of_logits(labels, logits)
  wanted = judge.of_logits(tf.constant(labels), tf.constant(logits))
  assert found.loss_sum == pytest.approx(float(wanted.loss_sum))
  np.testing.assert_array_equal(found.by_label, wanted.by_label)
