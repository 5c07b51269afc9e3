"""The folder of answers: shards, what was left out, the summary last; and its notes.

answers-00000-of-00016.parquet   in the order of the corpus (or .csv, .jsonl)
submission.csv                   with --format=kaggle, made of all shards
rejects.jsonl                    what has no answer, and why
answers.json                     the summary: without it the answers are not finished
model/                           the export of a run that was given as --model
"""

import contextlib
import os
import re
import shutil
from collections.abc import Collection

from beam_jobs.asking import ask_config, finding_model
from beam_jobs.output import claiming
from schemas import naming
from tfrecords import storage
from tfrecords.finishing import notes, unfinished
from tfrecords.storage import half_written

SUMMARY = 'answers.json'
SUBMISSION = 'submission.csv'

_SHARD = re.compile(r'answers-\d{5,}-of-\d{5,}\.(parquet|csv|jsonl)')


class AnswersFolder(unfinished.Unfinished):
  """The folder of answers in the making; picklable, workers write into it too."""

  def __init__(self, output: str) -> None:
    """Takes the folder; nothing is made yet."""
    super().__init__(output, storage.storage_of(output), is_ours=is_ours)

  def claim(self, settings: dict[str, object], *, overwrite: bool) -> None:
    """Makes the folder and notes whose it is; see claiming.claim.

    Raises:
      ConfigError: with the settings that differ, or if the folder holds foreign files.
      DatasetError: if the storage refuses.
    """
    work = claiming.Work(
      what='answers',
      folder=self.folder,
      files=self.files,
      notes=self.notes,
      is_ours=is_ours,
      holds_work=self._holds_answers,
      remove_leftovers=self.remove_leftovers,
      remove_all=self.remove_all,
    )
    claiming.claim(work, settings, overwrite=overwrite)

  def forget_summary(self) -> None:
    """Removes the summary, and the submission: they must not speak for shards that change."""
    for name in (SUMMARY, SUBMISSION):
      storage.remove_if_there(self.path(name), self.files)

  def remove_stale(self, current: Collection[str]) -> None:
    """Removes shards of an earlier state of the corpus, or of another form, and their notes."""
    for name in self.files.list_dir(self.folder):
      if is_shard(name) and name not in current:
        self.files.remove(self.path(name))
        self.notes.remove(f'{name}.json')

  def remove_leftovers(self, *, says: bool = True) -> None:
    """Removes what killed processes left half-written, an export among it."""
    super().remove_leftovers(says=says)
    if self.files is storage.LOCAL:
      # A launcher that was killed may have left one that is still being made.
      half_written.remove_abandoned(self.path(f'{finding_model.FOLDER}{storage.TEMPORARY_MARK}'))

  def remove_all(self, names: Collection[str]) -> None:
    """Removes files of the folder and the notes, to begin anew; the summary goes first."""
    self.forget_summary()
    if finding_model.FOLDER in names:
      with contextlib.suppress(OSError):
        shutil.rmtree(os.path.join(self.folder, finding_model.FOLDER))
    super().remove_all([name for name in names if name != finding_model.FOLDER])

  def _holds_answers(self) -> bool:
    sizes = self.files.sizes(self.folder)
    return any(name == SUMMARY or (size and is_shard(name)) for name, size in sizes.items())


def shard_name(index: int, num_shards: int, form: str) -> str:
  """Returns what a shard is called.

  Args:
    index: Which, from 0 on.
    num_shards: How many there are.
    form: A key of ask_config.FORMATS.
  """
  return f'answers-{index:05d}-of-{num_shards:05d}.{ask_config.FORMATS[form]}'


def is_shard(name: str) -> bool:
  """Whether a file name is that of a shard."""
  return _SHARD.fullmatch(name) is not None


def is_ours(name: str) -> bool:
  """Whether a name in the folder, or what comes before `.tmp-`, is one that we give."""
  base = name.partition(storage.TEMPORARY_MARK)[0]
  known = (SUMMARY, SUBMISSION, naming.REJECTS, notes.FOLDER, finding_model.FOLDER)
  return base in known or is_shard(base)
