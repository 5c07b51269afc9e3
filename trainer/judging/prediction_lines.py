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


def lines(
  predictions: Iterator[prediction.Prediction],
  labels: Sequence[str],
  *,
  form: str,
  top: int,
  key: str,
  columns: tuple[str, str],
) -> Iterator[str]:
  """Yields the output, a line per example; what cannot be used has one in JSON alone.

  Why it cannot be used is printed to stderr.

  Args:
    predictions: What the model says.
    labels: Label texts, by index.
    form: One of FORMATS.
    top: How many labels are said of each example.
    key: What the examples are called in CSV and JSON: `file` or `id`.
    columns: Header of a submission.
  """
  top = min(top, len(labels))
  yield from _header(form, top, key, columns)
  taken: set[str] = set()
  for found in predictions:
    if found.error:
      print(f'{found.name}: {found.error}', file=sys.stderr)
      if form == JSONL:
        yield json.dumps({key: found.name, 'error': found.error}, ensure_ascii=False)
    elif form == SUBMISSION:
      yield _csv_line([_base_name(found.name, taken), _most_probable(found, labels, 1)[0][0]])
    else:
      yield _line(found.name, _most_probable(found, labels, top), form, key)


def _header(form: str, top: int, key: str, columns: tuple[str, str]) -> Iterator[str]:
  if form == SUBMISSION:
    yield _csv_line(columns)
  if form == CSV:
    pairs = ((f'label_{i}', f'probability_{i}') for i in range(1, top + 1))
    yield _csv_line([key, *itertools.chain(*pairs)])


def _base_name(name: str, taken: set[str]) -> str:
  """Returns the name without its folders, which nothing else may have."""
  base = name.rpartition('/')[2]
  if base in taken:
    raise errors.ConfigError(
      f'Two clips are called {base!r}, the second is {name!r}: a submission names a clip by its '
      'file name alone. Use --format=csv, which keeps the folders, or predict one folder at a time.'
    )
  taken.add(base)
  return base


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
