"""What is heard in a room of six flat walls: the image method (Allen and Berkley, 1979).

J. B. Allen, D. A. Berkley: Image method for efficiently simulating small-room acoustics, Journal of
the Acoustical Society of America 65 (4), 1979. Each reflection is a source behind the walls: at a
distance d it is heard after d / c, as loud as 1 / (4 pi d) times the reflection coefficient of each
wall on its way. As in the paper delays are rounded to whole samples. Its high-pass filter, which
takes away what all positive pulses add up to, is at 50 Hz here and not at 0.01 of the sample rate:
that would take the fundamental of low voices.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from features.portable import elementary
from schemas import errors, stable_hash

SPEED_M_S = 343.0
_HIGH_PASS_HZ = 50.0

# Rooms in which people speak to one another or to a device, in metres.
_SIDE_M = (3.0, 10.0)
_HEIGHT_M = (2.4, 4.0)
_FROM_WALL_M = 0.4
_DISTANCE_M = (0.3, 3.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Room:
  """A room with somebody who speaks and somebody who listens.

  Attributes:
    size_m: Length, width and height.
    source_m: Where the sound comes from, from one corner.
    listener_m: Where it is heard.
    rt60_s: How long until sound has fallen by 60 dB, by Eyring's formula; it says how much the
      walls reflect, all alike.
  """

  size_m: tuple[float, ...]
  source_m: tuple[float, ...]
  listener_m: tuple[float, ...]
  rt60_s: float

  def __post_init__(self) -> None:
    for name in ('source_m', 'listener_m'):
      for place, side in zip(getattr(self, name), self.size_m, strict=True):
        if not 0 < place < side:
          raise errors.FeatureError(f'{name}={getattr(self, name)} is not in a room {self.size_m}.')
    if self.source_m == self.listener_m:
      raise errors.FeatureError('Nobody listens where the sound comes from.')
    if not 0 < self.rt60_s < math.inf:
      raise errors.FeatureError(f'rt60_s must be positive, got {self.rt60_s}.')

  @property
  def distance_m(self) -> float:
    """From the source to the listener."""
    pairs = zip(self.source_m, self.listener_m, strict=True)
    return math.sqrt(sum((one - other) ** 2 for one, other in pairs))

  @property
  def reflection(self) -> float:
    """The share of the pressure that a wall gives back.

    Source: C. F. Eyring, Reverberation time in "dead" rooms, 1930: with volume V, walls S and
    absorption a, T = 24 ln(10) V / (c S (-ln(1 - a))); pressure is the root of energy.
    """
    length, width, height = self.size_m
    volume = length * width * height
    walls = 2 * (length * width + length * height + width * height)
    exponent = 24 * math.log(10) * volume / (SPEED_M_S * walls * self.rt60_s)
    return float(elementary.exp(np.array(-exponent / 2)))


def drawn(number: int, *, seed: int, min_rt60_s: float, max_rt60_s: float) -> Room:
  """Returns one of the rooms of a seed: the same on every machine."""
  key = int.from_bytes(stable_hash.digest(f'{seed}/{number}', salt='room'), 'big')
  generator = np.random.Generator(np.random.Philox(key=key))

  def between(low: float, high: float) -> float:
    return low + (high - low) * float(generator.random())

  size_m = (between(*_SIDE_M), between(*_SIDE_M), between(*_HEIGHT_M))
  rt60_s = between(min_rt60_s, max_rt60_s)
  while True:
    source_m, listener_m = (
      tuple(between(_FROM_WALL_M, side - _FROM_WALL_M) for side in size_m) for _ in range(2)
    )
    room = Room(size_m=size_m, source_m=source_m, listener_m=listener_m, rt60_s=rt60_s)
    if _DISTANCE_M[0] <= room.distance_m <= _DISTANCE_M[1]:
      return room


def pulses(room: Room, sample_rate_hz: int, num_samples: int) -> NDArray[np.float64]:
  """Returns what is heard of a pulse, from when it sounds on, float64 [num_samples]."""
  reach_m = num_samples * SPEED_M_S / sample_rate_hz
  (x_m, x_walls), (y_m, y_walls), (z_m, z_walls) = (
    _images(side, source, listener, reach_m)
    for side, source, listener in zip(room.size_m, room.source_m, room.listener_m, strict=True)
  )
  plane_m2 = np.square(x_m)[:, None] + np.square(y_m)
  plane_walls = x_walls[:, None] + y_walls
  is_near = plane_m2 < reach_m**2
  plane_m2, plane_walls = plane_m2[is_near], plane_walls[is_near]
  gains = room.reflection ** np.arange(plane_walls.max() + z_walls.max() + 1, dtype=np.float64)
  found = np.zeros(num_samples)
  for height_m, walls in zip(z_m, z_walls, strict=True):  # Plane by plane: memory stays small.
    distances = np.sqrt(plane_m2 + height_m**2)
    delays = np.rint(distances * (sample_rate_hz / SPEED_M_S)).astype(np.int64)
    is_heard = delays < num_samples
    loudness = gains[plane_walls[is_heard] + walls] / (4 * math.pi * distances[is_heard])
    found += np.bincount(delays[is_heard], loudness, num_samples)
  return found


def response(room: Room, sample_rate_hz: int, *, max_s: float) -> NDArray[np.float64]:
  """Returns the impulse response from just before the direct sound on: to its RT60, or `max_s`."""
  direct = round(room.distance_m * sample_rate_hz / SPEED_M_S)
  length = max(1, round(min(room.rt60_s, max_s) * sample_rate_hz))
  return _high_passed(pulses(room, sample_rate_hz, direct + length), sample_rate_hz)[direct:]


def _images(
  side_m: float, source_m: float, listener_m: float, reach_m: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
  """Returns the images of a source between two walls: from the listener, and walls on the way."""
  most = math.ceil(reach_m / (2 * side_m)) + 1
  turns = np.arange(-most, most + 1)
  places_m = np.concatenate([2 * turns * side_m + source_m, 2 * turns * side_m - source_m])
  walls = np.concatenate([2 * np.abs(turns), np.abs(turns) + np.abs(turns - 1)])
  return places_m - listener_m, walls


def _high_passed(samples: NDArray[np.float64], sample_rate_hz: int) -> NDArray[np.float64]:
  """Returns samples without what lies below, by the filter of the paper's program."""
  # Here, not above: it takes a second to load.
  from scipy import signal

  angle = 2 * math.pi * min(_HIGH_PASS_HZ / sample_rate_hz, 0.01)
  radius = float(elementary.exp(np.array(-angle)))
  above = [1.0, -(1 + radius), radius]
  below = [1.0, -2 * radius * float(elementary.cos(np.array(angle))), radius**2]
  found: NDArray[np.float64] = signal.lfilter(above, below, samples)
  return found
