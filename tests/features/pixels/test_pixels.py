"""Axes resized as Pillow does it, numbers coloured as Matplotlib does it."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from features.pixels import colormaps, resize


@pytest.mark.parametrize('name', ['viridis', 'gray', 'tab10', 'twilight_shifted', 'Blues', 'jet'])
def test_colours_are_matplotlibs(name):
  levels = np.linspace(0, 1, 2_001, dtype=np.float32)
  if matplotlib.colormaps[name].N != colormaps.NUM_COLOURS:
    levels = np.linspace(0, 1, colormaps.NUM_COLOURS)  # Few colours: only where ours are taken.
  theirs = matplotlib.colormaps[name](levels, bytes=True)[:, :3]
  indices = np.minimum(levels * 256, 255).astype(int)
  np.testing.assert_array_equal(colormaps.table(name)[indices], theirs)


@settings(max_examples=60)
@given(num_in=st.integers(1, 400), num_out=st.integers(1, 300), seed=st.integers(0, 99))
def test_resizing_agrees_with_pillow(num_in, num_out, seed):
  values = np.random.default_rng(seed).random((num_in, 3), np.float32)
  theirs = Image.fromarray(values).resize((3, num_out), Image.Resampling.BILINEAR)
  # Measured: up to 2.4e-7.
  np.testing.assert_allclose(
    resize.bilinear(num_in, num_out) @ values, np.asarray(theirs), atol=2e-6
  )
