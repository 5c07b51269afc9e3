"""What is read from a curve of losses: against curves whose steepest place is known."""

import io

import numpy as np
import pytest

from trainer.rate_range import curve_picture, loss_curve

DECADES = np.log10(loss_curve.LOWEST_RATE * loss_curve.GROWTH ** np.arange(loss_curve.MOST_STEPS))


def curve_of(losses):
  curve = loss_curve.LossCurve()
  for loss in losses:
    if curve.is_done:
      break
    curve.add(float(loss))
  return curve


@pytest.mark.parametrize('middle', [-4.0, -2.5, -1.0])
@pytest.mark.parametrize('noise', [0.0, 0.05])
def test_the_rate_is_where_the_loss_falls_most_steeply(middle, noise):
  # From 2.3 to 1.3, halfway and steepest at `middle`; from one and a half decades behind on it
  # rises without bounds.
  losses = 1.3 + 1 / (1 + np.exp(5 * (DECADES - middle)))
  losses += np.maximum(0, DECADES - middle - 1.5) ** 2 * 400
  losses += noise * np.random.default_rng(0).normal(size=len(losses))
  curve = curve_of(losses)
  found = curve.suggestion()
  assert np.log10(found.rate) == pytest.approx(middle, abs=0.05 if not noise else 0.25)
  assert middle + 0.5 < np.log10(found.lowest_rate) < middle + 1.6
  assert found.lowest_loss == pytest.approx(1.3, abs=0.1)
  if middle < -1:
    assert 'more than 4 times its lowest' in curve.explosion
    assert len(curve.losses) < loss_curve.MOST_STEPS


def test_the_steps_have_rates_from_the_lowest_to_the_highest():
  curve = curve_of(np.full(500, 2.0))
  assert curve.is_done
  assert not curve.explosion
  assert curve.rates[[0, -1]] == pytest.approx([1e-6, 10.0])
  assert len(curve.losses) == loss_curve.MOST_STEPS


@pytest.mark.parametrize('losses', [[2.0] * 200, 2 + DECADES + 6, [2.0], []])
def test_where_the_loss_falls_at_no_rate_there_is_no_suggestion(losses):
  assert curve_of(losses).suggestion() is None


def test_a_loss_that_is_no_number_ends_the_curve_before_it():
  curve = curve_of([2.3, 2.2, float('nan'), 2.1])
  assert curve.losses.tolist() == [2.3, 2.2]
  assert curve.explosion == 'at the rate 1.2e-06 the loss became nan'


def test_smoothing_leaves_a_straight_line_and_the_ends_alone():
  curve = curve_of(3 - 0.001 * np.arange(200))
  np.testing.assert_allclose(curve.smoothed()[20:-20], curve.losses[20:-20], rtol=1e-9)
  np.testing.assert_allclose(curve.smoothed(), curve.losses, rtol=0.005)


def test_the_picture_is_a_png_also_without_a_suggestion():
  for losses in (3 - 0.01 * np.arange(200), [2.0]):
    curve = curve_of(losses)
    data = curve_picture.png(curve, curve.suggestion(), title='wörter, 狗')
    assert data.startswith(b'\x89PNG')
    assert len(io.BytesIO(data).getvalue()) > 5_000
