"""The trials of a sweep beside one another, the best first: a table, CSV and JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pages import words
from schemas import json_form
from tfrecords import storage
from trainer.runs import run_folder, tolerant_json
from trainer.sweep import journal

TEXT, MARKDOWN = 'text', 'markdown'
FORMATS = (TEXT, MARKDOWN)
CSV_FILE, JSON_FILE = 'sweep.csv', 'sweep.json'
_DONE, _PRUNED, _FAILED, _OPEN, _SAME = 'done', 'pruned', 'failed', 'open', 'same'
_REFUSED = 'refused'
_STATES: Mapping[str, str] = {'COMPLETE': _DONE, 'PRUNED': _PRUNED, 'FAIL': _FAILED}
# Of a report.
_ALWAYS = {'accuracy', 'loss', 'num_examples'}
_SOMETIMES = ('accuracy_interval_95', 'mean_over_folds')
_ORDER = (_DONE, _PRUNED, _OPEN, _FAILED, _SAME, _REFUSED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
  """One trial.

  Attributes:
    number: Its number.
    folder: Its run.
    state: `done`, `pruned`, `failed`, `open`; or, of what was drawn and not begun, `same`: it would
      have trained what an earlier one did, or `refused`: the trainer does not take it.
    chosen: What it has, by the name of the axis.
    value: The measure of its best epoch; None where there is none.
    rank: What it is ranked by.
    epoch: The best epoch; 0 where there is none, or there are folds, which have one each.
    train_s: Seconds of training.
    why: Why it failed or was refused, where it was pruned, or of which it is the same.
    test: What the report on the test split says; None where it was not judged.
    interval: 95 % of the mean over folds; None where there are no folds.
  """

  number: int
  folder: str
  state: str
  chosen: Mapping[str, str]
  value: float | None = None
  rank: tuple[float, ...] = ()
  epoch: int = 0
  train_s: float = 0.0
  why: str = ''
  test: Mapping[str, Any] | None = None
  interval: tuple[float, ...] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standings:
  """All trials.

  Attributes:
    rows: The best first; behind those that are done the pruned, the open and the failed ones.
    monitor: The measure.
    names: Of the axes.
    context: What else sweep.json says.
  """

  rows: tuple[Row, ...]
  monitor: str
  names: tuple[str, ...]
  context: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  @property
  def done(self) -> tuple[Row, ...]:
    """Those that came to their end."""
    return tuple(row for row in self.rows if row.state == _DONE)

  @property
  def refused(self) -> tuple[Row, ...]:
    """What was drawn and is no trial."""
    return tuple(row for row in self.rows if row.state == _REFUSED)

  @property
  def winner(self) -> Row | None:
    """The best of these; of equals the first. None where there is none."""
    return self.done[0] if self.done else None


def row(
  trial: Any, chosen: Mapping[str, str], folder: str, value: float | None, *, test_file: str
) -> Row:
  """Returns what the journal, and the report of its run if there is one, say of a trial."""
  notes = trial.user_attrs
  return Row(
    number=trial.number,
    folder=folder,
    state=_state(trial),
    chosen=dict(chosen),
    value=value,
    rank=tuple(notes.get('rank', ())),
    epoch=notes.get('epoch', 0),
    train_s=notes.get('train_s', 0.0),
    why=notes.get('why', ''),
    interval=tuple(notes['interval']) if 'interval' in notes else None,
    test=_test(test_file),
  )


def _state(trial: Any) -> str:
  if journal.is_undone(trial):
    return _SAME if journal.SAME in trial.user_attrs else _REFUSED
  return _STATES.get(trial.state.name, _OPEN)


def ordered(rows: Sequence[Row]) -> tuple[Row, ...]:
  """Returns rows with the best first."""
  return tuple(
    sorted(
      rows,
      key=lambda one: (_ORDER.index(one.state), [-part for part in one.rank], one.number),
    )
  )


def _test(path: str) -> dict[str, Any] | None:
  report = tolerant_json.fields(path)
  if not _ALWAYS <= set(report):
    return None
  return {key: report.get(key) for key in (*sorted(_ALWAYS), *_SOMETIMES)}


def _cells(standings: Standings, one: Row) -> list[str]:
  """Returns the columns of a row as people read them."""
  is_judged = any(row.test for row in standings.rows)
  value = '' if one.value is None else measure(standings.monitor, one.value)
  if one.interval:
    value += f' ({words.share(one.interval[0])} to {words.share(one.interval[1])})'
  return [
    os.path.basename(one.folder),
    *([one.state] if any(row.state != _DONE for row in standings.rows) else []),
    value,
    *([str(one.epoch or '')] if _has_epochs(standings) else []),
    *(_short(one.chosen.get(name)) for name in standings.names),
    words.duration(one.train_s) if one.train_s else '',
    *([_tested(one.test)] if is_judged else []),
  ]


def _head(standings: Standings) -> list[str]:
  return [
    'trial',
    *(['state'] if any(row.state != _DONE for row in standings.rows) else []),
    f'validation {standings.monitor}',
    *(['epoch'] if _has_epochs(standings) else []),
    *standings.names,
    'training',
    *(['test accuracy'] if any(row.test for row in standings.rows) else []),
  ]


def _has_epochs(standings: Standings) -> bool:
  """Whether trials have a best epoch; folds have one each."""
  return any(row.epoch for row in standings.rows)


def _short(text: str | None) -> str:
  return '-' if text is None else text or 'none'


def measure(monitor: str, value: float) -> str:
  """Returns the value of a measure as people read it."""
  return f'{value:.4f}' if monitor == 'loss' else words.share(value)


def _tested(test: Mapping[str, Any] | None) -> str:
  if test is None:
    return ''
  mean = test['mean_over_folds']
  if mean:
    return words.share(mean['accuracy']) + _between(mean)
  interval = test['accuracy_interval_95']
  return words.share(test['accuracy']) + (_between(interval) if interval else '')


def _between(ends: Mapping[str, Any]) -> str:
  return f' ({words.share(ends["low"])} to {words.share(ends["high"])})'


def table(standings: Standings, form: str = TEXT) -> str:
  """Returns the table; below it what is said of those that failed or were not begun."""
  head, body = _head(standings), [_cells(standings, one) for one in standings.rows]
  lines = _markdown(head, body) if form == MARKDOWN else _text(head, body)
  notes = [
    f'{os.path.basename(one.folder)} {one.state}: {one.why}'
    for one in standings.rows
    if one.state in (_FAILED, _SAME, _REFUSED)
  ]
  return '\n'.join([*lines, *([''] if notes else []), *notes])


def _text(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
  widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
  return [
    '  '.join(cell.ljust(width) for cell, width in zip(one, widths, strict=True)).rstrip()
    for one in [head, *body]
  ]


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
  lines = [head, ['---'] * len(head), *body]
  return [f'| {" | ".join(cell.replace("|", "&#124;") for cell in one)} |' for one in lines]


def write(standings: Standings, output: str) -> None:
  """Writes sweep.csv and sweep.json, each whole or not at all.

  Raises:
    ConfigError: if the file system refuses.
  """
  for name, text in (
    (CSV_FILE, _csv(standings)),
    (JSON_FILE, json_form.dumps(to_json(standings))),
  ):
    path = os.path.join(output, name)
    with run_folder.writing(path):
      storage.write_atomically(path, text.encode())


def _csv(standings: Standings) -> str:
  out = io.StringIO()
  writer = csv.writer(out, lineterminator='\n')
  writer.writerow(
    ['trial', 'state', standings.monitor, 'low', 'high', 'epoch', *standings.names, 'train_s',
     'test_accuracy', 'test_low', 'test_high', 'note']
  )  # fmt: skip
  for one in standings.rows:
    test = one.test or {}
    # Of folds their mean, which the measure is too.
    test = test.get('mean_over_folds') or test | (test.get('accuracy_interval_95') or {})
    writer.writerow(
      [
        os.path.basename(one.folder),
        one.state,
        '' if one.value is None else one.value,
        *(one.interval or ('', '')),
        one.epoch or '',
        *(one.chosen.get(name, '') for name in standings.names),
        round(one.train_s, 3),
        *(test.get(name, '') for name in ('accuracy', 'low', 'high')),
        one.why,
      ]
    )
  return out.getvalue()


def to_json(standings: Standings) -> dict[str, Any]:
  """Returns what sweep.json says."""
  winner = standings.winner
  return {
    'sweep_version': 1,
    **standings.context,
    'monitor': standings.monitor,
    'winner': winner.number if winner else None,
    'trials': [
      {**dataclasses.asdict(one), 'folder': os.path.basename(one.folder), 'rank': list(one.rank)}
      for one in standings.rows
    ],
  }
