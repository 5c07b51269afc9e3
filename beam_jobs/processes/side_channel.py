"""What workers tell the launcher beside Beam: how far they are, what they decode, why they failed.

There is one channel a job. Its life:

  made      by the launcher, before the pipeline: on the launcher's scratch folder where the
            workers are on this machine, else without one. Beam carries it to the workers.
  written   by workers: each has a page (worker_page.py) in the folder, and leaves the sentence of
            a failure, which goes again when a retry has done the same work.
  read      by the launcher alone: the counts while the job runs, the rest when it has failed.
  gone      with the launcher's scratch folder, also after a SIGKILL (held_folder.py).

On a cluster launcher and workers share no disk: there are no counts and no names of files, and the
sentence of a failure lies among the notes of the output, until a retry or the next job removes it.
"""

import contextlib
import os
from collections.abc import Iterator

from beam_jobs.processes import worker_page
from schemas import errors
from tfrecords import storage
from tfrecords.finishing import notes as notes_lib
from tfrecords.storage import waiting

_FAILURE = 'failure.json'
_TOTAL = 'total'
_NOTICE = 'notice'
_WAITING = 'waiting'


class SideChannel:
  """The channel of one job; picklable. Without anything to write to, it says nothing."""

  def __init__(self, notes: notes_lib.Notes | None = None, folder: str = '') -> None:
    """Takes where things are written.

    Args:
      notes: The notes of the output, for a failure where there is no folder.
      folder: The launcher's scratch folder; '' where workers do not share its disk. A failure
        stands here too, since the output may be full.
    """
    self._folder = folder
    self._notes = notes_lib.Notes(folder) if folder else notes

  def worker_page(self) -> worker_page.WorkerPage:
    """Returns a new page for a worker, to be closed by it."""
    self._tell_waits()
    return worker_page.WorkerPage(self._folder)

  def set_total(self, num_clips: int) -> None:
    """Says how many clips there are in all, once the corpus is listed."""
    if self._folder:
      with contextlib.suppress(OSError):
        path = os.path.join(self._folder, _TOTAL)
        storage.write_atomically(path, str(num_clips).encode())

  def announce(self, sentence: str) -> None:
    """Says what a user should know before the work begins; nothing if it is empty."""
    if self._folder and sentence:
      with contextlib.suppress(OSError):
        storage.write_atomically(os.path.join(self._folder, _NOTICE), sentence.encode())

  def announced(self) -> str:
    """Returns what was announced, or ''."""
    with contextlib.suppress(OSError):
      with open(os.path.join(self._folder, _NOTICE), encoding='utf-8') as stream:
        return stream.read()
    return ''

  def waiting(self) -> str:
    """Returns what the worker that spoke last waits for, or waited; '' if none did."""
    with contextlib.suppress(OSError):
      with open(os.path.join(self._folder, _WAITING), encoding='utf-8') as stream:
        return stream.read()
    return ''

  def _tell_waits(self) -> None:
    """Lets the launcher say what this process waits for; what it prints itself is not shown."""
    if self._folder:
      waiting.listener = self._waits

  def _waits(self, sentence: str) -> None:
    try:
      storage.write_atomically(os.path.join(self._folder, _WAITING), sentence.encode())
    except OSError:  # The job is over, and this is the launcher.
      waiting.print_note(sentence)

  def counts(self) -> tuple[int, int, float]:
    """Returns (all clips or 0 while unknown, clips done, seconds of audio done)."""
    total = 0
    with contextlib.suppress(OSError):
      with open(os.path.join(self._folder, _TOTAL), encoding='ascii') as stream:
        total = int(stream.read())
    return total, *worker_page.counts(self._folder)

  def of_dead_workers(self) -> list[str]:
    """Returns the files that workers were decoding when they ended before their time."""
    return worker_page.of_dead_workers(self._folder) if self._folder else []

  @contextlib.contextmanager
  def reporting(self, work: str, *, in_part: bool = False) -> Iterator[None]:
    """Leaves the sentence of an error for the launcher, and lets the error go on.

    Where the body ends well, it takes back what an earlier attempt at the same work has left.

    Args:
      work: Names the work, such as a shard: the same for every attempt, of no other work.
      in_part: The body is not all of it, so that its end says nothing of an earlier attempt.
    """
    self._tell_waits()
    try:
      yield
    except (errors.VoxshardError, OSError, MemoryError) as error:
      note = {'kind': type(error).__name__, 'message': str(error), 'work': work}
      # Best effort: where even this cannot be written, the runner's own report is all there is.
      with contextlib.suppress(Exception):
        if self._notes:
          self._notes.make_folder()
          self._notes.write(_FAILURE, note)
      raise
    if self._notes and not in_part:
      with contextlib.suppress(Exception):
        if (self._notes.read(_FAILURE) or {}).get('work') == work:
          self._notes.remove(_FAILURE)

  def failure(self) -> str:
    """Returns the sentence of a failure that no retry has overcome, or ''."""
    note = self._notes.read(_FAILURE) if self._notes else None
    if not note:
      return ''
    ours = note['kind'] in vars(errors)
    return str(note['message']) if ours else f'A worker failed: {note["kind"]}: {note["message"]}.'

  def forget_failure(self) -> None:
    """Removes what an earlier job has left."""
    if self._notes:
      with contextlib.suppress(OSError):
        self._notes.remove(_FAILURE)
