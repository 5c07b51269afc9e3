import dataclasses

import pytest

from beam_jobs.output import taken_over
from tfrecords.finishing.shard_result import CHANGED, DAMAGED, KEPT, NEW, OTHER, RETRIED


@dataclasses.dataclass
class _Result:
  how: str
  changed_files: int = 0


@pytest.mark.parametrize(
  ('results', 'sentence'),
  [
    ([_Result(NEW)] * 3, ''),
    ([_Result(KEPT)], 'the only shard was whole and is kept'),
    ([_Result(KEPT)] * 1_600, 'all 1,600 shards were whole and are kept'),
    (
      [_Result(KEPT)] * 12 + [_Result(CHANGED, 3), _Result(CHANGED, 4)] + [_Result(DAMAGED)],
      '12 of 15 shards were whole and are kept; 2 were made anew because 7 files changed; 1 was '
      'made anew because it was not whole any more',
    ),
    (
      [_Result(KEPT), _Result(NEW), _Result(CHANGED, 1)],
      '1 of 3 shards was whole and is kept; 1 is new; 1 was made anew because 1 file changed',
    ),
    (
      [_Result(OTHER), _Result(RETRIED)],
      '0 of 2 shards were whole and are kept; 1 was made anew because other clips are listed for '
      'it; 1 was made anew because files may be readable now that were not',
    ),
  ],
)
def test_what_was_kept_and_why_the_rest_was_not_is_one_sentence(results, sentence):
  assert taken_over.sentence(taken_over.to_json(results)) == sentence


@pytest.mark.parametrize('note', [None, {}, {'shards': 3, 'files': 0}, {'shards': {'new': 'x'}}])
def test_a_note_that_says_nothing_gives_no_sentence(note):
  assert taken_over.sentence(note) == ''
