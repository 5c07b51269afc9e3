"""Every entry goes to one shard, in the order of the corpus, however blocks and shards lie."""

import pytest

from beam_jobs.asking import answer_steps
from beam_jobs.shards import blocks


@pytest.mark.parametrize('num_entries', [1, 7, 64, 65])
@pytest.mark.parametrize('num_shards', [1, 3, 7])
@pytest.mark.parametrize('size', [1, 4, 100])
def test_a_block_goes_to_all_shards_that_have_a_part_of_it(num_entries, num_shards, size):
  plan = answer_steps.Plan(num_entries, min(num_shards, num_entries))
  listed = list(blocks.lists(range(num_entries), size))
  numbered = [(some[0], len(some), blocks.pack(some)) for some in listed]
  groups = {}
  for one in reversed(numbered):  # A runner may give them in any order.
    for shard, mine in answer_steps._AssignDoFn().process(one, plan):
      groups.setdefault(shard, []).append(mine)
  found = [
    list(
      answer_steps._of_shard(sorted(groups[shard]), plan.first_of(shard), plan.first_of(shard + 1))
    )
    for shard in range(plan.num_shards)
  ]
  assert [entry for shard in found for entry in shard] == list(range(num_entries))
  assert all(plan.shard_of(entry) == i for i, shard in enumerate(found) for entry in shard)
