"""Mixup: each example gets a share of another one, and of its label (Zhang et al., 2017).

arXiv:1710.09412. The share is that of a Beta(alpha, alpha) distribution, or what it leaves,
whichever is less: the example stays what it mostly is. By the symmetry of the distribution that is
the same mixture as in the paper.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from trainer.augment import augmentation
from trainer.lazy import tf

_QUANTILES = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixup(augmentation.Settings):
  """Settings of the mixture.

  Attributes:
    alpha: Of the distribution: near 0 examples stay nearly themselves, 1 makes all shares equally
      likely, more mixes halves. 0 mixes nothing.
  """

  LIMITS = {'alpha': (0.0, 100.0)}

  alpha: float = 0.2


def apply(
  examples: augmentation.Examples,
  settings: Mixup,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Adds to each example its share of the next one in a drawn order of the batch.

  Of clips of any length only rows that both have are mixed, and each keeps its own length.

  Args:
    examples: A whole batch, with the labels in `other_label`.
    settings: The distribution.
    draws: [batch, 2].
    context: Not needed.
  """
  del context
  values = examples.values
  order = tf.argsort(draws[:, 1], stable=True)  # [batch]
  partners = tf.scatter_nd(order[:, tf.newaxis], tf.roll(order, -1, axis=0), tf.shape(order))
  shares = _shares(draws[:, 0], settings.alpha)
  by_value = tf.reshape(shares, [-1, *[1] * (values.shape.rank - 1)])
  mixed = values + by_value * (tf.gather(values, partners) - values)
  if examples.num_rows is not None:
    lengths = examples.lengths()
    common = tf.minimum(lengths, tf.gather(lengths, partners))
    in_both = tf.range(tf.shape(values)[1])[tf.newaxis] < common[:, tf.newaxis]
    for _ in range(values.shape.rank - 2):
      in_both = in_both[..., tf.newaxis]
    mixed = tf.where(in_both, mixed, values)
  return dataclasses.replace(
    examples,
    values=mixed,
    other_label=tf.gather(examples.other_label, partners),
    other_share=shares,
  )


def _shares(draws: tf.Tensor, alpha: float) -> tf.Tensor:
  """Returns shares in [0, 0.5], float32 [batch]: `draws` put through the distribution."""
  if not alpha:
    return tf.zeros_like(draws)
  table = tf.constant(_lesser_quantiles(alpha))
  place = draws * _QUANTILES
  below = tf.minimum(tf.cast(place, tf.int32), _QUANTILES - 1)
  part = place - tf.cast(below, tf.float32)
  low, high = tf.gather(table, below), tf.gather(table, below + 1)
  return low + part * (high - low)


@functools.cache
def _lesser_quantiles(alpha: float) -> NDArray[np.float32]:
  """Returns the quantiles of min(x, 1 - x) for x of Beta(alpha, alpha), float32 [4097]."""
  from scipy import special  # Here, as --help does not need it.

  # Of the lesser one twice as many lie below each value up to a half.
  levels = np.linspace(0, 0.5, _QUANTILES + 1)
  found: NDArray[np.float32] = special.betaincinv(alpha, alpha, levels).astype(np.float32)
  return found


AUGMENTATION = augmentation.Augmentation(
  settings=Mixup,
  apply=apply,
  num_draws=lambda settings: 2,
  takes=augmentation.BATCH,
  identity={'alpha': 0.0},
)
