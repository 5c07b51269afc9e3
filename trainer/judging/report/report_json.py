"""The report as one plain value: what report.json holds. docs/judgement.md explains each key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import medium, utterance
from trainer.judging.report import detectors, tally
from trainer.measures import areas, counting, group_bootstrap, intervals, speaker_counts
from trainer.predictions import header as header_lib

# Bump with every change of a name or a meaning in report.json.
REPORT_VERSION = 3
# In version 2 recordings of noise were among the speakers: no other key is another one.
READABLE_VERSIONS = (2, REPORT_VERSION)
MAX_MIXUPS = 20
# With more labels pairs stand for the matrix, which would grow with their square.
MAX_MATRIX_LABELS = header_lib.MAX_DENSE_LABELS
MAX_PAIRS = 20_000
MAX_SPEAKERS = 1_000
# Beyond these digits lies the order in which threads add up.
_DIGITS = 6
# A threshold decides: with fewer digits it would decide otherwise where a model is very sure.
_THRESHOLD, _THRESHOLD_DIGITS = 'threshold', 9

_NO_LOGITS = (
  'With more than {most} labels the predictions keep the {top} highest logits of each clip, and '
  'ROC-AUC, average precision and detection need all of them: they are left out.'
)


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
  detected = detectors.of(tallied)
  f1_intervals = None
  if len(tallied.voices) < counts.num_examples:
    f1_intervals = tallied.voices.f1_intervals(with_labels=len(labels) <= MAX_MATRIX_LABELS)
  report = {
    **context,
    'report_version': REPORT_VERSION,
    'num_examples': found.num_examples,
    'num_mistakes': counts.num_examples - counts.num_correct,
    'num_speakers': tallied.voices.num_voices,
    'num_noises': tallied.voices.num_noises,
    'loss': found.loss,
    'accuracy': found.accuracy,
    **_accuracy_interval(tallied),
    'majority_baseline': {
      'label': labels[most_frequent],
      'accuracy': int(counts.by_label[1][most_frequent]) / counts.num_examples,
    },
    'averages': counting.averages(counts),
    'macro_f1_interval_95': f1_intervals and _ends(f1_intervals.macro, tallied),
    'top_k': {str(k): share for k, share in tallied.top_k.items()},
    'roc_auc': _mean(detected, 'roc_auc', counts),
    'average_precision': _mean(detected, 'average_precision', counts),
    'areas_note': _areas_note(tallied, detected),
    'labels': _labels(tallied, labels, detected, f1_intervals),
    'confusion': _confusion(tallied, labels),
    'worst_mixups': _mixups(tallied, labels),
    'speakers': _speakers(tallied.speakers),
    'noises': _speakers(tallied.noises),
    'mistakes': [_mistake(mistake, labels) for mistake in tallied.mistakes],
  }
  rounded: dict[str, Any] = _rounded(report)
  return rounded


def matrix(report: Mapping[str, Any]) -> counting.Confusion | None:
  """Returns the whole confusion of a report; None where it holds pairs only."""
  held = report['confusion'].get('matrix')
  return None if held is None else np.array(held, np.int64)


def alone_and_together(noun: str) -> tuple[str, str]:
  """Returns what examples are that share nobody's voice, and such as do; pictures have no voice."""
  if noun == medium.PICTURES:
    return 'stands for itself', 'belong together'
  return 'counts as a speaker of its own', 'are of one voice'


def _accuracy_interval(tallied: tally.Tally) -> dict[str, Any]:
  """Returns the interval of the accuracy, and a sentence: what it is over, or why there is none."""
  voices, counts = tallied.voices, tallied.counts
  noun = tallied.header.examples
  speaker, voice = medium.speaker(noun), medium.voice(noun)
  if len(voices) == counts.num_examples:
    low, high = intervals.wilson(counts.num_correct, counts.num_examples)
    found = {'low': low, 'high': high, **_over(tallied, intervals.OVER_EXAMPLES)}
    alone, together = alone_and_together(noun)
    note = (
      f"The interval is Wilson's, over {noun}: each {alone}. Where several {together} and nobody "
      'says so, it is too narrow.'
    )
    return {'accuracy_interval_95': found, 'interval_note': note}
  noises = ''
  if voices.num_noises:
    noises = (
      f' Noises are recordings that several {noun} were cut from: these belong together too, but a '
      'noise counts as no voice.'
    )
  ends = voices.accuracy_interval()
  if ends is None:
    return {
      'accuracy_interval_95': None,
      'interval_note': (
        f'There is no interval: {noun} of one {voice} are right or wrong together, and below '
        f'{group_bootstrap.MIN_GROUPS} {voice}s (here {voices.num_voices}) none is worth its '
        f'name. Look at each {voice} instead.{noises}'
      ),
    }
  return {
    'accuracy_interval_95': _ends(np.array(ends), tallied),
    'interval_note': (
      'The interval is over '
      f'{utterance.counted_groups(voices.num_voices, voices.num_noises, speaker)}, by bootstrap: '
      f'{noun} of one {voice} are right or wrong together, so {speaker}s are drawn again, each '
      f'with all {noun} or none.{noises}'
    ),
  }


def _ends(ends: NDArray[np.float64], tallied: tally.Tally) -> dict[str, Any] | None:
  found = _low_high(ends)
  return {**found, **_over(tallied, intervals.OVER_SPEAKERS)} if found else None


def _over(tallied: tally.Tally, what: str) -> dict[str, Any]:
  """Returns what an interval says of what it is over."""
  voices = tallied.voices
  return {'over': what, 'num_speakers': voices.num_voices, 'num_noises': voices.num_noises}


def _low_high(ends: NDArray[np.float64]) -> dict[str, float] | None:
  if not np.isfinite(ends).all():
    return None
  return {'low': float(ends[0]), 'high': float(ends[1])}


def _mean(
  detected: Sequence[detectors.Detector] | None, name: str, counts: counting.Counts
) -> dict[str, float] | None:
  if detected is None:
    return None
  values = [getattr(one, name) for one in detected]
  return areas.mean(values, counts.by_label[1].tolist())


def _areas_note(tallied: tally.Tally, detected: Sequence[detectors.Detector] | None) -> str:
  """Returns a sentence on what the areas are, where they are not exact."""
  if detected is None:
    return _NO_LOGITS.format(most=header_lib.MAX_DENSE_LABELS, top=tallied.header.num_top)
  bound = max((one.error_bound for one in detected), default=0.0)
  if not bound:
    return ''
  return (
    'ROC-AUC and average precision are of histograms, as the predictions are many: those of a '
    f'label are wrong by at most {bound:.1g}.'
  )


def _labels(
  tallied: tally.Tally,
  labels: Sequence[str],
  detected: Sequence[detectors.Detector] | None,
  f1_intervals: speaker_counts.F1Intervals | None,
) -> list[dict[str, Any]]:
  found = counting.per_label(tallied.counts)
  right, examples, answers = tallied.counts.by_label
  groups = tallied.voices.groups_of_labels()
  entries = []
  for i, label in enumerate(labels):
    entry: dict[str, Any] = {
      'label': label,
      'num_examples': int(examples[i]),
      'num_predicted': int(answers[i]),
      'num_correct': int(right[i]),
      'num_speakers': None if groups is None else int(groups[0][i]),
      'num_noises': None if groups is None else int(groups[1][i]),
      'precision': float(found.precision[i]),
      'recall': float(found.recall[i]),
      'f1': float(found.f1[i]),
    }
    if f1_intervals:
      entry |= {
        f'{name}_interval_95': _low_high(getattr(f1_intervals, name)[:, i])
        for name in ('precision', 'recall', 'f1')
      }
    if detected is not None:
      entry |= detected[i].to_json()
    entries.append(entry)
  return entries


def _confusion(tallied: tally.Tally, labels: Sequence[str]) -> dict[str, Any]:
  """Returns the matrix of few labels, or the most frequent pairs of a label and a wrong answer."""
  size = len(labels)
  keys, counts = tallied.pairs.counted()
  if size <= MAX_MATRIX_LABELS:
    whole = np.zeros(size * size, np.int64)
    whole[keys] = counts
    return {'matrix': whole.reshape(size, size).tolist()}
  pairs = counting.worst_pairs(keys, counts, num_labels=size)
  shown = pairs[:MAX_PAIRS]
  num_mistakes = tallied.counts.num_examples - tallied.counts.num_correct
  return {
    'pairs': [list(pair) for pair in sorted(shown)],
    'num_mistakes_left_out': num_mistakes - sum(count for _, _, count in shown),
  }


def _mixups(tallied: tally.Tally, labels: Sequence[str]) -> list[dict[str, Any]]:
  examples = tallied.counts.by_label[1]
  keys, counts = tallied.pairs.counted()
  pairs = counting.worst_pairs(keys, counts, num_labels=len(labels), limit=MAX_MIXUPS)
  return [
    {
      'label': labels[truth],
      'predicted': labels[predicted],
      'count': count,
      'share_of_label': count / int(examples[truth]),
    }
    for truth, predicted, count in pairs
  ]


def _speakers(speakers: Mapping[str, tally.SpeakerCount]) -> list[dict[str, Any]]:
  """Returns all speakers by name, or of very many the worst."""
  shown = list(speakers.items())
  if len(shown) > MAX_SPEAKERS:
    shown = sorted(shown, key=lambda item: (item[1].accuracy, -item[1].num_examples, item[0]))
    shown = sorted(shown[:MAX_SPEAKERS])
  return [
    {
      'speaker': name,
      'num_examples': count.num_examples,
      'num_correct': count.num_correct,
      'accuracy': count.accuracy,
      'interval_95': {
        **(_low_high(np.array(intervals.wilson(count.num_correct, count.num_examples))) or {}),
        'over': intervals.OVER_EXAMPLES,
      },
    }
    for name, count in shown
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


def _rounded(value: Any, digits: int = _DIGITS) -> Any:
  if isinstance(value, float):
    return round(value, digits)
  if isinstance(value, Mapping):
    return {
      key: _rounded(item, _THRESHOLD_DIGITS if key == _THRESHOLD else _DIGITS)
      for key, item in value.items()
    }
  if isinstance(value, list):
    return [_rounded(item) for item in value]
  return value
