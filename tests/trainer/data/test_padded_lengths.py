"""The lengths to which batches are padded where each is compiled by itself."""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from trainer.data import padded_lengths


@hypothesis.given(shortest=st.integers(1, 3000), more=st.integers(0, 100_000))
def test_lengths_are_few_and_a_quarter_longer_at_most(shortest, more):
  longest = shortest + more
  sizes = padded_lengths.between(shortest, longest)
  assert list(sizes) == sorted(set(sizes))
  assert sizes[-1] == longest
  assert sizes[0] >= shortest
  assert len(sizes) <= 4 * np.log2(longest / shortest) + 3
  assert all(big <= 1.25 * (small + 1) for small, big in zip(sizes, sizes[1:], strict=False))
  assert sizes[0] <= 1.25 * shortest


@pytest.mark.parametrize(('rows', 'expected'), [(3, 3), (4, 5), (5, 5), (6, 8), (8, 8), (9, 9)])
def test_a_batch_is_padded_to_the_next_length(rows, expected):
  values = np.random.default_rng(0).normal(size=(2, rows, 4)).astype(np.float16)
  specs = {'x': tf.TensorSpec([None, None, 4], tf.float16), 'label': tf.TensorSpec([None])}
  padded = tf.function(lambda batch: padded_lengths.padded(batch, 'x', (3, 5, 8)))
  graph = padded.get_concrete_function(specs)
  assert graph.structured_outputs['x'].shape.as_list() == [None, None, 4]
  found = padded({'x': tf.constant(values), 'label': tf.constant([1.0, 2.0])})
  assert found['x'].shape == (2, expected, 4)  # Longer than all of them: as it is.
  np.testing.assert_array_equal(found['x'][:, :rows], values)
  assert not np.any(found['x'][:, rows:])
  np.testing.assert_array_equal(found['label'], [1.0, 2.0])
