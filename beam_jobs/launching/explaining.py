"""From what a runner raises to the sentence that its user needs."""

import contextlib
from collections.abc import Iterator

from beam_jobs.launching import local_runner
from beam_jobs.processes import side_channel
from schemas import errors
from tfrecords.storage import cloud_errors


@contextlib.contextmanager
def explaining(channel: side_channel.SideChannel) -> Iterator[None]:
  """Turns Beam's error into the sentence that a worker left, or that says how it ended.

  Raises:
    DatasetError: in place of the error; one that nobody has a word for goes on.
    KeyboardInterrupt: that came while a step ran in this process; Beam makes an error of it.
  """
  try:
    yield
  except Exception as error:
    interrupt = _interrupt_behind(error)
    if interrupt is not None:
      raise interrupt from None
    sentence = channel.failure()
    if not sentence and local_runner.is_gone(error):
      sentence = _how_a_worker_ended(channel.of_dead_workers())
    if sentence:
      raise errors.DatasetError(sentence) from error
    raise


def _interrupt_behind(error: BaseException | None) -> KeyboardInterrupt | None:
  """Returns the interrupt that led to an error, if one did."""
  seen: set[int] = set()
  while error is not None and id(error) not in seen:
    if isinstance(error, KeyboardInterrupt):
      return error
    seen.add(id(error))
    error = error.__cause__ or error.__context__
  return None


def _how_a_worker_ended(reading: list[str]) -> str:
  at = f' It was decoding {" and ".join(map(repr, reading))}.' if reading else ''
  again = ' If it ends there again, take the file out: the decoder cannot stand it.' if at else ''
  return (
    'A worker process ended before its time: it was killed, or the memory did not suffice (fewer '
    f'--workers need less).{at} Whole shards are kept: run the same command again.{again}'
  )


def said_by_runner(error: Exception) -> str:
  """Returns what a runner elsewhere says, without the lines that tell where it was raised."""
  # Of a request that was refused, the service's words; of a job that failed, all of them.
  text = cloud_errors.why(error) if cloud_errors.status_of(error) else str(error)
  lines = [line for line in text.strip().splitlines() if not line[:1].isspace()]
  said = dict.fromkeys(line for line in lines if line != 'Traceback (most recent call last):')
  return ' '.join(said)
