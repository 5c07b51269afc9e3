"""What a member of the models' table offers."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

from schemas import record
from trainer.models import heads
from trainer.models.clip_rows import Rows


class Takes(enum.Enum):
  """The axes of a feature that a model can take, behind that of the batch."""

  SAMPLES = '[samples]'  # Or the units of an embedding.
  FRAMES = '[time, bins]'
  PICTURES = '[height, width, channels]'

  @property
  def rank(self) -> int:
    """Their number."""
    return self.value.count(',') + 1


class Lengths(enum.Enum):
  """What a model does with clips that have lengths of their own."""

  ANY = 'any'  # A clip has the logits that it has alone.
  UP_TO = 'up to the longest of the data set'
  ONE = 'one'  # All clips must be of one length.


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFamily:
  """One kind of model: a trunk that hears, and a head that tells labels apart.

  The normalisation in front of the trunk, the logits behind the head, their float32, freezing and
  learning rates belong to all models alike and stand in `models.network` and what takes a model
  apart (`anatomy`). Keras is imported when a model is built and no sooner, so that --help and a
  wrong flag answer at once.

  Attributes:
    settings: A frozen, keyword-only dataclass of int, float, str and bool fields.
    trunk: From normalised values, float32 with zeros behind each clip's end, and settings to what
      the trunk gives: rows with their number, or [batch, units] where it sums them up. Made of
      stock layers and operations alone, so that a saved model opens without this project; rows go
      through the functions of `clip_rows`. Layers of one depth have names that begin with
      `block1_`, `block2_`, ...: --freeze counts them.
    head: From what the trunk gives and settings to [batch, units], in front of the logits.
    takes: The features that it can take.
    lengths: What it does with clips of any length.
    check: Raises DatasetError where a feature that it can take is too small or too large.
    source: The paper, or what else it was made after.
    learning_rate: What it learns well with, where the user names none.
    is_normalised: From settings to whether the trunk wants values of mean 0 and variance 1.
    is_pretrained: From settings to whether its trunk's weights are from elsewhere: then --freeze
      lets the top block train and no others, unless the user says otherwise.
    unfilled: From settings to those of a model of the same shape whose weights come from nowhere:
      it is filled by --init_from.
    outlined: From these to what is measured before any weights are read.
    scratch: From settings to those of the same model from random numbers; raises ConfigError where
      a file says what the model is.
    kept: From settings and the folder of what a run keeps to settings that build the model by that.
  """

  settings: type
  trunk: Callable[[Rows, Any], Rows]
  head: Callable[[Rows, Any], Rows] = heads.average
  takes: tuple[Takes, ...] = (Takes.FRAMES, Takes.PICTURES)
  lengths: Lengths = Lengths.ANY
  check: Callable[[record.FeatureSpec, Any], None] = lambda feature, settings: None
  source: str = ''
  learning_rate: float = 0.001
  is_normalised: Callable[[Any], bool] = lambda settings: True
  is_pretrained: Callable[[Any], bool] = lambda settings: False
  unfilled: Callable[[Any], Any] = lambda settings: settings
  outlined: Callable[[Any], Any] = lambda settings: settings
  scratch: Callable[[Any], Any] = lambda settings: settings
  kept: Callable[[Any, str], Any] = lambda settings, graphs_dir: settings
