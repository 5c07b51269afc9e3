"""What --freeze keeps as it is, in any model of three axes."""

import keras
import numpy as np
import pytest

from schemas import errors
from tests.helpers import tiny_manifest
from trainer import models
from trainer.models import anatomy, clip_rows, footprint, freezing

THREE_BLOCKS = 'cnn:conv_layers=3,filters=2,dense_units=4,dropout=0'


def build(text=THREE_BLOCKS):
  return models.build(*models.parse(text), tiny_manifest.of(shape=(32, 32)))


def trained(model):
  return [w.path.split('/')[-2] for w in model.trainable_weights if w.name == 'kernel']


@pytest.mark.parametrize(
  ('text', 'said', 'layers'),
  [
    ('none', '', ['block1_conv', 'block2_conv', 'block3_conv', 'dense', 'logits']),
    ('auto', '', ['block1_conv', 'block2_conv', 'block3_conv', 'dense', 'logits']),
    ('blocks:0', '', ['block1_conv', 'block2_conv', 'block3_conv', 'dense', 'logits']),
    ('blocks:2', '2 of 3 blocks of the trunk', ['block3_conv', 'dense', 'logits']),
    ('blocks:3', '3 of 3 blocks of the trunk', ['logits']),
    ('trunk', 'the trunk', ['logits']),
  ],
)
def test_freezes_what_is_named(text, said, layers):
  model = build()
  assert freezing.apply(model, text) == said
  assert trained(model) == layers


def test_weights_from_elsewhere_train_their_top_block():
  model = build()
  assert freezing.apply(model, 'auto', is_pretrained=True) == '2 of 3 blocks of the trunk'
  assert trained(model) == ['block3_conv', 'dense', 'logits']


def test_more_blocks_than_there_are_is_refused():
  with pytest.raises(errors.ConfigError, match="blocks:4: the trunk of 'cnn' has 3 blocks"):
    freezing.apply(build(), 'blocks:4')


@pytest.mark.parametrize('text', ['', 'head', 'blocks', 'blocks:', 'blocks:-1', 'blocks:1.5'])
def test_other_texts_are_refused(text):
  with pytest.raises(errors.ConfigError, match='expected auto, none, trunk or blocks:N'):
    freezing.check(text)


def test_memory_counts_what_trains():
  _, settings = models.parse(THREE_BLOCKS)
  dataset = tiny_manifest.of(shape=(32, 32))
  free, frozen = (
    footprint.outline('cnn', settings, dataset, '', freeze=freeze) for freeze in ('none', 'trunk')
  )
  model = build()
  freezing.apply(model, 'trunk')
  assert frozen.num_trained == sum(w.numpy().size for w in model.trainable_weights)
  assert frozen.num_weights == free.num_weights == model.count_params()
  assert frozen.training_bytes < free.training_bytes


def test_batch_normalisation_of_frozen_parts_stays_in_inference():
  def network():
    x = clip_rows.Rows(source := keras.Input((6, 4)))
    x = clip_rows.batch_norm(x, name='block1_norm')
    trunk = keras.Model(source, x.values, name=anatomy.TRUNK)
    outer = keras.Input((6, 4))
    return keras.Model(outer, keras.layers.Dense(2)(keras.ops.mean(trunk(outer), 1)), name='toy')

  model = network()
  batch = np.random.default_rng(0).normal(3, 2, (8, 6, 4)).astype(np.float32)
  before = [w.numpy() for w in anatomy.trunk(model).weights]
  freezing.apply(model, 'blocks:1')
  np.testing.assert_array_equal(model(batch, training=True), model(batch, training=False))
  for weight, old in zip(anatomy.trunk(model).weights, before, strict=True):
    np.testing.assert_array_equal(weight.numpy(), old)
