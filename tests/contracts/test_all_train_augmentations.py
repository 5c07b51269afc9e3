"""The rules that every augmentation of the trainer keeps, run over the whole table."""

import dataclasses

import numpy as np
import pytest

from schemas import audio, errors, options
from trainer import augment
from trainer.augment import augmentation, chain

tf = pytest.importorskip('tensorflow')

BATCH, ROWS, BINS = 6, 40, 12
RATE_HZ = 1_000
AUDIO = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0)
NUM_ROWS = np.array([40, 31, 40, 3, 1, 17], np.int32)
SMALL = {'reverb': {'rooms': 3}}  # Where the defaults take long.
BINS_HZ = tuple(np.linspace(20.0, 480.0, BINS).tolist())

every_augmentation = pytest.mark.parametrize('name', augment.AUGMENTATIONS)
# Those that take samples or features are tried on both: the name with what it gets.
every_form = pytest.mark.parametrize(
  'form',
  [
    f'{name} of {taken}'
    for name, member in augment.AUGMENTATIONS.items()
    for taken in {
      augmentation.EITHER: (augmentation.SAMPLES, augmentation.FEATURES),
      augmentation.BATCH: (augmentation.FEATURES,),
    }.get(member.takes, (member.takes,))
  ],
)
both_lengths = pytest.mark.parametrize('num_rows', [None, NUM_ROWS], ids=['fixed', 'any'])


def name_of(form):
  return form.partition(' of ')[0]


def context_of(form):
  reads_samples = form.endswith(augmentation.SAMPLES)
  return augmentation.Context(sample_rate_hz=RATE_HZ, reads_samples=reads_samples, bins_hz=BINS_HZ)


def values_for(form, *, count=BATCH, rows=ROWS, dtype='float32'):
  shape = (count, rows) if context_of(form).reads_samples else (count, rows, BINS)
  drawn = np.random.default_rng(0).uniform(-0.9, 0.9, shape)
  return (drawn * 20_000).astype(dtype) if dtype == 'int16' else drawn.astype(dtype)


def batch_for(form, *, num_rows=None, **kwargs):
  values = values_for(form, **kwargs)
  batch = {'x': values, 'label': np.arange(len(values), dtype=np.int64) % 3}
  if num_rows is not None:
    is_real = np.arange(values.shape[1]) < num_rows[:, None]
    batch['x'] = values * is_real.reshape(*is_real.shape, *[1] * (values.ndim - 2)).astype(
      values.dtype
    )
    batch['x/num_rows'] = num_rows.astype(np.int64)
  return {key: tf.constant(value) for key, value in batch.items()}


def made(form, settings):
  name = name_of(form)
  settings = augment.SETTINGS[name](**{**SMALL.get(name, {}), **settings})
  steps = chain.Chain([options.format_option(name, settings)])
  return steps.with_recordings(AUDIO)


def run(form, batch, *, seed=0, step=0, **settings):
  """Returns all that an augmentation makes of a batch, as the trainer applies it."""
  steps = made(form, settings)
  batch = steps.prepare(batch, 'x', seed=seed, step=step)
  inputs = batch['x'] if 'x/num_rows' not in batch else [batch['x'], batch['x/num_rows']]
  inputs = steps.on_samples(inputs, batch, context_of(form))
  inputs = steps.on_features(inputs, batch, context_of(form))
  if not isinstance(inputs, list):
    return {**batch, 'x': inputs}
  values, rows = inputs
  return {**batch, 'x': values, 'x/num_rows': tf.cast(rows, tf.int64)}


def with_room(values, like):
  """Returns the values with as much room for rows as those that they are compared to."""
  more = like.shape[1] - values.shape[1]
  return np.pad(values, [(0, 0), (0, more), *[(0, 0)] * (len(values.shape) - 2)])


def assert_same(found, wanted):
  assert found.keys() == wanted.keys()
  for key, value in found.items():
    np.testing.assert_array_equal(value, wanted[key], err_msg=key)


def test_the_table_can_be_written_on_a_command_line():
  options.check_table(augment.SETTINGS)


@every_augmentation
def test_settings_survive_the_command_line(name):
  cls = augment.SETTINGS[name]
  for settings in (cls(), cls(probability=0.25), cls(**augment.AUGMENTATIONS[name].identity)):
    assert augment.parse(options.format_option(name, settings)) == (name, settings)


@every_augmentation
def test_settings_are_frozen_and_refuse_what_cannot_be(name):
  cls = augment.SETTINGS[name]
  assert issubclass(cls, augmentation.Settings)
  with pytest.raises(dataclasses.FrozenInstanceError):
    cls().probability = 0.5
  for field in dataclasses.fields(cls):
    if 'str' in str(field.type):
      continue
    wrong = ('-1', '1e9', 'nan', 'inf') if 'float' in str(field.type) else ('-1', '1000000')
    for value in wrong:
      if field.name.endswith('_db') and value == '-1':
        continue
      with pytest.raises(errors.ConfigError, match=rf'{name}.* must be in \['):
        augment.parse(f'{name}:{field.name}={value}')


@every_form
@both_lengths
def test_shape_and_dtype_are_kept_and_padding_stays_zero(form, num_rows):
  batch = batch_for(form, num_rows=num_rows)
  found = run(form, batch)
  assert found['x'].dtype == tf.float32
  assert np.isfinite(found['x']).all()
  np.testing.assert_array_equal(found['label'], batch['label'])
  if num_rows is None:
    assert found['x'].shape == batch['x'].shape
    return
  assert found['x'].shape[2:] == batch['x'].shape[2:]
  rows = found['x/num_rows'].numpy()
  assert rows.min() >= 1 and rows.max() <= found['x'].shape[1]
  for clip, length in zip(found['x'].numpy(), rows, strict=True):
    assert not clip[length:].any()


@every_form
@both_lengths
def test_the_same_seed_and_step_the_same_batch_and_others_differ(form, num_rows):
  batch = batch_for(form, num_rows=num_rows)
  first = run(form, batch, seed=3, step=7)
  assert_same(run(form, batch, seed=3, step=7), first)
  for other in (run(form, batch, seed=4, step=7), run(form, batch, seed=3, step=8)):
    assert not np.array_equal(other['x'], first['x'])


@every_form
@both_lengths
def test_eager_equals_graph_and_tf_data(form, num_rows):
  batch = batch_for(form, num_rows=num_rows)
  eager = run(form, batch, seed=5, step=2)
  graph = tf.function(lambda given, step: run(form, given, seed=5, step=step))
  streamed = tf.data.Dataset.from_tensors(batch).map(lambda given: run(form, given, seed=5, step=2))
  for found in (graph(batch, tf.constant(2, tf.int64)), next(iter(streamed))):
    assert found.keys() == eager.keys()
    for key, value in found.items():
      # Fused multiply-adds may round otherwise.
      np.testing.assert_allclose(value, eager[key], rtol=1e-5, atol=1e-5, err_msg=key)


@every_form
def test_graphs_of_unknown_lengths(form):
  batch = batch_for(form, num_rows=NUM_ROWS)
  signature = {
    key: tf.TensorSpec([None, *([None] if key == 'x' else []), *value.shape[2:]], value.dtype)
    for key, value in batch.items()
  }
  graph = tf.function(lambda given: run(form, given), input_signature=[signature])
  np.testing.assert_allclose(graph(batch)['x'], run(form, batch)['x'], rtol=1e-6, atol=1e-6)


@every_form
@both_lengths
def test_no_strength_is_the_batch_itself(form, num_rows):
  batch = batch_for(form, num_rows=num_rows)
  for settings in (augment.AUGMENTATIONS[name_of(form)].identity, {'probability': 0.0}):
    found = run(form, batch, **settings)
    np.testing.assert_array_equal(found['x'], with_room(batch['x'], found['x']))
    if num_rows is not None:
      np.testing.assert_array_equal(found['x/num_rows'], num_rows)
    if chain.OTHER_SHARE in found:
      assert not found[chain.OTHER_SHARE].numpy().any()


@every_form
def test_the_defaults_change_something_and_not_the_input(form):
  batch = batch_for(form)
  before = batch['x'].numpy().copy()
  assert np.abs(run(form, batch)['x'] - before).max() > 1e-3
  np.testing.assert_array_equal(batch['x'], before)


@every_form
def test_a_probability_is_a_share_of_the_examples_and_changes_no_draw(form):
  batch = batch_for(form, count=200)
  always = run(form, batch)['x'].numpy()
  half = run(form, batch, probability=0.5)['x'].numpy()
  is_itself = [np.array_equal(a, b) for a, b in zip(half, batch['x'].numpy(), strict=True)]
  assert 70 < sum(is_itself) < 130
  for mine, full, same in zip(half, always, is_itself, strict=True):
    assert same or np.allclose(mine, full, atol=1e-6)


@every_form
def test_an_example_does_not_depend_on_which_part_of_the_batch_a_device_gets(form):
  steps = made(form, {})
  batch = steps.prepare(batch_for(form, num_rows=NUM_ROWS), 'x', seed=1, step=1)

  def on_device(part):
    mine = {key: value[part] for key, value in batch.items()}
    inputs = steps.on_samples([mine['x'], mine['x/num_rows']], mine, context_of(form))
    return steps.on_features(inputs, mine, context_of(form))[0].numpy()

  whole = on_device(slice(None))
  parts = np.concatenate([on_device(slice(0, 4)), on_device(slice(4, 6))])
  np.testing.assert_allclose(parts, whole, rtol=1e-6, atol=1e-7)


@every_form
@pytest.mark.parametrize('dtype', ['float16', 'int16', 'float32'])
def test_stored_batches_stay_as_small(form, dtype):
  batch = batch_for(form, dtype=dtype)
  assert made(form, {}).prepare(batch, 'x', seed=0, step=0)['x'].dtype == dtype
  identity = made(form, augment.AUGMENTATIONS[name_of(form)].identity)
  np.testing.assert_array_equal(identity.prepare(batch, 'x', seed=0, step=0)['x'], batch['x'])
