"""Asks the model of an export in any of its formats, one clip or picture at a time.

Each format has a library of its own, which is imported when a model of it is loaded: TensorFlow,
Keras, `ai-edge-litert` or `onnxruntime`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import clip_input, export_file, exported, file_digests
from schemas import errors

# From samples float32 [num_samples], or pixels uint8 [height, width, channels], to probabilities,
# float32 [labels].
Ask = Callable[[NDArray[Any]], NDArray[np.float32]]


def load(folder: str, name: str) -> Ask:
  """Returns the function that asks a model.

  Args:
    folder: Of an export.
    name: The format.

  Raises:
    ConfigError: if the export has no such format, it cannot be read, or its library is missing.
  """
  export = export_file.load(folder)
  file = export.formats.get(name)
  if file is None or name not in _LOADERS:
    raise errors.ConfigError(
      f'The export in {folder!r} has no {name}; it has {", ".join(export.formats) or "nothing"}.'
    )
  module, package, load_one = _LOADERS[name]
  if importlib.util.find_spec(module) is None:
    raise errors.ConfigError(
      f'A model of the format {name} is run by {package}, which is not installed: '
      f'pip install {package}.'
    )
  file_digests.check(folder, export, name)
  try:
    return load_one(os.path.join(folder, file), export)
  except errors.VoxshardError:
    raise
  except Exception as error:  # Each library raises what it happens to raise.
    raise errors.ConfigError(
      f'{os.path.join(folder, file)!r} cannot be read ({type(error).__name__}). Export the run '
      'again: python -m trainer.export --overwrite.'
    ) from error


def is_installed(name: str) -> bool:
  """Whether the library is here that runs a format."""
  return importlib.util.find_spec(_LOADERS[name][0]) is not None


def package(name: str) -> str:
  """Returns what is installed to run a format."""
  return _LOADERS[name][1]


def given(one: NDArray[Any], export: export_file.Export) -> dict[str, NDArray[Any]]:
  """Returns what a model of any format may ask for of a clip or a picture, a batch of one each."""
  if export.audio is None:
    return {export_file.PICTURES: one[np.newaxis]}
  samples, num_samples = clip_input.batch([one], export)
  return {export_file.SAMPLES: samples, export_file.NUM_SAMPLES: num_samples}


def _of_saved_model(path: str, export: export_file.Export) -> Ask:
  model = exported.Exported(os.path.dirname(path))
  if export.audio is None:
    return lambda pixels: model.of_pictures(pixels[np.newaxis]).probabilities[0]
  return lambda samples: model.of_clips([samples]).probabilities[0]


def _of_keras(path: str, export: export_file.Export) -> Ask:
  os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
  import keras

  model = keras.models.load_model(path, compile=False)
  names = [tensor.name for tensor in model.inputs]

  def ask(one: NDArray[Any]) -> NDArray[np.float32]:
    values = given(one, export)
    wanted = {name: values[name] for name in names}
    found = model(wanted if len(names) > 1 else wanted[names[0]], training=False)
    result: NDArray[np.float32] = np.asarray(found[export_file.PROBABILITIES])[0]
    return result

  return ask


def _of_litert(path: str, export: export_file.Export) -> Ask:
  from ai_edge_litert import interpreter

  runner = interpreter.Interpreter(model_path=path).get_signature_runner()
  names = list(runner.get_input_details())

  def ask(one: NDArray[Any]) -> NDArray[np.float32]:
    values = given(one, export)
    found = runner(**{name: values[name] for name in names})
    result: NDArray[np.float32] = found[export_file.PROBABILITIES][0]
    return result

  return ask


def _of_onnx(path: str, export: export_file.Export) -> Ask:
  import onnxruntime

  session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
  names = [one.name for one in session.get_inputs()]

  def ask(one: NDArray[Any]) -> NDArray[np.float32]:
    values = given(one, export)
    wanted = {name: values[name] for name in names}
    result: NDArray[np.float32] = session.run([export_file.PROBABILITIES], wanted)[0][0]
    return result

  return ask


# By format: the module that runs it, what is installed to have that, and who loads a file of it.
_LOADERS: Mapping[str, tuple[str, str, Callable[[str, export_file.Export], Ask]]] = {
  export_file.SAVED_MODEL: ('tensorflow', 'tensorflow', _of_saved_model),
  export_file.KERAS: ('keras', 'keras', _of_keras),
  export_file.LITERT: ('ai_edge_litert', 'ai-edge-litert', _of_litert),
  export_file.LITERT_DYNAMIC: ('ai_edge_litert', 'ai-edge-litert', _of_litert),
  export_file.LITERT_INT8: ('ai_edge_litert', 'ai-edge-litert', _of_litert),
  export_file.ONNX: ('onnxruntime', 'onnxruntime', _of_onnx),
}
