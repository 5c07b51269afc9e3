"""Shows all runs below a folder in a table.

  python -m trainer.runs
  python -m trainer.runs /data/runs --sort=test
  python -m trainer.runs --data=digits --model=tc_resnet --format=csv > runs.csv

Runs of the trainer, of baselines and of recipes, folders of folds (a line for all of them; --folds
shows each), and the trials of a sweep. `data` is the name of the data set and the first digits of
the SHA-256 of its manifest: where these differ, so do the data. `validation` is the accuracy of the
best epoch, `test` that of the report, with its 95 % interval over speakers (of pictures: groups).
A run that is unfinished is running, or was stopped: its own command goes on with it. Only JSON is
read; what is damaged is named.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pages import text_table, words
from schemas import errors
from tfrecords import command_line
from trainer.runs import run_folder, run_search, run_summary

TEXT, CSV = FORMATS = ('text', 'csv')
_OVER_EXAMPLES = '*'
_UNKNOWN = '-'
_DIGEST_CHARS = 8


def _data(run: run_summary.Summary) -> str:
  """Returns the name of a data set and the digest that tells it from others of this name."""
  return f'{run.dataset} {run.manifest_sha256[:_DIGEST_CHARS]}'.strip()


def _name_key(name: str) -> list[tuple[int, str]]:
  """Returns what orders `run-2` before `run-10`."""
  return [
    (int(part), '') if part.isdigit() else (0, part)
    for part in re.split(r'([0-9]+)', name.casefold())
  ]


# What --sort takes: the value of a run, highest or latest first where it is a number or a time.
_KEYS: Mapping[str, Callable[[run_summary.Summary], Any]] = {
  'name': lambda run: _name_key(run.path),
  'data': lambda run: _data(run).casefold(),
  'model': lambda run: _name_key(run.model),
  'feature': lambda run: run.feature,
  'validation': lambda run: run.validation_accuracy,
  'test': lambda run: run.test_accuracy,
  'epochs': lambda run: run.epochs,
  'finished': lambda run: run.finished_at,
  'time': lambda run: run.train_s,
  'parameters': lambda run: run.parameters,
  'status': lambda run: run.status,
}
_HIGHEST_FIRST = frozenset({'validation', 'test', 'epochs', 'finished', 'time', 'parameters'})


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunsConfig:
  """One field per flag, and the folder."""

  folders: tuple[str, ...] = ()
  sort: str = command_line.flag(
    'name',
    'What the lines are ordered by: texts from a to z, numbers from the highest, times from the '
    'latest; what is not known comes last.',
    choices=tuple(_KEYS),
  )
  reverse: bool = command_line.flag(False, 'The other way round.')
  data: str = command_line.flag(
    '', "Only runs on data sets whose name, digest as shown, or own folder's name has this in it."
  )
  model: str = command_line.flag('', 'Only runs whose model, with its settings, has this in it.')
  folds: bool = command_line.flag(False, 'A line for each fold too.')
  format: str = command_line.flag(
    TEXT,
    'How the table is printed. csv: whole names, all digits, times in UTC.',
    choices=FORMATS,
  )

  def __post_init__(self) -> None:
    if len(self.folders) > 1:
      raise errors.ConfigError(
        f'Expected one folder with runs, got {len(self.folders)}: {", ".join(self.folders)}. '
        'Name the folder above them.'
      )
    command_line.check(self)

  @property
  def folder(self) -> str:
    """Where runs are looked for."""
    return self.folders[0] if self.folders else run_folder.RUNS


def main(arguments: Sequence[str]) -> None:
  """Prints the table.

  Raises:
    ConfigError: if there is no such folder.
  """
  config = command_line.parse(RunsConfig, arguments, description=__doc__ or '', files='folders')
  if config is None:
    return
  if not os.path.isdir(config.folder):
    what = 'is a file' if os.path.exists(config.folder) else 'is not there'
    raise errors.ConfigError(
      f'{config.folder!r} {what}: there are no runs in it. Name a folder with runs: '
      'python -m trainer.runs FOLDER.'
    )
  runs, unreadable = gather(config)
  if config.format == CSV:
    # Names of files may be any bytes, and come out as they are.
    sys.stdout.reconfigure(errors='surrogateescape')  # type: ignore[union-attr]
    print(as_csv(runs), end='')
  elif runs:
    print(as_text(runs, config.folder, width=text_table.terminal_width()))
  else:
    asked = ' on such data, of such a model' if config.data or config.model else ''
    print(f'There are no runs{asked} below {config.folder!r}.')
  for one in unreadable:
    print(f'note: {words.printable(one.path)} cannot be read: {one.reason}', file=sys.stderr)


def gather(
  config: RunsConfig,
) -> tuple[list[run_summary.Summary], list[run_search.Unreadable]]:
  """Returns the runs that are asked for, in the order that is, and folders that cannot be read."""
  runs: list[run_summary.Summary] = []
  unreadable: list[run_search.Unreadable] = []
  for found in run_search.search(config.folder):
    if isinstance(found, run_search.Unreadable):
      unreadable.append(found)
      continue
    one = run_summary.summarise(found.path, found.folds)
    parts = map(run_summary.summarise, found.folds if config.folds else ())
    runs += [run for run in (one, *parts) if run and _is_asked(run, config)]
  return ordered(runs, config.sort, reverse=config.reverse), unreadable


def _is_asked(run: run_summary.Summary, config: RunsConfig) -> bool:
  # Data sets of one source have one name, and people tell them apart by their folders.
  known_as = _data(run), os.path.basename(run.data_dir.rstrip('/'))
  return (
    any(config.data.casefold() in name.casefold() for name in known_as)
    and config.model.casefold() in run.model.casefold()
  )


def ordered(
  runs: Sequence[run_summary.Summary], key: str, *, reverse: bool
) -> list[run_summary.Summary]:
  """Returns runs in the order of one of --sort; those that are equal by their names."""
  value = _KEYS[key]
  by_name = sorted(runs, key=lambda run: (_name_key(run.path), run.path))
  known = [run for run in by_name if value(run) not in (None, '')]
  unknown = [run for run in by_name if value(run) in (None, '')]
  known.sort(key=value, reverse=reverse != (key in _HIGHEST_FIRST))
  return known + unknown


def as_csv(runs: Sequence[run_summary.Summary]) -> str:
  """Returns a line for each run, with the fields of Summary."""
  stream = io.StringIO()
  writer = csv.writer(stream, lineterminator='\n')
  writer.writerow([field.name for field in dataclasses.fields(run_summary.Summary)])
  for run in runs:
    writer.writerow(['' if value is None else value for value in dataclasses.astuple(run)])
  return stream.getvalue()


def as_text(runs: Sequence[run_summary.Summary], folder: str, *, width: int) -> str:
  """Returns the table, and behind it what is damaged; names of runs are those below the folder."""
  header = ('run', 'data', 'model', 'feature', 'validation', 'test', '95 % interval', 'epochs',
            'finished', 'training', 'parameters', 'status')  # fmt: skip
  rows = [header, *(_row(run, folder) for run in runs)]
  lines = [text_table.lay_out(rows, texts=(0, 1, 2, 3, 11), width=width)]
  if any(run.interval_over == 'examples' for run in runs):
    lines.append(f'{_OVER_EXAMPLES} over single clips or pictures, as if none belonged together')
  lines += [
    f'note: {words.printable(run.path)}: {words.printable(run.reason)}'
    for run in runs
    if run.status == run_summary.DAMAGED
  ]
  return '\n'.join(lines)


def _row(run: run_summary.Summary, folder: str) -> list[str]:
  interval = _UNKNOWN
  if run.test_low is not None and run.test_high is not None:
    star = _OVER_EXAMPLES * (run.interval_over == 'examples')
    interval = f'{words.share(run.test_low)} to {words.share(run.test_high)}{star}'
  ended = run_summary.finished_time(run)
  return [
    os.path.basename(os.path.abspath(run.path))
    if os.path.samefile(run.path, folder)
    else os.path.relpath(run.path, folder),
    _data(run) or _UNKNOWN,
    run.model or _UNKNOWN,
    run.feature or _UNKNOWN,
    _percent(run.validation_accuracy),
    _percent(run.test_accuracy),
    interval,
    _epochs(run),
    f'{ended.astimezone():%Y-%m-%d %H:%M}' if ended else _UNKNOWN,
    _UNKNOWN if run.train_s is None else words.duration(run.train_s),
    _UNKNOWN if run.parameters is None else words.number(run.parameters),
    _status(run),
  ]


def _percent(share: float | None) -> str:
  return _UNKNOWN if share is None else words.share(share)


def _epochs(run: run_summary.Summary) -> str:
  if run.of_epochs is None:
    return _UNKNOWN
  return f'{run.epochs} of {run.of_epochs}'


def _status(run: run_summary.Summary) -> str:
  if run.of_folds is not None and run.status != run_summary.DAMAGED:
    return f'folds {run.folds} of {run.of_folds}'
  early = run.status == run_summary.FINISHED and run.reason
  return f'{run.status} early' if early else run.status
