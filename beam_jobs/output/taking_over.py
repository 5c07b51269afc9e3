"""A shard of the job: an earlier run's, if it is whole and made of the same, else written now."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence

from beam_jobs import config as config_lib
from beam_jobs.output import file_state, folder
from beam_jobs.planning import plan as plan_lib
from beam_jobs.processes import worker_page
from beam_jobs.shards import items as items_lib
from beam_jobs.shards import shard
from schemas.utterance import Utterance
from tfrecords.finishing import shard_result


def write_or_take_over(
  utterances: Sequence[Utterance],
  config: config_lib.FeaturizeConfig,
  plan: plan_lib.Plan,
  *,
  split: str,
  index: int,
  page: worker_page.WorkerPage,
) -> shard_result.ShardResult:
  """Returns the result of a shard, which is there when this returns.

  One that had rejects is made anew if one of their files is not as it was: whoever repairs a file
  and runs the same command again wants it taken.

  Args:
    utterances: The shard's clips, in any order.
    config: The job's configuration.
    plan: The plan that gave the shard these clips.
    split: The shard's split.
    index: Its number in the split.
    page: Where clips that are done are counted.
  """
  dataset = folder.unfinished(config)
  file_name = plan.file_name(config, split, index)
  number_of = {label: number for number, label in enumerate(plan.labels)}
  items, clips = [], []
  for clip in sorted(utterances, key=lambda utterance: utterance.utterance_id):
    label, count = number_of[clip.label], plan.num_records_of(clip, split, config)
    items += [items_lib.Item(clip, label, copy) for copy in range(count)]
    excerpt = dataclasses.astuple(clip.excerpt) if clip.excerpt else ()
    clips.append([clip.utterance_id, clip.speaker_id, label, clip.uri, excerpt, clip.origin, count])
  # All that decides the shard's bytes, but for the audio itself.
  content = json.dumps([config.fingerprint(), list(plan.labels), clips])
  key = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
  if finished := dataset.finished_shard(file_name, key):
    result, note = finished
    if file_state.all_same(result.rejects, note.get('reject_states')):
      page.advance(len(items), result.info.audio_s)
      return result
  dataset.forget_manifest()
  result = shard.write_shard(
    dataset.path(file_name),
    items,
    config,
    split=split,
    num_labels=len(plan.labels),
    files=dataset.files,
    page=page,
  )
  dataset.note_shard(key, result, reject_states=file_state.at_rejects(result.rejects))
  return result
