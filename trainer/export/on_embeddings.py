"""A run on embeddings made into a model of clips again: the trunk that made them, and the run's.

The manifest of a data set of embeddings says of what trunk they are (trainer.extract), with a
digest of all that this learned. It is found again by that, or the run is not exported.
"""

from __future__ import annotations

import os
import re
from typing import Any

from schemas import errors
from trainer import models
from trainer.lazy import keras
from trainer.models import anatomy, clip_rows, front_end
from trainer.runs import run_folder, saved_run

_CHECKPOINT = re.compile(r' --checkpoint=(\w+)')


def is_embedded(run: saved_run.SavedRun) -> bool:
  """Whether a run learned from what the trunk of another model made of clips."""
  return run.manifest.config.get('extracted') is not None


def trunk_run(run: saved_run.SavedRun) -> saved_run.SavedRun:
  """Returns the run whose trunk made the embeddings that a run learned from.

  Raises:
    ConfigError: if the trunk is not that of a run, or the run is gone.
  """
  origin = run.manifest.config['extracted']
  named = str(origin.get('of', ''))
  if named.partition(':')[0] in models.MODELS and not os.path.isdir(named):
    raise errors.ConfigError(
      f'The run in {run.folder.path!r} learned from what {named} made of clips, whose weights are '
      'of a file and of no run. Exported are runs on embeddings of a run: train with '
      f'--model={named} itself, or extract from a run of it (--run_dir).'
    )
  try:
    found = saved_run.load(named)
    found.check_network()
  except errors.VoxshardError as error:
    raise errors.ConfigError(
      f'The run in {run.folder.path!r} learned from what the trunk of {named} made of clips, and '
      f'that trunk is part of the export. It cannot be had: {error}'
    ) from error
  if is_embedded(found):
    raise errors.ConfigError(
      f'The run in {run.folder.path!r} learned from embeddings that were made of embeddings '
      f'({named}). Exported are runs on embeddings of clips.'
    )
  return found


def joined(
  run: saved_run.SavedRun, of: saved_run.SavedRun, network: keras.Model
) -> tuple[keras.Model, keras.Model]:
  """Returns the model from what the run of the trunk took to logits, as (front or None, network).

  Args:
    run: A run on embeddings.
    of: Whose trunk made them.
    network: The model of the run: embeddings in, logits out.

  Raises:
    ConfigError: if the trunk has learned since, or is another.
  """
  from trainer.trunks import embedder

  origin = run.manifest.config['extracted']
  match = _CHECKPOINT.search(str(origin.get('command', '')))
  model = of.load_model(match.group(1) if match else run_folder.BEST)
  found = embedder.digest(model)
  if found != origin['trunk']:
    raise errors.ConfigError(
      f'The run in {run.folder.path!r} learned from what the trunk {origin["trunk"][:12]} of '
      f'{origin["of"]} made of clips; there is now the trunk {found[:12]}. Make the embeddings '
      f'again ({origin["command"]}), and train on them.'
    )
  computed, _ = front_end.parts(model)
  trunk = anatomy.trunk(model)
  assert trunk is not None  # Embeddings were made of it.
  sources = [keras.Input(x.shape[1:], dtype=x.dtype) for x in trunk.inputs]
  x = clip_rows.of(trunk(sources if len(sources) > 1 else sources[0]))
  per_frame = len(run.feature.shape) > 1
  if x.rank == 4:
    x = x.through(lambda values: keras.ops.mean(keras.ops.cast(values, 'float32'), axis=2))
  if x.rank > 2 and not per_frame:
    x = clip_rows.mean(x)
  x = x.through(_rounded(run))
  given: Any = x.tensors if run.feature.is_variable else x.values
  return computed, keras.Model(sources, network(given), name=network.name)


def _rounded(run: saved_run.SavedRun) -> Any:
  """Returns the function that gives values as their stored form does."""
  from features import keras_twins

  return lambda values: keras_twins.rounded(keras.ops.cast(values, 'float32'), run.feature.dtype)
