"""What --compute names: a feature that a model computes of the samples that are read."""

from __future__ import annotations

from typing import Any

import features
from schemas import audio as audio_lib
from schemas import errors, record

WAVEFORM = 'waveform'


def parse(text: str) -> tuple[str, Any]:
  """Returns the name and the settings of --compute, such as `log_mel:num_mels=64`.

  Raises:
    ConfigError: for an unknown feature or setting, or a feature that no model computes.
  """
  name, settings = features.parse(text)
  known = [
    other for other, member in features.FEATURES.items() if member.has_twin and other != WAVEFORM
  ]
  if name not in known:
    raise errors.ConfigError(
      f'--compute={name}: a model computes {", ".join(known)}. Let the data job store {name!r}.'
    )
  return name, settings


def feature_spec(
  text: str, read: record.FeatureSpec, audio: audio_lib.AudioSpec | None
) -> record.FeatureSpec:
  """Returns what a model computes of the records.

  Args:
    text: As --compute says it.
    read: What is read of the records.
    audio: The form of their clips; None for pictures.

  Raises:
    ConfigError: if the text is wrong, or the records do not hold samples.
    FeatureError: if the clips are too short for it.
  """
  name, settings = parse(text)
  if read.name != WAVEFORM or audio is None:
    raise errors.ConfigError(
      f'--compute={name} computes from samples, but {read.name!r} is read. Let the data job store '
      'the feature waveform and name it with --feature=waveform, or leave --compute away.'
    )
  if audio.is_variable and getattr(settings, 'deltas', 0):
    raise errors.ConfigError(
      f'--compute={name}: deltas at the end of a clip look behind it, and where clips have lengths '
      'of their own that is padding. Say deltas=0, or let the data job store the feature.'
    )
  return features.spec(name, settings, audio)
