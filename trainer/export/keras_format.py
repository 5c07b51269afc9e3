"""A Keras file from raw samples, or pixels, to probabilities: it opens with Keras alone.

Its inputs are those of Made.input_names, by name: `samples` float32 [batch, samples], and where
clips are of any length, or where it matters which samples are the clip's own, `num_samples` int32
[batch]; or `pictures` uint8 [batch, height, width, channels]. Out come probabilities, float32
[batch, labels], in the order of labels.txt.
"""

from __future__ import annotations

import os

from exports import export_file
from schemas import errors
from trainer.export import made as made_lib
from trainer.lazy import keras
from trainer.models import saved_model
from trainer.runs import saved_run

_FILE = 'model.keras'


def check(run: saved_run.SavedRun) -> None:
  """Raises ConfigError where Keras cannot open a file of the run's model by itself."""
  if saved_model.keeps_graph(run.folder.graphs_dir):
    raise errors.ConfigError(
      f'The model {run.model_text} holds a TensorFlow SavedModel, which Keras opens by the folder '
      'that it lies in (TFSMLayer), and not from a file alone. Export it as saved_model.'
    )


def write(made: made_lib.Made, folder: str) -> str:
  """Writes the Keras file into a folder; returns its name in it."""
  _model(made).save(os.path.join(folder, _FILE))
  return _FILE


def _model(made: made_lib.Made) -> keras.Model:
  export, ops = made.export, keras.ops
  sources = [keras.Input(x.shape[1:], dtype=x.dtype, name=x.name) for x in made.front.inputs]
  given = list(sources)
  if export.is_variable:
    # The network looks at no more rows than a clip has; shorter batches are padded as by the job.
    given[0] = ops.pad(given[0], [[0, 0], [0, export.min_samples]])
  elif export.audio is not None and not made.needs_lengths:
    sources = sources[:1]
    given[1] = ops.sum(ops.cast(ops.ones_like(given[0]), 'int32'), axis=1)
  logits = made.network(made.front(given if len(given) > 1 else given[0]))
  scaled = ops.divide(ops.cast(logits, 'float32'), export.temperature)
  probabilities = ops.softmax(scaled, axis=-1)
  named = {name: x for name, x in zip(made.input_names(is_alone=False), sources, strict=True)}
  only = named if len(named) > 1 else sources[0]
  return keras.Model(only, {export_file.PROBABILITIES: probabilities}, name=made.network.name)
