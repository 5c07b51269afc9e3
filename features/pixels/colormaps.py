"""Colours of numbers: Matplotlib's colormaps as tables of 256 entries."""

import difflib

import numpy as np
from numpy.typing import NDArray

from schemas import errors

NUM_COLOURS = 256


def table(name: str) -> NDArray[np.float32]:
  """Red, green and blue of a colormap, read-only float32 [256, 3] of whole numbers up to 255.

  Args:
    name: Any that Matplotlib has, such as `viridis`, or `viridis_r` for the reverse.

  Raises:
    FeatureError: for a name that it does not have, with those nearest to it.
  """
  import matplotlib

  if name not in matplotlib.colormaps:
    raise errors.FeatureError(_unknown(name, sorted(matplotlib.colormaps)))
  colours = matplotlib.colormaps[name](np.linspace(0.0, 1.0, NUM_COLOURS), bytes=True)
  values = colours[:, :3].astype(np.float32)
  values.flags.writeable = False
  return values


def _unknown(name: str, known: list[str]) -> str:
  """The sentence for a name that is not `known`."""
  by_lower = {other.lower(): other for other in known}
  near = [by_lower[key] for key in difflib.get_close_matches(name.lower(), by_lower, n=5)]
  advice = f'Did you mean {", ".join(near)}?' if near else 'Try viridis, magma, inferno or gray.'
  return (
    f'No colormap is called {name!r}. {advice} Matplotlib has {len(known)}; they are shown at '
    'matplotlib.org under "Choosing colormaps".'
  )
