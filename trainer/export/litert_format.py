"""LiteRT (TensorFlow Lite) files for phones and small machines: of its builtin operations alone.

Three, of the same signature `serving_default`, one clip at a time:
  model.tflite: float32.
  model_dynamic.tflite: weights of the network in 8 bits, which are computed with as the runtime
    likes; what computes the feature is float32.
  model_int8.tflite: the network in 8 bits, weights and what goes through it; what computes the
    feature and the softmax are float32. Its ranges are those of clips of the train split.

`samples` float32 [1, samples], of any length where the model takes any; `num_samples` int32 [1]
where clips of one length have to say which samples are their own (see
waveform_model.needs_lengths); or `pictures` uint8 [1, height, width, channels]. Out come `logits`
and `probabilities`, float32 [1, labels].
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from typing import Any

from exports import export_file
from schemas import errors
from tfrecords.resources import held_stderr
from trainer.export import made as made_lib
from trainer.export import tflite_parts
from trainer.lazy import tf

# As the converter words it: `TF Select ops: IRFFT, Erf`, `Custom ops: NonMaxSuppression`, and of
# MLIR `'tf.IRFFT' op is neither a custom op nor a flex op`, and of a loop over clips of any length
# `'tf.TensorListReserve' op requires element_shape to be static`.
_LISTED = re.compile(r'(?:TF Select|Custom) ops: ([^\n]+)')
_OPERATION = re.compile(r"'tf\.(\w+)' op (?:is neither|requires)")

_LOOP = 'WHILE'
_OUTPUTS = (export_file.LOGITS, export_file.PROBABILITIES)


def write_float(made: made_lib.Made, folder: str) -> str:
  """Writes the model in float32; returns the name of its file."""
  parts = [converted(_front(made)), network_of_floats(made), converted(_softmax(made))]
  return _write(made, folder, 'model.tflite', parts)


def write_dynamic(made: made_lib.Made, folder: str) -> str:
  """Writes the model with weights of 8 bits; returns the name of its file."""
  network = converted(_network(made), is_quantized=True)
  parts = [converted(_front(made)), network, converted(_softmax(made))]
  return _write(made, folder, 'model_dynamic.tflite', parts)


def write_int8(made: made_lib.Made, folder: str) -> str:
  """Writes the model with a network of 8 bits; returns the name of its file.

  Raises:
    ConfigError: also for a network with a loop, in which the calibrator crashes.
  """
  if _LOOP in tflite_parts.operations(network_of_floats(made)):
    raise errors.ConfigError(
      f'The network has a loop ({_LOOP}), as recurrent layers are one, and TensorFlow finds no '
      'ranges of 8 bits inside of loops. Export it as litert or litert_dynamic.'
    )
  network = converted(_network(made), is_quantized=True, clips=made.calibration)
  parts = [converted(_front(made)), network, converted(_softmax(made))]
  return _write(made, folder, 'model_int8.tflite', parts)


def network_of_floats(made: made_lib.Made) -> bytes:
  """Returns the network by itself: what it takes, a batch of one, to logits."""
  return converted(_network(made))


def _write(made: made_lib.Made, folder: str, name: str, parts: Sequence[bytes]) -> str:
  inputs = made.input_names(is_alone=True)
  whole = tflite_parts.joined(parts, inputs=inputs, outputs=_OUTPUTS)
  with open(os.path.join(folder, name), 'wb') as stream:
    stream.write(whole)
  return name


def _front(made: made_lib.Made) -> Any:
  """Returns the function from what a caller gives to what the network takes.

  Fourier transforms are products of matrices. Those of a second at 16 kHz take half the time of the
  operation RFFT2D so, and 20 kB more; and that one has lengths of powers of two alone.
  """
  specs, call = made.asked(batch=1, by_matrices=True)
  return tf.function(lambda *given: _listed(call(*given)), input_signature=specs)


def _network(made: made_lib.Made) -> Any:
  """Returns the function from what the network takes to logits."""
  specs = [
    tf.TensorSpec([1, *x.shape[1:]], x.dtype, name=f'input_{i}')
    for i, x in enumerate(made.float32_network.inputs)
  ]

  def call(*given: Any) -> Any:
    return made.float32_network(list(given) if len(given) > 1 else given[0], training=False)

  return tf.function(call, input_signature=specs)


def _softmax(made: made_lib.Made) -> Any:
  """Returns the function from logits to the answers."""
  temperature = made.export.temperature
  spec = tf.TensorSpec([1, len(made.export.labels)], tf.float32, name='input_0')
  return tf.function(
    lambda logits: [tf.identity(logits), tf.nn.softmax(logits / temperature)],
    input_signature=[spec],
  )


def _listed(given: Any) -> list[Any]:
  return list(given) if isinstance(given, (list, tuple)) else [given]


def converted(
  function: Any,
  *,
  is_quantized: bool = False,
  clips: Sequence[Sequence[Any]] | None = None,
) -> bytes:
  """Returns a function as a LiteRT model.

  Args:
    function: A tf.function with a signature.
    is_quantized: Whether weights are of 8 bits.
    clips: What the function takes of some clips: what it computes is of 8 bits too.

  Raises:
    ConfigError: if the operations that LiteRT has do not suffice.
  """
  try:
    with held_stderr.held_back(shows_failures=False), warnings.catch_warnings():
      warnings.simplefilter('ignore')  # Of statistics of an older converter.
      found = function.get_concrete_function()
      converter = tf.lite.TFLiteConverter.from_concrete_functions([found])
      converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
      if is_quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
      if clips is not None:
        converter.representative_dataset = lambda: map(list, clips)
      made: bytes = converter.convert()
  except Exception as error:  # ConverterError, and what the quantizer happens to raise.
    raise errors.ConfigError(_refusal(str(error), of_int8=clips is not None)) from error
  return made


def _refusal(text: str, *, of_int8: bool) -> str:
  listed = [re.sub(r'\(.*?\)|Flex|tf\.', '', one).strip() for found in _LISTED.findall(text)
            for one in found.split(',')]  # fmt: skip
  names = sorted({*listed, *_OPERATION.findall(text)} - {''})
  if names:
    return (
      f'LiteRT has no {" and no ".join(names)} among its builtin operations, which this model '
      'needs, and what is written runs with these alone. Export it as saved_model or onnx.'
    )
  reason = ' '.join(text.split())[:200]
  what = 'litert_int8' if of_int8 else 'LiteRT'
  return (
    f'TensorFlow cannot convert this model for {what}: {reason}. Export it as '
    f'{"litert" if of_int8 else "saved_model"}.'
  )
