"""Lengths of clips are counted in bins, exactly where that is asked for, in any order."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords.finishing import durations

RATE_HZ = 1_000


def counted(whole, most):
  counter = durations.Counter(RATE_HZ)
  for samples in whole:
    counter.add(min(samples, most), samples)
  return counter.durations()


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_a_length_lies_in_its_bin_which_is_narrow(seconds):
  number = durations.bin_of(seconds)
  assert durations.upper_s(number - 1) < seconds <= durations.upper_s(number)
  assert durations.upper_s(number) <= seconds * (1 + 1 / 64)


def test_round_lengths_are_borders():
  for seconds in (0.25, 0.5, 1.0, 1.5, 3.0, 60.0):
    assert durations.upper_s(durations.bin_of(seconds)) == seconds


@given(st.lists(st.integers(1, 90_000), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_length_keeps_the_share_of_the_clips_that_it_is_asked_for(whole, share):
  length_s = counted(whole, 1_000).length_s(share)
  assert sum(samples / RATE_HZ <= length_s for samples in whole) >= share * len(whole)
  assert length_s <= 1.02 * max(whole) / RATE_HZ


@given(st.lists(st.lists(st.integers(1, 90_000), max_size=20), min_size=1, max_size=4))
def test_shards_add_up_in_any_order(shards):
  parts = [counted(whole, 1_000) for whole in shards]
  together = counted(sum(shards, []), 1_000)
  for some in (parts, parts[::-1]):
    merged = durations.merged(some)
    assert merged.counts == together.counts
    assert (merged.num_clips, merged.num_cut) == (together.num_clips, together.num_cut)
    assert merged.whole_s == pytest.approx(together.whole_s)
    assert merged.kept_s == pytest.approx(together.kept_s)
  assert durations.merged(parts) == durations.merged(parts[::-1])


def test_a_note_keeps_it():
  found = counted([500, 1_000, 3_000, 3_000], 1_000)
  assert found.num_cut == 2 and found.kept_s == 3.5 and found.whole_s == 7.5
  read = durations.Durations.from_json(json.loads(json.dumps(found.to_json())), where='note')
  assert read == found


def test_no_clips():
  assert durations.Counter(RATE_HZ).durations().length_s(1.0) == 0
  assert durations.merged([]) == durations.Durations()
