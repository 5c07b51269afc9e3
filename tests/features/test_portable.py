"""Functions of additions and multiplications alone, held against NumPy in float64."""

import numpy as np
import pytest

from features.portable import elementary, logarithm

RNG = np.random.default_rng(0)


@pytest.mark.parametrize('reach', [1e-3, 0.1, 1.0, 12.0, 87.3])
def test_the_logarithm_is_right_to_the_last_place(reach):
  values = np.exp(RNG.uniform(-reach, reach, 200_000)).astype(np.float32)
  wanted = np.log(values.astype(np.float64))
  found = logarithm.log(values.copy()).astype(np.float64)
  last_place = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.float64)
  assert (np.abs(found - wanted) / last_place).max() < 1.2


def test_the_logarithm_is_taken_in_place_and_one_by_one():
  values = np.exp(RNG.uniform(-20, 20, (3, 50_001))).astype(np.float32)
  alone = np.concatenate([logarithm.log(values[:, i : i + 1].copy()) for i in range(100)], axis=1)
  assert logarithm.log(values) is values
  np.testing.assert_array_equal(values[:, :100], alone)
  assert logarithm.log(np.empty((0, 3), np.float32)).shape == (0, 3)
  ends = np.array([1.0, np.finfo(np.float32).tiny, np.finfo(np.float32).max], np.float32)
  np.testing.assert_allclose(logarithm.log(ends), [0.0, -87.33654, 88.72284], rtol=1e-7)
  with pytest.raises(ValueError, match='C-contiguous'):
    logarithm.log(np.ones((4, 4), np.float32).T[:2])


def test_elementary_functions_are_numpys():
  wide = np.exp(RNG.uniform(-50, 50, 10_000))
  np.testing.assert_allclose(elementary.log(wide), np.log(wide), rtol=1e-15)
  near_one = RNG.uniform(0.999, 1.001, 10_000)
  np.testing.assert_allclose(elementary.log(near_one), np.log(near_one), rtol=1e-15)
  exponents = np.array([0.0, -800.0, *RNG.uniform(-600, 600, 10_000)])
  np.testing.assert_allclose(elementary.exp(exponents), np.exp(exponents), rtol=1e-15)
  angles = np.array([0.0, np.pi / 2, *RNG.uniform(-7_000, 7_000, 10_000)])
  np.testing.assert_allclose(elementary.cos(angles), np.cos(angles), atol=1e-15)
  np.testing.assert_allclose(elementary.sin(angles), np.sin(angles), atol=1e-15)
  for base, exponent in [(10, -0.05), (10, 3), (2, 1 / 12), (10, 0)]:
    assert elementary.power(base, exponent) == pytest.approx(base**exponent, rel=1e-15)
