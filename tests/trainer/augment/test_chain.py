"""Several augmentations together: order, randomness, second labels."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from schemas import errors, record
from trainer.augment import augmentation, chain
from trainer.learning import forward

ALL = ['mixup', 'noise', 'shift', 'gain', 'spec_augment']
CONTEXT = augmentation.Context(sample_rate_hz=1_000)
WAVEFORM = record.FeatureSpec(name='waveform', shape=(100,), dtype='int16', settings={})
LOG_MEL = record.FeatureSpec(name='log_mel', shape=(10, 4), dtype='float16', settings={})


def batches(count=5, size=4):
  rng = np.random.default_rng(0)
  data = {
    'waveform': rng.integers(-9_000, 9_000, (count * size, 100)).astype(np.int16),
    'label': np.arange(count * size) % 3,
  }
  return tf.data.Dataset.from_tensor_slices(data).batch(size, drop_remainder=True)


def samples_of(steps, dataset):
  return [
    (batch, steps.on_samples(tf.cast(batch['waveform'], tf.float32), batch, CONTEXT))
    for batch in dataset
  ]


def test_nothing_is_nothing():
  empty = chain.Chain([])
  assert not empty
  dataset = batches()
  assert empty.attach(dataset, 'waveform', seed=1) is dataset


def test_it_says_what_it_does():
  assert str(chain.Chain(['mixup:alpha=1', 'gain'])) == 'mixup:alpha=1.0, gain'


def test_streams_are_repeated_by_seed_and_continued_by_step():
  steps = chain.Chain(ALL)
  whole = samples_of(steps, steps.attach(batches(), 'waveform', seed=3))
  again = samples_of(steps, steps.attach(batches(), 'waveform', seed=3))
  rest = samples_of(steps, steps.attach(batches().skip(2), 'waveform', seed=3, start_step=2))
  for (batch, values), (other, same) in [
    *zip(whole, again, strict=True),
    *zip(whole[2:], rest, strict=True),
  ]:
    np.testing.assert_array_equal(values, same)
    for key, value in batch.items():
      np.testing.assert_array_equal(value, other[key])
  draws = np.concatenate([batch[chain.DRAWS] for batch, _ in whole])
  assert len(np.unique(draws)) > 0.99 * draws.size


def test_the_batch_size_stays_known_to_the_graph():
  spec = chain.Chain(ALL).attach(batches(), 'waveform', seed=0).element_spec
  assert {key: value.shape[0] for key, value in spec.items()} == dict.fromkeys(spec, 4)


def test_the_same_twice_draws_anew():
  twice = chain.Chain(['gain', 'gain'])
  batch = twice.prepare(next(iter(batches())), 'waveform', seed=0, step=0)
  numbers = batch[chain.DRAWS].numpy()
  assert twice.num_draws == 4
  assert (numbers[:, 1] != numbers[:, 3]).all()


@pytest.mark.parametrize(
  ('texts', 'sentence'),
  [
    (['noise', 'mixup'], '--augment=mixup stands behind noise, but it mixes whole batches'),
    (['spec_augment', 'gain'], '--augment=gain stands behind spec_augment, but it changes samples'),
    (['mixup', 'mixup:alpha=1'], '--augment=mixup is given twice'),
  ],
)
def test_orders_that_cannot_be_are_refused(texts, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    chain.Chain(texts)


@pytest.mark.parametrize(
  ('texts', 'read', 'computed', 'sentence'),
  [
    (['noise'], LOG_MEL, None, "--augment=noise changes the samples of a clip, but 'log_mel'"),
    (['spec_augment'], WAVEFORM, None, "changes bins, but 'waveform' has no bins"),
    (ALL, WAVEFORM, LOG_MEL, ''),
    (['mixup', 'spec_augment'], LOG_MEL, None, ''),
  ],
)
def test_what_the_data_does_not_give_is_refused(texts, read, computed, sentence):
  steps = chain.Chain(texts)
  if not sentence:
    steps.check(read, computed)
    return
  with pytest.raises(errors.ConfigError, match=sentence):
    steps.check(read, computed)


def test_a_model_that_takes_samples_gets_them_changed():
  source = keras.Input((100,), name='waveform')
  model = keras.Model(source, keras.layers.Rescaling(1.0)(source))
  steps = chain.Chain(['gain:min_db=20,max_db=20'])
  values = np.ones((2, 100), np.float32)
  for reads_samples, wanted in ((True, 10), (False, 1)):
    context = augmentation.Context(sample_rate_hz=1_000, reads_samples=reads_samples)
    found, _ = forward.Forward(steps, model, context)(
      values, {chain.DRAWS: tf.zeros([2, steps.num_draws])}
    )
    np.testing.assert_allclose(found, wanted * values, rtol=1e-5)


def test_the_loss_of_two_labels_is_cross_entropy_with_soft_targets():
  labels, others = np.array([0, 1, 2, 0]), np.array([1, 2, 0, 0])
  shares = np.array([0.5, 0.25, 0.0, 0.3], np.float32)
  logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
  targets = (1 - shares)[:, None] * np.eye(3)[labels] + shares[:, None] * np.eye(3)[others]
  wanted = keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None)(targets, logits)
  loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)
  batch = {chain.OTHER_LABEL: tf.constant(others), chain.OTHER_SHARE: tf.constant(shares)}
  np.testing.assert_allclose(chain.losses(loss, labels, logits, batch), wanted, rtol=1e-5)
  np.testing.assert_array_equal(chain.losses(loss, labels, logits, {}), loss(labels, logits))


def test_a_wrong_flag_is_answered_without_tensorflow():
  code = "import sys; from trainer.augment import chain; chain.Chain(['mixup', 'noise']); " + (
    "print(*{'tensorflow', 'keras'} & set(sys.modules))"
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  assert not done.stdout.strip()
