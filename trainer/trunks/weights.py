"""The weights of a saved run on their way into a model that is about to be trained."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from schemas import errors
from trainer.devices import agreement
from trainer.devices import workers as workers_lib
from trainer.models import anatomy, front_end, saved_model
from trainer.runs import origin as origin_lib
from trainer.runs import run_folder, written_checkpoints

_TRUNK, _HEAD = 'trunk', 'head'
_META = 'meta.json'

Layers = Sequence[tuple[str, Sequence[NDArray[Any]]]]  # Names with their weights, in order.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
  """What a run has learned.

  Attributes:
    named: Where it lies, as --init_from says.
    sha256: Of the .keras file.
    labels: What it tells apart; () where nobody knows.
    constants: What layers of the trunk hold beside weights, by their name: the statistics that the
      values are normalised by, and the scale that a trunk wants.
    trunk: Its layers.
    head: Those behind it.
  """

  named: str
  sha256: str
  labels: Sequence[str] = ()
  constants: Mapping[str, Any]
  trunk: Layers = ()
  head: Layers = ()

  def to_json(self) -> dict[str, Any]:
    """Returns what config.json says of it: enough to go on with the run without its origin."""
    return {'path': self.named, 'sha256': self.sha256, 'constants': dict(self.constants)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
  """What became of the parts of a model: numbers of weights by layer.

  Attributes:
    trunk: Those of the trunk, taken.
    head: Those of the head that were taken; empty where it is new.
    new: Those that are as they were.
  """

  trunk: Mapping[str, int]
  head: Mapping[str, int]
  new: Mapping[str, int]


def read(origin: origin_lib.Origin, workers: workers_lib.Workers) -> Weights:
  """Returns the weights of a run, which the chief reads.

  Raises:
    ConfigError: if the file is damaged, or of no model of ours.
  """
  data = agreement.made_by_chief(lambda: _read(origin), workers)
  with np.load(io.BytesIO(data), allow_pickle=False) as stored:
    meta = json.loads(stored[_META].tobytes())
    layers = {
      part: [
        (name, [stored[f'{part}|{i}|{j}'] for j in range(count)])
        for i, (name, count) in enumerate(meta.pop(part))
      ]
      for part in (_TRUNK, _HEAD)
    }
  return Weights(**meta, **layers)


def of_resumed(config: Mapping[str, Any]) -> Weights | None:
  """Returns what config.json of a run that goes on says of its origin: no weights any more."""
  said = config.get('init_from')
  if not isinstance(said, Mapping):
    return None
  return Weights(named=said['path'], sha256=said['sha256'], constants=said['constants'])


def put_constants(model: keras.Model, constants: Mapping[str, Any]) -> None:
  """Gives the trunk of a model the statistics and the scale of another."""
  trunk = anatomy.trunk(model)
  for layer in anatomy.leaves(trunk) if trunk is not None else ():
    for name, value in constants.get(layer.name, {}).items():
      if isinstance(layer, keras.layers.Normalization):
        setattr(layer, f'input_{name}', np.array(value))
        shape = getattr(layer, name).shape
        value = keras.ops.reshape(np.array(value, layer.compute_dtype), shape)
      setattr(layer, name, value)


def put(weights: Weights, model: keras.Model, labels: Sequence[str]) -> Outcome:
  """Gives a model the weights of a run, in strategy.scope(): the trunk, and perhaps the head.

  The head is taken too where the labels are the same ones in the same order.

  Args:
    weights: The run's.
    model: As models.build gives it.
    labels: What it is to tell apart.

  Raises:
    ConfigError: if the trunks are not alike, such as of one that flattens clips of another length.
  """
  trunk = anatomy.trunk(model)
  if trunk is None:
    raise errors.ConfigError(f'--init_from: model {model.name!r} has no trunk to fill.')
  put_constants(model, weights.constants)
  theirs = _filled(list(anatomy.leaves(trunk)), weights.trunk)
  if isinstance(theirs, str):
    raise errors.ConfigError(
      f'--init_from={weights.named}: its trunk does not fit --model={model.name} on this data: '
      f'{theirs}. A trunk that flattens clips takes those of its own length only: make the data '
      'set with the --clip_seconds of that run, or train it on clips of any length '
      '(--clip_seconds=0).'
    )
  head = _head_layers(model)
  taken = _filled(head, weights.head) if tuple(weights.labels) == tuple(labels) else 'other labels'
  counts = {layer.name: layer.count_params() for layer in head if layer.weights}
  return Outcome(
    trunk=theirs,
    head={} if isinstance(taken, str) else counts,
    new=counts if isinstance(taken, str) else {},
  )


def _filled(layers: Sequence[keras.layers.Layer], stored: Layers) -> dict[str, int] | str:
  """Gives layers the stored weights; returns how many of each, or in what they differ.

  Layers are found by name; where Keras made up names, by their place.
  """
  layers = [layer for layer in layers if layer.weights]
  by_name = dict(stored)
  if len(layers) != len(stored):
    return f'it has {len(stored)} layers with weights there and {len(layers)} here'
  if {layer.name for layer in layers} != set(by_name):
    by_name = {layer.name: arrays for layer, (_, arrays) in zip(layers, stored, strict=True)}
  for layer in layers:
    there = [array.shape for array in by_name[layer.name]]
    here = [tuple(weight.shape) for weight in layer.weights]
    if there != here:
      return f'the weights of layer {layer.name!r} are {_text(there)} there and {_text(here)} here'
  for layer in layers:
    layer.set_weights(by_name[layer.name])
    if isinstance(layer, keras.layers.Normalization):
      layer.finalize_state()
  return {layer.name: layer.count_params() for layer in layers}


def _read(origin: origin_lib.Origin) -> bytes:
  """Returns the content of a .keras file as arrays, with what else must be known of it."""
  from features import layers  # noqa: F401 - so that Keras finds those of old checkpoints.

  path = origin.checkpoint
  if origin.run and path != origin.named:  # A file that is named itself is what is wanted.
    written_checkpoints.check(origin.run.folder, path)
  if origin.run:
    written_checkpoints.check_below(origin.run.folder, origin.graphs_dir)
  sha256 = run_folder.digest_of(path)
  try:
    model = saved_model.load(path, graphs_dir=origin.graphs_dir)
  except Exception as error:  # Keras raises what zipfile, h5py or its own reader happen to raise.
    raise errors.ConfigError(
      f'--init_from={origin.named}: {path!r} cannot be read ({type(error).__name__}). It is '
      'damaged, was written by another version of Keras, or is one of a saved_model without the '
      'folder of its run. Name the --run_dir, or another checkpoint or run.'
    ) from error
  trunk = anatomy.trunk(model)
  if trunk is None:
    raise errors.ConfigError(
      f'--init_from={origin.named}: the model in {path!r} has no trunk of its own: it was made by '
      'an older version of this program, or by another one. Train it again.'
    )
  arrays: dict[str, NDArray[Any]] = {}
  meta: dict[str, Any] = {
    'named': origin.named,
    'sha256': sha256,
    'labels': list(origin.labels),
    'constants': {
      layer.name: found for layer in anatomy.leaves(trunk) if (found := constants(layer))
    },
  }
  for part, found in ((_TRUNK, list(anatomy.leaves(trunk))), (_HEAD, _head_layers(model))):
    found = [layer for layer in found if layer.weights]
    meta[part] = [(layer.name, len(layer.weights)) for layer in found]
    for i, layer in enumerate(found):
      arrays.update({f'{part}|{i}|{j}': value for j, value in enumerate(layer.get_weights())})
  out = io.BytesIO()
  np.savez(out, **{_META: np.frombuffer(json.dumps(meta).encode(), np.uint8)}, **arrays)
  return out.getvalue()


def constants(layer: keras.layers.Layer) -> dict[str, Any]:
  """Returns what a layer holds that is no weight, and yet belongs to its weights."""
  if isinstance(layer, keras.layers.Normalization) and layer.input_mean is not None:
    names = ('mean', 'variance')
    return {name: np.array(getattr(layer, f'input_{name}')).tolist() for name in names}
  if isinstance(layer, keras.layers.Rescaling):
    return {name: np.array(getattr(layer, name)).tolist() for name in ('scale', 'offset')}
  return {}


def _head_layers(model: keras.Model) -> list[keras.layers.Layer]:
  network = front_end.parts(model)[1]
  return [
    leaf
    for layer in network.layers
    if layer.name != anatomy.TRUNK
    for leaf in (anatomy.leaves(layer) if isinstance(layer, keras.Model) else [layer])
  ]


def _text(shapes: Sequence[Sequence[int]]) -> str:
  return ' and '.join('x'.join(map(str, shape)) or 'a number' for shape in shapes)
