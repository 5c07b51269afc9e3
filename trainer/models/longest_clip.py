"""The longest clip of a data set, for models that take clips up to a length."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import features
from features import extractor
from features.spectra import frames as frames_lib
from schemas import errors, manifest, record


def rows(dataset: manifest.DatasetManifest, feature: record.FeatureSpec) -> int:
  """Returns the rows of a feature of the longest clip of all splits; 0 where nobody knows.

  Args:
    dataset: Says how many samples the longest clip of each shard has.
    feature: One of its features, or what a model computes of it.
  """
  if feature.shape[0] is not None:
    return feature.shape[0]
  longest = samples(dataset)
  if dataset.audio is None or not longest:
    return 0
  try:
    as_long = dataclasses.replace(dataset.audio, clip_s=longest / dataset.audio.sample_rate_hz)
    return features.spec(feature.name, features.settings_of(feature), as_long).shape[0] or 0
  except errors.VoxshardError:  # A feature that was not computed from audio, such as an embedding.
    return 0


def samples(dataset: manifest.DatasetManifest) -> int:
  """Returns the samples of the longest clip of all splits; 0 where nobody knows."""
  longest = max((dataset.length_samples(split)[1] for split in dataset.split_names()), default=0)
  if not longest or dataset.audio is None:
    return longest
  try:
    # Shorter clips were filled up to what the most demanding feature of a record needs.
    return max(longest, extractor.Extractor(dataset.features, dataset.audio).min_samples)
  except errors.VoxshardError:  # As in `rows`.
    return longest


def most_samples(
  settings: Any, dataset: manifest.DatasetManifest, feature: record.FeatureSpec
) -> int:
  """Returns how many samples the longest clip may have that a trained model takes; 0: any.

  Args:
    settings: The model's, with the `max_rows` that the user gave.
    dataset: What it was trained on.
    feature: What it reads of a clip.
  """
  most = samples(dataset)
  if settings.max_rows > rows(dataset, feature) and dataset.audio is not None:
    framed = features.settings_of(feature) if feature.name in features.FEATURES else None
    if isinstance(framed, frames_lib.FrameSettings):
      frames = framed.frames(dataset.audio)
      return frames.window_samples + settings.max_rows * frames.hop_samples - 1
  return most


def fitted(
  name: str, settings: Any, dataset: manifest.DatasetManifest, feature: record.FeatureSpec
) -> Any:
  """Returns a model's settings with `max_rows`, which must not be fewer than the longest clip's.

  Raises:
    DatasetError: if they are fewer, or neither the settings nor the data set say how many.
  """
  longest = rows(dataset, feature)
  if not settings.max_rows and not longest:
    raise errors.DatasetError(
      f'Model {name!r} takes clips up to a length, and data set {dataset.name!r} does not say how '
      f'long its longest is. Give the most frames: --model={name}:max_rows=500, or make a data set '
      'with a length, such as --clip_seconds=1.'
    )
  if 0 < settings.max_rows < longest:
    raise errors.DatasetError(
      f'Model {name!r} with max_rows={settings.max_rows} cannot take data set {dataset.name!r}, '
      f'whose longest clip has {longest} rows. Leave max_rows away, or raise it.'
    )
  if not longest:
    logging.getLogger(__name__).warning(
      '%s: data set %r does not say how long its longest clip is; of clips of more than %d rows '
      'the first %d are heard.',
      name,
      dataset.name,
      settings.max_rows,
      settings.max_rows,
    )
  return dataclasses.replace(settings, max_rows=settings.max_rows or longest)
