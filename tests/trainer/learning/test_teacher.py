"""A student's loss is that of the formula, whatever is done to its examples; who may teach whom."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from schemas import errors
from tests.trainer.devices import strategies_under_test
from trainer import assembly, config, memory_demand, preflight, resume, run
from trainer.baselines import pooling
from trainer.data import input_pipeline
from trainer.devices import workers
from trainer.learning import losses, teacher
from trainer.runs import run_folder

TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'
LARGER = 'cnn:conv_layers=1,filters=5,dense_units=16,dropout=0.5'


@pytest.fixture(scope='module')
def taught_dir(untested_dir, tmp_path_factory):
  """The folder of a run that may teach."""
  path = str(tmp_path_factory.mktemp('teacher') / 'run')
  run.train(
    config.TrainConfig(
      data=untested_dir, model=LARGER, epochs=1, batch_size=8, run_dir=path, seed=5
    )
  )
  return path


def asked(data_dir, taught_dir, **settings):
  return config.TrainConfig(
    **{'data': data_dir, 'model': TOY, 'batch_size': 7, 'teacher': taught_dir, **settings}
  )


def distance(logits, taught, temperature):
  """By scipy: the divergence from the teacher's labels."""
  ours, theirs = (scipy.special.softmax(x / temperature, axis=1) for x in (logits, taught))
  return scipy.special.rel_entr(theirs, ours).sum(axis=1)


def test_the_loss_is_that_of_hinton_2015():
  rng = np.random.default_rng(0)
  logits, taught = rng.normal(size=(2, 5, 4)).astype(np.float32)
  labels = rng.integers(0, 4, 5)
  plain = losses.Losses(label_smoothing=0.1).training(tf.constant(labels), tf.constant(logits))
  weights = (1.0, 2.0, 3.0, 4.0)
  found = losses.Losses(
    label_smoothing=0.1, class_weights=weights, teacher_weight=0.75, teacher_temperature=3.0
  ).training(tf.constant(labels), tf.constant(logits), tf.constant(taught))
  expected = 0.25 * plain.numpy() + 0.75 * 9 * distance(logits, taught, 3.0)
  np.testing.assert_allclose(found, np.array(weights)[labels] * expected, rtol=1e-5)


def test_a_step_learns_from_labels_and_teacher(untested_dir, taught_dir, monkeypatch):
  wanted = asked(
    untested_dir,
    taught_dir,
    teacher_weight=0.6,
    teacher_temperature=2.0,
    augment=['mixup'],
  )
  data, _ = preflight.check(wanted)
  lesson = teacher.find(taught_dir, data)
  monkeypatch.setattr(  # As if the labels of the teacher stood in another order.
    teacher, 'find', lambda *_: dataclasses.replace(lesson, label_places=(2, 0, 1))
  )
  strategy = strategies_under_test.make('mirrored_2')
  model, compiled, _ = assembly.build(wanted, data, workers.Workers(strategy), rate=0.01)
  source = assembly.source(wanted, data)
  batch = next(iter(input_pipeline.train_batches(source, tf.distribute.get_strategy(), seed=0)))
  inputs = input_pipeline.model_input(batch, 'log_mel')
  logits = model(inputs).numpy()
  loaded = keras.models.load_model(
    run_folder.RunFolder(taught_dir).checkpoint_file('best'), compile=False
  )
  taught = loaded(inputs).numpy()[:, [2, 0, 1]]
  share = batch['augment/other_share'].numpy()
  chances = scipy.special.log_softmax(logits, axis=1)
  rows = np.arange(7)
  hard = -(1 - share) * chances[rows, batch['label']]
  hard -= share * chances[rows, batch['augment/other_label']]
  expected = np.mean(0.4 * hard + 0.6 * 4 * distance(logits, taught, 2.0))
  before = model.get_weights()
  found = compiled.train(iter(input_pipeline.train_batches(source, strategy, seed=0)), 1)
  np.testing.assert_allclose(found.losses, [expected], rtol=1e-4)
  assert any((new != old).any() for new, old in zip(model.get_weights(), before, strict=True))
  # Only the student is in a checkpoint: it has 4 filters, the teacher 5.
  assert not any(5 in variable.shape for variable in compiled.variables.values())


def test_the_teacher_gets_what_the_student_gets(untested_dir, taught_dir):
  """One of the same weights says the same, so that there is nothing to learn from it."""
  wanted = asked(
    untested_dir, taught_dir, model=LARGER.replace('0.5', '0'), teacher_weight=1.0,
    augment=['spec_augment:max_frequency_bins=12'],
  )  # fmt: skip
  data, _ = preflight.check(wanted)
  alone = workers.Workers(tf.distribute.get_strategy())
  model, compiled, _ = assembly.build(wanted, data, alone, rate=0.0)
  theirs = keras.models.load_model(
    run_folder.RunFolder(taught_dir).checkpoint_file('best'), compile=False
  )
  for mine, other in zip(model.trainable_variables, theirs.trainable_variables, strict=True):
    mine.assign(other)
  source = assembly.source(wanted, data)
  batches = iter(input_pipeline.train_batches(source, alone.strategy, seed=0))
  np.testing.assert_allclose(compiled.train(batches, 3).losses, 0, atol=1e-6)


def test_memory_has_the_teacher_in_it(untested_dir, taught_dir):
  def budget(**settings):
    wanted = asked(untested_dir, taught_dir, **settings)
    data, _ = preflight.check(wanted)
    alone = workers.Workers(tf.distribute.get_strategy())
    return memory_demand.check(wanted, data, alone)[0]

  taught, alone = budget(), budget(teacher='')
  weights = keras.models.load_model(
    run_folder.RunFolder(taught_dir).checkpoint_file('best'), compile=False
  ).count_params()
  assert taught.model_bytes - alone.model_bytes == pytest.approx(4 * weights, rel=0.02)
  assert taught.batch_bytes > alone.batch_bytes


def test_labels_in_another_order_are_found_and_others_refused(untested_dir, taught_dir):
  data, _ = preflight.check(asked(untested_dir, ''))

  def with_labels(*labels):
    return dataclasses.replace(data, manifest=dataclasses.replace(data.manifest, labels=labels))

  assert data.manifest.labels == ('no', 'yes', 'zero')
  assert teacher.find(taught_dir, with_labels('zero', 'no', 'yes')).label_places == (2, 0, 1)
  with pytest.raises(errors.ConfigError, match='it does not know nought; it knows besides zero'):
    teacher.find(taught_dir, with_labels('no', 'yes', 'nought'))


@pytest.mark.parametrize(
  ('change', 'sentence'),
  [
    ({'name': 'mfcc'}, r'--teacher=.*: the model takes log_mel, and mfcc is read here'),
    (
      {'settings': {'num_mels': 7}},
      r'--teacher=.*trained on log_mel with num_mels=none; .* has nu',
    ),
  ],
)
def test_a_teacher_of_another_feature_is_refused(change, sentence, untested_dir, taught_dir):
  data, _ = preflight.check(asked(untested_dir, ''))
  other = dataclasses.replace(data.feature, **change)
  changed = dataclasses.replace(
    data,
    feature=other,
    manifest=dataclasses.replace(data.manifest, features=(other,), statistics={}),
  )
  with pytest.raises(errors.ConfigError, match=sentence):
    teacher.find(taught_dir, changed)


def test_what_is_no_teacher_is_said(untested_dir, taught_dir, tmp_path):
  with pytest.raises(errors.ConfigError, match=r'--teacher=.*holds no run'):
    preflight.check(asked(untested_dir, str(tmp_path)))
  shutil.copytree(taught_dir, tmp_path / 'young')
  (tmp_path / 'young' / 'checkpoints' / 'best.keras').unlink()
  with pytest.raises(errors.ConfigError, match=r'--teacher=.*there is no model in'):
    preflight.check(asked(untested_dir, str(tmp_path / 'young')))


@pytest.mark.parametrize('flag', ['teacher', 'init_from'])
def test_a_baseline_is_no_teacher_and_has_no_trunk(flag, untested_dir, taught_dir, tmp_path):
  shutil.copytree(taught_dir, tmp_path / 'svm')
  file = tmp_path / 'svm' / 'config.json'
  pooled = {'pooling': dataclasses.asdict(pooling.Pooling())}
  file.write_text(json.dumps({**json.loads(file.read_text()), **pooled}))
  config = dataclasses.replace(asked(untested_dir, ''), **{flag: str(tmp_path / 'svm')})
  with pytest.raises(errors.ConfigError, match=r'is of `python -m trainer\.baseline`'):
    preflight.check(config)


def test_a_run_goes_on_under_the_same_teacher_alone(untested_dir, taught_dir, tmp_path):
  shutil.copytree(taught_dir, tmp_path / 'first')
  wanted = asked(
    untested_dir,
    str(tmp_path / 'first'),
    run_dir=str(tmp_path / 'run'),
    epochs=1,
    batch_size=40,
    precision='mixed_bfloat16',
  )
  folder = run.train(wanted)
  with open(folder.config_file, encoding='utf-8') as stream:
    assert json.load(stream)['teacher_sha256'] == teacher.digest(taught_dir)
  assert preflight.check(wanted)[1] == resume.Start.FINISHED
  # It may lie elsewhere, and be no other.
  moved = dataclasses.replace(wanted, teacher=taught_dir)
  assert preflight.check(moved)[1] == resume.Start.FINISHED
  with pytest.raises(errors.ConfigError, match=r'with another teacher than none, as here .it had'):
    preflight.check(dataclasses.replace(wanted, teacher=''))
  model = tmp_path / 'first' / 'checkpoints' / 'best.keras'
  model.write_bytes(model.read_bytes() + b'x')
  with pytest.raises(errors.ConfigError, match='with another teacher than --teacher='):
    preflight.check(wanted)
