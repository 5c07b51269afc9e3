"""What a member of the models' table offers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from schemas import manifest, record
from trainer.lazy import keras


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFamily:
  """One kind of model.

  Keras is imported when a model is built and no sooner, so that --help and a wrong flag answer at
  once.

  Attributes:
    settings: A frozen, keyword-only dataclass of int, float, str and bool fields.
    build: From the feature, its statistics over the train split (None: already normalised), the
      number of labels and the settings to a Keras model: float32 [batch, *feature.shape] in,
      float32 logits [batch, num_labels] out, under every precision policy. Where the feature is
      of variable length there is a second input, the rows of each clip, int32 [batch]; what stands
      behind them does not change the logits. It is made of stock layers and operations alone, so
      that a saved model opens without this project.
    learning_rate: What it learns well with, where the user names none.
    unfilled: From settings to those of a model of the same shape whose weights come from nowhere:
      it is measured before any file is read.
  """

  settings: type
  build: Callable[
    [record.FeatureSpec, manifest.FeatureStatistics | None, int, Any],
    keras.Model,
  ]
  learning_rate: float = 0.001
  unfilled: Callable[[Any], Any] = lambda settings: settings
