"""What the models of the keyword papers are beyond their contract."""

import dataclasses

import numpy as np
import pytest
import soundfile

import features
from schemas import errors, record
from tests.helpers import signals, tiny_manifest
from trainer import models
from trainer.judging import answering, compatibility, prediction
from trainer.models import anatomy, clip_rows, sub_spectral
from trainer.models.clip_rows import Rows
from trainer.runs import run_folder, saved_run

keras = pytest.importorskip('keras')
tf = pytest.importorskip('tensorflow')


def network(text, shape, *, num_labels=12):
  feature = record.FeatureSpec(name='mfcc', shape=shape, dtype='float16', settings={})
  return models.network(*models.parse(text), feature, None, num_labels=num_labels)


# Zhang et al. 2017, table 7, in millions: a multiplication and an addition are two.
@pytest.mark.parametrize(('size', 'wanted'), [('s', 5.4), ('m', 19.8), ('l', 56.9)])
def test_ds_cnn_has_the_operations_of_the_paper(size, wanted):
  made = network(f'ds_cnn:size={size}', (49, 10))
  count = 0
  for layer in anatomy.weighted_layers(anatomy.trunk(made)):
    if isinstance(layer, keras.layers.BatchNormalization):
      continue
    places = int(np.prod(layer.output.shape[1:-1]))
    weights = layer.weights[0].shape
    count += places * (2 * int(np.prod(weights)) + layer.output.shape[-1])  # And the shift.
  assert count / 1e6 == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('ds_cnn:size=xl', "size must be s, m, l, got 'xl'"),
    ('tc_resnet:depth=9', 'depth must be 8 or 14, got 9'),
    ('bc_resnet:width=0', 'width must be in'),
    ('kwt:heads=0', 'heads must be in'),
  ],
)
def test_settings_that_no_paper_has_are_refused(text, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    models.parse(text)


def test_res15_sees_125_frames():
  """The frames that the one in the middle depends on."""
  trunk = anatomy.trunk(network('res15:filters=2', (151, 1)))
  for variable in trunk.weights:
    variable.assign(np.abs(variable) + 0.1)
  values = tf.Variable(np.ones((1, 151, 1), np.float32))
  with tf.GradientTape() as tape:
    middle = tf.reduce_sum(trunk(values)[:, 75])
  seen = np.flatnonzero(tape.gradient(middle, values)[0, :, 0])
  assert (seen[0], seen[-1]) == (75 - 62, 75 + 62)


@pytest.mark.parametrize(('bins', 'groups'), [(20, 5), (5, 5), (8, 4), (7, 1)])
def test_groups_of_neighbouring_bins_are_normalised_by_themselves(bins, groups):
  """As by hand, in training, on clips of two lengths; 5 groups, or as many as divide the bins."""
  values = np.random.default_rng(0).normal(size=(2, 9, bins, 3)).astype(np.float32)
  values *= np.linspace(1, 9, bins)[:, None]
  lengths = np.array([9, 4])
  inputs = [keras.Input((None, bins, 3)), keras.Input((), dtype='int32')]
  made = sub_spectral.normed(Rows(*inputs), groups=5, name='norm')
  found = np.array(keras.Model(inputs, made.tensors)([values, lengths], training=True)[0])
  rows = np.concatenate([values[0], values[1, :4]])
  for group in np.split(np.arange(bins), groups):
    part = rows[:, group]
    wanted = (values[:, :, group] - part.mean((0, 1))) / np.sqrt(part.var((0, 1)) + 0.001)
    np.testing.assert_allclose(found[0, :, group], np.moveaxis(wanted[0], 1, 0), atol=1e-4)
    np.testing.assert_allclose(found[1, :4, group], np.moveaxis(wanted[1, :4], 1, 0), atol=1e-4)


# KWT: up to the longest.

KWT = 'kwt:layers=1,head_units=4'


def any_length(*, longest_s):
  """A manifest of clips of any length at 16 kHz, of which the longest is in the test split."""
  dataset = tiny_manifest.of(shape=(None, 40), counts={'train': (2, 2, 2), 'test': (1, 1, 1)})
  shards = tuple(
    dataclasses.replace(shard, longest_samples=round(seconds * 16_000))
    for shard, seconds in zip(dataset.shards, (longest_s / 2, longest_s), strict=True)
  )
  spec = features.spec(*features.parse('log_mel:num_mels=40'), dataset.audio)
  return dataclasses.replace(dataset, shards=shards, features=(spec,))


def run_on(dataset, text):
  return saved_run.SavedRun(
    folder=run_folder.RunFolder('run'),
    data_dir='data',
    manifest_sha256='',
    manifest=dataset,
    feature=dataset.features[0],
    model_text=text,
  )


def test_kwt_knows_positions_up_to_the_longest_clip_of_all_splits():
  made = models.build(*models.parse(KWT), any_length(longest_s=1.0))
  table = anatomy.trunk(made).get_layer('block1_positions').kernel
  assert table.shape == (98 + 1, 4)
  roomier = models.build(*models.parse(f'{KWT},max_rows=120'), any_length(longest_s=1.0))
  assert anatomy.trunk(roomier).get_layer('block1_positions').kernel.shape[0] == 121


def test_kwt_says_what_it_cannot_know_or_take(caplog):
  with pytest.raises(errors.DatasetError, match='max_rows=50 cannot take .* 98 rows'):
    models.build(*models.parse('kwt:max_rows=50'), any_length(longest_s=1.0))
  unknown = any_length(longest_s=0)
  with pytest.raises(errors.DatasetError, match='does not say how long .*max_rows=500'):
    models.build(*models.parse('kwt'), unknown)
  models.build(*models.parse('kwt:layers=1,max_rows=50'), unknown)
  assert 'of clips of more than 50 rows the first 50 are heard' in caplog.text
  with pytest.raises(errors.DatasetError, match='max_rows=50 cannot take .*raise it to 98'):
    network('kwt:max_rows=50', (98, 40))


@pytest.mark.parametrize(('text', 'longest_s'), [(KWT, 1.0), (f'{KWT},max_rows=120', 1.22)])
def test_longer_clips_than_kwt_learned_are_refused_by_name(text, longest_s, tmp_path):
  """And what stands beside them in a batch is not touched by it."""
  dataset = any_length(longest_s=1.0)
  run = run_on(dataset, text)
  answers = answering.Network(run, models.build(*models.parse(text), dataset))
  files = []
  for seconds in (0.4, longest_s, longest_s + 0.1):
    files.append(str(tmp_path / f'{seconds}.wav'))
    soundfile.write(files[-1], signals.noise(round(seconds * 16_000)), 16_000)
  short, longest, longer = prediction.predict_files(run, answers, files)
  assert not short.error + longest.error
  assert longer.error.startswith(f'The model {text} takes up to 1')
  assert f'got {longest_s + 0.1:.3g} s. Hear it in windows' in longer.error
  alone = next(prediction.predict_files(run, answers, files[:1]))
  np.testing.assert_allclose(short.logits, alone.logits, atol=1e-5)


def test_data_sets_with_longer_clips_than_kwt_learned_are_refused():
  run = run_on(any_length(longest_s=1.0), KWT)
  compatibility.check_longest(run, any_length(longest_s=1.0), '', data_dir='others')
  longer = any_length(longest_s=1.5)
  compatibility.check_longest(run, longer, 'train', data_dir='others')
  with pytest.raises(
    errors.DatasetError, match='up to 1 s.*of the test split in .others. has 1.5 s'
  ):
    compatibility.check_longest(run, longer, '', data_dir='others')
  compatibility.check_longest(run_on(longer, 'cnn'), any_length(longest_s=9), '', data_dir='others')


def test_attention_is_that_of_keras():
  values = np.random.default_rng(0).normal(size=(2, 6, 3 * 8)).astype(np.float32)
  lengths = np.array([6, 4], np.int32)
  found = np.array(clip_rows.attended(Rows(values, lengths), heads=2, name='a').values)
  queries, keys, wanted = np.split(values, 3, axis=2)
  halves = [part.reshape(2, 6, 2, 4) for part in (queries, keys, wanted)]
  mask = np.arange(6) < lengths[:, None]
  theirs = keras.ops.dot_product_attention(*halves, mask=mask[:, None, None])
  np.testing.assert_allclose(found, np.array(theirs).reshape(2, 6, 8), atol=1e-5)
