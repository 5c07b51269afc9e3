"""What the processes of one training have to agree on. With one process nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_SUM = tf.distribute.ReduceOp.SUM


class Workers:
  """The processes that train one model together; every one calls the same methods in turn.

  Attributes:
    strategy: What they share.
    count: How many there are.
    index: Which one this is, from 0.
  """

  def __init__(self, strategy: tf.distribute.Strategy) -> None:
    self.strategy = strategy
    self.count, self.index = 1, 0
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
      resolver = strategy.cluster_resolver
      addresses = resolver.cluster_spec().as_dict()
      self.count = sum(len(found) for found in addresses.values())
      has_chief = 'chief' in addresses and resolver.task_type == 'worker'
      self.index = resolver.task_id + has_chief
    self._local = strategy.num_replicas_in_sync // self.count
    self._compiled = tf.function(self._summed)

  @property
  def is_chief(self) -> bool:
    """Whether this is the process that writes and speaks."""
    return self.index == 0

  @property
  def first_replica(self) -> int:
    """The number of this worker's first replica, among those of all."""
    return self.index * self._local

  def total(self, values: Sequence[float]) -> list[float]:
    """Returns the sums over all workers, in the order of the values."""
    if self.count == 1:
      return list(values)
    return self._sum(np.array(values, np.float64)).tolist()

  def from_chief(self, data: bytes | None) -> bytes:
    """Returns what the chief gives; others give None."""
    return self.from_worker(0, data)

  def from_worker(self, index: int, data: bytes | None) -> bytes:
    """Returns what one worker gives; others give None."""
    if self.count == 1:
      return data or b''
    mine = (data or b'') if self.index == index else b''
    length = int(self.total([len(mine)])[0])
    words = np.zeros(-(-length // 4) + 1, np.int32)
    words.view(np.uint8)[: len(mine)] = np.frombuffer(mine, np.uint8)
    return self._sum(words).tobytes()[:length]

  def gather(self, rows: NDArray) -> NDArray:
    """Returns the rows of all replicas, of which each worker gives its own, in order."""
    if self.count == 1:
      return rows
    everywhere = np.zeros((self._local * self.count, *rows.shape[1:]), np.int64)
    everywhere[self.first_replica :][: self._local] = rows
    flat = self._sum(everywhere.reshape(-1))
    return flat.reshape(everywhere.shape).astype(rows.dtype)

  def mine(self, rows: NDArray) -> NDArray:
    """Returns the rows of this worker's replicas, out of those of all."""
    return rows[self.first_replica :]

  def _sum(self, values: NDArray) -> NDArray:
    """Adds up [n] over the workers, to the last bit where they are whole numbers."""
    found = self._compiled(tf.constant(values))
    return self.strategy.experimental_local_results(found)[0].numpy()

  @tf.autograph.experimental.do_not_convert
  def _summed(self, values: tf.Tensor) -> tf.Tensor:
    def add(values: tf.Tensor) -> tf.Tensor:
      replica = tf.distribute.get_replica_context()
      is_first = tf.equal(tf.cast(replica.replica_id_in_sync_group, tf.int32) % self._local, 0)
      return replica.all_reduce(_SUM, tf.where(is_first, values, tf.zeros_like(values)))

    return self.strategy.run(add, args=(values,))
