"""A LiteRT file that hears frame by frame: it takes the next samples and what it remembers.

model_streaming.tflite, float32, of builtin operations alone, with the signature `serving_default`:
`samples` [1, block_samples] and `state_0`, `state_1`, ... in; `logits` and `probabilities` [1,
labels] and the same states out. model_streaming.json says how it is fed:

1. All states are zeros, but that `state_0` is the first `primed_samples` samples of the recording,
   where frames overlap (`primed_samples` is not 0).
2. The samples behind them come in blocks; the states that come out go in with the next block.
3. Scores are of the last `window_frames` frames. So many have come from block number `first_block`
   on, counted from 1.

Recurrent models and `tcn` hear each frame once. Of convolutional ones the state is the window's
frames (a ring), over which the network goes each time. Refused are models that look at a clip from
both ends or attend to all of it: see trainer.streaming.step_model.
"""

from __future__ import annotations

import os
from typing import Any

from exports import export_file, streaming_file
from schemas import errors, json_form
from trainer.export import litert_format, tflite_parts
from trainer.export import made as made_lib
from trainer.lazy import tf
from trainer.models import anatomy
from trainer.runs import saved_run
from trainer.streaming import step_model

FILE = 'model_streaming.tflite'
# A block is the whole frames next to this.
BLOCK_S = 0.1


def check(run: saved_run.SavedRun) -> None:
  """Raises ConfigError for a run whose feature is not computed frame by frame."""
  step_model.framing(run)


def write(made: made_lib.Made, folder: str) -> str:
  """Writes the model and how it is fed; returns the name of its file.

  Raises:
    ConfigError: if the model looks ahead, or LiteRT lacks an operation.
  """
  step = _step(made)
  anatomy.for_any_device(step.model)
  names = ['samples', *(f'state_{i}' for i in range(len(step.state_shapes)))]
  block_samples = step.model.inputs[0].shape[1]
  block_frames = block_samples // step.framing.hop_samples
  content = litert_format.converted(_function(step, made.export.temperature))
  outputs = [export_file.LOGITS, export_file.PROBABILITIES, *names[1:]]
  whole = tflite_parts.joined([content], inputs=names, outputs=outputs)
  with open(os.path.join(folder, FILE), 'wb') as stream:
    stream.write(whole)
  feeding = streaming_file.Feeding(
    kind=step.kind,
    sample_rate_hz=step.framing.audio.sample_rate_hz,
    block_samples=block_samples,
    primed_samples=step.framing.primed_samples,
    frame_samples=step.framing.frame_samples,
    hop_samples=step.framing.hop_samples,
    window_frames=step.window_frames,
    first_block=-(-step.window_frames // block_frames),
    states=tuple(
      streaming_file.State(name=name, shape=tuple(shape))
      for name, shape in zip(names[1:], step.state_shapes, strict=True)
    ),
  )
  description = os.path.join(folder, streaming_file.DESCRIPTION)
  with open(description, 'w', encoding='utf-8') as text:
    text.write(json_form.dumps(feeding.to_json()) + '\n')
  return FILE


def _step(made: made_lib.Made) -> step_model.StepModel:
  run = made.run
  kind = step_model.STATE
  reason = step_model.reason_against(run, kind)
  if reason:
    if step_model.hears_everywhere(run):
      raise errors.ConfigError(
        f'{reason} Export it as {export_file.LITERT}, and ask it about whole windows.'
      )
    kind = step_model.RING
  form = step_model.framing(run)
  audio = form.audio
  return step_model.build(
    run,
    run.load_model(made.export.origin['checkpoint']),
    kind=kind,
    window_samples=audio.clip_samples or audio.sample_rate_hz,
    block_frames=max(1, round(BLOCK_S * audio.sample_rate_hz / form.hop_samples)),
  )


def _function(step: step_model.StepModel, temperature: float) -> Any:
  specs = [
    tf.TensorSpec(x.shape, tf.float32, name=f'input_{i}') for i, x in enumerate(step.model.inputs)
  ]

  def call(*given: Any) -> Any:
    logits, *states = step.model(list(given), training=False)
    return [tf.identity(logits), tf.nn.softmax(logits / temperature), *map(tf.identity, states)]

  return tf.function(call, input_signature=specs, autograph=False)
