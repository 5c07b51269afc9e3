"""Parts that are added up: the losses and the weights of the batch that they make together."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.learning import test_steps as small

PARTS = 3
STEPS = 5


def train(name, num_steps=(1, STEPS - 1), *, parts=PARTS, data=None, **settings):
  """Losses, skipped steps and weights; a batch of `PARTS` times 13 examples, in `parts` parts."""
  compiled, model, optimizer, strategy = small.make_steps(name, accumulate=parts, **settings)
  size = PARTS * small.BATCH // parts
  feed = small.batches(data or small.examples(101), strategy, batch_size=size)
  found = [compiled.train(feed, count) for count in num_steps]
  losses = np.concatenate([scores.losses for scores in found])
  assert all((scores.counts == PARTS * small.BATCH).all() for scores in found)
  return losses, model.get_weights(), optimizer, found


@functools.cache
def of_whole_batches(dtype='float32', clip_norm=0.0):
  """What one device learns of whole batches: the oracle."""
  return train('none', parts=1, dtype=dtype, clip_norm=clip_norm)[:2]


@pytest.mark.parametrize(
  ('name', 'dtype', 'clip_norm'),
  [('mirrored_2', 'float32', 0.05), ('none', 'mixed_float16', 0.05)],
)
def test_parts_learn_what_the_whole_batch_learns(name, dtype, clip_norm):
  losses, weights = of_whole_batches(dtype, clip_norm)
  found, ours, optimizer, _ = train(name, dtype=dtype, clip_norm=clip_norm)
  tolerance = 1e-5 if dtype == 'float32' else 5e-3
  np.testing.assert_allclose(found, losses, rtol=tolerance)
  for mine, other in zip(ours, weights, strict=True):
    np.testing.assert_allclose(mine, other, atol=tolerance)
  inner = getattr(optimizer, 'inner_optimizer', optimizer)
  assert int(inner.iterations.numpy()) == STEPS  # What schedules and averages count.


def test_one_part_that_overflows_skips_the_whole_step():
  data = small.examples(PARTS * small.BATCH)
  data['x'][small.BATCH : 2 * small.BATCH] = 60_000  # The second part; near float16's end.
  compiled, model, optimizer, strategy = small.make_steps(
    'none', accumulate=PARTS, dtype='mixed_float16'
  )
  before = model.get_weights()
  assert compiled.train(small.batches(data, strategy), 1).skipped.tolist() == [True]
  assert small.scale_of(optimizer) == 2.0**14  # Halved once.
  for new, old in zip(model.get_weights(), before, strict=True):
    np.testing.assert_array_equal(new, old)
  # Nothing of it is left for the next step.
  found = compiled.train(small.batches(small.examples(101), strategy), 1)
  assert found.skipped.tolist() == [False]
  assert all(np.isfinite(weights).all() for weights in model.get_weights())


def test_parts_of_unequal_size_count_by_their_examples():
  def one_step(accumulate, sizes):
    compiled, model, _, strategy = small.make_steps(
      'mirrored_2', accumulate=accumulate, optimizer=lambda: keras.optimizers.SGD(1.0)
    )
    pieces = np.split(np.arange(20), np.cumsum(sizes)[:-1])
    data = small.examples(20)
    dataset = tf.data.Dataset.from_generator(
      lambda: ({key: values[piece] for key, values in data.items()} for piece in pieces),
      output_signature={
        'x': tf.TensorSpec([None, *small.SHAPE], tf.float16),
        'label': tf.TensorSpec([None], tf.int64),
      },
    )
    return compiled.train(small.to_devices(dataset, strategy), 1).losses, model.get_weights()

  losses, weights = one_step(1, [20])
  found, ours = one_step(2, [19, 1])
  np.testing.assert_allclose(found, losses, rtol=1e-5)
  for mine, other in zip(ours, weights, strict=True):
    np.testing.assert_allclose(mine, other, atol=1e-6)
