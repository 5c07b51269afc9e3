"""Logits divided by a temperature: the sums that their probabilities are made of.

With all logits these sums are exact at every temperature. Of files that hold the highest logits
alone they are interpolated between a few temperatures at which they were computed of all of them;
tests hold them to 0.01 nats.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# So many to each doubling, from 1/16 to 16. What is asked for lies between the first and the last.
_NODES = 4
INVERSE_TEMPERATURES = tuple(2.0 ** (k / _NODES) for k in range(-4 * _NODES, 4 * _NODES + 1))
LEAST, MOST = INVERSE_TEMPERATURES[0], INVERSE_TEMPERATURES[-1]


class LogSums(NamedTuple):
  """ln of the sum over all labels of exp(b (logit - the highest logit)), for one b = 1 / T.

  Attributes:
    values: float64 [clips], from 0 on.
    slopes: Their derivatives by b.
    curvatures: Their second derivatives by b, from 0 on where they are exact.
  """

  values: NDArray[np.float64]
  slopes: NDArray[np.float64]
  curvatures: NDArray[np.float64]


def exact(logits: NDArray[np.float32], inverse_temperature: float) -> LogSums:
  """Returns the sums of logits, float32 [clips, labels]."""
  below = logits.astype(np.float64)
  below -= below.max(axis=1, keepdims=True)
  weights = np.exp(inverse_temperature * below)
  sums = weights.sum(axis=1)
  weights *= below
  means = weights.sum(axis=1) / sums
  weights *= below
  return LogSums(np.log(sums), means, np.maximum(0, weights.sum(axis=1) / sums - means**2))


def at_nodes(logits: NDArray[np.float32]) -> NDArray[np.float32]:
  """Returns the values at INVERSE_TEMPERATURES, float32 [clips, nodes].

  Of each logit four powers of e are computed; the others are squares of squares of these.
  """
  below = logits - logits.max(axis=1, keepdims=True)
  nodes = np.empty((len(logits), len(INVERSE_TEMPERATURES)), np.float32)
  for first in range(_NODES):
    weights = np.exp(np.float32(INVERSE_TEMPERATURES[first]) * below)
    for node in range(first, len(INVERSE_TEMPERATURES), _NODES):
      nodes[:, node] = np.log(weights.sum(axis=1))
      np.multiply(weights, weights, out=weights)
  return nodes


def interpolated(nodes: NDArray[np.float32], inverse_temperature: float) -> LogSums:
  """Returns the sums between those of at_nodes: a cubic spline over the logarithm of b."""
  values, first, second = _weights(inverse_temperature) @ nodes.T.astype(np.float64)
  b = inverse_temperature
  return LogSums(np.maximum(0, values), first / b, (second - first) / b**2)


@functools.lru_cache(maxsize=8)
def _weights(inverse_temperature: float) -> NDArray[np.float64]:
  """Returns by what a spline's value and two derivatives come of its nodes, [3, nodes]."""
  from scipy import interpolate

  # A spline is linear in its nodes: that of each node alone, where the others are 0, is enough.
  spline = interpolate.CubicSpline(
    np.log(INVERSE_TEMPERATURES), np.eye(len(INVERSE_TEMPERATURES)), axis=0
  )
  return np.stack([spline(np.log(inverse_temperature), order) for order in range(3)])
