"""From a trained run to a model that takes the next samples and what it remembers.

Two kinds. A model with STATE hears each frame once: recurrent layers go on from where they were,
causal convolutions remember the rows that they still need, a mean goes over the rows of the last
window. A RING holds the frames of the last window, and the network of the run hears all of them
each time: only the feature is computed of new frames alone. So any network can be asked, also one
that looks ahead inside of the window.

A ring says of a window what the run says of that clip. A model with state says so of the first
window of a recording; later it also remembers what came before the window, which a clip that is cut
out has not.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import features
from exports import streaming_file
from features.spectra import frames as frames_lib
from schemas import audio as audio_schema
from schemas import errors, record
from trainer import models
from trainer.lazy import keras
from trainer.models import anatomy, clip_rows, front_end, streams
from trainer.models import model as model_lib
from trainer.runs import run_folder, saved_run

STATE, RING = KINDS = streaming_file.KINDS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Framing:
  """How a run's feature is computed of samples as they come.

  Attributes:
    feature: What the network takes, [frames, bins].
    stored: What the data set has: the same, or the samples of which a model computes it.
    audio: The form of the clips.
    frame_samples: Of one frame.
    hop_samples: From one frame to the next.
  """

  feature: record.FeatureSpec
  stored: record.FeatureSpec
  audio: audio_schema.AudioSpec
  frame_samples: int
  hop_samples: int

  @property
  def primed_samples(self) -> int:
    """How many samples stand in front of those of which the first frame is made."""
    return self.frame_samples - self.hop_samples

  def num_frames(self, num_samples: int) -> int:
    """Returns how many frames a window of so many samples has."""
    return 1 + max(0, num_samples - self.frame_samples) // self.hop_samples


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StepModel:
  """A run as it hears frame by frame.

  Attributes:
    kind: STATE or RING.
    model: From [samples, *states] to [logits, *states], in batches of one: samples float32 [1,
      samples], as many as some hops; logits float32 [1, labels]; the first state is the samples
      in front, where frames overlap.
    framing: What becomes of samples.
    window_frames: Over how many frames a score goes; before so many have come there is none.
  """

  kind: str
  model: keras.Model
  framing: Framing
  window_frames: int

  @property
  def state_shapes(self) -> list[tuple[int, ...]]:
    """The shapes of the states, each [1, ...]."""
    return [tuple(state.shape) for state in self.model.inputs[1:]]


def framing(run: saved_run.SavedRun) -> Framing:
  """Returns how the feature of a run is computed of samples as they come.

  Raises:
    ConfigError: if it cannot be, with the reason.
  """
  run.check_network()
  audio, feature = run.manifest.audio, run.feature
  computed = run.folder.read_config().get('computed')
  if computed:
    feature = record.FeatureSpec.from_json(computed, where='computed')
  if audio is None:
    raise _refused(run, 'it takes pictures, which have no time')
  if audio.effects:
    raise _refused(
      run, f'its clips were changed as a whole first (--effects={",".join(audio.effects)})'
    )
  if audio.trim_db:
    raise _refused(run, 'the silence around its clips was cut away (--trim_db)')
  settings = features.settings_of(feature)
  member = features.FEATURES[feature.name]
  is_framed = isinstance(settings, frames_lib.FrameSettings) and len(feature.shape) == 2
  if not (is_framed and member.has_twin) or feature.shape[0] == 1:
    raise _refused(run, f'its feature {feature.name!r} is of a clip as a whole')
  if getattr(settings, 'deltas', 0):
    raise _refused(
      run, f'deltas={settings.deltas} of its feature {feature.name!r} look at frames to come'
    )
  assert isinstance(settings, frames_lib.FrameSettings)
  frames = settings.frames(audio)
  return Framing(
    feature=feature,
    stored=run.feature,
    audio=audio,
    frame_samples=frames.window_samples,
    hop_samples=frames.hop_samples,
  )


def load(
  run: saved_run.SavedRun,
  *,
  kind: str,
  window_samples: int,
  checkpoint: str = run_folder.BEST,
  block_frames: int | None = None,
) -> StepModel:
  """Returns a run as it hears frame by frame.

  Args:
    run: What was trained.
    kind: STATE or RING.
    window_samples: What a score is of; of clips of one length those.
    checkpoint: Which of its models.
    block_frames: So many frames come each time; None for any number.

  Raises:
    ConfigError: if it cannot, with the reason.
  """
  return build(
    run,
    run.load_model(checkpoint),
    kind=kind,
    window_samples=window_samples,
    block_frames=block_frames,
  )


def build(
  run: saved_run.SavedRun,
  network: keras.Model,
  *,
  kind: str,
  window_samples: int,
  block_frames: int | None = None,
) -> StepModel:
  """Returns what `load` does, of a model of the run that is loaded already."""
  form = framing(run)
  num_frames = form.num_frames(window_samples)
  network = front_end.parts(network)[1]
  stream = streams.Stream(num_frames)
  new_samples = block_frames and block_frames * form.hop_samples
  samples = keras.Input(batch_shape=(1, new_samples), name='samples')
  values = _frames(samples, form, stream)
  if kind == STATE:
    logits = _with_state(run, network, values, stream)
  else:
    # All states begin with zeros: until so many frames have come, the scores are of no window.
    ring = stream.joined(values, num_frames)[:, -num_frames:]
    logits = network([ring, _constant(num_frames, ring)] if run.feature.is_variable else ring)
  model = keras.Model([samples, *stream.before], [logits, *stream.behind], name=network.name)
  if kind == STATE:
    _take_weights(model, network)
  return StepModel(kind=kind, model=model, framing=form, window_frames=num_frames)


def reason_against(run: saved_run.SavedRun, kind: str) -> str:
  """Returns why a run cannot hear so, by its name; '' where it can. Loads no weights."""
  try:
    form = framing(run)
    if kind == STATE:
      values = keras.Input(batch_shape=(1, None, form.feature.shape[1]))
      _trunk_and_head(run, values, streams.Stream(1))
  except errors.ConfigError as error:
    return str(error)
  return ''


def hears_everywhere(run: saved_run.SavedRun) -> bool:
  """Whether each frame of a clip changes what the model makes of all others."""
  form = framing(run)
  values = keras.Input(batch_shape=(1, None, form.feature.shape[1]))
  name, _ = models.parse_of_run(run.model_text, run.folder.graphs_dir)
  if models.MODELS[name].lengths == model_lib.Lengths.UP_TO:
    return True
  try:
    _trunk_and_head(run, values, streams.Stream(1, passes_windows=True))
  except errors.ConfigError as error:
    return isinstance(error.__cause__, streams.LooksEverywhereError)
  return False


def _frames(samples: Any, form: Framing, stream: streams.Stream) -> Any:
  """Returns the feature of the frames that new samples complete, [1, frames, bins]."""
  from features import keras_twins

  if form.stored.name != form.feature.name:  # Computed of samples as they are stored.
    samples = keras_twins.rounded(samples, form.stored.dtype)
  behind_past = stream.joined(samples, form.primed_samples)
  # Of whole windows alone, as of clips of one length.
  audio = form.audio
  if audio.is_variable:
    audio = dataclasses.replace(audio, clip_s=1.0)
  # Of a counted number of samples by matrices: LiteRT has operations for all of it then.
  spectrum = keras_twins.fast if samples.shape[1] is None else keras_twins.by_matrices
  settings = features.settings_of(form.feature)
  twin = keras_twins.make(form.feature.name, settings, audio, spectrum)
  values = twin(behind_past)
  if form.stored.name == form.feature.name:
    values = keras_twins.rounded(values, form.feature.dtype)
  return values


def _constant(number: int, like: Any) -> Any:
  return keras.ops.full_like(like[:, 0, 0], number, dtype='int32')


def _with_state(
  run: saved_run.SavedRun, network: keras.Model, values: Any, stream: streams.Stream
) -> Any:
  layers = anatomy.leaves(network)
  normalise = next((x for x in layers if isinstance(x, keras.layers.Normalization)), None)
  heard = _trunk_and_head(run, values if normalise is None else normalise(values), stream)
  logits = network.get_layer('logits')
  return keras.layers.Dense(logits.units, dtype='float32', name='logits')(heard)


def _trunk_and_head(run: saved_run.SavedRun, values: Any, stream: streams.Stream) -> Any:
  """Returns what stands in front of the logits, untrained; ConfigError where it looks ahead."""
  name, settings = models.parse_of_run(run.model_text, run.folder.graphs_dir)
  member = models.MODELS[name]
  if member.lengths != model_lib.Lengths.ANY:
    raise _refused(run, f'{name} takes clips up to a length, each as a whole')
  try:
    with streams.building(stream):
      return member.head(member.trunk(clip_rows.Rows(values), settings), settings).values
  except streams.LooksAheadError as error:
    raise _refused(run, f'{name} {error}') from error


def _take_weights(model: keras.Model, trained: keras.Model) -> None:
  of_name = {layer.name: layer for layer in anatomy.weighted_layers(trained)}
  for layer in anatomy.weighted_layers(model):
    layer.set_weights(of_name[layer.name].get_weights())


def _refused(run: saved_run.SavedRun, reason: str) -> errors.ConfigError:
  return errors.ConfigError(
    f'The run in {run.folder.path!r} ({run.model_text}) cannot hear frame by frame: {reason}.'
  )
