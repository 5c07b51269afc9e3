"""What can be done to the samples of a clip before features are computed.

EFFECTS is the table of kinds. A new one is in a file of this folder, with a line here.
"""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from features.effects import butterworth, effect, level, pre_emphasis
from schemas import options

EFFECTS: Mapping[str, effect.Effect] = {
  'peak': level.PEAK,
  'rms': level.RMS,
  'pre_emphasis': pre_emphasis.EFFECT,
  'high_pass': butterworth.HIGH_PASS,
  'low_pass': butterworth.LOW_PASS,
}

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in EFFECTS.items()}
# From a text, such as `high_pass:hz=60`, to the name and the settings; ConfigError.
parse = functools.partial(options.parse, settings_by_name=SETTINGS, family='effect')


def check(effects: Sequence[str], sample_rate_hz: int) -> None:
  """Raises ConfigError for an effect that cannot be read or does not fit the rate."""
  for text in effects:
    _filter(text, sample_rate_hz)


def apply(
  samples: NDArray[np.float32], effects: Sequence[str], sample_rate_hz: int
) -> NDArray[np.float32]:
  """Returns the samples after all effects, one after the other.

  Args:
    samples: Audio without padding, mono, finite, float32 [num_samples]; not changed.
    effects: Each as `parse` reads it.
    sample_rate_hz: Samples per second.

  Returns:
    float32 [num_samples]; the input itself where there are no effects.

  Raises:
    ConfigError: for an effect that cannot be read or does not fit the rate.
  """
  for text in effects:
    samples = _filter(text, sample_rate_hz)(samples)
  return samples


@functools.lru_cache(maxsize=256)
def _filter(text: str, sample_rate_hz: int) -> effect.Filter:
  name, settings = parse(text)
  return EFFECTS[name].make(settings, sample_rate_hz)
