"""Axes and bars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages import axis, charts, words


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(3, 40))
def test_ticks_are_few_and_inside(low, span, most):
  found = axis.ticks(low, low + span, most=most)
  assert len(found) <= most + 1
  assert all(-1e-6 <= tick.place <= 1 + 1e-6 for tick in found)
  edges = axis.edges(low, low + span, most=most)
  assert edges[0] <= low + 1e-6 * span
  assert edges[-1] >= low + span * (1 - 1e-6)
  assert 2 <= len(edges) <= most + 3


@pytest.mark.parametrize(
  ('number', 'shown'), [(1500, '1,500'), (0.25, '0.25'), (-40, '−40'), (0.1 + 0.2, '0.3')]
)
def test_numbers_at_ticks_are_short(number, shown):
  assert axis.text(number) == shown


def test_a_histogram_counts_every_value_once():
  values = np.array([0.0, 0.1, 0.2, 0.3, 0.3, 1.0])
  found = charts.histogram(values, unit='length (s)', noun='clips')
  counts = [int(title.split(': ')[1].split()[0]) for _, title in found.bars]
  assert sum(counts) == len(values)
  assert '0.2 to 0.4: 3 clips' in [title for _, title in found.bars]
  assert max(height for height, _ in found.bars) <= 1


@pytest.mark.parametrize('size', [2, 11, 1_000])
def test_ranked_bars_fall_from_the_first(size):
  found = charts.ranked(range(size, 0, -1), unit='speakers', noun='clips')
  heights = [height for height, _ in found.bars]
  assert heights == sorted(heights, reverse=True)
  assert found.bars[0][1] == f'number 1: {size:,} clips'
  assert found.x_ticks[0].text == '1'
  assert len({tick.text for tick in found.x_ticks}) == len(found.x_ticks)


@pytest.mark.parametrize(
  ('share', 'shown'),
  [(0, '0 %'), (0.0001, '< 0.1 %'), (0.0997, '10 %'), (0.042, '4.2 %'), (0.5, '50 %'),
   (0.997, '99.7 %'), (1, '100 %')],
)  # fmt: skip
def test_shares_are_short(share, shown):
  assert words.percent(share) == shown


def test_counts_agree_with_their_nouns_and_verbs():
  assert words.counted(1, 'clip') == '1 clip'
  assert words.counted(2000, 'clip', 'is', 'are') == '2,000 clips are'
  assert words.counted(1, 'clip', 'is', 'are') == '1 clip is'
