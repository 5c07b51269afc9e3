"""Which records hold the same arrays, and which hold arrays that say nothing."""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def digest(arrays: Mapping[str, NDArray[np.generic]]) -> int:
  """Returns 64 bits of BLAKE2b of the arrays of a record, their names and shapes; never 0."""
  hasher = hashlib.blake2b(digest_size=8)
  for name, values in arrays.items():
    hasher.update(f'{name} {values.shape} '.encode())
    hasher.update(values.tobytes())
  return int.from_bytes(hasher.digest(), 'big') or 1


def are_constant(arrays: Mapping[str, NDArray[np.generic]]) -> bool:
  """Whether every array has one value only: nothing that could be the same as something."""
  return all(values.min() == values.max() for values in arrays.values())
