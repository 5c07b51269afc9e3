"""Blocks of utterances: nothing is lost, the order stays, and they are small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.shards import blocks
from schemas.utterance import Excerpt, Utterance

TEXTS = st.text(min_size=1, max_size=20)
UTTERANCES = st.builds(
  Utterance,
  # Bytes of a file name that are no UTF-8 stand in it as surrogates.
  utterance_id=st.builds(str.__add__, TEXTS, st.sampled_from(['', '\udcff'])),
  speaker_id=TEXTS,
  label=TEXTS,
  uri=TEXTS,
  fields=st.just((('take', '3'),)),
  excerpt=st.none() | st.builds(Excerpt, start_s=st.floats(0, 100)),
)


@given(st.lists(UTTERANCES, max_size=20))
def test_a_block_holds_what_was_packed(utterances):
  assert blocks.unpack(blocks.pack(utterances)) == utterances


@pytest.mark.parametrize('count', [0, 1, blocks.BLOCK_CLIPS, 2 * blocks.BLOCK_CLIPS + 1])
def test_blocks_hold_all_in_order_and_none_too_many(count):
  packed = [blocks.unpack(blocks.pack(some)) for some in blocks.lists(iter(range(count)))]
  assert [item for block in packed for item in block] == list(range(count))
  assert all(0 < len(block) <= blocks.BLOCK_CLIPS for block in packed)


def test_a_clip_takes_some_twenty_bytes():
  clips = [
    Utterance(
      utterance_id=f'word/speaker{i // 50:06d}_nohash_{i % 50}.wav',
      speaker_id=f'speaker{i // 50:06d}',
      label='word',
      uri=f'/data/corpus/word/speaker{i // 50:06d}_nohash_{i % 50}.wav',
    )
    for i in range(blocks.BLOCK_CLIPS)
  ]
  assert len(blocks.pack(clips)) < 40 * len(clips)
