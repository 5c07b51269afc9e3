"""What `better` means: which epoch is kept as the best one, and when training stops improving."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping

from trainer import scores

# From a name to a rank: the higher the better. The other number breaks ties, which are frequent
# in the accuracy of a small split.
RANKS: Mapping[str, Callable[[scores.Scores], tuple[float, float]]] = types.MappingProxyType(
  {
    'accuracy': lambda found: (found.accuracy, -found.loss),
    'loss': lambda found: (-found.loss, found.accuracy),
  }
)
