"""Training without input: a made-up batch on the devices, through the very loop of a real run."""

import keras
import numpy as np
import pytest

from tests.helpers import datasets
from tests.trainer.devices import strategies_under_test
from tfrecords import manifest_file
from trainer import config, models, preflight, run
from trainer.data import input_pipeline, random_data
from trainer.learning import steps

SPECS = {
  'log_mel': datasets.LOG_MEL,
  'waveform': datasets.WAVEFORM,
  'image': datasets.PICTURE,
  'any length': datasets.VARIABLE_LOG_MEL,
}


def write(path, name):
  audio = datasets.VARIABLE_AUDIO if name == 'any length' else datasets.AUDIO
  return datasets.write_dataset(
    path, features=(SPECS[name],), audio=None if name == 'image' else audio
  )


def source_of(path, **more):
  made = manifest_file.load(str(path))
  return input_pipeline.Source(
    data_dir=str(path),
    manifest=made,
    feature_name=made.features[0].name,
    **{'batch_size': 7, **more},
  )


@pytest.mark.parametrize('name', SPECS)
def test_made_up_batches_look_like_real_ones(tmp_path, name):
  write(tmp_path, name)
  single = strategies_under_test.make('none')
  real = next(iter(input_pipeline.train_batches(source_of(tmp_path), single, seed=1)))
  batches = input_pipeline.train_batches(source_of(tmp_path, random_data=True), single, seed=1)
  made = next(iter(batches))
  assert sorted(made) == sorted(real)
  for key, tensor in made.items():
    assert tensor.dtype == real[key].dtype
    assert tensor.shape.is_compatible_with([7, *SPECS[name].shape] if key in SPECS else [7])
  assert np.unique(made['label']).tolist() == [0, 1, 2]
  rows = made.get('log_mel/num_rows')
  if rows is not None:  # As long as a clip is on average.
    assert 20 <= rows[0] <= 60
    assert made['log_mel'].shape[1] == rows[0]


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_a_model_learns_it_by_heart_on_any_number_of_replicas(data_dir, name):
  strategy = strategies_under_test.make(name)
  found = manifest_file.load(data_dir)
  with strategy.scope():
    chosen, settings = models.parse('cnn:conv_layers=1,filters=4,dense_units=32,dropout=0')
    model = models.build(chosen, settings, found, 'log_mel')
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(model.trainable_variables)
  compiled = steps.Steps(model, optimizer, strategy, feature_name='log_mel')
  source = source_of(data_dir, random_data=True)
  batches = iter(input_pipeline.train_batches(source, strategy, seed=1))
  found = compiled.train(batches, 20)
  assert found.counts.tolist() == [7] * 20
  assert found.losses[-1] < 0.5 * found.losses[0]
  assert compiled.train(batches, 1).losses[0] < found.losses[0]


def test_replicas_hold_parts_of_one_batch(data_dir):
  found = manifest_file.load(data_dir)
  batch = random_data.make(found, 'log_mel', batch_size=7, seed=1)
  strategy = strategies_under_test.make('mirrored_3')
  parts = strategy.experimental_local_results(next(random_data.batches(batch, strategy)))
  assert [len(part['label']) for part in parts] == [3, 2, 2]
  joined = np.concatenate([part['log_mel'] for part in parts])
  np.testing.assert_array_equal(joined, batch['log_mel'])


def test_a_run_reads_no_record(data_dir, tmp_path, monkeypatch, capsys):
  made = datasets.write_dataset(tmp_path / 'data')
  for shard in made.shards:
    (tmp_path / 'data' / shard.file_name).unlink()
  monkeypatch.chdir(tmp_path)
  asked = config.TrainConfig(
    data=str(tmp_path / 'data'),
    model='cnn:conv_layers=1,filters=4,dense_units=16',
    epochs=2,
    batch_size=8,
    random_data=True,
  )
  assert preflight.check(asked)
  run.train(asked)
  said = capsys.readouterr().out
  assert 'there is no validation split' in said
  assert 'there is no test split' in said
