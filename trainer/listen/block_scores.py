"""Asks the streaming file of an export as a recording comes, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from exports import streaming_file


class BlockScores:
  """Hears one recording, from its start on.

  The first score is of the first block with a whole window in front of its end; each further one
  comes `hop_blocks` later.
  """

  def __init__(self, ear: streaming_file.Ear, *, hop_blocks: int) -> None:
    self._ear = ear
    self._hop_blocks = hop_blocks
    self._primed = not ear.feeding.primed_samples
    self._held = np.zeros(0, np.float32)
    self._num_taken = self._num_blocks = 0

  def hear(self, samples: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Takes the next samples, and yields scores as they come; see stepping.Stepping."""
    form = self._ear.feeding
    self._held = np.concatenate([self._held, samples])
    if not self._primed and len(self._held) >= form.primed_samples:
      self._ear.prime(self._taken(form.primed_samples))
      self._primed = True
    while self._primed and len(self._held) >= form.block_samples:
      logits = self._ear.hear(self._taken(form.block_samples))
      self._num_blocks += 1
      behind = self._num_blocks - form.first_block
      if behind >= 0 and behind % self._hop_blocks == 0:
        yield self._num_taken, logits

  def _taken(self, num_samples: int) -> NDArray[np.float32]:
    taken, self._held = self._held[:num_samples], self._held[num_samples:]
    self._num_taken += num_samples
    return taken
