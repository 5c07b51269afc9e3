"""Removes what lies below a frequency: hum, rumble, an offset."""

import dataclasses

from features.effects import butterworth, effect


@dataclasses.dataclass(frozen=True, kw_only=True)
class HighPass:
  """Settings of the filter.

  Attributes:
    hz: Where the level is 3 dB down, below half the sample rate.
    order: The level falls by 6 dB * order per octave below, in [1, 12].
  """

  hz: float = 80.0
  order: int = 4

  def __post_init__(self) -> None:
    butterworth.check(self.hz, self.order)


def make(settings: HighPass, sample_rate_hz: int) -> effect.Filter:
  """Returns the Butterworth filter; ConfigError where hz does not fit the rate."""
  return butterworth.make('highpass', settings.hz, settings.order, sample_rate_hz)


EFFECT = effect.Effect(settings=HighPass, make=make)
