import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfrecords.finishing import moments as moments_lib

VALUES = hnp.arrays(
  np.float32,
  st.tuples(st.integers(0, 5), st.sampled_from([1, 2, 7, 100]), st.just(3)),
  elements=st.floats(-100, 100, width=32),
)


@given(VALUES)
def test_the_moments_of_a_batch_are_numpys(batch):
  moments = moments_lib.Moments.of(batch, 3)
  rows = batch.reshape(-1, 3).astype(np.float64)
  assert moments.count == len(rows)
  if len(rows):
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), atol=1e-4, rtol=1e-6)
    np.testing.assert_allclose(moments.m2 / len(rows), rows.var(axis=0), atol=1e-3, rtol=1e-5)


@given(st.lists(VALUES, max_size=5))
def test_merged_parts_are_the_whole(parts):
  merged = moments_lib.merge_all((moments_lib.Moments.of(part, 3) for part in parts), 3)
  rows = np.concatenate([np.empty((0, 3))] + [part.reshape(-1, 3) for part in parts])
  assert merged.count == len(rows)
  result = merged.to_statistics()
  if len(rows):
    np.testing.assert_allclose(result.mean, rows.mean(axis=0), atol=1e-4, rtol=1e-6)
    np.testing.assert_allclose(result.variance, rows.var(axis=0), atol=1e-3, rtol=1e-5)


def test_a_large_offset_does_not_eat_the_variance():
  rng = np.random.default_rng(0)
  batch = (1_000 + rng.normal(0, 0.1, (50, 98, 4))).astype(np.float32)
  variance = moments_lib.Moments.of(batch, 4).to_statistics().variance
  exact = batch.reshape(-1, 4).astype(np.float64).var(axis=0)
  assert variance == pytest.approx(tuple(exact), rel=1e-4)


def test_what_is_lost_is_less_than_a_millionth():
  rng = np.random.default_rng(0)
  batch = rng.normal(-5, 3, (16, 98, 80)).astype(np.float32)
  moments, rows = moments_lib.Moments.of(batch, 80), batch.reshape(-1, 80).astype(np.float64)
  np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-6)
  np.testing.assert_allclose(moments.m2, rows.var(axis=0) * len(rows), rtol=1e-6)


def test_a_waveform_has_one_bin():
  batch = np.arange(12, dtype=np.float32).reshape(3, 4)
  moments = moments_lib.Moments.of(batch, 1)
  assert (moments.count, moments.mean[0]) == (12, 5.5)
