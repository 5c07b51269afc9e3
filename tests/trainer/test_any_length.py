"""Clips of any length: trained, judged and predicted, alone and in batches, on any replicas."""

import contextlib
import dataclasses
import io
import json

import keras
import numpy as np
import pytest
import soundfile

import features
from features import extractor, stored_form
from features.decoding import clips
from schemas import errors
from tests.helpers import datasets, signals
from tests.trainer.devices import strategies_under_test
from tfrecords import manifest_file
from tfrecords.pipeline import batch_request
from tfrecords.pipeline import dataset as dataset_lib
from trainer import assembly, config, models, run
from trainer.data import datasets as datasets_lib
from trainer.data import input_pipeline
from trainer.devices import workers
from trainer.judging import answering, evaluation, judge, prediction
from trainer.learning import steps
from trainer.measures import counting
from trainer.models import clip_rows
from trainer.runs import saved_run

AUDIO = datasets.VARIABLE_AUDIO
TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'
# The second has the longer window: the job pads what is shorter than it.
SPECS = tuple(
  features.spec(*features.parse(text), AUDIO)
  for text in ('log_mel:num_mels=16', 'stft:window_s=0.1')
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  path = tmp_path_factory.mktemp('any_length') / 'data'
  datasets.write_dataset(path, features=SPECS, audio=AUDIO, clips_per_speaker=20)
  return str(path)


def train(data, run_dir, **settings):
  defaults = {'feature': 'log_mel', 'model': TOY, 'epochs': 8, 'batch_size': 8}
  defaults |= {'learning_rate': 0.01}
  run.train(config.TrainConfig(data=data, run_dir=str(run_dir), **{**defaults, **settings}))
  return str(run_dir)


@pytest.fixture(scope='module')
def run_dir(data, tmp_path_factory):
  said = io.StringIO()
  with contextlib.redirect_stdout(said):
    folder = train(data, tmp_path_factory.mktemp('run') / 'one')
  assert 'on log_mel, any number of rows x 16 bins\n' in said.getvalue()
  return folder


def report_of(run_dir):
  with open(saved_run.load(run_dir).folder.judgement.report_file, encoding='utf-8') as stream:
    return json.load(stream)


def test_labels_are_learned_from_clips_of_any_length(run_dir):
  found = report_of(run_dir)
  assert found['num_examples'] == 40
  assert found['accuracy'] > 0.9


def test_the_report_does_not_depend_on_what_is_batched_together(run_dir):
  first, second = (evaluation.evaluate_run(run_dir, batch_size=size) for size in (1, 32))
  assert first.pop('loss') == pytest.approx(second.pop('loss'), abs=1e-5)
  assert first['confusion']['matrix'] == second['confusion']['matrix']


def make_steps(name, data):
  """Returns Steps and a judge of a fresh model under a strategy, with the strategy."""
  strategy = strategies_under_test.make(name)
  with strategy.scope():
    keras.utils.set_random_seed(3)
    model = models.build(*models.parse(TOY), manifest_file.load(data), 'log_mel')
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
  compiled = steps.Steps(model, optimizer, strategy, feature_name='log_mel')
  return compiled, judge.Judge(model, strategy, feature_name='log_mel'), strategy


def test_losses_do_not_depend_on_the_number_of_replicas(data):
  """Batches of 9: the validation split of 20 leaves 2 for 3 replicas, and one gets nothing."""
  found = []
  for name in ('none', 'mirrored_3'):
    compiled, judging, strategy = make_steps(name, data)
    source = input_pipeline.Source(
      data_dir=data, manifest=manifest_file.load(data), feature_name='log_mel', batch_size=9
    )
    feed = iter(input_pipeline.train_batches(source, strategy, seed=1))
    losses = compiled.train(feed, 12).losses
    feed = iter(input_pipeline.evaluation_batches(source, 'validation', strategy))
    scores = counting.scores(judging.judge(feed))
    assert scores.num_examples == 20
    found.append([*losses, scores.loss, scores.accuracy])
  np.testing.assert_allclose(found[1], found[0], atol=1e-5)


def test_another_length_compiles_nothing_anew(data):
  compiled, _, strategy = make_steps('none', data)
  source = input_pipeline.Source(
    data_dir=data, manifest=manifest_file.load(data), feature_name='log_mel', batch_size=9
  )
  feed = iter(input_pipeline.train_batches(source, strategy, seed=1))
  for _ in range(4):
    compiled.train(feed, 3)
  assert compiled._compiled_train.experimental_get_tracing_count() == 1


def test_xla_gets_few_lengths_and_finds_the_same_losses(data):
  settings = {'jit_compile': True, 'deterministic': False, 'feature': 'log_mel', 'batch_size': 9}
  asked = config.TrainConfig(data=data, **settings)
  loaded = datasets_lib.load(data, feature_name='log_mel')
  padded = dataclasses.replace(assembly.source(asked, loaded), deterministic=True)
  plain = dataclasses.replace(padded, lengths=())
  assert padded.lengths[-1] == loaded.train_rows[1]
  assert not assembly.source(dataclasses.replace(asked, jit_compile=False), loaded).lengths
  lengths, losses = [], []
  for source in (plain, padded):
    compiled, _, strategy = make_steps('none', data)
    batches = input_pipeline.train_batches(source, strategy, seed=1)
    lengths.append([batch['log_mel'].shape[1] for batch in batches.take(12)])
    losses.append(compiled.train(iter(batches), 12).losses)
  np.testing.assert_allclose(losses[1], losses[0], atol=1e-5)
  assert set(lengths[1]) <= set(padded.lengths)
  assert len(set(lengths[1])) < len(set(lengths[0]))
  for longer, rows in zip(lengths[1], lengths[0], strict=True):
    assert rows <= longer <= 1.25 * rows


def normalised(x, settings):
  """A trunk with batch normalisation."""
  x = clip_rows.at_least(clip_rows.as_image(x), 3)
  x = clip_rows.windowed(x, keras.layers.Conv2D(settings.filters, 3, use_bias=False, name='conv'))
  x = clip_rows.batch_norm(x, name='norm').through(keras.layers.ReLU(name='relu'))
  return clip_rows.flat(clip_rows.mean(x))


def test_batch_normalisation_of_a_run_is_the_same_on_several_devices(data, monkeypatch):
  """Also compiled by XLA, and with averaged weights, whose statistics are measured."""
  family = dataclasses.replace(models.MODELS['cnn'], trunk=normalised)
  monkeypatch.setitem(models.MODELS, 'cnn', family)
  settings = {'model': TOY, 'feature': 'log_mel', 'batch_size': 9, 'ema': 0.8}
  loaded = datasets_lib.load(data, feature_name='log_mel')
  losses, weights = [], []
  for name, jit_compile in (('none', False), ('mirrored_2', False), ('none', True)):
    asked = config.TrainConfig(
      data=data, jit_compile=jit_compile, deterministic=not jit_compile, **settings
    )
    strategy = strategies_under_test.make(name)
    keras.utils.set_random_seed(3)
    model, compiled, _ = assembly.build(asked, loaded, workers.Workers(strategy), rate=0.01)
    source = dataclasses.replace(assembly.source(asked, loaded), deterministic=True)
    batches = input_pipeline.train_batches(source, strategy, seed=1)
    losses.append(compiled.train(iter(batches), 6).losses)
    latest = model.get_layer('trunk').get_layer('norm').moving_mean.numpy()
    with compiled.averaged_weights():
      weights.append(model.get_weights())
      measured = model.get_layer('trunk').get_layer('norm').moving_mean.numpy()
    assert np.abs(measured - latest).max() > 1e-3
  for others in losses[1:]:
    np.testing.assert_allclose(others, losses[0], atol=1e-5)
  for several, one in zip(weights[1], weights[0], strict=True):  # XLA's measures in any order.
    np.testing.assert_allclose(several, one, rtol=1e-3, atol=1e-4)


@pytest.fixture
def files(tmp_path):
  """Paths of WAV files from 1 ms to 2 s."""
  paths = []
  for i, num_samples in enumerate((8, 100, 199, 200, 700, 801, 5_000, 16_000)):
    paths.append(str(tmp_path / f'{i}.wav'))
    soundfile.write(paths[-1], signals.noise(num_samples, seed=i), AUDIO.sample_rate_hz)
  return paths


def test_a_file_is_predicted_as_the_job_would_have_stored_it(run_dir, files):
  saved = saved_run.load(run_dir)
  model = saved.load_model('best')
  job = extractor.Extractor(SPECS, AUDIO)
  expected = []
  for file in files:
    samples = clips.decode(clips.read_bytes(file), AUDIO).samples
    array = stored_form.from_stored(job.compute_stored(samples[np.newaxis])['log_mel'])
    expected.append(np.array(model([array, np.array([array.shape[1]])]))[0])
  for batch_size in (1, 3, 64):
    found = list(
      prediction.predict_files(saved, answering.Network(saved, model), files, batch_size=batch_size)
    )
    assert [p.name for p in found] == files
    np.testing.assert_allclose([p.logits for p in found], expected, rtol=1e-5, atol=1e-5)


def test_records_are_predicted_in_their_order(data, run_dir):
  saved = saved_run.load(run_dir)
  model = saved.load_model('best')
  manifest = manifest_file.load(data)
  asked = batch_request.BatchRequest(
    data_dir=data, manifest=manifest, split='test', feature_names=['log_mel'], batch_size=1,
    with_ids=True,
  )  # fmt: skip
  batches = dataset_lib.read_batches(asked)
  expected = {
    batch['id'].numpy()[0].decode(): np.array(model(input_pipeline.model_input(batch, 'log_mel')))
    for batch in batches
  }
  found = list(
    prediction.predict_records(
      saved,
      answering.Network(saved, model),
      manifest,
      data_dir=data,
      splits=['test'],
      batch_size=16,
    )
  )
  assert [p.name for p in found] == list(expected)
  np.testing.assert_allclose(
    [p.logits for p in found], np.concatenate(list(expected.values())), rtol=1e-5, atol=1e-5
  )


def test_a_run_on_fixed_clips_is_not_put_before_clips_of_any_length(data, run_dir, tmp_path):
  fixed = dataclasses.replace(datasets.LOG_MEL, settings=SPECS[0].settings)
  datasets.write_dataset(tmp_path / 'fixed', features=(fixed,))
  with pytest.raises(
    errors.DatasetError, match=r'on log_mel with .*shape=\[any, 16\];.*has .*shape=\[20, 16\]'
  ):
    evaluation.evaluate_run(run_dir, data_dir=str(tmp_path / 'fixed'))
