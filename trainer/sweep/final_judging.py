"""The end of a sweep: the test split, which no trial has seen."""

from __future__ import annotations

import os
from collections.abc import Iterator

from schemas import errors
from trainer.child_processes import child
from trainer.runs import run_folder
from trainer.sweep import standings, sweeping

WINNER, ALL, NONE = 'winner', 'all', 'none'
JUDGED = (WINNER, ALL, NONE)
_LEASE = 'judging'


def report_file(folder: str) -> str:
  """Returns where the report on the test split lies, of a run."""
  return run_folder.RunFolder(folder).judgement.report_file


def judge(who: str, found: standings.Standings, work: sweeping.Sweeping) -> None:
  """Puts trials before the test split that were not yet; one process of a sweep does so.

  Args:
    who: One of JUDGED.
    found: All trials.
    work: Where they are.

  Raises:
    ConfigError: in the words of the trainer, if it fails.
  """
  if who == NONE or found.winner is None:
    return
  rows = found.done if who == ALL else (found.winner,)
  if all(map(_is_judged, rows)):
    return
  sweeping.wait_for(work.leases, _LEASE)
  process = None
  try:
    for one in rows:
      if _is_judged(one):
        continue
      log = work.log(one.number)
      # The command of the trial without --notest: all that it leaves undone is the judgement.
      arguments = work.arguments(one.number, one.chosen)
      process = work.start(['-m', 'trainer', *arguments], log=log)
      work.leases.note_trainer(_LEASE, process.pid)
      code = work.wait(process, _LEASE)
      if code:
        raise errors.ConfigError(
          f'{os.path.basename(one.folder)} could not be judged on the test split: '
          f'{child.complaint(log, code)}'
        )
  finally:
    if process is not None:
      process.end()
    work.leases.release(_LEASE)


def _is_judged(one: standings.Row) -> bool:
  return os.path.exists(report_file(one.folder))


def notes(who: str, found: standings.Standings, *, has_test: bool) -> Iterator[str]:
  """Yields what is to be known of the numbers."""
  if not has_test:
    yield 'the data set has no test split: nothing here was judged on what is kept for the end.'
    return
  judged = [one for one in found.rows if one.test]
  if found.winner is not None and found.winner.value is not None and who != ALL:
    yield (
      'the validation measure of a winner is too good: the best of many was chosen by it. The test '
      'split did not choose.'
    )
  if who == ALL and judged:
    yield (
      'every finished trial was judged on the test split, to be compared. To pick a setting go by '
      'the validation measure: the best test accuracy of many is too good.'
    )
  elif len(judged) > 1:
    yield (
      f'the test split has been looked at {len(judged)} times, as this sweep ended before and went '
      'on: the more often, the less it says.'
    )
