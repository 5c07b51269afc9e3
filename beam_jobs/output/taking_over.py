"""A shard of the job: an earlier run's, if it is whole and made of the same, else written now."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beam_jobs import config as config_lib
from beam_jobs.output import file_state, folder
from beam_jobs.planning import plan as plan_lib
from beam_jobs.processes import worker_page
from beam_jobs.shards import items as items_lib
from beam_jobs.shards import shard
from schemas import rejects
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

  It is made anew if one of its files is not as it was: whoever repairs or replaces audio and runs
  the same command again wants it taken.

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
    place = clip.uri, excerpt, clip.origin
    clips.append([clip.utterance_id, clip.speaker_id, label, *place, clip.fields, count])
  # All that decides the shard's bytes, but for the audio itself.
  content = json.dumps([config.fingerprint(), list(plan.labels), clips])
  key = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
  noise = config.noise if config.records_per_clip(split) > 1 else ()
  files = file_state.files_of(utterances, noise)
  states = file_state.states(files)
  earlier = dataset.earlier_shard(file_name)
  how, changed_files = shard_result.NEW, 0
  if earlier:
    result, note = earlier
    how, changed_files = how_made(
      note,
      key=key,
      states=states,
      rejected=result.rejects,
      is_whole=lambda: dataset.is_whole(result),
    )
    if how == shard_result.KEPT:
      page.advance(len(items), result.info.audio_s)
      return dataclasses.replace(result, how=how)
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
  states = file_state.after_rejects(files, states, result.rejects)
  dataset.note_shard(key, result, states=states)
  return dataclasses.replace(result, how=how, changed_files=changed_files)


def how_made(
  note: Mapping[str, Any],
  *,
  key: str,
  states: str,
  rejected: Sequence[rejects.Reject],
  is_whole: Callable[[], bool],
) -> tuple[str, int]:
  """Returns whether an earlier shard is kept or why it is not, and how many files changed.

  Args:
    note: What was remembered of it, its `key` and the `states` of its files among it.
    key: A digest of all that decides the shard's bytes, but for the files.
    states: Those of the files now.
    rejected: Clips that the earlier run left out of it.
    is_whole: Reads the shard.
  """
  if note.get('key') != key:
    return shard_result.OTHER, 0
  if changed := file_state.num_changed(note.get('states'), states):
    return shard_result.CHANGED, changed
  if file_state.may_pass(rejected):
    return shard_result.RETRIED, 0
  return (shard_result.KEPT if is_whole() else shard_result.DAMAGED), 0
