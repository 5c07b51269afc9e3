"""The models that --model can name, and how one is built for a data set."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from schemas import errors, manifest, options, record
from trainer.lazy import keras
from trainer.models import (
  age_cnn,
  anatomy,
  applications,
  bc_resnet,
  clip_rows,
  cnn,
  conv1d,
  crnn,
  deep_conv1d,
  ds_cnn,
  front_end,
  inputs,
  kwt,
  linear,
  longest_clip,
  matchboxnet,
  mlp,
  model,
  recurrent,
  res15,
  saved_model,
  tc_resnet,
  tcn,
)

MODELS: Mapping[str, model.ModelFamily] = {
  'linear': linear.FAMILY,
  'mlp': mlp.FAMILY,
  'cnn': cnn.FAMILY,
  'age_cnn': age_cnn.FAMILY,
  'conv1d': conv1d.FAMILY,
  'deep_conv1d': deep_conv1d.FAMILY,
  'rnn': recurrent.RNN,
  'gru': recurrent.GRU,
  'bigru': recurrent.BIGRU,
  'lstm': recurrent.LSTM,
  'bilstm': recurrent.BILSTM,
  'crnn': crnn.FAMILY,
  'tcn': tcn.FAMILY,
  'ds_cnn': ds_cnn.FAMILY,
  'res15': res15.FAMILY,
  'tc_resnet': tc_resnet.FAMILY,
  'matchboxnet': matchboxnet.FAMILY,
  'bc_resnet': bc_resnet.FAMILY,
  'kwt': kwt.FAMILY,
  **applications.FAMILIES,
  'saved_model': saved_model.FAMILY,
}

# Where the user names none: the most for its time, by docs/models.md.
DEFAULT = 'tc_resnet:width=1.5,dropout=0.2'

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in MODELS.items()}
# From a text, such as `cnn:filters=64`, to the name and the settings; ConfigError.
parse = functools.partial(options.parse, settings_by_name=SETTINGS, family='model')


def parse_of_run(text: str, graphs_dir: str) -> tuple[str, Any]:
  """Returns what `parse` does, with what a run keeps of a file in place of the file.

  Args:
    text: Such as `saved_model:path=FILE`.
    graphs_dir: Where it keeps that; '' for no run.

  Raises:
    ConfigError: as `parse`.
  """
  name, settings = parse(text)
  return name, MODELS[name].kept(settings, graphs_dir) if graphs_dir else settings


def build(
  name: str,
  settings: Any,
  dataset: manifest.DatasetManifest,
  feature_name: str = '',
  *,
  computed: front_end.Computed | None = None,
) -> keras.Model:
  """Returns an untrained model for a data set: features in, logits out, normalisation inside.

  Args:
    name: A key of MODELS.
    settings: What `parse` returned with it.
    dataset: Gives the feature's shape, its statistics and the labels.
    feature_name: The model's input; may be '' where the data set holds one feature.
    computed: What the model computes of it in front of the network; None for nothing.

  Raises:
    DatasetError: if the data set cannot feed the model; the text says why.
    ConfigError: if a setting cannot be followed, such as a file of weights that is not there.
  """
  feature = dataset.feature(feature_name)
  statistics = computed.statistics if computed else dataset.statistics.get(feature.name)
  if statistics is None or not statistics.count:
    raise errors.DatasetError(
      f'Data set {dataset.name!r} has no mean and variance of {feature.name!r}: its train split '
      'is empty. Run the data job again with more speakers, or with a smaller share of them for '
      'validation and test.'
    )
  if dataset.num_labels < 2:
    raise errors.DatasetError(
      f'Data set {dataset.name!r} has one label, {dataset.labels[0]!r}: there is nothing to tell '
      'apart. Run the data job on a corpus with at least two labels.'
    )
  taken = computed.spec if computed else feature
  settings = fitted(name, settings, dataset, taken)
  made = network(name, settings, taken, statistics, num_labels=dataset.num_labels)
  return front_end.in_front_of(made, feature, computed) if computed else made


def fitted(
  name: str, settings: Any, dataset: manifest.DatasetManifest, feature: record.FeatureSpec
) -> Any:
  """Returns a model's settings with what a data set says where they say nothing: the longest clip.

  Args:
    name: A key of MODELS.
    settings: Its settings.
    dataset: What it is to learn from.
    feature: What it takes, stored or computed.
  """
  if MODELS[name].lengths == model.Lengths.UP_TO and feature.is_variable:
    return longest_clip.fitted(name, settings, dataset, feature)
  return settings


def network(
  name: str,
  settings: Any,
  feature: record.FeatureSpec,
  statistics: manifest.FeatureStatistics | None,
  *,
  num_labels: int,
) -> keras.Model:
  """Returns a model: normalisation, trunk, head and logits.

  Args:
    name: A key of MODELS.
    settings: Its settings.
    feature: What it takes.
    statistics: Mean and variance over the train split; None: it is normalised already.
    num_labels: The logits.

  Returns:
    A model of float32 [batch, *feature.shape] to float32 logits [batch, num_labels] under every
    precision policy. Where the feature is of variable length there is a second input, the rows of
    each clip, int32 [batch]; what stands behind them does not change the logits.

  Raises:
    DatasetError: if the model cannot take the feature.
    ConfigError: if a setting cannot be followed.
  """
  member = MODELS[name]
  inputs.check(name, feature, takes=member.takes, lengths=member.lengths)
  member.check(feature, settings)
  sources = inputs.new_inputs(feature)
  if not member.is_normalised(settings):
    statistics = None
  x = clip_rows.Rows(inputs.normalised(sources[0], feature, statistics), *sources[1:])
  try:
    heard = member.trunk(clip_rows.zeros_behind(x), settings)
    trunk = keras.Model(_one_or_all(sources), _one_or_all(heard.tensors), name=anatomy.TRUNK)
  except RecursionError:  # Keras calls itself for each layer on the way through a model.
    raise errors.ConfigError(
      f'{options.format_option(name, settings)} has too many layers on top of each other to be '
      'built. Ask for fewer.'
    ) from None
  sources = inputs.new_inputs(feature)
  x = member.head(clip_rows.of(trunk(_one_or_all(sources))), settings)
  # float32, so that the loss never sees half precision.
  logits = keras.layers.Dense(num_labels, dtype='float32', name='logits')(x.values)
  return keras.Model(_one_or_all(sources), logits, name=name)


def _one_or_all(tensors: list[Any]) -> Any:
  return tensors if len(tensors) > 1 else tensors[0]
