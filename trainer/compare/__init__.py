"""Compares runs on the same clips: which is better, by how much, and on which clips.

  python -m trainer.compare runs/cnn runs/tc_resnet
  python -m trainer.compare runs/cnn runs/svm runs/folds --output=compared.html
  python -m trainer.compare a/judged/validation b/judged/validation --format=latex

Each is the folder of a run, of a baseline or of folds, or one below its `judged`; what they said of
every clip is read, and no model is loaded. The difference of two accuracies is paired, its 95 %
interval is over speakers, and McNemar's test says how often clips would fall so unevenly by chance.
Runs that were judged on other clips, or on other labels, are refused.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from pages import text_table
from schemas import command, errors, limits
from tfrecords import command_line, storage
from trainer.compare import compared_runs, markup, results, same_clips, sections

_PAGE_START = b'<!doctype html>'


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig:
  """One field per flag, and the folders."""

  runs: tuple[str, ...] = ()
  format: str = command_line.flag(
    markup.TEXT, 'How the tables are printed. latex wants the package booktabs.',
    choices=markup.FORMATS,
  )  # fmt: skip
  changes: int = command_line.flag(
    10, 'So many clips of each kind of change are printed.', limits=limits.NATURAL
  )
  output: str = command_line.flag(
    '', 'The page to write, a file that any browser opens; empty: none.', is_path=True
  )

  def __post_init__(self) -> None:
    if len(self.runs) < 2:
      got = f'got {self.runs[0]!r} alone' if self.runs else 'got none'
      raise errors.ConfigError(
        f'Expected two runs or more, {got}. Write: python -m trainer.compare RUN RUN...'
      )
    command_line.check(self)


def main(arguments: Sequence[str]) -> None:
  """Prints the comparison, and writes the page if there is to be one.

  Raises:
    ConfigError: if the runs cannot be compared, or the page cannot be written.
  """
  config = command_line.parse(CompareConfig, arguments, description=__doc__ or '', files='runs')
  if config is None:
    return
  _check_output(config.output)
  runs = compared_runs.find(config.runs)
  clips = same_clips.read({run.name: run.predictions_file for run in runs})
  most = max(config.changes, sections.PAGE_CLIPS if config.output else 0)
  found = results.compare([run.name for run in runs], clips, most_clips=most)
  notes = compared_runs.notes(runs, clips, found)
  made = sections.make(runs, clips, found, most_clips=config.changes)
  width = text_table.terminal_width()
  print(markup.write(made, notes, form=config.format, width=width), end='')
  if config.output:
    from trainer.compare import compared_page

    _write(config.output, compared_page.make(runs, clips, found, notes))
    if config.format == markup.TEXT:
      print(f'\npage     {config.output}')


def _check_output(path: str) -> None:
  if not path:
    return
  folder = os.path.dirname(path) or '.'
  if os.path.isdir(path) or not os.path.isdir(folder):
    what = 'is a folder' if os.path.isdir(path) else f'would lie in {folder!r}, which is not there'
    raise errors.ConfigError(f'--output={path} {what}. Name a file such as compared.html.')
  # Whoever names the predictions of a run by mistake would lose them.
  if os.path.exists(path) and os.path.getsize(path) and not _is_page(path):
    raise errors.ConfigError(
      f'--output={path} is a file already, and no page: it is not replaced. Name another file, '
      'such as compared.html.'
    )


def _is_page(path: str) -> bool:
  try:
    with open(path, 'rb') as stream:
      return stream.read(len(_PAGE_START)).lower() == _PAGE_START
  except OSError:
    return False


def _write(path: str, page: str) -> None:
  try:
    storage.write_atomically(path, page.encode())
  except OSError as error:
    raise errors.ConfigError(
      f'Could not write --output={path}: {error.strerror or error}. Name another file.'
    ) from error


def run() -> int:
  """Entry point of `python -m trainer.compare`."""
  return command.run(main, stopped=command.AGAIN)
