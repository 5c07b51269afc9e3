"""The natural logarithm of float32 arrays."""

import math

import numpy as np
from numpy.typing import NDArray

# Values are worked on in pieces of 128 KiB, so that these and the scratch stay in a core's cache.
# Measured with 1 MiB of L2: 2^13 takes 1.7 times as long, 2^14 1.2 times, 2^16 and 2^17 the same.
_PIECE = 1 << 15

# ln(1 + f) = f - s (f - z (2/3 + 2/5 z + 2/7 z^2 + ...)) with s = f / (2 + f), z = s^2: that of
# fdlibm. For 1 + f in [sqrt(1/2), sqrt(2)] z is at most 0.0295; these three terms, fitted at the
# nodes of Chebyshev there, miss the series by 3e-9.
_TERMS = tuple(np.float32(term) for term in (0.66666687, 0.39988759, 0.29580987))

_HALF_ROOT_BITS = np.int32(0x3F3504F3)  # Of sqrt(1/2).
_EXPONENT_BITS = np.int32(-(1 << 23))
_ONE, _TWO = np.float32(1), np.float32(2)
# Of a step of the exponent, whose bits stand 23 places up.
_LN2_STEP = np.float32(math.ldexp(math.log(2), -23))


def log(values: NDArray[np.float32]) -> NDArray[np.float32]:
  """Replaces `values` by their natural logarithms and returns them.

  Within 1.1 units in the last place of the true one (NumPy's own within 4). It takes 1.2 ns a
  value, NumPy's with AVX-512 0.24.

  Args:
    values: C-contiguous, each finite and at least 2^-126, the least that is not subnormal.
  """
  if not values.flags.c_contiguous:
    raise ValueError('Wanted C-contiguous values, to replace them in place.')
  flat = values.reshape(-1)
  scratch = np.empty((4, min(_PIECE, len(flat))), np.float32)
  for start in range(0, len(flat), _PIECE):
    piece = flat[start : start + _PIECE]
    _log(piece, scratch[:, : len(piece)])
  return values


def _log(values: NDArray[np.float32], scratch: NDArray[np.float32]) -> None:
  """Replaces `values` [size]; the contents of `scratch` [4, size] do not matter."""
  n, s, z, tail = scratch
  # values = 2^n (1 + f); what is kept of n are its bits, 2^23 n as a whole number.
  bits, steps = values.view(np.int32), n.view(np.int32)
  np.subtract(bits, _HALF_ROOT_BITS, out=steps)
  np.bitwise_and(steps, _EXPONENT_BITS, out=steps)
  np.subtract(bits, steps, out=bits)
  f = np.subtract(values, _ONE, out=values)  # Exact.
  np.add(f, _TWO, out=s)
  np.divide(f, s, out=s)
  np.multiply(s, s, out=z)
  np.multiply(z, _TERMS[2], out=tail)
  np.add(tail, _TERMS[1], out=tail)
  np.multiply(tail, z, out=tail)
  np.add(tail, _TERMS[0], out=tail)
  np.multiply(tail, z, out=tail)
  np.subtract(f, tail, out=tail)
  np.multiply(tail, s, out=tail)
  np.subtract(f, tail, out=f)
  np.multiply(steps, _LN2_STEP, out=z, casting='unsafe', dtype=np.float32)
  np.add(f, z, out=values)
