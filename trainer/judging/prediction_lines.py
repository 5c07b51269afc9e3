"""Predictions as lines of text: for people, for programs, for a competition."""

from __future__ import annotations

import csv
import io
import itertools
import json
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from schemas import errors
from trainer.judging import prediction
from trainer.judging.report import text

TEXT = 'text'
JSONL = 'jsonl'
CSV = 'csv'
SUBMISSION = 'submission'
FORMATS = (TEXT, JSONL, CSV, SUBMISSION)
FILE, ID = 'file', 'id'  # What examples are called.
NAME, PATH = NAMES = ('name', 'path')  # What a submission calls a clip.


def lines(
  predictions: Iterator[prediction.Prediction],
  labels: Sequence[str],
  *,
  form: str,
  top: int,
  key: str,
  columns: tuple[str, str],
  with_folders: bool = False,
) -> Iterator[str]:
  """Yields the output, a line per example; what cannot be used has one in JSON alone.

  Why it cannot be used is printed to stderr. A submission comes whole or not at all, with its rows
  (some hundred bytes each) in memory: two of one name are refused. Rows of a data set, whose shards
  have an order of their own, come by their ids.

  Args:
    predictions: What the model says.
    labels: Label texts, by index.
    form: One of FORMATS.
    top: How many labels are said of each example.
    key: What the examples are called in CSV and JSON: FILE or ID.
    columns: Header of a submission.
    with_folders: Whether a submission calls a clip by its whole path or id.

  Raises:
    ConfigError: if a submission would call two clips alike.
  """
  top = min(top, len(labels))
  yield from _header(form, top, key)
  rows: list[tuple[str, str]] = []
  for found in predictions:
    if found.error:
      print(f'{found.name}: {found.error}', file=sys.stderr)
      if form == JSONL:
        yield json.dumps({key: found.name, 'error': found.error}, ensure_ascii=False)
    elif form == SUBMISSION:
      rows.append((found.name, _most_probable(found, labels, 1)[0][0]))
    else:
      yield _line(found.name, _most_probable(found, labels, top), form, key)
  if form == SUBMISSION:
    names = check_names([name for name, _ in rows], with_folders=with_folders)
    called = [(*row, name) for row, name in zip(rows, names, strict=True)]
    yield _csv_line(columns)
    for _, label, name in sorted(called) if key == ID else called:
      yield _csv_line([name, label])


def check_names(paths: Sequence[str], *, with_folders: bool) -> list[str]:
  """Returns what a submission calls the clips, in their order.

  Raises:
    ConfigError: if it would call two alike.
  """
  first: dict[str, str] = {}
  names = []
  for path in paths:
    name = path if with_folders else path.rpartition('/')[2]
    if name in first:
      advice = (
        f'{path!r} is named twice: name it once.'
        if first[name] == path
        else f'{first[name]!r} and {path!r}: name them with their folders '
        '(--submission_names=path), or predict one folder at a time.'
      )
      raise errors.ConfigError(f'A submission would call two clips {name!r}. {advice}')
    first[name] = path
    names.append(name)
  return names


def _header(form: str, top: int, key: str) -> Iterator[str]:
  if form == CSV:
    pairs = ((f'label_{i}', f'probability_{i}') for i in range(1, top + 1))
    yield _csv_line([key, *itertools.chain(*pairs)])


def _most_probable(
  found: prediction.Prediction, labels: Sequence[str], top: int
) -> list[tuple[str, float]]:
  probabilities = found.probabilities
  # Stable, so that equal probabilities come in the order of the labels.
  best = np.argsort(-probabilities, kind='stable')[:top]
  return [(labels[i], float(probabilities[i])) for i in best]


def _line(name: str, said: Sequence[tuple[str, float]], form: str, key: str) -> str:
  if form == TEXT:
    return f'{name}: ' + ', '.join(f'{label} {text.percent(p)}' for label, p in said)
  if form == CSV:
    return _csv_line([name, *itertools.chain(*((label, f'{p:.6f}') for label, p in said))])
  found = [{'label': label, 'probability': round(p, 6)} for label, p in said]
  return json.dumps({key: name, 'predictions': found}, ensure_ascii=False)


def _csv_line(cells: Sequence[str]) -> str:
  stream = io.StringIO()
  csv.writer(stream, lineterminator='').writerow(cells)
  return stream.getvalue()
