"""Pooling against NumPy, and what is not pooled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors, record
from trainer.baselines import pooling


def feature(shape, dtype='float32', name='log_mel'):
  return record.FeatureSpec(name=name, shape=shape, dtype=dtype, settings={})


@given(
  num_rows=st.integers(1, 40),
  num_bins=st.integers(1, 5),
  quantiles=st.lists(st.floats(0, 1), max_size=4).map(tuple),
  seed=st.integers(0, 2**32 - 1),
)
def test_statistics_are_those_of_numpy(num_rows, num_bins, quantiles, seed):
  rows = np.random.default_rng(seed).normal(size=(num_rows, num_bins)).astype(np.float32)
  taken = pooling.Pooling(quantiles=quantiles)
  spec = feature((None, num_bins))
  found = taken.pooled(rows, spec)
  wide = rows.astype(np.float64)
  expected = [
    wide.mean(axis=0),
    wide.std(axis=0),
    *(np.quantile(wide, q, axis=0) for q in quantiles),
  ]
  assert found.dtype == np.float32
  assert len(found) == taken.num_values(spec)
  np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(('num_rows', 'bounds'), [
  (7, [(0, 2), (2, 4), (4, 7)]),
  (3, [(0, 1), (1, 2), (2, 3)]),
  (2, [(0, 1), (0, 1), (1, 2)]),
  (1, [(0, 1), (0, 1), (0, 1)]),
])  # fmt: skip
def test_parts_follow_one_another_over_time(num_rows, bounds):
  rows = np.random.default_rng(0).normal(size=(num_rows, 4)).astype(np.float32)
  found = pooling.pool(rows, quantiles=(0.5,), parts=3)
  whole = [pooling.pool(rows[start:end], quantiles=(0.5,)) for start, end in bounds]
  np.testing.assert_array_equal(found, np.concatenate(whole))
  spec = feature((None, 4))
  assert pooling.Pooling(quantiles=(0.5,), parts=3).num_values(spec) == len(found)


@pytest.mark.parametrize(
  ('shape', 'dtype', 'name'),
  [
    ((12,), 'float32', 'embedding'),
    ((1, 12), 'float16', 'fft'),
    ((4, 3, 3), 'uint8', 'image'),
  ],
)
def test_a_vector_and_a_picture_are_taken_as_they_are(shape, dtype, name):
  stored = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
  taken = pooling.Pooling(parts=5)
  found = taken.pooled(stored, feature(shape, dtype, name))
  np.testing.assert_array_equal(found, stored.ravel().astype(np.float32))
  assert taken.num_values(feature(shape, dtype, name)) == stored.size


def test_embeddings_of_frames_and_pictures_of_any_height_are_pooled():
  rows = np.random.default_rng(0).normal(size=(6, 2, 3)).astype(np.float32)
  taken = pooling.Pooling()
  found = taken.pooled(rows, feature((None, 2, 3)))
  np.testing.assert_array_equal(found, pooling.pool(rows.reshape(6, 6)))
  assert taken.num_values(feature((None, 2, 3))) == len(found) == 7 * 6
  assert taken.num_values(feature((6, 8), name='embedding')) == 7 * 8


@pytest.mark.parametrize('shape', [(8_000,), (None,)])
def test_samples_are_refused_with_what_to_take(shape):
  with pytest.raises(errors.DatasetError, match=r"'waveform' holds samples.*--feature=log_mel"):
    pooling.Pooling().num_values(feature(shape, 'int16', 'waveform'))
