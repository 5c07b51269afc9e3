"""The hash behind splits and orders. A change of a literal here changes every data set on disk."""

import subprocess
import sys

import hypothesis
import pytest
from hypothesis import strategies as st

from schemas import stable_hash

# Pinned: if one of these must change, bump RECORD_VERSION in schemas/record.py.
PINNED = [
  ('', 'split', 'c8e520ea5174be70', 0.7847462246003997),
  ('ann', 'split', 'f18074cc55a4e512', 0.943366336714138),
  ('ann', 'order', 'e65f0846c010090f', 0.8998875782709207),
  ('bob', 'split', '9f6fa473bbe8cab6', 0.6227972776941072),
  ('0', 'split', '02a06037b216ee5e', 0.010259641263555275),
  ('Zoë', 'split', '424acea42683616c', 0.2589539671667018),
  ('yes/ann_0.wav', 'order', '12c5a9222bb60194', 0.07332856258627629),
  # A file name whose bytes are no UTF-8.
  ('bad\udcff.wav', 'order', 'e4309d0b8037cc6d', 0.8913667824819803),
]


@pytest.mark.parametrize(('text', 'salt', 'digest', 'unit'), PINNED)
def test_values_are_pinned(text, salt, digest, unit):
  assert stable_hash.digest(text, salt=salt).hex() == digest
  assert stable_hash.unit_interval(text, salt=salt) == unit


def test_values_do_not_depend_on_the_salt_of_pythons_own_hash():
  code = (
    'from schemas import stable_hash; print(stable_hash.unit_interval("ann", salt="split"), end="")'
  )
  outputs = {
    subprocess.run(
      [sys.executable, '-c', code],
      env={'PYTHONHASHSEED': seed, 'PYTHONPATH': ':'.join(sys.path)},
      capture_output=True,
      text=True,
      check=True,
    ).stdout
    for seed in ('0', '1')
  }
  assert outputs == {'0.943366336714138'}


@hypothesis.given(st.text(), st.text('abcdefgh0123456789', max_size=40))
def test_the_unit_interval_is_half_open(text, salt):
  assert 0 <= stable_hash.unit_interval(text, salt=salt) < 1


def test_units_are_spread_evenly():
  counts = [0] * 10
  for i in range(10_000):
    counts[int(stable_hash.unit_interval(f'speaker {i}', salt='split') * 10)] += 1
  # A binomial of 10,000 at 1/10 has a standard deviation of 30; 5 of them.
  assert all(850 < count < 1150 for count in counts), counts


def test_uses_with_different_salts_are_independent():
  both = sum(
    stable_hash.unit_interval(str(i), salt='one') < 0.5
    and stable_hash.unit_interval(str(i), salt='two') < 0.5
    for i in range(4_000)
  )
  assert 860 < both < 1140  # 1,000 expected, standard deviation 27.


def test_long_salts_differ_in_their_last_letter():
  seeds = [f'order{10**20 + i}' for i in range(100)]
  assert len({stable_hash.digest('ann', salt=salt) for salt in seeds}) == 100
