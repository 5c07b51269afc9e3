"""ONNX, which other runtimes than TensorFlow's run: converted by tf2onnx.

Fourier transforms are products of matrices: tf2onnx makes an operation of one only where nothing
but its absolute value is looked at, and then of a matrix as large as the square of its length.

Takes what the Keras file does (see keras_format) in batches of any size, and gives `logits` and
`probabilities`, float32 [batch, labels].
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from exports import export_file
from schemas import errors
from tfrecords.resources import held_stderr
from trainer.export import made as made_lib
from trainer.lazy import tf

_FILE = 'model.onnx'
# The newest that tf2onnx 1.17 knows; runtimes have it since 2023.
_OPSET = 18


def write(made: made_lib.Made, folder: str) -> str:
  """Writes the model into a folder; returns its name in it.

  Raises:
    ConfigError: if it holds an operation for which ONNX has none.
  """
  specs, front = made.asked(batch=None, by_matrices=True)
  temperature = made.export.temperature

  def answer(*given: Any) -> dict[str, Any]:
    logits = made.network(front(*given), training=False)
    return {
      export_file.LOGITS: logits,
      export_file.PROBABILITIES: tf.nn.softmax(logits / temperature),
    }

  function = tf.function(answer, input_signature=specs)
  logging.getLogger('tf2onnx').setLevel(logging.CRITICAL)
  try:
    with held_stderr.held_back(shows_failures=False):
      model = _converted(function.get_concrete_function())
  except Exception as error:  # What tf2onnx happens to raise.
    reason = ' '.join(str(error).split())[:200]
    raise errors.ConfigError(
      f'tf2onnx cannot convert this model: {reason}. Export it as saved_model.'
    ) from error
  lacking = sorted(set(_lacking(model.graph)))
  if lacking:
    raise errors.ConfigError(
      f'ONNX has no {" and no ".join(lacking)} among its operations, which this model needs. '
      'Export it as saved_model.'
    )
  with open(os.path.join(folder, _FILE), 'wb') as stream:
    stream.write(model.SerializeToString())
  return _FILE


def _converted(function: Any) -> Any:
  """Returns a function of TensorFlow as a model of ONNX, with its names.

  What the function holds is made constants of first: tf2onnx takes those that are no variables for
  inputs.
  """
  import tf2onnx
  from tensorflow.python.framework import convert_to_constants

  frozen = convert_to_constants.convert_variables_to_constants_v2(
    function, lower_control_flow=False
  )
  specs = tf.nest.flatten(function.structured_input_signature)
  inputs = [tensor.name for tensor in frozen.inputs]
  outputs = [tensor.name for tensor in frozen.outputs]
  names = [*(spec.name for spec in specs), *sorted(function.structured_outputs)]
  model, _ = tf2onnx.convert.from_graph_def(
    frozen.graph.as_graph_def(),
    name='voxshard',
    input_names=inputs,
    output_names=outputs,
    opset=_OPSET,
    custom_op_handlers={'Erfc': (_erfc, [])},
    tensors_to_rename=dict(zip([*inputs, *outputs], names, strict=True)),
  )
  return model


def _erfc(context: Any, node: Any, name: str, arguments: Any) -> None:
  """Puts 1 - erf(x) in place of erfc(x), of the GELU of Keras, which tf2onnx does not know."""
  del arguments
  given, outputs = list(node.input), list(node.output)
  shapes, kinds = node.output_shapes, node.output_dtypes
  context.remove_node(node.name)
  one = context.make_const(f'{name}_one', np.array(1, np.float32))
  erf = context.make_node('Erf', given, dtypes=kinds, shapes=shapes)
  context.make_node(
    'Sub', [one.output[0], erf.output[0]], outputs=outputs, dtypes=kinds, shapes=shapes
  )


def _lacking(graph: Any) -> Iterator[str]:
  """Yields the operations of a graph that ONNX has not: tf2onnx leaves what it does not know."""
  import onnx

  for node in graph.node:
    if not onnx.defs.has(node.op_type, node.domain):
      yield node.op_type
    for attribute in node.attribute:
      if attribute.HasField('g'):
        yield from _lacking(attribute.g)
