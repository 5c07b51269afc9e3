"""What is shown of a confusion: all of it, or of very many labels those that are mixed up most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from trainer.judging.report import report_json
from trainer.measures import counting

MAX_LABELS = 40


class Excerpt(NamedTuple):
  """A part of a confusion.

  Attributes:
    labels: Texts of the labels in it.
    counts: int64 [labels, labels]; rows are true, columns predicted.
    examples: Examples of each label, int64 [labels]: more than the row holds where answers are
      left out.
    said: Which labels these are; '' where they are all.
  """

  labels: list[str]
  counts: counting.Confusion
  examples: counting.Confusion
  said: str

  def to_json(self) -> dict[str, Any]:
    """Returns plain values."""
    return {
      'labels': self.labels,
      'counts': self.counts.tolist(),
      'examples': self.examples.tolist(),
      'said': self.said,
    }

  @classmethod
  def from_json(cls, value: Mapping[str, Any]) -> Excerpt:
    """Returns what to_json was called on."""
    counts, examples = (np.array(value[name], np.int64) for name in ('counts', 'examples'))
    return cls(list(value['labels']), counts, examples, value['said'])


def of(report: Mapping[str, Any]) -> Excerpt:
  """Returns what is to be shown of a report."""
  entries = report['labels']
  whole = report_json.matrix(report)
  if whole is not None:
    return Excerpt([entry['label'] for entry in entries], whole, whole.sum(axis=1), '')
  chosen: set[int] = set()
  pairs = report['confusion']['pairs']
  for truth, predicted, _ in sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1])):
    if len(chosen | {truth, predicted}) > MAX_LABELS:
      break
    chosen |= {truth, predicted}
  # Where hardly anything is mixed up, with the first of those that are not.
  others = (i for i in range(len(entries)) if i not in chosen)
  order = sorted([*chosen, *(next(others) for _ in range(MAX_LABELS - len(chosen)))])
  places = {label: i for i, label in enumerate(order)}
  counts = np.diag([entries[label]['num_correct'] for label in order]).astype(np.int64)
  for truth, predicted, count in pairs:
    if truth in places and predicted in places:
      counts[places[truth], places[predicted]] = count
  return Excerpt(
    [entries[label]['label'] for label in order],
    counts,
    np.array([entries[label]['num_examples'] for label in order], np.int64),
    f'the {len(order)} of {len(entries):,} labels that are mixed up most',
  )
