"""A clip in a batch, with something behind its end, gives what it gives alone."""

import numpy as np
import pytest

from schemas import errors
from trainer.models import clip_rows
from trainer.models.clip_rows import CAUSAL, SAME, VALID, Rows

keras = pytest.importorskip('keras')

LENGTHS = (13, 9, 18)
LONGEST = 20


def clips(*rest, lengths=LENGTHS):
  """A batch with noise behind the ends of its clips, and the clips by themselves."""
  rng = np.random.default_rng(0)
  batch = rng.normal(size=(len(lengths), LONGEST, *rest)).astype(np.float32)
  alone = [batch[i : i + 1, :length].copy() for i, length in enumerate(lengths)]
  for i, length in enumerate(lengths):
    batch[i, length:] *= 100
  return Rows(batch, np.array(lengths, np.int32)), [Rows(clip) for clip in alone]


def assert_as_alone(function, batch, alone, *, atol=1e-5):
  """Holds the rows of each clip, their number, and what stands in them."""
  found = function(batch)
  for i, clip in enumerate(alone):
    wanted = np.array(function(clip).values)[0]
    if found.num_rows is not None:
      assert int(found.num_rows[i]) == len(wanted)
    values = np.array(found.values)[i]
    np.testing.assert_allclose(
      values[: len(wanted)] if found.num_rows is not None else values, wanted, atol=atol
    )


def conv1d(size, **settings):
  return lambda: keras.layers.Conv1D(3, size, bias_initializer='ones', **settings)


def conv2d(size, **settings):
  return lambda: keras.layers.Conv2D(3, size, bias_initializer='ones', **settings)


ONE_AXIS = {
  'conv': conv1d(3),
  'even': conv1d(4),
  'steps': conv1d(5, strides=2),
  'long steps': conv1d(2, strides=3),
  'one': conv1d(1, strides=2),
  'dilated': conv1d(3, dilation_rate=4),
  'depthwise': lambda: keras.layers.DepthwiseConv1D(3, bias_initializer='ones'),
  'separable': lambda: keras.layers.SeparableConv1D(3, 4, strides=2, bias_initializer='ones'),
}
TWO_AXES = {
  'conv': conv2d((3, 5)),
  'steps': conv2d(3, strides=2),
  'dilated': conv2d((3, 1), dilation_rate=(2, 1)),
  'depthwise': lambda: keras.layers.DepthwiseConv2D(4, strides=2, bias_initializer='ones'),
}
POOLS = {
  'largest': lambda: keras.layers.MaxPooling1D(3),
  'overlapping': lambda: keras.layers.MaxPooling1D(3, strides=1),
  'mean': lambda: keras.layers.AveragePooling1D(2),
}


def through(layer, padding):
  return lambda x: clip_rows.windowed(x, layer, padding=padding)


@pytest.mark.parametrize('padding', [VALID, SAME, CAUSAL])
@pytest.mark.parametrize('name', ONE_AXIS)
def test_convolutions_of_one_axis(name, padding):
  assert_as_alone(through(ONE_AXIS[name](), padding), *clips(2))


@pytest.mark.parametrize('padding', [VALID, SAME])
@pytest.mark.parametrize('name', TWO_AXES)
def test_convolutions_of_two_axes(name, padding):
  make = TWO_AXES[name]
  layer = make()
  layer.padding = padding
  assert_as_alone(through(layer, padding), *clips(7, 2))


@pytest.mark.parametrize('name', POOLS)
def test_pools(name):
  assert_as_alone(through(POOLS[name](), VALID), *clips(2))


def test_pools_take_whole_windows_only():
  with pytest.raises(ValueError, match='whole windows only'):
    clip_rows.windowed(clips(2)[0], keras.layers.MaxPooling1D(3, padding='same'))


@pytest.mark.parametrize('name', ['conv', 'even', 'dilated'])
def test_same_is_that_of_keras_where_nothing_steps(name):
  layer = ONE_AXIS[name]()
  layer.padding = SAME
  for clip in clips(2)[1]:
    np.testing.assert_allclose(
      clip_rows.windowed(clip, layer).values, layer(clip.values), atol=1e-6
    )


@pytest.mark.parametrize(('size', 'strides'), [(3, 2), (5, 2), (4, 3)])
def test_windows_that_step_begin_at_the_same_rows_however_long_the_batch_is(size, strides):
  """Window i stands over the rows from strides * i - (size - 1) // 2 on."""
  layer = keras.layers.Conv1D(1, size, strides=strides, padding='same', kernel_initializer='ones')
  for clip in clips(1)[1]:
    row = clip.values[0, :, 0]
    filled = np.concatenate([np.zeros((size - 1) // 2), row, np.zeros(size)])
    wanted = [filled[start : start + size].sum() for start in range(0, len(row), strides)]
    found = clip_rows.windowed(clip, layer, padding=SAME)
    np.testing.assert_allclose(np.array(found.values)[0, :, 0], wanted, atol=1e-5)


@pytest.mark.parametrize('name', ['conv', 'steps', 'dilated'])
def test_causal_rows_see_nothing_behind_them(name):
  layer = ONE_AXIS[name]()
  clip = clips(2)[1][0]
  changed = clip.values.copy()
  changed[:, 8:] += 1
  first, second = (
    np.array(clip_rows.windowed(Rows(values), layer, padding=CAUSAL).values)
    for values in (clip.values, changed)
  )
  step = layer.strides[0]
  np.testing.assert_array_equal(first[:, : 8 // step], second[:, : 8 // step])
  assert np.abs(first - second)[0, 8 // step].max() > 0


@pytest.mark.parametrize('layer', ['SimpleRNN', 'GRU', 'LSTM'])
@pytest.mark.parametrize('both_ways', [False, True])
@pytest.mark.parametrize('each_row', [False, True])
def test_recurrent_layers(layer, both_ways, each_row):
  made = getattr(keras.layers, layer)(3, return_sequences=each_row, bias_initializer='ones')
  made = keras.layers.Bidirectional(made) if both_ways else made
  assert_as_alone(lambda x: clip_rows.recurrent(x, made), *clips(2))


SUMS = {
  'mean': (clip_rows.mean, lambda clip: clip.mean(axis=0)),
  'deviation': (clip_rows.deviation, lambda clip: clip.std(axis=0)),
  'largest': (clip_rows.largest, lambda clip: clip.max(axis=0)),
}


@pytest.mark.parametrize('name', SUMS)
@pytest.mark.parametrize('rest', [(3,), (4, 3)])
def test_sums_over_the_rows_of_a_clip(name, rest):
  function, by_numpy = SUMS[name]
  batch, alone = clips(*rest)
  wanted = [by_numpy(clip.values[0]) for clip in alone]
  np.testing.assert_allclose(function(batch).values, wanted, atol=1e-4)
  for clip, one in zip(alone, wanted, strict=True):
    np.testing.assert_allclose(np.array(function(clip).values)[0], one, atol=1e-4)


def test_the_largest_of_negative_rows_is_not_the_zero_behind_them():
  batch, _ = clips(3)
  batch = clip_rows.zeros_behind(Rows(-np.abs(batch.values), batch.num_rows))
  assert np.array(clip_rows.largest(batch).values).max() < 0


def test_the_deviation_of_rows_that_are_all_alike_is_small_and_has_a_gradient():
  import tensorflow as tf

  values = tf.ones((1, 5, 2))
  with tf.GradientTape() as tape:
    tape.watch(values)
    found = clip_rows.deviation(Rows(values)).values
  np.testing.assert_allclose(found, 0.001, rtol=1e-3)
  assert np.isfinite(tape.gradient(found, values)).all()


def test_means_by_weights_leave_out_what_stands_behind_the_end():
  batch, alone = clips(3)
  scores = batch.values[..., :1] * 2  # Large behind the end.
  found = np.array(clip_rows.weighted(batch, scores).values)
  for i, clip in enumerate(alone):
    weights = np.exp(scores[i, : LENGTHS[i]])
    wanted = (weights / weights.sum() * clip.values[0]).sum(axis=0)
    np.testing.assert_allclose(found[i], wanted, atol=1e-5)
    one = clip_rows.weighted(clip, scores[i : i + 1, : LENGTHS[i]])
    np.testing.assert_allclose(np.array(one.values)[0], wanted, atol=1e-5)


@pytest.mark.parametrize('rest', [(3,), (4, 3)])
def test_batch_normalisation_counts_the_rows_of_the_clips(rest):
  batch, alone = clips(*rest)
  inputs = [keras.Input((None, *rest)), keras.Input((), dtype='int32')]
  normal = clip_rows.batch_norm(Rows(*inputs), name='norm', momentum=0.5)
  model = keras.Model(inputs, normal.tensors)
  found = np.array(model(batch.tensors, training=True)[0])
  rows = np.concatenate([clip.values[0].reshape(-1, 3) for clip in alone])
  mean, variance = rows.mean(axis=0), rows.var(axis=0)
  for i, clip in enumerate(alone):
    wanted = (clip.values[0] - mean) / np.sqrt(variance + 0.001)
    np.testing.assert_allclose(found[i, : LENGTHS[i]], wanted, atol=1e-3)
  layer = model.get_layer('norm')
  np.testing.assert_allclose(layer.moving_mean, 0.5 * mean, atol=1e-4)
  np.testing.assert_allclose(layer.moving_variance, 0.5 + 0.5 * variance, atol=1e-3)


def test_masks_do_not_stick_to_what_layers_give():
  """Others would warn that they know none, or take it for one of their own."""
  batch, _ = clips(4, 3)
  normal = clip_rows.batch_norm(batch, name='norm').values
  units = clip_rows.recurrent(clips(3)[0], keras.layers.GRU(2, return_sequences=True)).values
  assert [getattr(values, '_keras_mask', None) for values in (normal, units)] == [None, None]


def test_short_clips_become_as_long_as_is_wanted():
  batch, _ = clips(2, lengths=(1, 5, 20))
  found = clip_rows.at_least(batch, 6)
  assert np.array(found.num_rows).tolist() == [6, 6, 20]
  assert found.values.shape[1] >= 20
  values = np.array(found.values)
  np.testing.assert_array_equal(values[1, :5], batch.values[1, :5])
  assert not values[0, 1:].any()
  assert not values[1, 5:].any()
  assert clip_rows.at_least(Rows(batch.values), 6).values is batch.values


def test_another_axis_may_have_windows_of_its_own():
  layer = keras.layers.DepthwiseConv2D((3, 4), padding='same')
  batch, alone = clips(7, 2)
  assert clip_rows.windowed(batch, layer, bins=VALID).values.shape == (3, LONGEST, 4, 2)
  assert_as_alone(lambda x: clip_rows.windowed(x, layer, bins=VALID), batch, alone)


def test_attention_is_to_the_rows_of_a_clip():
  assert_as_alone(lambda x: clip_rows.attended(x, heads=2, name='a'), *clips(12))


def test_clips_are_cut_added_and_moved():
  batch, alone = clips(2)
  assert_as_alone(lambda x: clip_rows.up_to(x, 10), batch, alone)
  assert np.array(clip_rows.up_to(batch, 10).num_rows).tolist() == [10, 9, 10]
  assert_as_alone(clip_rows.behind_a_zero, batch, alone)
  assert not np.array(clip_rows.behind_a_zero(batch).values)[:, 0].any()
  assert_as_alone(lambda x: clip_rows.add(x, x), batch, alone)
  assert np.array(clip_rows.places(batch)).tolist() == [list(range(LONGEST))]


def test_axes_are_put_together_and_apart():
  batch, _ = clips(4, 3)
  assert clip_rows.as_sequence(batch).values.shape == (3, LONGEST, 12)
  assert clip_rows.as_image(clips(4)[0]).values.shape == (3, LONGEST, 4, 1)
  assert clip_rows.as_image(batch) is batch
  samples = Rows(np.zeros((2, 50), np.float32))
  assert clip_rows.as_sequence(samples).values.shape == (2, 50, 1)
  assert clip_rows.flat(Rows(batch.values)).values.shape == (3, LONGEST * 12)
  assert clip_rows.flat(samples) is samples
  with pytest.raises(errors.ConfigError, match='cannot be flattened'):
    clip_rows.flat(batch)
