"""The report as text for a terminal."""

from collections.abc import Callable, Mapping
from typing import Any

from pages import text_table, words
from schemas import medium, utterance
from trainer.judging.report import confidence_text
from trainer.measures import intervals

# A screen holds no more; report.json holds all.
MAX_LABELS = 40
MAX_SPEAKERS = 10
MAX_MIXUPS = 10


def describe(report: Mapping[str, Any]) -> str:
  """Returns the report's text: head, labels, speakers, most frequent confusions."""
  parts = [
    _head(report),
    '\n'.join(confidence_text.lines(report)),
    _labels(report),
    _speakers(report),
    _mixups(report),
  ]
  return '\n\n'.join(part for part in parts if part) + '\n'


def _noun(report: Mapping[str, Any]) -> str:
  """Returns what the examples are: clips or pictures."""
  return str(report.get('examples', 'clips'))


def _head(report: Mapping[str, Any]) -> str:
  baseline = report['majority_baseline']
  macro, weighted = report['averages']['macro'], report['averages']['weighted']
  between = _between(report, 'accuracy_interval_95', words.share)
  between_f1 = _between(report, 'macro_f1_interval_95', '{:.3f}'.format)
  lines = [
    f'accuracy  {words.share(report["accuracy"])} of {report["num_examples"]:,} {_noun(report)}'
    f'{between}',
    f'baseline  {words.share(baseline["accuracy"])} by always saying {baseline["label"]!r}, '
    'the most frequent label in training',
    f'loss      {report["loss"]:.4f}',
    f'F1        {macro["f1"]:.3f} macro{between_f1}, {weighted["f1"]:.3f} weighted',
  ]
  tops = {k: share for k, share in report['top_k'].items() if share is not None}
  if tops:
    said = ', '.join(f'the {k} likeliest for {words.share(share)}' for k, share in tops.items())
    lines.append(f'top       the true label is among {said} of {_noun(report)}')
  for name, key in (('ROC-AUC', 'roc_auc'), ('AP', 'average_precision')):
    if report[key]:
      found = report[key]
      lines.append(f'{name:<8}  {found["macro"]:.4f} macro, {found["weighted"]:.4f} weighted')
  notes = [report['interval_note'], report['areas_note']]
  return '\n'.join([*lines, *(note for note in notes if note)])


def _between(report: Mapping[str, Any], key: str, shown: Callable[[float], str]) -> str:
  """Returns such as ` (95 % interval over 12 speakers: 81.2 % to 92.0 %)`."""
  interval = report[key]
  if interval is None:
    return ''
  over = _noun(report)
  if interval['over'] == intervals.OVER_SPEAKERS:
    speaker = medium.speaker(over)
    over = utterance.counted_groups(interval['num_speakers'], interval['num_noises'], speaker)
  return f' (95 % interval over {over}: {shown(interval["low"])} to {shown(interval["high"])})'


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
  return text_table.lay_out(rows)


def _speakers(report: Mapping[str, Any]) -> str:
  every, count = report['speakers'], report['num_speakers']
  shown = every
  title = medium.speaker(_noun(report))
  if count > MAX_SPEAKERS:
    of_noises = sum(noise['num_examples'] for noise in report['noises'])
    if count == report['num_examples'] - of_noises:  # Nobody says who speaks: only clips are known.
      return ''
    shown = sorted(every, key=lambda speaker: speaker['accuracy'])[:MAX_SPEAKERS]
    title = f'{title} (the {MAX_SPEAKERS} of {count:,} recognised worst)'
  rows = [(title, 'accuracy', _noun(report))]
  rows += [
    (speaker['speaker'], words.share(speaker['accuracy']), f'{speaker["num_examples"]:,}')
    for speaker in shown
  ]
  return '\n'.join([text_table.lay_out(rows), *_noises(report)])


def _noises(report: Mapping[str, Any]) -> list[str]:
  """Returns a line on recordings of noise, which are no speakers; none where there are none."""
  noises = report['noises']
  if not noises:
    return []
  right, examples = (sum(one[key] for one in noises) for key in ('num_correct', 'num_examples'))
  return [
    f'noises: {words.share(right / examples)} of {examples:,} {_noun(report)} from '
    f'{words.counted(report["num_noises"], "recording")}, which count as no speakers'
  ]


def _mixups(report: Mapping[str, Any]) -> str:
  lines = [
    f'{mixup["label"]!r} taken for {mixup["predicted"]!r}: '
    f'{words.counted(mixup["count"], "time")}, '
    f'{words.share(mixup["share_of_label"])} of its {_noun(report)}'
    for mixup in report['worst_mixups'][:MAX_MIXUPS]
  ]
  return '\n'.join(['most frequent confusions', *lines]) if lines else ''
