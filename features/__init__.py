"""From samples to arrays: one definition of each feature with two faces, NumPy and TensorFlow.

FEATURES is the table of kinds. A new one is a file of this folder and a line here. Nothing that is
imported from here imports TensorFlow; features.keras_twins has the faces that do.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from features import (
  chroma,
  feature,
  fft,
  image,
  log_mel,
  mel,
  mfcc,
  spectrogram_image,
  stft,
  tempogram,
  waveform,
)
from schemas import audio as audio_schema
from schemas import errors, medium, options, record

FEATURES: Mapping[str, feature.Feature] = {
  'waveform': waveform.FEATURE,
  'fft': fft.FEATURE,
  'stft': stft.FEATURE,
  'mel': mel.FEATURE,
  'log_mel': log_mel.FEATURE,
  'mfcc': mfcc.FEATURE,
  'chroma': chroma.FEATURE,
  'tempogram': tempogram.FEATURE,
  'spectrogram_image': spectrogram_image.FEATURE,
  'image': image.FEATURE,
}

# What is stored of audio, and computed of raw files, where nothing is named. Frames twice as far
# apart as log_mel's own and half the bands: a quarter of the values, networks hear unknown voices
# no worse by them, and train several times as fast (docs/models.md).
DEFAULT = 'log_mel:window_s=0.04,hop_s=0.02,num_mels=40'

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in FEATURES.items()}
# From a text, such as `log_mel:num_mels=64`, to the name and the settings; ConfigError.
parse = functools.partial(options.parse, settings_by_name=SETTINGS, family='feature')


def spec(name: str, settings: Any, audio: audio_schema.AudioSpec | None) -> record.FeatureSpec:
  """Returns what a record holds of a feature: shape, dtype, and the settings whole.

  Args:
    name: A key of FEATURES.
    settings: What `parse` returned.
    audio: The form of the clips; None for a corpus of pictures.

  Raises:
    FeatureError, SchemaError: where settings and audio do not fit, or the feature is computed
      from the other medium.
  """
  _check_medium(name, medium.PICTURES if audio is None else medium.AUDIO)
  return record.FeatureSpec(
    name=name,
    shape=FEATURES[name].shape(settings, audio),
    dtype=settings.dtype,
    settings=dataclasses.asdict(settings),
  )


def _check_medium(name: str, wanted: str) -> None:
  """Raises FeatureError for a feature that is not computed from the medium `wanted`."""
  if FEATURES[name].medium != wanted:
    fitting = [other for other, member in FEATURES.items() if member.medium == wanted]
    raise errors.FeatureError(
      f'Feature {name!r} is computed from {FEATURES[name].medium}, but the corpus is of {wanted}. '
      f'Use --feature={", ".join(fitting)}, or a source of {FEATURES[name].medium}.'
    )


def settings_of(feature_spec: record.FeatureSpec) -> Any:
  """Returns the settings that `spec` stored: the same object value, also after JSON.

  Raises:
    FeatureError: for a kind that this version does not know.
    ConfigError: for settings that it does not know or refuses.
  """
  if feature_spec.name not in FEATURES:
    raise errors.FeatureError(
      f'No feature is called {feature_spec.name!r}. Known: {", ".join(FEATURES)}. The data set '
      'was made by another version of this program; use that one.'
    )
  where = f'stored settings of feature {feature_spec.name!r}'
  return options.build(SETTINGS[feature_spec.name], feature_spec.settings, where=where)
