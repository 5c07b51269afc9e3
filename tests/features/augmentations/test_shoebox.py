"""Simulated rooms, against what is known of mirrors and of reverberation."""

import itertools
import math

import numpy as np
import pytest

from features.augmentations import shoebox
from schemas import errors

RATE_HZ = 16_000
ROOM = shoebox.Room(
  size_m=(6.0, 4.0, 3.0), source_m=(1.5, 1.2, 1.4), listener_m=(4.2, 2.9, 1.7), rt60_s=0.4
)

FIRST = (4.638546366765, 7.148432216959, 3.474503503248)  # Metres of room 0 of seed 0.


def delay(distance_m):
  return round(distance_m * RATE_HZ / shoebox.SPEED_M_S)


def mirrored(place, axis, wall):
  found = list(place)
  found[axis] = 2 * wall * ROOM.size_m[axis] - found[axis]
  return tuple(found)


def test_the_direct_sound_and_the_first_reflections_are_those_of_mirrors():
  found = shoebox.pulses(ROOM, RATE_HZ, 700)
  wanted = np.zeros(700)
  first = [mirrored(ROOM.source_m, axis, wall) for axis in range(3) for wall in (0, 1)]
  heard = [(ROOM.source_m, 0), *((image, 1) for image in first)]
  distances = sorted((math.dist(image, ROOM.listener_m), walls) for image, walls in heard)
  for distance_m, walls in distances:
    wanted[delay(distance_m)] += ROOM.reflection**walls / (4 * math.pi * distance_m)
  # Before the first reflection of two walls nothing else is heard.
  both_m = min(
    math.dist(mirrored(first[2 * one + i], other, j), ROOM.listener_m)
    for one, other in itertools.combinations(range(3), 2)
    for i, j in itertools.product((0, 1), repeat=2)
  )
  until = delay(both_m) - 1
  assert sum(delay(distance_m) < until for distance_m, _ in distances) >= 4
  np.testing.assert_allclose(found[:until], wanted[:until], rtol=1e-12)
  assert found[: delay(distances[0][0])].max() == 0


def test_the_number_of_images_is_that_of_the_volume():
  """A sphere of radius R holds 4/3 pi R^3 / V images, whatever the room (Allen and Berkley)."""
  deaf = shoebox.Room(
    size_m=ROOM.size_m, source_m=ROOM.source_m, listener_m=ROOM.listener_m, rt60_s=1e9
  )
  num_samples = 2_000
  # Where walls give everything back, images on a shell at distance d sum up to d / V.
  found = shoebox.pulses(deaf, RATE_HZ, num_samples)
  step_m = shoebox.SPEED_M_S / RATE_HZ
  distances = np.arange(1, num_samples) * step_m
  counted = (found[1:] * 4 * math.pi * distances).sum()
  wanted = 4 / 3 * math.pi * (num_samples * step_m) ** 3 / math.prod(ROOM.size_m)
  assert counted == pytest.approx(wanted, rel=0.05)


def measured_rt60_s(samples):
  """Schroeder's integral, a straight line from -5 to -25 dB, and three times as long."""
  left = np.cumsum(np.square(samples[::-1]))[::-1]
  level_db = 10 * np.log10(left / left[0])
  inside = (level_db < -5) & (level_db > -25)
  slope = np.polyfit(np.flatnonzero(inside) / RATE_HZ, level_db[inside], 1)[0]
  return -60 / slope


def sabine_s(room):
  length, width, height = room.size_m
  walls = 2 * (length * width + length * height + width * height)
  absorbed = 1 - room.reflection**2
  return 24 * math.log(10) * math.prod(room.size_m) / (shoebox.SPEED_M_S * walls * absorbed)


@pytest.mark.parametrize('rt60_s', [0.2, 0.4, 0.6])
def test_it_rings_as_long_as_eyring_and_sabine_say(rt60_s):
  room = shoebox.Room(
    size_m=(4.5, 4.0, 3.2), source_m=(1.1, 1.3, 1.5), listener_m=(3.1, 2.7, 1.9), rt60_s=rt60_s
  )
  found = measured_rt60_s(shoebox.response(room, RATE_HZ, max_s=1.0))
  # A box with equal walls is not quite diffuse: it rings somewhat longer than Eyring says.
  assert found == pytest.approx(rt60_s, rel=0.3)
  assert rt60_s < sabine_s(room) < 1.6 * rt60_s


def test_a_response_begins_with_the_direct_sound_and_has_no_mean():
  found = shoebox.response(ROOM, RATE_HZ, max_s=1.0)
  assert len(found) == round(ROOM.rt60_s * RATE_HZ)
  assert np.abs(found).argmax() == 0
  raw = shoebox.pulses(ROOM, RATE_HZ, len(found))
  assert abs(found.sum()) < 0.1 * raw.sum()
  assert len(shoebox.response(ROOM, RATE_HZ, max_s=0.1)) == 1_600


def test_rooms_are_those_of_their_number_and_seed():
  def rooms(seed):
    return [shoebox.drawn(i, seed=seed, min_rt60_s=0.1, max_rt60_s=0.5) for i in range(20)]

  assert rooms(3) == rooms(3)
  assert not set(rooms(3)) & set(rooms(4))
  for room in rooms(3):
    assert 0.1 <= room.rt60_s <= 0.5 and 0.3 <= room.distance_m <= 3
    assert 0 < room.reflection < 1
  # The same on every machine: the first by its numbers.
  assert rooms(0)[0].size_m == pytest.approx(FIRST, abs=1e-9)


@pytest.mark.parametrize(
  'wrong',
  [
    {'source_m': (7.0, 1.0, 1.0)},
    {'listener_m': (1.0, 1.0, 0.0)},
    {'listener_m': ROOM.source_m},
    {'rt60_s': 0.0},
  ],
)
def test_rooms_that_cannot_be_are_refused(wrong):
  with pytest.raises(errors.FeatureError):
    shoebox.Room(**{**vars(ROOM), **wrong})
