"""What a member of the baselines' table offers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
  """How a baseline is to learn, whichever it is.

  Attributes:
    seed: Decides whatever is drawn.
    class_weights: How much clips of a label count, by the label's index; None: all alike.
    jobs: Threads; what is learned does not depend on them.
  """

  seed: int = 0
  class_weights: Mapping[int, float] | None = None
  jobs: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
  """How large a matrix is that a baseline learns from.

  Attributes:
    clips: Its rows.
    values: Its columns.
    labels: What is told apart.
  """

  clips: int
  values: int
  labels: int

  @property
  def num_bytes(self) -> int:
    """Bytes of the matrix, float32 [clips, values]."""
    return 4 * self.clips * self.values


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselineFamily:
  """One kind of baseline. scikit-learn is imported when one is made and no sooner.

  Attributes:
    settings: A frozen, keyword-only dataclass of int, float, str and bool fields.
    make: From the settings to a classifier of scikit-learn that has learned nothing, its own
      scaling inside.
    extra_bytes: From the settings and the size of the matrix to what learning takes beside it,
      estimated low rather than high.
    candidates: From the settings to those among which the validation split chooses; to themselves
      alone where it chooses nothing.
    notes: From the settings and a classifier that has learned to sentences of what went otherwise
      than was meant.
    threads: From the number of threads that there may be and the size to how many are of use.
    cautions: From the settings and the size to sentences of what is to be expected.
  """

  settings: type
  make: Callable[[Any, Fit], Any]
  extra_bytes: Callable[[Any, Size], int]
  threads: Callable[[int, Size], int] = lambda jobs, size: jobs
  candidates: Callable[[Any], Sequence[Any]] = lambda settings: (settings,)
  notes: Callable[[Any, Any], Sequence[str]] = lambda settings, classifier: ()
  cautions: Callable[[Any, Size], Sequence[str]] = lambda settings, size: ()


def each_c(*tried: float) -> Callable[[Any], Sequence[Any]]:
  """Returns the candidates of settings of which `c=0` means that these are tried."""
  return lambda settings: (
    (settings,) if settings.c else [dataclasses.replace(settings, c=c) for c in tried]
  )
