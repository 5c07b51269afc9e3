"""Mean and variance of a feature that is computed in the model: from the manifest, or measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from schemas import audio as audio_lib
from schemas import manifest, record
from trainer.lazy import tf
from trainer.models import front_end

# Clips that are measured: the mean of them is off by about a sixtieth of how much clips differ.
NUM_CLIPS = 4096


def stored_name(dataset: manifest.DatasetManifest, spec: record.FeatureSpec) -> str:
  """Returns the name of the same feature, if the data job stored it too; else ''."""
  wanted = spec.name, spec.shape, dict(spec.settings)
  for other in dataset.features:
    if (other.name, other.shape, dict(other.settings)) == wanted:
      return other.name
  return ''


def stored(
  dataset: manifest.DatasetManifest, spec: record.FeatureSpec
) -> manifest.FeatureStatistics | None:
  """Returns the statistics of the same feature, if the data job stored it too; else None."""
  found = dataset.statistics.get(stored_name(dataset, spec))
  return found if found and found.count else None


def measured(
  inputs: Iterable[Any], spec: record.FeatureSpec, audio: audio_lib.AudioSpec
) -> manifest.FeatureStatistics:
  """Returns the statistics of a feature over some batches.

  Where all clips have one length their padding counts, as it does in a manifest.

  Args:
    inputs: What a model takes of each batch: samples [batch, samples], and where clips are of any
      length [samples, number of samples].
    spec: The feature.
    audio: The form of the clips.
  """
  twin = front_end.twin(spec, audio)
  compute = tf.function(
    lambda given: _sums(given, twin, spec, audio), reduce_retracing=True, autograph=False
  )
  count, total, squares = 0, np.zeros(spec.num_bins), np.zeros(spec.num_bins)
  for given in inputs:
    part, part_total, part_squares = (value.numpy() for value in compute(given))
    count, total, squares = count + int(part), total + part_total, squares + part_squares
  mean = total / max(1, count)
  variance = np.maximum(squares / max(1, count) - mean**2, 0)
  return manifest.FeatureStatistics(
    count=count, mean=tuple(mean.tolist()), variance=tuple(variance.tolist())
  )


def _sums(
  given: Any, twin: Any, spec: record.FeatureSpec, audio: audio_lib.AudioSpec
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Returns the number of rows, and per bin the sums of values and of squares, in float64."""
  samples, num_samples = given if isinstance(given, list | tuple) else (given, None)
  values = tf.cast(twin(samples), tf.float64)
  if num_samples is None:
    values = tf.reshape(values, [-1, spec.num_bins])
  else:
    rows = front_end.num_rows(num_samples, spec, audio)
    values = tf.boolean_mask(values, tf.sequence_mask(rows, tf.shape(values)[1]))
  return (
    tf.shape(values)[0],
    tf.reduce_sum(values, axis=0),
    tf.reduce_sum(tf.square(values), axis=0),
  )
