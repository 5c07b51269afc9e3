"""Several LiteRT models, each of which takes what the one before it gives, made into one file.

So each is converted by itself: what computes a feature stays in float32, as squares of samples and
their logarithms span more than 8 bits hold, while the network behind it is of 8 bits.

Sources: the schema of the files, tensorflow/lite/schema/schema.fbs, by the classes that TensorFlow
generates of it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from exports import export_file

_IDENTIFIER = b'TFL3'


def joined(parts: Sequence[bytes], *, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
  """Returns one model of parts one behind the other, with one signature.

  Args:
    parts: Files. Each takes in their order what the one before it gives.
    inputs: Names of what the first takes.
    outputs: Names of what the last gives.
  """
  import flatbuffers
  from tensorflow.lite.python import schema_py_generated as schema

  models = [schema.ModelT.InitFromPackedBuf(part, 0) for part in parts]
  whole = functools.reduce(lambda front, back: _behind(front, back), models)
  main = whole.subgraphs[0]
  made = schema.SignatureDefT()
  made.signatureKey = export_file.SERVING
  made.subgraphIndex = 0
  made.inputs = _named(inputs, main.inputs)
  made.outputs = _named(outputs, main.outputs)
  whole.signatureDefs = [made]
  for name, index in (
    *zip(inputs, main.inputs, strict=True),
    *zip(outputs, main.outputs, strict=True),
  ):
    main.tensors[index].name = name.encode()
  builder = flatbuffers.Builder(1024)
  builder.Finish(whole.Pack(builder), file_identifier=_IDENTIFIER)
  return bytes(builder.Output())


def operations(model: bytes) -> tuple[str, ...]:
  """Returns the names of the operations of a file, each once, in the order of the alphabet."""
  from tensorflow.lite.python import schema_py_generated as schema

  names = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
  codes = schema.ModelT.InitFromPackedBuf(model, 0).operatorCodes
  return tuple(sorted({names[max(c.builtinCode, c.deprecatedBuiltinCode)] for c in codes}))


def _named(names: Sequence[str], places: Sequence[int]) -> list[Any]:
  from tensorflow.lite.python import schema_py_generated as schema

  found = []
  for name, place in zip(names, places, strict=True):
    one = schema.TensorMapT()
    one.name, one.tensorIndex = name.encode(), place
    found.append(one)
  return found


def _behind(front: Any, back: Any) -> Any:
  """Returns `front` with `back` behind it, in one model."""
  first, second = front.subgraphs[0], back.subgraphs[0]
  num_tensors, num_buffers = len(first.tensors), len(front.buffers)
  num_codes, num_graphs = len(front.operatorCodes), len(front.subgraphs)
  for graph in back.subgraphs:
    for tensor in graph.tensors:
      tensor.buffer += num_buffers
    for operator in graph.operators:
      operator.opcodeIndex += num_codes
      _shift_graphs(operator.builtinOptions, num_graphs)
  given = dict(zip(second.inputs, first.outputs, strict=True))

  def place(index: int) -> int:
    return given.get(index, index + num_tensors) if index >= 0 else index

  for operator in second.operators:
    operator.inputs = [place(i) for i in operator.inputs]
    operator.outputs = [place(i) for i in operator.outputs]
    if operator.intermediates is not None:
      operator.intermediates = [place(i) for i in operator.intermediates]
  first.tensors += second.tensors
  first.operators += second.operators
  first.outputs = [place(i) for i in second.outputs]
  front.buffers += back.buffers
  front.operatorCodes += back.operatorCodes
  front.subgraphs += back.subgraphs[1:]
  return front


def _shift_graphs(options: Any, num_graphs: int) -> None:
  """Lets an operation that runs other graphs name them by their new numbers.

  Of a part behind, the first graph becomes part of the first; so they go up by one less.
  """
  for name in ('condSubgraphIndex', 'bodySubgraphIndex', 'thenSubgraphIndex', 'elseSubgraphIndex',
               'initSubgraphIndex', 'subgraph'):  # fmt: skip
    if hasattr(options, name):
      setattr(options, name, getattr(options, name) + num_graphs - 1)
