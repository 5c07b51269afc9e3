"""Mean and variance per feature bin, gathered shard by shard.

Sums are kept in float64, and shards are merged in the order of their names, so that the result is
the same for any number of workers.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from schemas.manifest import FeatureStatistics


@dataclasses.dataclass
class Moments:
  """Count, mean and sum of squared distances from the mean, per bin.

  Attributes:
    count: Values per bin.
    mean: float64 [bins].
    m2: float64 [bins].
  """

  count: int
  mean: NDArray[np.float64]
  m2: NDArray[np.float64]

  @classmethod
  def none(cls, num_bins: int) -> 'Moments':
    """The moments of nothing."""
    return cls(0, np.zeros(num_bins), np.zeros(num_bins))

  @classmethod
  def of(cls, values: NDArray[np.float32], num_bins: int) -> 'Moments':
    """The moments of a batch [clips, ..., bins], or [clips, samples] for one bin."""
    rows = values.reshape(-1, num_bins)
    if not len(rows):
      return cls.none(num_bins)
    mean = rows.mean(axis=0, dtype=np.float64)
    # Sums of float32 squares around the mean: small numbers, so that float32 products lose nothing
    # that matters, added up in float64.
    centred = rows - mean.astype(np.float32)
    shift = mean - mean.astype(np.float32)
    m2 = np.einsum('ij,ij->j', centred, centred, dtype=np.float64) - len(rows) * shift**2
    return cls(len(rows), mean, np.maximum(m2, 0.0))

  def merge(self, other: 'Moments') -> 'Moments':
    """The moments of both together.

    Source: Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances, Stanford STAN-CS-79-773 (1979), equations 2.1.
    """
    if not other.count or not self.count:
      return self if self.count else other
    count = self.count + other.count
    delta = other.mean - self.mean
    return Moments(
      count,
      self.mean + delta * (other.count / count),
      self.m2 + other.m2 + delta**2 * (self.count * other.count / count),
    )

  def to_statistics(self) -> FeatureStatistics:
    """Returns what the manifest holds."""
    variance = self.m2 / max(self.count, 1)
    return FeatureStatistics(
      count=self.count, mean=tuple(self.mean.tolist()), variance=tuple(variance.tolist())
    )


def merge_all(parts: Iterable[Moments], num_bins: int) -> Moments:
  """Merges in the given order."""
  total = Moments.none(num_bins)
  for part in parts:
    total = total.merge(part)
  return total
