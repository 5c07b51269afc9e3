"""The report as one plain value: what report.json holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.judging.report import tally
from trainer.measures import counting

# Bump with every change of a name or a meaning in report.json.
REPORT_VERSION = 1
MAX_MIXUPS = 20
# Beyond these digits lies the order in which threads add up.
_DIGITS = 6


def make(
  tallied: tally.Tally,
  *,
  labels: Sequence[str],
  train_counts: Sequence[int],
  context: Mapping[str, Any],
) -> dict[str, Any]:
  """Returns the report.

  Args:
    tallied: Every example of a split.
    labels: Label texts, by index.
    train_counts: Examples per label in the train split.
    context: Further fields: what was judged, on what.
  """
  counts = tallied.counts
  found = counting.scores(counts)
  most_frequent = int(np.argmax(train_counts))  # The first of several.
  report = {
    **context,
    'report_version': REPORT_VERSION,
    'num_examples': found.num_examples,
    'num_mistakes': counts.num_examples - counts.num_correct,
    'loss': found.loss,
    'accuracy': found.accuracy,
    'accuracy_interval_95': counting.accuracy_interval(counts),
    'majority_baseline': {
      'label': labels[most_frequent],
      'accuracy': int(counts.by_label[1][most_frequent]) / counts.num_examples,
    },
    'averages': counting.averages(counts),
    'labels': _labels(counts, labels),
    'confusion_matrix': counts.confusion.tolist(),
    'worst_mixups': _mixups(counts.confusion, labels),
    'speakers': _speakers(tallied.speakers),
    'mistakes': [_mistake(mistake, labels) for mistake in tallied.mistakes],
  }
  rounded: dict[str, Any] = _rounded(report)
  return rounded


def _labels(counts: counting.Counts, labels: Sequence[str]) -> list[dict[str, Any]]:
  found = counting.per_label(counts)
  _, examples, answers = counts.by_label
  return [
    {
      'label': label,
      'num_examples': int(examples[i]),
      'num_predicted': int(answers[i]),
      'precision': float(found.precision[i]),
      'recall': float(found.recall[i]),
      'f1': float(found.f1[i]),
    }
    for i, label in enumerate(labels)
  ]


def _mixups(confusion: counting.Confusion, labels: Sequence[str]) -> list[dict[str, Any]]:
  return [
    {
      'label': labels[truth],
      'predicted': labels[predicted],
      'count': int(confusion[truth, predicted]),
      'share_of_label': int(confusion[truth, predicted]) / int(confusion[truth].sum()),
    }
    for truth, predicted in counting.worst_mixups(confusion, limit=MAX_MIXUPS)
  ]


def _speakers(speakers: Mapping[str, tally.SpeakerCount]) -> list[dict[str, Any]]:
  return [
    {
      'speaker': name,
      'num_examples': count.num_examples,
      'num_correct': count.num_correct,
      'accuracy': count.accuracy,
    }
    for name, count in speakers.items()
  ]


def _mistake(mistake: tally.Mistake, labels: Sequence[str]) -> dict[str, Any]:
  return {
    'id': mistake.utterance_id,
    'speaker': mistake.speaker_id,
    'label': labels[mistake.truth],
    'predicted': labels[mistake.predicted],
    'probability': mistake.probability,
    'loss': mistake.loss,
  }


def _rounded(value: Any) -> Any:
  if isinstance(value, float):
    return round(value, _DIGITS)
  if isinstance(value, Mapping):
    return {key: _rounded(item) for key, item in value.items()}
  if isinstance(value, list):
    return [_rounded(item) for item in value]
  return value
