"""Writes one shard of answers, whole or not at all: or takes over that of an earlier run."""

import collections
import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, cast

from beam_jobs.asking import (
  answer_forms,
  answers_folder,
  ask_config,
  clip_asker,
  hearing,
  model_place,
)
from beam_jobs.output import file_state, taking_over
from beam_jobs.processes import thread_pools, worker_page
from beam_jobs.shards import provenance
from exports import answer_rows
from exports.export_file import NONE
from schemas import errors, json_form
from schemas import rejects as rejects_lib
from schemas.utterance import Utterance
from tfrecords import storage
from tfrecords.finishing import shard_result


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnswerShard(json_form.Fields):
  """What is known of a shard when it is whole.

  Attributes:
    file_name: Its file.
    num_rows: Answers in it.
    num_clips: Entries of the corpus that have answers: recordings in windows have several.
    num_bytes: Size of the file.
    sha256: Digest of the file.
    audio_s: Seconds of audio that the model heard.
    answers: How often each label is the answer, and "none of these".
    num_labelled: Answers of which the true label is one that the model knows.
    num_right: Those of them that are the true label.
    num_cut: Clips of which the model heard a part only.
    rejects: Entries without an answer.
    noted: What is to be said of others.
  """

  file_name: str
  num_rows: int
  num_clips: int
  num_bytes: int
  sha256: str
  audio_s: float
  answers: Mapping[str, int]
  num_labelled: int
  num_right: int
  num_cut: int
  rejects: tuple[rejects_lib.Reject, ...]
  noted: tuple[rejects_lib.Noted, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Made:
  """A shard in a run.

  Attributes:
    shard: The shard.
    how: How it came to be; see shard_result.
    changed_files: Files for whose sake it was made anew.
  """

  shard: AnswerShard
  how: str
  changed_files: int = 0


def write_or_take_over(
  utterances: Sequence[Utterance],
  config: ask_config.AskConfig,
  file_name: str,
  page: worker_page.WorkerPage,
) -> Made:
  """Returns a shard of answers, which is there when this returns.

  It is made anew if it was of other clips, if one of their files is not as it was, or if another
  model said it.

  Args:
    utterances: The shard's entries, in the order of their answers.
    config: The job's configuration.
    file_name: The shard's.
    page: Where clips that are done are counted.
  """
  folder = answers_folder.AnswersFolder(config.output)
  key = _key(utterances, config)
  files = file_state.files_of(utterances)
  states = file_state.states(files)
  note = folder.notes.read(f'{file_name}.json')
  earlier = _of_note(note)
  how, changed_files = shard_result.NEW, 0
  if note and earlier:
    if note.get('model') != config.model.digest:
      how = shard_result.OTHER_MODEL
    else:
      how, changed_files = taking_over.how_made(
        note,
        key=key,
        states=states,
        rejected=earlier.rejects,
        is_whole=lambda: folder.holds(file_name, earlier.sha256),
      )
    if how == shard_result.KEPT:
      page.advance(len(utterances), earlier.audio_s)
      return Made(shard=earlier, how=how)
  folder.forget_summary()
  shard = write(folder.path(file_name), utterances, config, page)
  states = file_state.after_rejects(files, states, shard.rejects)
  more = {'key': key, 'model': config.model.digest, 'states': states}
  folder.notes.write(f'{file_name}.json', {**more, 'shard': shard.to_json()})
  return Made(shard=shard, how=how, changed_files=changed_files)


def _of_note(note: dict[str, Any] | None) -> AnswerShard | None:
  if note is None:
    return None
  try:
    return AnswerShard.from_json(note.get('shard'), where='note of a shard')
  except errors.SchemaError:
    return None


def _key(utterances: Sequence[Utterance], config: ask_config.AskConfig) -> str:
  """Returns a digest of all that decides the shard's bytes, but for the audio and the model."""
  clips = [
    [one.utterance_id, one.speaker_id, one.label, one.split, one.uri, one.origin,
     dataclasses.astuple(one.excerpt) if one.excerpt else ()]
    for one in utterances
  ]  # fmt: skip
  content = json.dumps([dict(config.settings), clips])
  return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def write(
  path: str,
  utterances: Sequence[Utterance],
  config: ask_config.AskConfig,
  page: worker_page.WorkerPage,
) -> AnswerShard:
  """Writes a shard, and returns what it holds.

  Args:
    path: Its file; nothing stands there until the shard is whole.
    utterances: Its entries, in the order of their answers.
    config: The job's configuration.
    page: Where clips that are done are counted.
  """
  model = model_place.loaded(config.model)
  told = _Told(config)
  asker = clip_asker.Asker(model, config)
  entries = hearing.Hearer(config, asker, page).entries(utterances)
  with (
    # NumPy's and SciPy's pools would fight over the cores with the other workers'.
    thread_pools.one('blas'),
    storage.naming_failures(f'the shard {path!r}', path=path),
    storage.storage_of(path).writing(path) as stream,
  ):
    counted = _Counted(stream)
    with io.BufferedWriter(counted, 1 << 20) as out:
      rows = told.rows(clip_asker.answered(entries, asker), page)
      answer_forms.write(rows, config, cast(BinaryIO, out))
  return told.shard(path.rsplit('/', 1)[-1], counted)


class _Counted(io.RawIOBase):
  """A stream that counts what is written, and leaves what is below open."""

  def __init__(self, stream: BinaryIO) -> None:
    super().__init__()
    self._stream = stream
    self._digest = hashlib.sha256()
    self.num_bytes = 0

  @property
  def sha256(self) -> str:
    return self._digest.hexdigest()

  def writable(self) -> bool:
    return True

  def write(self, data: Any) -> int:
    self._stream.write(data)
    self._digest.update(data)
    self.num_bytes += len(data)
    return len(data)

  def tell(self) -> int:
    return self.num_bytes


class _Told:
  """Turns answers into rows, and counts them."""

  def __init__(self, config: ask_config.AskConfig) -> None:
    self._config = config
    self._columns = config.columns
    self._number_of = {label: i for i, label in enumerate(config.export.labels)}
    self._provenance = provenance.Provenance(config)
    self._answers: collections.Counter[str] = collections.Counter()
    self._rejects: list[rejects_lib.Reject] = []
    self._noted: tuple[rejects_lib.Noted, ...] = ()
    self._num_rows = self._num_clips = self._num_cut = self._num_labelled = self._num_right = 0
    self._audio_s = 0.0

  def rows(
    self, entries: Iterator[clip_asker.Asked], page: worker_page.WorkerPage
  ) -> Iterator[answer_rows.Row]:
    """Yields a row for each answer and, in a submission, for what has none."""
    for asked in entries:
      one = asked.utterance
      page.advance(1, asked.audio_s)
      if asked.reject:
        self._rejects.append(asked.reject)
        if self._config.is_submission:
          yield answer_rows.Row(name=one.utterance_id, error=asked.reject.reason)
        continue
      self._count(asked)
      more = self._more(one)
      for (start_s, end_s), (probabilities, is_none, highest) in zip(
        asked.spans_s, asked.answers, strict=True
      ):
        row = answer_rows.Row(
          name=one.utterance_id,
          more=more,
          probabilities=probabilities,
          is_none=is_none if self._columns.has_none else None,
          start_s=start_s,
          end_s=end_s,
          label=one.label if self._columns.has_label else None,
        )
        self._count_row(row, highest)
        yield row

  def _more(self, one: Utterance) -> tuple[str | None, ...]:
    speaker = one.speaker_id if one.speaker_id != one.utterance_id else None
    return self._provenance.file(one), speaker, one.split or None

  def _count(self, asked: clip_asker.Asked) -> None:
    self._num_clips += 1
    self._num_cut += asked.is_cut
    self._audio_s += asked.audio_s
    if asked.noted:
      names = (asked.utterance.utterance_id,)
      notes = (rejects_lib.Noted(reason=reason, names=names) for reason in asked.noted)
      self._noted = rejects_lib.merged((*self._noted, *notes))

  def _count_row(self, row: answer_rows.Row, highest: int) -> None:
    answer = NONE if row.is_none else self._columns.labels[highest]
    self._num_rows += 1
    self._answers[answer] += 1
    if row.label in self._number_of:
      self._num_labelled += 1
      self._num_right += answer == row.label

  def shard(self, file_name: str, written: _Counted) -> AnswerShard:
    """Returns what the shard holds, once it is whole."""
    return AnswerShard(
      file_name=file_name,
      num_rows=self._num_rows,
      num_clips=self._num_clips,
      num_bytes=written.num_bytes,
      sha256=written.sha256,
      audio_s=round(self._audio_s, 6),
      answers=dict(sorted(self._answers.items())),
      num_labelled=self._num_labelled,
      num_right=self._num_right,
      num_cut=self._num_cut,
      rejects=tuple(self._rejects),
      noted=self._noted,
    )
