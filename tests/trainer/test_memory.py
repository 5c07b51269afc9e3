"""Memory is asked first: what models and batches take, and what is refused before it is made."""

import ctypes
import dataclasses
import re
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import features
from schemas import audio, command, errors
from tests.helpers import tiny_manifest
from tfrecords.resources import free_memory
from trainer import config, evaluate, memory_demand, models, predict, preflight, run
from trainer.data import datasets as datasets_lib
from trainer.devices import gpu_memory, memory_budget, workers
from trainer.models import footprint

TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'


def outline(text, shape=(32, 32), **settings):
  return footprint.outline(
    *models.parse(text), tiny_manifest.of(shape=shape), 'log_mel', **settings
  )


@pytest.mark.parametrize(
  ('text', 'shape'),
  [
    ('linear', (None, 20)),
    ('cnn', (None, 20)),
    ('conv1d', (1_600,)),
    ('gru:units=8', (None, 20)),
    ('tc_resnet:dropout=0.2', (None, 20)),
    ('kwt:layers=1,max_rows=50', (None, 20)),
    ('vgg16', (None, 20)),
    ('mobilenet_v3_small:blocks=2', (32, 32)),
  ],
)
def test_an_outline_has_the_numbers_of_the_model_and_leaves_nothing(text, shape):
  dataset = tiny_manifest.of(shape=shape, name='waveform' if len(shape) == 1 else 'log_mel')
  name = dataset.features[0].name

  def build():
    return models.build(*models.parse(text), dataset)

  keras.utils.set_random_seed(5)
  model = build()
  keras.utils.set_random_seed(5)
  found = footprint.outline(*models.parse(text), dataset, name, num_rows=40)
  again = build()
  # As if it had not been: the same random weights, and names that go on by one.
  np.testing.assert_array_equal(model.get_weights()[-2], again.get_weights()[-2])
  seeds = [
    int(re.search(r'seed_generator_?(\d*)/', one.path)[1] or 0)
    for made in (model, again)
    for one in made.variables
    if 'seed_generator' in one.path
  ]
  first = seeds[0] if seeds else 0  # Of dropout, which not all have.
  assert seeds == list(range(first, first + len(seeds)))
  assert found.num_trained == sum(int(np.prod(one.shape)) for one in again.trainable_variables)
  made = footprint.of(again, num_rows=40)
  names = ('num_trained', 'largest_weights', 'training_bytes', 'answering_bytes')
  assert [getattr(made, one) for one in names] == [getattr(found, one) for one in names]


def test_what_a_step_keeps_is_what_the_way_back_reads():
  found = outline('cnn:conv_layers=1,filters=4,dense_units=16,dropout=0.5')
  # The image, what the convolution and the pool give (which the dense layer reads too), the dense
  # layer's units, them without the dropped ones, which these are.
  kept = [32 * 32 * 4, 30 * 30 * 4 * 4, 15 * 15 * 4 * 4, 16 * 4, 16 * 4, 16]
  assert found.training_bytes == pytest.approx(sum(kept) + kept[0] + kept[1], rel=0.01)
  half = outline('cnn:conv_layers=1,filters=4,dense_units=16', precision='mixed_bfloat16')
  assert half.training_bytes == pytest.approx(found.training_bytes / 2, rel=0.1)
  assert half.copied_bytes == pytest.approx(found.num_weights * 2, rel=0.01)


def test_a_model_of_a_hundred_billion_weights_is_outlined_without_them():
  found = outline('cnn:dense_units=10000000')
  assert found.num_weights > 11e9
  assert (found.largest_layer, found.largest_weights / found.num_weights > 0.99) == ('dense', True)


def test_weights_that_come_from_a_file_are_not_read_for_it():
  found = outline('vgg16:weights=/none/there.h5', freeze='auto')
  assert found.num_weights - found.num_trained > 7e6  # One block trains, as with those weights.


def test_an_optimizer_is_asked_what_it_keeps():
  texts = ('adam', 'sgd', 'sgd:momentum=0', 'rmsprop:momentum=0.5')
  assert [memory_demand._num_slots(text) for text in texts] == [2, 1, 0, 2]


def test_rows_of_clips_of_any_length_are_those_of_the_mean():
  spec = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0)
  feature = features.spec(*features.parse('log_mel'), spec)
  found = tiny_manifest.of(shape=feature.shape, settings=dict(feature.settings))
  found = dataclasses.replace(
    found, audio=spec, shards=tiny_manifest.of(counts={'train': (1, 0, 1)}).shards
  )
  fixed = features.spec(*features.parse('log_mel'), dataclasses.replace(spec, clip_s=0.5))
  assert datasets_lib.typical_rows(found, feature) == fixed.shape[0]
  assert datasets_lib.typical_rows(found, fixed) == fixed.shape[0]


BUDGET = memory_budget.Budget(
  place=memory_budget.MACHINE,
  free_bytes=10_000_000_000,
  model_bytes=1_000_000_000,
  buffer_bytes=100_000_000,
  example_bytes=3_000_000,
  batch_size=100,
)


def refused(**changes):
  budget = dataclasses.replace(BUDGET, **changes)
  with pytest.raises(errors.ConfigError) as caught:
    memory_budget.check(budget, asked=budget.batch_size, model='cnn', what_of_model='It is large.')
  return str(caught.value)


def test_a_budget_says_whether_the_model_or_the_batch_is_too_large():
  memory_budget.check(BUDGET, asked=100, model='cnn', what_of_model='')
  memory_budget.check(
    dataclasses.replace(BUDGET, free_bytes=None, batch_size=10**9),
    asked=10**9, model='cnn', what_of_model='',
  )  # fmt: skip
  assert '--batch_size=2300 or less' in refused(batch_size=10_000)
  memory_budget.check(
    dataclasses.replace(BUDGET, batch_size=2_900), asked=2_900, model='cnn', what_of_model=''
  )
  said = refused(model_bytes=10_000_000_001)
  assert 'It is large. Make the model smaller' in said
  assert 'a smaller batch does not help' in said
  assert 'Not even one example fits' in refused(example_bytes=9_000_000_000)
  assert str(BUDGET) == (
    'about 1.4 GB of 10.0 GB on this machine: a batch 300 MB, the model 1.0 GB, buffers 100 MB'
  )


def test_a_batch_that_cannot_fit_is_refused_before_anything_is_made(
  untested_dir, tmp_path, monkeypatch
):
  def train(**settings):
    run.train(config.TrainConfig(data=untested_dir, run_dir=str(tmp_path / 'run'), **settings))

  with pytest.raises(errors.ConfigError, match=r'--batch_size=10000000 is too large: .*write --b'):
    train(batch_size=10_000_000, model='cnn')
  with pytest.raises(errors.ConfigError, match=r"in the layer 'dense'; .* batch does not help"):
    train(model='cnn:dense_units=100000000,conv_layers=1')
  monkeypatch.setattr(free_memory, 'free_bytes', lambda: 50_000)
  with pytest.raises(errors.ConfigError, match=r'needs 164 kB, .* 3 more .* 66 kB more are taken'):
    train(model=TOY)
  monkeypatch.setattr(free_memory, 'free_bytes', lambda: 170_000)
  with pytest.raises(errors.ConfigError, match=r'--cache=disk.* is \d+ kB, the model .* 164 kB'):
    train(model=TOY, cache='memory')
  assert not (tmp_path / 'run').exists()


@pytest.fixture(scope='module')
def trained(untested_dir, tmp_path_factory):
  path = str(tmp_path_factory.mktemp('run') / 'run')
  run.train(
    config.TrainConfig(data=untested_dir, run_dir=path, model=TOY, epochs=1, batch_size=100)
  )
  return path


def test_memory_and_a_batch_beyond_the_split_are_said(untested_dir, tmp_path, capsys):
  run.train(
    config.TrainConfig(
      data=untested_dir, run_dir=str(tmp_path / 'run'), model=TOY, epochs=1, batch_size=100
    )
  )
  said = capsys.readouterr().out
  assert 'memory   about ' in said
  assert (
    'note: a batch of 100 is more than the 44 clips of the train split: each stands in it 2.3 '
    'times on average, and an epoch is one step.'
  ) in said


def test_a_step_of_several_batches_takes_the_memory_of_one(untested_dir):
  def budget(**settings):
    asked = config.TrainConfig(data=untested_dir, model=TOY, batch_size=8, **settings)
    data, _ = preflight.check(asked)
    alone = workers.Workers(tf.distribute.get_strategy())
    return memory_demand.check(asked, data, alone)[0]

  plain, accumulated = budget(), budget(accumulate=4)
  assert accumulated.batch_bytes == plain.batch_bytes
  weights = footprint.outline(*models.parse(TOY), *_of(untested_dir)).num_trained
  assert accumulated.model_bytes - plain.model_bytes == 4 * weights  # The sum, in float32.
  # What is drawn is drawn for the step's examples: these wait together, and compute apart.
  augmented, drawn = budget(augment=('mixup',)), budget(augment=('mixup',), accumulate=4)
  assert plain.batch_bytes == augmented.batch_bytes < drawn.batch_bytes < 4 * plain.batch_bytes


def test_what_is_computed_on_the_way_and_taken_while_a_run_is_saved_is_counted(untested_dir):
  def model_bytes(**settings):
    asked = config.TrainConfig(data=untested_dir, model=TOY, batch_size=8, **settings)
    data = datasets_lib.load(untested_dir)
    alone = workers.Workers(tf.distribute.get_strategy())
    return memory_demand.check(asked, data, alone)[0].model_bytes // 4

  found = footprint.outline(*models.parse(TOY), *_of(untested_dir))
  weights, trained, largest = found.num_weights, found.num_trained, found.largest_trained
  assert largest == 7 * 9 * 4 * 16  # The kernel of the dense layer.
  # Weights, gradient, two slots; two numbers for each of the largest array on the way to its own.
  learning = weights + 3 * trained + 2 * largest
  assert model_bytes(find_learning_rate=True) == learning  # It saves nothing.
  # The state is the weights and the slots; an array is copied twice.
  assert model_bytes() == learning + weights + 2 * trained + largest
  assert model_bytes(ema=0.9) == learning + trained + weights + 3 * trained + largest
  # Of the weights alone there is a file, twice as large in memory as they are.
  plain = model_bytes(optimizer='sgd:momentum=0')
  assert plain == weights + trained + 2 * largest + max(weights + largest, 2 * weights)
  assert model_bytes(jit_compile=True, deterministic=False) == model_bytes() - 2 * largest


def test_a_part_of_a_gpu_has_less_than_the_whole(untested_dir, monkeypatch):
  monkeypatch.setattr(gpu_memory, 'largest_bytes', lambda: 80 << 30)
  monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: ['a GPU'])

  def check(**settings):
    asked = config.TrainConfig(data=untested_dir, model='vgg16', batch_size=16_384, **settings)
    # Prepared by the tests' processors: only what is asked of memory believes in the GPU.
    alone = workers.Workers(tf.distribute.get_strategy())
    return memory_demand.check(asked, data, alone)

  data = datasets_lib.load(untested_dir)
  assert check()[-1].free_bytes == 80 << 30
  with pytest.raises(errors.ConfigError, match=r'=16384 is too large.* 3\.2 GB on a GPU.*largest'):
    check(strategy='mirrored', virtual_devices=1)


def _of(data_dir):
  data = datasets_lib.load(data_dir)
  return data.manifest, data.feature.name


def test_evaluation_and_prediction_ask_too(trained, untested_dir, monkeypatch, capsys):
  asked = [f'--run_dir={trained}', f'--data={untested_dir}', '--batch_size=10000000']
  # No batch is larger than the split: this fits.
  assert command.run(evaluate.main, [*asked, '--split=validation']) == 0
  monkeypatch.setattr(free_memory, 'free_bytes', lambda: 100_000)
  for program, more in ((evaluate, ['--split=train']), (predict, [])):
    assert command.run(program.main, [*asked, *more]) == 2
    said = capsys.readouterr().err
    assert 'error: --batch_size=10000000 is too large: with the model cnn' in said
    assert 'The largest batch that fits is about' in said


def test_the_memory_of_a_gpu_is_asked_of_its_driver(monkeypatch):
  def memory_of(handle, memory):
    memory._obj.total = handle.value * 10
    return 0

  def handle_of(index, handle):
    handle._obj.value = index.value + 1
    return 0

  def count_of(count):
    count._obj.value = 2
    return 0

  library = types.SimpleNamespace(
    nvmlInit_v2=lambda: 0,
    nvmlShutdown=lambda: 0,
    nvmlDeviceGetCount_v2=count_of,
    nvmlDeviceGetHandleByIndex_v2=handle_of,
    nvmlDeviceGetMemoryInfo=memory_of,
  )
  monkeypatch.setattr(ctypes, 'CDLL', lambda name: library)
  assert gpu_memory.largest_bytes() == 20
  library.nvmlInit_v2 = lambda: 1
  assert gpu_memory.largest_bytes() is None
