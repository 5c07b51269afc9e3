"""The loss over a learning rate that grows from step to step, and what can be read from it.

A range test as in Smith 2017 (Cyclical Learning Rates for Training Neural Networks,
arXiv:1506.01186), but with a rate that grows by the same factor in each step and not by the same
amount, as libraries do it since fastai: the right rate may lie in any of seven decades.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

LOWEST_RATE, HIGHEST_RATE = 1e-6, 10.0
MOST_STEPS = 200
# From step to step, so that the last has the highest.
GROWTH = (HIGHEST_RATE / LOWEST_RATE) ** (1 / (MOST_STEPS - 1))
# What a step leaves of the mean of the steps before: the last ten or so count.
_KEPT = 0.9
# The loss explodes where that mean is so many times its lowest.
_EXPLODED = 4.0
# The curve is a mean over so many decades on either side.
_SMOOTHED_DECADES = 0.3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suggestion:
  """What a curve says.

  Attributes:
    rate: Where the loss falls most for a rate that grows by the same factor.
    lowest_rate: Where it is lowest.
    lowest_loss: How low that is.
  """

  rate: float
  lowest_rate: float
  lowest_loss: float


class LossCurve:
  """Losses, step by step."""

  def __init__(self) -> None:
    self._losses: list[float] = []
    self._mean = 0.0
    self._lowest = math.inf
    self.explosion = ''

  @property
  def losses(self) -> NDArray[np.float64]:
    """One for each step."""
    return np.array(self._losses)

  @property
  def rates(self) -> NDArray[np.float64]:
    """The rate of each step."""
    return LOWEST_RATE * GROWTH ** np.arange(len(self._losses))

  @property
  def is_done(self) -> bool:
    """Whether the last rate was tried, or the loss explodes."""
    return bool(self.explosion) or len(self._losses) >= MOST_STEPS

  def add(self, loss: float) -> None:
    """Adds the next step's, unless it explodes: then nothing is added any more."""
    rate = LOWEST_RATE * GROWTH ** len(self._losses)
    if not math.isfinite(loss):
      self.explosion = f'at the rate {rate:.2g} the loss became {loss}'
      return
    self._losses.append(loss)
    self._mean = _KEPT * self._mean + (1 - _KEPT) * loss
    recent = self._mean / (1 - _KEPT ** len(self._losses))  # As if it had not begun with 0.
    self._lowest = min(self._lowest, recent)
    if recent > _EXPLODED * self._lowest:
      self.explosion = (
        f'at the rate {rate:.2g} the mean loss of the last steps, {recent:.3g}, is more than '
        f'{_EXPLODED:g} times its lowest, {self._lowest:.3g}'
      )

  def smoothed(self) -> NDArray[np.float64]:
    """Returns the losses, each with those of the rates beside it; at the ends of fewer of them."""
    reach = max(1, round(_SMOOTHED_DECADES / math.log10(GROWTH)))
    weights = np.hanning(2 * reach + 3)[1:-1]
    ones = np.ones(len(self._losses))
    total = np.convolve(self.losses, weights)[reach : reach + len(ones)]
    return total / np.convolve(ones, weights)[reach : reach + len(ones)]

  def suggestion(self) -> Suggestion | None:
    """Returns what to begin with; None where the loss falls at no rate."""
    if len(self._losses) < 3:
      return None
    smoothed = self.smoothed()
    lowest = int(np.argmin(smoothed))
    slopes = np.gradient(smoothed)
    steepest = int(np.argmin(slopes[: lowest + 1]))
    if lowest == 0 or slopes[steepest] >= 0:
      return None
    return Suggestion(
      rate=float(self.rates[steepest]),
      lowest_rate=float(self.rates[lowest]),
      lowest_loss=float(smoothed[lowest]),
    )
