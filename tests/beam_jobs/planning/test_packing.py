import collections
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.planning import packing

SPEAKERS = st.dictionaries(
  st.text('abcdefgh', min_size=1, max_size=6), st.integers(1, 400), min_size=1, max_size=40
)


@given(SPEAKERS, st.integers(1, 20))
def test_every_speaker_has_a_place_and_no_shard_is_without_a_speaker(clips, shards):
  places, used = packing.pack(clips, shards=shards)
  assert set(places) == set(clips)
  taken = {place.first + i for place in places.values() for i in range(place.count)}
  assert taken == set(range(used))


@given(SPEAKERS, st.integers(1, 20))
def test_only_a_speaker_larger_than_an_even_share_is_cut_and_into_the_fewest_pieces(clips, shards):
  share = max(1, math.ceil(sum(clips.values()) / shards))
  places, _ = packing.pack(clips, shards=shards)
  for speaker, place in places.items():
    assert place.count == math.ceil(clips[speaker] / share)


@given(SPEAKERS, st.integers(1, 20))
def test_no_shard_is_much_larger_than_it_must_be(clips, shards):
  places, used = packing.pack(clips, shards=shards)
  share = max(1, math.ceil(sum(clips.values()) / shards))
  loads = collections.Counter()
  for speaker, place in places.items():
    for i in range(place.count):
      loads[place.first + i] += clips[speaker] / place.count
  assert used <= shards + len(clips)
  assert max(loads.values()) <= 2 * share


@given(SPEAKERS, st.integers(1, 20), st.randoms())
def test_the_packing_does_not_depend_on_the_order_of_the_speakers(clips, shards, random):
  shuffled = list(clips.items())
  random.shuffle(shuffled)
  assert packing.pack(dict(shuffled), shards=shards) == packing.pack(clips, shards=shards)


def test_the_pieces_of_a_large_speaker_lie_side_by_side():
  places, used = packing.pack({'big': 1_000, 'a': 100, 'b': 100}, shards=12)
  assert places['big'] == packing.Place(0, 10)
  assert used == 12


def test_a_clip_of_a_large_speaker_is_in_one_of_its_shards_always_the_same():
  place = packing.Place(3, 4)
  shards = [place.shard_of(f'clip {i}') for i in range(1_000)]
  assert set(shards) == {3, 4, 5, 6}
  assert min(collections.Counter(shards).values()) > 180
  assert shards == [place.shard_of(f'clip {i}') for i in range(1_000)]


@pytest.mark.parametrize(
  ('num_clips', 'max_clips', 'expected'),
  [
    (10, 8_000, 1),  # Too few to be worth a second file.
    (64, 8_000, 2),  # 32 clips a shard are.
    (2_000, 8_000, 16),  # The parallelism that is asked for.
    (200_000, 8_000, 25),  # Large: by size.
    (8_001, 8_000, 16),
    (0, 8_000, 1),
  ],
)
def test_number_of_shards(num_clips, max_clips, expected):
  assert packing.num_shards(num_clips, max_clips=max_clips, min_shards=16) == expected


@given(SPEAKERS, st.integers(1, 20))
def test_every_place_is_found_again_and_no_other(clips, shards):
  packed, _ = packing.pack(clips, shards=shards)
  places = packing.Places({('train', speaker): place for speaker, place in packed.items()})
  assert {speaker: places.get('train', speaker) for speaker in packed} == packed
  assert places.get('test', next(iter(packed))) is None
  assert places.get('train', 'nobody') is None


def test_places_hold_no_names_and_shards_beyond_sixteen_bits():
  many = {('test', f'clips/{number:050d}.wav'): packing.Place(number) for number in range(70_000)}
  places = packing.Places(many)
  assert len(pickle.dumps(places)) < 13 * len(many)
  assert places.get('test', f'clips/{69_999:050d}.wav') == packing.Place(69_999)
  assert packing.Places({}).get('test', 'a') is None
