"""The report as text for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from pages import text_table, words

# A screen holds no more; report.json holds all.
MAX_LABELS = 40
MAX_SPEAKERS = 10
MAX_MIXUPS = 10


def describe(report: Mapping[str, Any]) -> str:
  """Returns the report's text: head, labels, speakers, most frequent confusions."""
  parts = [_head(report), _labels(report), _speakers(report), _mixups(report)]
  return '\n\n'.join(part for part in parts if part) + '\n'


def table(rows: Sequence[Sequence[str]]) -> str:
  """Returns aligned lines: the first column to the left, the others to the right."""
  return text_table.lay_out(rows)


def percent(share: float) -> str:
  """Returns such as `93.3 %`."""
  return f'{100 * share:.1f} %'


def _noun(report: Mapping[str, Any]) -> str:
  """Returns what the examples are: clips or pictures."""
  return str(report.get('examples', 'clips'))


def _head(report: Mapping[str, Any]) -> str:
  interval, baseline = report['accuracy_interval_95'], report['majority_baseline']
  macro, weighted = report['averages']['macro'], report['averages']['weighted']
  return (
    f'accuracy  {percent(report["accuracy"])} of {report["num_examples"]:,} {_noun(report)} '
    f'(95 % interval: {percent(interval["low"])} to {percent(interval["high"])})\n'
    f'baseline  {percent(baseline["accuracy"])} by always saying {baseline["label"]!r}, '
    'the most frequent label in training\n'
    f'loss      {report["loss"]:.4f}\n'
    f'F1        {macro["f1"]:.3f} macro, {weighted["f1"]:.3f} weighted'
  )


def _labels(report: Mapping[str, Any]) -> str:
  every = report['labels']
  shown, title = every, 'label'
  if len(every) > MAX_LABELS:
    shown = sorted(every, key=lambda label: label['f1'])[:MAX_LABELS]
    title = f'label (the {MAX_LABELS} of {len(every)} with the lowest F1)'
  rows = [(title, 'precision', 'recall', 'F1', _noun(report))]
  rows += [
    (
      label['label'],
      f'{label["precision"]:.3f}',
      f'{label["recall"]:.3f}',
      f'{label["f1"]:.3f}',
      f'{label["num_examples"]:,}',
    )
    for label in shown
  ]
  return table(rows)


def _speakers(report: Mapping[str, Any]) -> str:
  every = report['speakers']
  shown, title = every, 'speaker'
  if len(every) > MAX_SPEAKERS:
    shown = sorted(every, key=lambda speaker: speaker['accuracy'])[:MAX_SPEAKERS]
    title = f'speaker (the {MAX_SPEAKERS} of {len(every)} recognised worst)'
  rows = [(title, 'accuracy', _noun(report))]
  rows += [
    (speaker['speaker'], percent(speaker['accuracy']), f'{speaker["num_examples"]:,}')
    for speaker in shown
  ]
  return table(rows)


def _mixups(report: Mapping[str, Any]) -> str:
  lines = [
    f'{mixup["label"]!r} taken for {mixup["predicted"]!r}: '
    f'{words.counted(mixup["count"], "time")}, '
    f'{percent(mixup["share_of_label"])} of its {_noun(report)}'
    for mixup in report['worst_mixups'][:MAX_MIXUPS]
  ]
  return '\n'.join(['most frequent confusions', *lines]) if lines else ''
