"""Any network of a file as a trunk: a TensorFlow SavedModel, or a Keras file.

Such as YAMNet, VGGish or another encoder that the user has fetched. What it takes is read out of
the file: a batch of clips, or one clip alone, as the models of TensorFlow Hub do, which is then
mapped over the batch. It gets a clip's values as they are stored, without our normalisation, as it
has its own.

A Keras file becomes a part of the model. A SavedModel is wrapped by Keras's TFSMLayer: a checkpoint
holds its weights, and the run folder a copy of its graph, without which the checkpoint cannot be
read (an export holds all). Keras opens it with safe_mode=False only, as a graph may do more than
arithmetic.

A run keeps a copy of either. Who goes on with it or begins with its trunk builds the model from
that: the user's file may be gone by then, or be another one.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from schemas import errors, record
from tfrecords import paths, storage
from tfrecords.storage import half_written
from trainer.lazy import keras, tf
from trainer.models import anatomy, aside, inputs, model
from trainer.models.clip_rows import Rows

_KERAS_ENDINGS = ('.keras', '.h5')
_ENDPOINT = 'serve'
_LAYER = 'block1_saved_model'  # Also of the copy that a run keeps.
_KERAS_PART = 'saved_model'
_CONFIG = 'config.json'  # In a .keras file.


@dataclasses.dataclass(frozen=True, kw_only=True)
class SavedModel:
  """Settings of a trunk out of a file.

  Attributes:
    path: Folder of a TensorFlow SavedModel, or a .keras or .h5 file.
    output: Which of its results, as in output=embedding: a name that its signature gives, or a
      layer of a Keras file. Empty: the only one.
    dropout: Share of its result that training drops, in [0, 1).
  """

  path: str = ''
  output: str = ''
  dropout: float = 0.0

  def __post_init__(self) -> None:
    if not 0 <= self.dropout < 1:
      raise errors.ConfigError(f'dropout must be in [0, 1), got {self.dropout}.')


class _Outlined(SavedModel):
  """Settings of one that is only measured: it is not loaded."""


class _Kept(SavedModel):
  """Settings of a graph that a run keeps: it takes a batch and gives the one result."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Facts:
  """What a file takes and gives.

  Attributes:
    path: Of the file or folder.
    takes: The axes of what it takes, None for any size.
    gives: The axes of each of its results by their names.
    output: The result that is wanted.
  """

  path: str
  takes: tuple[int | None, ...]
  gives: Mapping[str, tuple[int | None, ...]]
  output: str

  def text(self) -> str:
    """Says it."""
    given = ', '.join(f'{name} {inputs.axes_text(shape)}' for name, shape in self.gives.items())
    return f'{self.path} takes float32 {inputs.axes_text(self.takes)} and gives {given}'


def check(feature: record.FeatureSpec, settings: SavedModel) -> None:
  """Refuses a path without a model, and a feature that it does not take."""
  if not settings.path:
    raise errors.ConfigError(
      '--model=saved_model needs the path of a model: --model=saved_model:path=DIR, a TensorFlow '
      'SavedModel or a .keras file.'
    )
  facts = _facts(settings)
  shape = tuple(feature.shape)
  if not any(_fits(taken, facts.takes) for taken in (shape, (None, *shape), (None, *shape, 1))):
    raise errors.DatasetError(
      f'{facts.text()}, but {feature.name!r} is {inputs.axes_text(shape)} for each clip. Pick '
      'another feature (--feature), or make the data set with what the model wants: its sample '
      'rate, and as many samples, frames and bins.'
    )


def trunk(x: Rows, settings: SavedModel) -> Rows:
  """Returns what the file gives: [batch, units], or a row for each frame."""
  facts = _facts(settings)
  shape = tuple(x.values.shape[1:])
  if not _fits((None, *shape), facts.takes) and _fits((None, *shape, 1), facts.takes):
    x = x.through(keras.layers.Reshape((*shape, 1), dtype='float32', name='channel'))
  if isinstance(settings, _Outlined):
    return x.through(_stand_in(facts))
  if facts.path.endswith(_KERAS_ENDINGS):
    return x.through(_keras_part(facts))
  # As long as the process: the layer reads it whenever it is saved.
  stack = contextlib.ExitStack()
  atexit.register(stack.close)
  folder = stack.enter_context(half_written.scratch('voxshard-saved-model-'))
  if isinstance(settings, _Kept):
    # What it is a copy of may be overwritten by the run that is to be.
    shutil.copytree(facts.path, folder, dirs_exist_ok=True)
  else:
    _write_batched(facts, tuple(x.values.shape[1:]), folder)
  layer = keras.layers.TFSMLayer(folder, _ENDPOINT, dtype='float32', name=_LAYER)
  return x.through(layer)


def settle(network: keras.Model, folder: str) -> list[str]:
  """Copies what a file gave to a model into a folder: whole or not at all, and once for a run.

  SavedModels in it name the copies from then on.

  Returns:
    The copies that were not there before.
  """
  made = []
  for layer in _graph_layers(network):
    copy = os.path.join(folder, layer.name)
    if not os.path.isdir(copy):
      with _appearing(copy) as temporary:
        shutil.copytree(layer.filepath, temporary)
      made.append(copy)
    layer.filepath = copy
  part, copy = _keras_part_of(network), os.path.join(folder, _LAYER + _KERAS_ENDINGS[0])
  if part is not None and not os.path.exists(copy):
    with _appearing(copy) as temporary:
      part.save(temporary)
    made.append(copy)
  return made


def kept(settings: SavedModel, graphs_dir: str) -> SavedModel:
  """Returns the settings by the copy that a run keeps; as they are where there is none."""
  graph = os.path.abspath(os.path.join(graphs_dir, _LAYER))
  if os.path.isdir(graph):
    return _Kept(path=graph, dropout=settings.dropout)
  file = graph + _KERAS_ENDINGS[0]
  return SavedModel(path=file, dropout=settings.dropout) if os.path.isfile(file) else settings


def keeps_graph(graphs_dir: str) -> bool:
  """Whether a run keeps a SavedModel that is in its model, which Keras has no operations of."""
  return os.path.isdir(os.path.join(graphs_dir, _LAYER))


@contextlib.contextmanager
def _appearing(path: str) -> Iterator[str]:
  """Yields where to write what is at `path` behind the block."""
  folder, name = os.path.split(path)
  os.makedirs(folder, exist_ok=True)
  prefix = os.path.join(folder, storage.TEMPORARY_MARK)
  with half_written.folder(prefix) as temporary:
    made = os.path.join(temporary, name)
    yield made
    os.rename(made, path)


def load(path: str, *, graphs_dir: str) -> keras.Model:
  """Returns the model of a checkpoint; one with a SavedModel inside by the copy in `graphs_dir`.

  Raises:
    Exception: what zipfile, h5py or Keras happen to raise.
  """
  if not keeps_graph(graphs_dir):
    return keras.models.load_model(path, compile=False)
  # Where the copy lies now: the run folder may have been moved since.
  with tempfile.TemporaryDirectory() as folder:
    moved = os.path.join(folder, os.path.basename(path))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(moved, 'w') as new:
      for name in old.namelist():
        content = old.read(name)
        if name == _CONFIG:
          config = json.loads(content)
          _point(config, graphs_dir)
          content = json.dumps(config).encode()
        new.writestr(name, content)
    # Keras asks for it as a graph may read and write files. It is the one that was trained with.
    return keras.models.load_model(moved, compile=False, safe_mode=False)


def _point(config: Any, graphs_dir: str) -> None:
  """Lets every TFSMLayer in a model's configuration name the graph in a folder."""
  if isinstance(config, Mapping):
    if config.get('class_name') == 'TFSMLayer':
      config['config']['filepath'] = os.path.join(graphs_dir, config['config']['name'])
    for value in config.values():
      _point(value, graphs_dir)
  elif isinstance(config, list):
    for value in config:
      _point(value, graphs_dir)


def _graph_layers(network: keras.Model) -> list[Any]:
  layers = network._flatten_layers(include_self=False)
  return [layer for layer in layers if isinstance(layer, keras.layers.TFSMLayer)]


def _keras_part_of(network: keras.Model) -> keras.Model | None:
  """Returns what a Keras file gave to a model, if it did."""
  trunk = anatomy.trunk(network)
  parts = trunk.layers if trunk is not None else ()
  models = (layer for layer in parts if isinstance(layer, keras.Model))
  return next((one for one in models if one.name == _KERAS_PART), None)


def _fits(shape: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
  return len(shape) == len(wanted) and all(
    have == want or want is None or (have is None and i == 0)
    for i, (have, want) in enumerate(zip(shape, wanted, strict=True))
  )


def _facts(settings: SavedModel) -> _Facts:
  """Returns what the file takes and gives.

  Raises:
    ConfigError: if there is no model, or it has no such result.
  """
  path = paths.expand(settings.path)
  if not os.path.exists(path):
    raise errors.ConfigError(
      f'path={settings.path}: there is no such file or folder. Give the folder of a TensorFlow '
      f'SavedModel (with saved_model.pb), or a file that ends in {" or ".join(_KERAS_ENDINGS)}.'
    )
  found = _read(path)
  output = settings.output or (next(iter(found.gives)) if len(found.gives) == 1 else '')
  if output not in found.gives and not (settings.output and path.endswith(_KERAS_ENDINGS)):
    wanted = f'has no result {output!r}' if output else 'has several results'
    raise errors.ConfigError(
      f'{found.text()}: it {wanted}. Name one of them, as in '
      f'--model=saved_model:path={settings.path},output={next(iter(found.gives))}.'
    )
  return dataclasses.replace(found, output=output)


def _read(path: str) -> _Facts:
  """Returns what a file takes and gives, all of its results; ConfigError."""
  return _read_as(path, _state(path))


def _state(path: str) -> tuple[tuple[str, int, int, int], ...]:
  """Returns what changes when a file, or one in a folder, is replaced: sizes and times."""
  files = [path] if os.path.isfile(path) else []
  for folder, _, names in os.walk(path):
    files += [os.path.join(folder, name) for name in names]
  found = []
  for file in sorted(files):
    with contextlib.suppress(OSError):
      stat = os.stat(file)
      found.append((file, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
  return tuple(found)


@functools.lru_cache(maxsize=8)
def _read_as(path: str, state: tuple[tuple[str, int, int, int], ...]) -> _Facts:
  """Returns what a file takes and gives that is in a state, which is read once; ConfigError."""
  try:
    return aside.apart(
      lambda: _read_keras(path) if path.endswith(_KERAS_ENDINGS) else _read_graph(path)
    )
  except errors.ConfigError:
    raise
  except Exception as error:  # Of zipfile, h5py, protobuf, Keras, TensorFlow.
    reason = ' '.join(str(error).split())[:300]
    raise errors.ConfigError(
      f'path={path}: expected the folder of a TensorFlow SavedModel, or a .keras or .h5 file that '
      f'Keras can open by itself, but this is another or damaged ({reason}).'
    ) from error


def _read_keras(path: str) -> _Facts:
  loaded = keras.models.load_model(path, compile=False)
  return _Facts(
    path=path,
    takes=_one_input(path, [tensor.shape for tensor in loaded.inputs]),
    gives={
      name: tuple(x.shape) for name, x in zip(loaded.output_names, loaded.outputs, strict=True)
    },
    output='',
  )


def _read_graph(path: str) -> _Facts:
  function = _function(tf.saved_model.load(path))
  arguments = function.structured_input_signature
  inputs = [one for one in tf.nest.flatten(arguments) if isinstance(one, tf.TensorSpec)]
  return _Facts(
    path=path,
    takes=_one_input(path, [one.shape.as_list() for one in inputs if one.dtype == tf.float32]),
    gives={name: _axes(one.shape) for name, one in _named(function.structured_outputs).items()},
    output='',
  )


def _function(loaded: Any) -> Any:
  """Returns the function that a SavedModel offers: of its signature, or the model itself."""
  if loaded.signatures:
    names = list(loaded.signatures)
    return loaded.signatures['serving_default' if 'serving_default' in names else names[0]]
  functions = getattr(loaded.__call__, 'concrete_functions', None) if callable(loaded) else None
  if not functions:
    raise ValueError('it has no signature, and cannot be called')
  return functions[0]


def _named(outputs: Any) -> dict[str, Any]:
  if isinstance(outputs, Mapping):
    return dict(sorted(outputs.items()))
  flat = tf.nest.flatten(outputs)
  return (
    {f'output_{i}': one for i, one in enumerate(flat)} if len(flat) > 1 else {'output': flat[0]}
  )


def _one_input(path: str, shapes: Sequence[Sequence[int | None]]) -> tuple[int | None, ...]:
  if len(shapes) != 1:
    raise errors.ConfigError(
      f'path={path}: expected a model with one input of float32, got '
      f'{", ".join(map(inputs.axes_text, shapes)) or "none"}.'
    )
  return tuple(shapes[0])


def _axes(shape: Any) -> tuple[int | None, ...]:
  return () if shape.rank is None else tuple(shape.as_list())


def _keras_part(facts: _Facts) -> keras.Model:
  """Returns a Keras file's model as far as the wanted result."""
  loaded = keras.models.load_model(facts.path, compile=False)
  outputs = dict(zip(loaded.output_names, loaded.outputs, strict=True))
  if facts.output not in outputs:
    names = [layer.name for layer in loaded.layers]
    if facts.output not in names:
      raise errors.ConfigError(
        f'{facts.text()}: it has no result or layer {facts.output!r}. Its layers are '
        f'{", ".join(names)}.'
      )
    outputs[facts.output] = loaded.get_layer(facts.output).output
  return keras.Model(loaded.inputs[0], outputs[facts.output], name=_KERAS_PART)


def _write_batched(facts: _Facts, shape: tuple[int | None, ...], folder: str) -> None:
  """Writes a SavedModel that takes a batch [batch, *shape] and gives the wanted result of each."""
  loaded = tf.saved_model.load(facts.path)
  function = _function(loaded)
  names = list(function.structured_input_signature[1])

  def one(values: Any) -> Any:
    results = _named(function(**{names[0]: values}) if names else function(values))
    return tf.cast(results[facts.output], tf.float32)

  def serve(values: Any) -> Any:
    if _fits((None, *shape), facts.takes):
      return one(values)
    return tf.map_fn(one, values, fn_output_signature=tf.float32)

  wrapper = tf.Module()
  wrapper.loaded = loaded  # It owns the weights.
  wrapper.serve = tf.function(serve, input_signature=[tf.TensorSpec([None, *shape], tf.float32)])
  tf.saved_model.save(wrapper, folder)


def _stand_in(facts: _Facts) -> Callable[[Any], Any]:
  """Returns what gives a result of the right units, where the file is not to be loaded.

  So the memory of a model is asked without what the file itself takes: an estimate that is low.
  """
  units = (facts.gives.get(facts.output) or (None,))[-1] or 1

  def stand(values: Any) -> Any:
    pooled = keras.ops.mean(values, axis=tuple(range(1, len(values.shape))), keepdims=True)
    pooled = keras.ops.reshape(pooled, (-1, 1))
    return keras.layers.Dense(units, name=_LAYER)(pooled)

  return stand


def _scratch(settings: SavedModel) -> SavedModel:
  """Refuses it."""
  raise errors.ConfigError(
    f'--model=saved_model:path={settings.path} is what its file says, with the weights of the '
    'file, so there is no run of it from random numbers to compare with. Make the others by '
    'themselves: --init_from=RUN --freeze=trunk, and from that run --freeze=none.'
  )


FAMILY = model.ModelFamily(
  settings=SavedModel,
  trunk=trunk,
  takes=(model.Takes.SAMPLES, model.Takes.FRAMES, model.Takes.PICTURES),
  lengths=model.Lengths.ONE,
  check=check,
  source='the file',
  is_normalised=lambda settings: False,
  is_pretrained=lambda settings: True,
  outlined=lambda settings: _Outlined(**dataclasses.asdict(settings)),
  scratch=_scratch,
  kept=kept,
)
