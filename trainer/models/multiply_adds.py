"""How many multiplications a model takes for a clip, by TensorFlow's own profiler.

Convolutions and matrix products alone, as papers count: what the profiler calls float operations
of these, halved. Additions of biases, activations and normalisation are not in it, and neither is a
feature that the model computes in front of the network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from trainer.lazy import keras, tf
from trainer.models import aside

_PRODUCTS = ('Conv2D', 'DepthwiseConv2dNative', 'MatMul', 'BatchMatMulV2', 'BatchMatMulV3')
# Inside these, and of the last by any formula, the profiler counts nothing.
_UNSEEN = (
  'While',
  'StatelessWhile',
  'PartitionedCall',
  'StatefulPartitionedCall',
  'Einsum',
  'Conv3D',
)


def of(network: keras.Model, *, num_rows: int = 1) -> int | None:
  """Returns the multiply-adds for one clip; None where a graph cannot be looked into.

  Args:
    network: With weights or without; of Keras layers, whose loops are written out.
    num_rows: Of the clip, where each has a length of its own.
  """

  def answer(
    inputs: list[tf.Tensor], trained: list[tf.Tensor], others: list[tf.Tensor]
  ) -> tf.Tensor:
    # The outer scope: at its end the inner one of stateless_call would make values.
    with keras.StatelessScope(initialize_variables=False):
      given = inputs if len(inputs) > 1 else inputs[0]
      logits, _ = network.stateless_call(trained, others, given, training=False)
    return logits

  with _written_out(network):
    graph = (
      tf.function(answer, autograph=False)
      .get_concrete_function(*aside.signature(network, num_rows=num_rows))
      .graph
    )
  if {operation.type for operation in graph.get_operations()} & set(_UNSEEN):
    return None
  counts = _float_operations(graph)
  return sum(counts.get(kind, 0) for kind in _PRODUCTS) // 2


@contextlib.contextmanager
def _written_out(network: keras.Model) -> Iterator[None]:
  """Lets recurrent layers write a step for every row, in place of a loop, inside the block."""
  loops = [layer for layer in network._flatten_layers() if getattr(layer, 'unroll', None) is False]
  for layer in loops:
    layer.unroll = True
  try:
    yield
  finally:
    for layer in loops:
      layer.unroll = False


def _float_operations(graph: tf.Graph) -> Mapping[str, int]:
  """Returns the float operations of a graph by the kind of operation."""
  profiler = tf.compat.v1.profiler
  options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
  found = profiler.profile(graph, cmd='op', options=options.with_empty_output().build())
  counts: dict[str, int] = {}
  nodes = [found]
  while nodes:
    node = nodes.pop()
    counts[node.name] = node.float_ops
    nodes.extend(node.children)
  return counts
