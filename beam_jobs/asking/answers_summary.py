"""From all shards to finished answers: what was left out, the submission, and the summary, last."""

import collections
import csv
import dataclasses
import importlib.metadata
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from beam_jobs.asking import answer_shard, answers_folder, ask_config
from beam_jobs.output import reject_share, taken_over
from exports import answer_rows, submissions
from schemas import errors, json_form, naming, version
from schemas import rejects as rejects_lib
from tfrecords import storage
from tfrecords.storage import passing_faults


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary(json_form.Fields):
  """answers.json: what the answers are, written when all of them are there.

  Attributes:
    shards: Their files, in the order of the corpus.
    num_rows: Answers.
    num_clips: Entries that have one: recordings in windows have several.
    audio_s: Seconds of audio that the model heard.
    answers: How often each label is the answer, and "none of these", the most frequent first.
    num_labelled: Answers of which the true label is one that the model knows.
    num_right: Those of them that are the true label.
    num_cut: Clips of which the model heard a part only.
    rejects: Entries without an answer, by reason; each is listed in rejects.jsonl.
    left_out: What the source did not list, by reason.
    noted: What is to be said of clips, files or names.
    model: What the export says of itself, and the digest of its files.
    config: What was asked.
    versions: Of the programs that answered.
  """

  shards: tuple[answer_shard.AnswerShard, ...]
  num_rows: int
  num_clips: int
  audio_s: float
  answers: Mapping[str, int]
  num_labelled: int
  num_right: int
  num_cut: int
  rejects: Mapping[str, int]
  left_out: Mapping[str, int]
  noted: tuple[rejects_lib.Noted, ...]
  model: Mapping[str, Any]
  config: Mapping[str, Any]
  versions: Mapping[str, str]

  def to_json(self) -> dict[str, Any]:
    """Returns plain values; of shards without what is said of all together."""
    shards = [
      {
        'file_name': shard.file_name,
        'num_rows': shard.num_rows,
        'num_bytes': shard.num_bytes,
        'sha256': shard.sha256,
      }
      for shard in self.shards
    ]
    return {**super().to_json(), 'shards': shards}


def finish(
  config: ask_config.AskConfig,
  num_entries: int,
  made: Sequence[answer_shard.Made],
  unusable: Sequence[rejects_lib.Reject | rejects_lib.LeftOut | rejects_lib.Noted],
) -> None:
  """Writes rejects.jsonl and, unless too much was rejected, the summary.

  Args:
    config: The job's.
    num_entries: Of the corpus.
    made: Its shards, in any order.
    unusable: What else the source listed.

  Raises:
    DatasetError: if more than config.max_reject_fraction was rejected, or everything.
    ConfigError: if two clips of a submission would be called alike.
  """
  folder = answers_folder.AnswersFolder(config.output)
  ordered = sorted(made, key=lambda one: one.shard.file_name)
  shards = tuple(one.shard for one in ordered)
  listing_rejects = [entry for entry in unusable if isinstance(entry, rejects_lib.Reject)]
  rejected = sorted(
    [*listing_rejects, *(reject for shard in shards for reject in shard.rejects)],
    key=lambda reject: (reject.utterance_id, reject.reason),
  )
  folder.write_rejects(rejected)
  left_out: collections.Counter[str] = collections.Counter()
  for entry in unusable:
    if isinstance(entry, rejects_lib.LeftOut):
      left_out[entry.reason] += entry.count
  reasons = dict(sorted(collections.Counter(item.reason for item in rejected).items()))
  refusal = reject_share.too_many(
    reasons,
    num_bad_entries=len(listing_rejects),
    num_listed=num_entries + sum(left_out.values()) + len(listing_rejects),
    num_read=num_entries,
    most=config.max_reject_fraction,
    unfinished='the answers are not finished',
    output=config.output,
  )
  num_clips = sum(shard.num_clips for shard in shards)
  if not refusal and not num_clips:
    refusal = f'Every clip was rejected. See {naming.REJECTS} in {config.output!r}.'
  if refusal:
    folder.forget_summary()  # That of an earlier run would call the answers finished.
    raise errors.DatasetError(refusal)
  noted = [entry for entry in unusable if isinstance(entry, rejects_lib.Noted)]
  answers: collections.Counter[str] = collections.Counter()
  for shard in shards:
    answers.update(shard.answers)
  summary = Summary(
    shards=shards,
    num_rows=sum(shard.num_rows for shard in shards),
    num_clips=num_clips,
    audio_s=round(sum(shard.audio_s for shard in shards), 6),
    answers=dict(sorted(answers.items(), key=lambda item: (-item[1], item[0]))),
    num_labelled=sum(shard.num_labelled for shard in shards),
    num_right=sum(shard.num_right for shard in shards),
    num_cut=sum(shard.num_cut for shard in shards),
    rejects=reasons,
    left_out=dict(sorted(left_out.items())),
    noted=rejects_lib.merged([*noted, *(note for shard in shards for note in shard.noted)]),
    model={**config.export.to_json(), 'sha256': config.model.digest},
    config=dict(config.settings),
    versions=_versions(),
  )
  folder.remove_stale({shard.file_name for shard in shards})
  if config.is_submission:
    _write_submission(folder, shards)
  folder.notes.write(taken_over.FILE, taken_over.to_json(ordered))
  text = _dumps(summary.to_json())
  storage.write_or_refuse(folder.path(answers_folder.SUMMARY), text, folder.files)


def load(output: str) -> dict[str, Any]:
  """Returns the summary of answers that were just finished, as it was written.

  Raises:
    DatasetError: if there is none.
  """
  folder = answers_folder.AnswersFolder(output)
  path = folder.path(answers_folder.SUMMARY)
  try:
    with passing_faults.opened_patiently(lambda: folder.files.open_read(path), path) as stream:
      found = json.loads(stream.read().decode('utf-8', 'surrogateescape'))
  except (OSError, ValueError) as error:
    raise errors.DatasetError(f'{path!r} cannot be read: {error}.') from error
  return dict(found)


def _dumps(value: dict[str, Any]) -> bytes:
  """Returns JSON in which answers keep their order: the most frequent first."""
  text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
  return f'{text}\n'.encode('utf-8', 'surrogateescape')


def _write_submission(
  folder: answers_folder.AnswersFolder, shards: Sequence[answer_shard.AnswerShard]
) -> None:
  answers = (cells for shard in shards for cells in _submitted(folder, shard.file_name))
  lines = submissions.challenge_lines(answers)
  content = b''.join(map(answer_rows.to_bytes, lines))
  storage.write_or_refuse(folder.path(answers_folder.SUBMISSION), content, folder.files)


def _submitted(folder: answers_folder.AnswersFolder, name: str) -> Iterator[tuple[str, str]]:
  """Yields the name and the label of each clip of a shard."""
  path = folder.path(name)
  with passing_faults.opened_patiently(lambda: folder.files.open_read(path), path) as stream:
    text = stream.read().decode('utf-8', 'surrogateescape')
  for cells in csv.reader(io.StringIO(text, newline='')):
    yield cells[0], cells[1]


def _versions() -> dict[str, str]:
  libraries = ('tensorflow', 'numpy', 'soundfile', 'soxr', 'apache-beam')
  found = {}
  for name in libraries:
    try:
      found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # Such as tensorflow-cpu.
      continue
  return {'voxshard': version.VERSION, **found}
