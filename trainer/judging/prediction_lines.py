"""Predictions as lines of text: for people, for programs, for a competition."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pages import words
from schemas import errors
from trainer.confidence import caution as caution_lib
from trainer.judging import prediction

TEXT = 'text'
JSONL = 'jsonl'
CSV = 'csv'
SUBMISSION = 'submission'
FORMATS = (TEXT, JSONL, CSV, SUBMISSION)
FILE, ID = 'file', 'id'  # What examples are called.
_NO_CAUTION = caution_lib.Caution()
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
  caution: caution_lib.Caution = _NO_CAUTION,
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
    caution: How logits become answers. Where "none of these" may be one, CSV has a column `answer`
      and JSON a field `none_of_these`; the labels stand there all the same.

  Raises:
    ConfigError: if a submission would call two clips alike.
  """
  top = min(top, len(labels))
  yield from _header(form, top, key, with_answer=bool(caution.score))
  rows: list[tuple[str, str]] = []
  for found in predictions:
    if found.error:
      print(f'{found.name}: {found.error}', file=sys.stderr)
      if form == JSONL:
        yield json.dumps({key: found.name, 'error': found.error}, ensure_ascii=False)
      continue
    said = _said(found, labels, 1 if form == SUBMISSION else top, caution)
    if form == SUBMISSION:
      rows.append((found.name, said.answer))
    else:
      yield _line(found.name, said, form, key)
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Said:
  """What is said of one example.

  Attributes:
    labels: The most probable labels with their probabilities, the most probable first.
    is_none: Whether the answer is none of them; None where that is not asked.
  """

  labels: Sequence[tuple[str, float]]
  is_none: bool | None

  @property
  def answer(self) -> str:
    """The most probable label, or that it is none of these."""
    return caution_lib.NONE if self.is_none else self.labels[0][0]


def _header(form: str, top: int, key: str, *, with_answer: bool) -> Iterator[str]:
  if form == CSV:
    pairs = ((f'label_{i}', f'probability_{i}') for i in range(1, top + 1))
    yield _csv_line([key, *(['answer'] * with_answer), *itertools.chain(*pairs)])


def _said(
  found: prediction.Prediction, labels: Sequence[str], top: int, caution: caution_lib.Caution
) -> _Said:
  probabilities = caution.probabilities(found.logits)
  # Stable, so that equal probabilities come in the order of the labels.
  best = np.argsort(-probabilities, kind='stable')[:top]
  is_none = bool(caution.rejects(found.logits[np.newaxis])[0]) if caution.score else None
  return _Said(labels=[(labels[i], float(probabilities[i])) for i in best], is_none=is_none)


def _line(name: str, said: _Said, form: str, key: str) -> str:
  if form == TEXT:
    probable = ', '.join(f'{label} {words.share(p)}' for label, p in said.labels)
    return f'{name}: {caution_lib.NONE} ({probable})' if said.is_none else f'{name}: {probable}'
  if form == CSV:
    pairs = ((label, f'{p:.6f}') for label, p in said.labels)
    answer = [] if said.is_none is None else [said.answer]
    return _csv_line([name, *answer, *itertools.chain(*pairs)])
  line: dict[str, Any] = {key: name}
  if said.is_none is not None:
    line['none_of_these'] = said.is_none
  line['predictions'] = [{'label': label, 'probability': round(p, 6)} for label, p in said.labels]
  return json.dumps(line, ensure_ascii=False)


def _csv_line(cells: Sequence[str]) -> str:
  stream = io.StringIO()
  csv.writer(stream, lineterminator='').writerow(cells)
  return stream.getvalue()
