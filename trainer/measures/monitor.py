"""What `better` means: which epoch is kept as the best one, and when training stops improving."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trainer.measures import scores

# From a name to a rank: the higher the better. Another number breaks ties, which are frequent in
# the accuracy of a small split.
RANKS: Mapping[str, Callable[[scores.Scores], tuple[float, float]]] = {
  'accuracy': lambda found: (found.accuracy, -found.loss),
  'balanced_accuracy': lambda found: (found.balanced_accuracy or 0.0, -found.loss),
  'loss': lambda found: (-found.loss, found.accuracy),
  'macro_f1': lambda found: (found.macro_f1 or 0.0, -found.loss),
}
