"""From raw samples, or pixels, to what a run's model takes: Keras operations alone.

In the order of the data job: what is done to the samples of a clip, its place in the padding, the
feature, the rounding of its stored form; behind that stands the run's model with its normalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import features
from exports import export_file
from features import effects as effects_lib
from features import extractor
from features.spectra import frames as frames_lib
from schemas import audio as audio_schema
from schemas import errors, record
from trainer.lazy import keras
from trainer.models import front_end
from trainer.runs import saved_run

_NAME = 'raw_input'  # Of the model in front.


def front(
  run: saved_run.SavedRun, computed: keras.Model | None = None, *, by_matrices: bool = False
) -> keras.Model:
  """Returns what computes the input of a run's network.

  Args:
    run: What was trained.
    computed: What of its model computes a feature of what is stored; see models.front_end.
    by_matrices: Whether Fourier transforms are products of matrices.

  Returns:
    Where the run is of audio: samples, float32 [batch, num_samples], each clip from the first on
    with anything behind, and num_samples, int32 [batch]; where all clips are of one length
    num_samples of the first is that length. Where it is of pictures: uint8 [batch, height, width,
    channels]. Out comes the stored feature as float32, or the computed one; where clips are of any
    length in a list with the rows of each.

  Raises:
    ConfigError: if a model cannot compute the feature, or an effect.
  """
  audio = run.manifest.audio
  if audio is None:
    pictures = keras.Input(run.feature.shape, dtype='uint8', name=export_file.PICTURES)
    return keras.Model(pictures, keras.ops.cast(pictures, 'float32'), name=_NAME)
  check(run)
  samples = keras.Input([audio.clip_samples or None], name=export_file.SAMPLES)
  num_samples = keras.Input((), dtype='int32', name=export_file.NUM_SAMPLES)
  heard = _placed(_changed(samples, num_samples, audio), num_samples, audio)
  from features import keras_twins

  spectrum = keras_twins.by_matrices if by_matrices else keras_twins.fast
  twin = keras_twins.make(run.feature.name, features.settings_of(run.feature), audio, spectrum)
  # As it is stored: the model learned from such values.
  values = keras_twins.rounded(twin(heard), run.feature.dtype)
  outputs = [values, num_rows(run, num_samples)] if run.feature.is_variable else values
  if computed is not None:
    outputs = _computing(run, audio, spectrum)(outputs) if by_matrices else computed(outputs)
  return keras.Model([samples, num_samples], outputs, name=_NAME)


def _computing(
  run: saved_run.SavedRun, audio: audio_schema.AudioSpec, spectrum: Any
) -> Callable[[Any], Any]:
  """Returns what computes the feature of a run with --compute from samples and their number."""
  from features import keras_twins

  fields = run.folder.read_config().get('computed') or {}
  spec = record.FeatureSpec.from_json(fields, where=f'{run.folder.config_file}, computed')
  twin = keras_twins.make(spec.name, features.settings_of(spec), audio, spectrum)
  if not spec.is_variable:
    return twin
  return lambda given: [twin(given[0]), front_end.num_rows(given[1], spec, audio)]


def behind(front_model: keras.Model, network: keras.Model) -> keras.Model:
  """Returns a model that gives what `front` computes to a network."""
  sources = [keras.Input(x.shape[1:], dtype=x.dtype, name=x.name) for x in front_model.inputs]
  given = sources if len(sources) > 1 else sources[0]
  return keras.Model(given, network(front_model(given)), name=network.name)


def needs_lengths(run: saved_run.SavedRun) -> bool:
  """Whether it matters which samples of a padded clip are the clip's own.

  Where clips are of one length, begin at the first sample and have no effects, zeros behind a
  shorter one are all that the data job did to it.
  """
  audio = run.manifest.audio
  if audio is None:
    return False
  return bool(audio.is_variable or audio.effects or audio.position != audio_schema.START)


def check(run: saved_run.SavedRun) -> None:
  """Raises ConfigError for a run of audio whose input no model computes, naming what it is."""
  audio = run.manifest.audio
  if audio is None:
    return
  known = [name for name, member in features.FEATURES.items() if member.has_twin]
  if run.feature.name not in known:
    raise errors.ConfigError(
      f'No model computes the feature {run.feature.name!r}, so that a model which takes audio '
      f'cannot be made of this run; one can of {", ".join(known)}. Train on one of those, or use '
      'the run by python -m trainer.predict.'
    )
  for text in audio.effects:
    name, _ = effects_lib.parse(text)
    if audio.is_variable and effects_lib.EFFECTS[name].is_endless:
      raise errors.ConfigError(
        f'No model computes the effect {name!r} of clips of any length, with which the data set of '
        f'this run was made (--effect={text}); of clips of one length one can. Make the data set '
        'with such (--clip_seconds), or without the effect, and train again, or use the run by '
        'python -m trainer.predict.'
      )


def min_samples(run: saved_run.SavedRun) -> int:
  """Returns to how many samples a clip is padded at least, where each has a length of its own."""
  # The data job pads to what the most demanding of its features needs.
  return extractor.Extractor(run.manifest.features, run.manifest.audio).min_samples


def num_rows(run: saved_run.SavedRun, num_samples: Any) -> Any:
  """Returns how many rows the feature of clips of so many samples has, int32 [batch]."""
  audio, settings = run.manifest.audio, features.settings_of(run.feature)
  padded = keras.ops.maximum(num_samples, min_samples(run))
  if audio is None or not isinstance(settings, frames_lib.FrameSettings):
    return padded
  frames = settings.frames(audio)
  return 1 + keras.ops.maximum(padded - frames.window_samples, 0) // frames.hop_samples


def _changed(samples: Any, num_samples: Any, audio: audio_schema.AudioSpec) -> Any:
  """Returns samples after all effects, with zeros behind each clip."""
  from features import effect_twins

  is_real = _is_real(samples, num_samples)
  samples = keras.ops.multiply(samples, is_real)
  for text in audio.effects:
    name, settings = effects_lib.parse(text)
    changed = effect_twins.TWINS[name](settings, audio)(samples, num_samples, is_real)
    samples = keras.ops.multiply(changed, is_real)
  return samples


def _is_real(samples: Any, num_samples: Any) -> Any:
  """Returns 1 where a sample is one of the clip, else 0: float32 [batch, num_samples]."""
  ops = keras.ops
  # Counted so, since Keras knows no length while it builds a model; exact up to 2^24 samples.
  places = ops.cumsum(ops.ones_like(samples), axis=1)
  return ops.cast(places <= ops.cast(num_samples, 'float32')[:, None], 'float32')


def _placed(samples: Any, num_samples: Any, audio: audio_schema.AudioSpec) -> Any:
  """Returns clips of one length where they stand in their padding."""
  if audio.is_variable or audio.position == audio_schema.START:
    return samples
  ops, wanted = keras.ops, audio.clip_samples
  missing = ops.maximum(wanted - num_samples, 0)
  before = missing // 2 if audio.position == audio_schema.CENTRE else missing  # As cutting.offset.
  places = ops.arange(wanted, dtype='int32')[None] - before[:, None]
  moved = ops.take_along_axis(samples, ops.maximum(places, 0), axis=1)
  return ops.multiply(moved, ops.cast(places >= 0, 'float32'))
