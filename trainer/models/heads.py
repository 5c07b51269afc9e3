"""What stands between a trunk and the logits."""

from __future__ import annotations

from typing import Any

from trainer.lazy import keras
from trainer.models import clip_rows
from trainer.models.clip_rows import Rows


def average(x: Rows, settings: Any) -> Rows:
  """Returns the mean over each clip's rows, and over bins if there are any: [batch, units].

  Settings with a `dropout` drop that share of it in training.
  """
  return dropped(pooled(x), settings)


def pooled(x: Rows) -> Rows:
  """Returns the mean over each clip's rows, and over bins if there are any: [batch, units]."""
  if x.rank > 2:
    x = clip_rows.mean(x)
  if x.rank == 3:
    x = x.through(lambda values: keras.ops.mean(values, axis=1))
  return x


def dropped(x: Rows, settings: Any) -> Rows:
  """Returns the values with the settings' `dropout`, where they have one."""
  share = getattr(settings, 'dropout', 0)
  return x.through(keras.layers.Dropout(share, name='dropout')) if share else x


def as_it_is(x: Rows, settings: Any) -> Rows:
  """Returns what a trunk that sums its rows up gives, dropped as the settings say."""
  return dropped(x, settings)
