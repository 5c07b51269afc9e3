"""Elementary functions in float64, for windows, filters and gains; right to about 1e-15."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

# ln(2) and pi / 2 in two parts: whole numbers times the first are exact.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_HALF_PI_HIGH, _HALF_PI_LOW = 1.57079632673412561417, 6.07710050650619224932e-11

# Terms of Taylor's series, as many as leave an error below 1e-17: of exp for |r| <= ln(2) / 2, of
# sine and cosine for |r| <= pi / 4, of atanh(s) / s in s^2 for |s| <= 0.172.
_EXP = tuple(1 / math.factorial(k) for k in range(15))
_SINE = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(9))
_COSINE = tuple((-1) ** k / math.factorial(2 * k) for k in range(10))
_ATANH = tuple(1 / (2 * k + 1) for k in range(12))


def log(values: ArrayLike) -> NDArray[np.float64]:
  """Natural logarithm of positive, finite values."""
  mantissa, exponent = np.frexp(np.asarray(values, np.float64))  # Mantissa in [1/2, 1).
  is_low = mantissa < math.sqrt(0.5)
  mantissa = np.where(is_low, 2 * mantissa, mantissa)
  exponent = exponent - is_low
  s = (mantissa - 1) / (mantissa + 1)
  low: NDArray[np.float64] = exponent * _LN2_LOW + 2 * s * _series(_ATANH, s * s)
  return low + exponent * _LN2_HIGH


def exp(values: ArrayLike) -> NDArray[np.float64]:
  """Exponential of finite values up to 700; 0 below -700."""
  x = np.maximum(np.asarray(values, np.float64), -750.0)
  n = np.rint(x / (_LN2_HIGH + _LN2_LOW))
  r = (x - n * _LN2_HIGH) - n * _LN2_LOW
  found: NDArray[np.float64] = np.ldexp(_series(_EXP, r), n.astype(np.int32))
  return found


def cos(radians: ArrayLike) -> NDArray[np.float64]:
  """Cosine of angles up to some thousand turns."""
  return _quarters(radians, 1)


def sin(radians: ArrayLike) -> NDArray[np.float64]:
  """Sine of angles up to some thousand turns."""
  return _quarters(radians, 0)


def power(base: float, exponent: float) -> float:
  """`base`, positive, to the power of `exponent`: 10 for decibels, 2 for octaves."""
  return float(exp(exponent * log(base)))


def _quarters(radians: ArrayLike, shift: int) -> NDArray[np.float64]:
  """Sine of `radians` plus `shift` quarters of a turn."""
  x = np.asarray(radians, np.float64)
  n = np.rint(x / (_HALF_PI_HIGH + _HALF_PI_LOW))
  r = (x - n * _HALF_PI_HIGH) - n * _HALF_PI_LOW
  quarter = (n.astype(np.int64) + shift) % 4
  square = r * r
  value = np.where(quarter % 2 == 0, r * _series(_SINE, square), _series(_COSINE, square))
  return np.where(quarter < 2, value, -value)


def _series(terms: tuple[float, ...], x: NDArray[np.float64]) -> NDArray[np.float64]:
  """Sum of terms[k] x^k, by Horner's rule."""
  total = np.full_like(x, terms[-1])
  for term in reversed(terms[:-1]):
    total = total * x + term
  return total
