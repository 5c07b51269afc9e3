"""What the page of a report shows, as plain values made of the report and of the run's files.

A key that a report does not have, as an earlier version made it, leaves out what would show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from pages import axis, charts, curves, words
from schemas import errors, manifest, medium, splits, utterance
from trainer.judging.report import matrix_excerpt
from trainer.measures import monitor, scores

Report = Mapping[str, Any]

# Beyond these a page would be slow; report.json has all.
MAX_ROWS = 1_000
FIRST_ROWS = 10
_SPEAKERS_FOR_INTERVAL = 10
# From here on a label that the model is surely against is worth a second look.
_ACCURACY_TO_DOUBT_LABELS = 0.9
_MOST_NAMES = 12
# Of fewer clips the share that is right is chance.
LEAST_OF_BIN = 10
# Of the axes of DET curves: what is marked, in percent, and where they end.
_DET_TICKS = (0.1, 0.5, 2, 5, 10, 20, 40, 60, 80, 90)
_DET_ENDS = (0.0005, 0.95)


def share(value: float | None) -> str:
  """Returns such as `93.3 %`; a dash for what is not known."""
  return '–' if value is None else words.share(value)


def decimal(value: float | None) -> str:
  """Returns such as `0.933`; a dash for what is not known."""
  return '–' if value is None else f'{value:.3f}'


def tiles(report: Report) -> list[tuple[str, str]]:
  """Returns the few numbers that say most, as (number, what it is)."""
  interval, baseline = report.get('accuracy_interval_95'), report['majority_baseline']
  noun = str(report.get('examples', 'clips'))
  found = [(share(report['accuracy']), f'accuracy on {report["split"]}')]
  if interval:
    found.append(
      (
        f'{100 * interval["low"]:.1f}–{100 * interval["high"]:.1f} %',
        _interval_words(interval, noun),
      )
    )
  found += [
    (share(baseline['accuracy']), f'by always saying {baseline["label"]}'),
    (decimal(report['averages']['macro']['f1']), 'macro F1'),
    (f'{report["num_examples"]:,}', noun),
    (f'{report["num_mistakes"]:,}', 'mistakes'),
  ]
  if report.get('calibration'):
    found.append((share(report['calibration'].get('ece')), 'calibration error (ECE)'))
  return found


def _interval_words(interval: Mapping[str, Any], noun: str) -> str:
  over, speaker = interval.get('over'), medium.speaker(noun)
  if over == 'speakers':
    number, noises = interval.get('num_speakers'), interval.get('num_noises') or 0
    groups = utterance.counted_groups(number, noises, speaker) if number else f'{speaker}s'
    return f'95 % interval over {groups}'
  return f'95 % interval over {noun}' if over else '95 % interval'


def notes(report: Report) -> list[tuple[str, str]]:
  """Returns what is to be known before a number is believed, as (level, sentence)."""
  found = []
  interval = report.get('accuracy_interval_95')
  if report.get('interval_note'):
    is_over_speakers = interval and interval.get('over') == 'speakers'
    found.append(('plain' if is_over_speakers else 'warn', report['interval_note']))
  if report['accuracy'] <= report['majority_baseline']['accuracy']:
    found.append(('bad', 'The model is no better than to say the most frequent label always.'))
  if not report.get('same_data_as_training', True):
    found.append(('warn', 'This is not the data set of the training, or it was made again since.'))
  missing = (report.get('none_of_these') or {}).get('missing_labels')
  if missing:
    found.append(
      (
        'warn',
        f'No label stands for what is none of these ({", ".join(missing)}): the model answers '
        'whatever it gets with one of its labels.',
      )
    )
  found += [('warn', warning) for warning in report.get('dataset_warnings', ())]
  return found


def of_mistakes(report: Report) -> str:
  """Returns what the surest mistakes tell: those of a weak model say little of the labels."""
  is_right = f'The model is right on {share(report["accuracy"])} of the {report["split"]} split'
  if report['accuracy'] < _ACCURACY_TO_DOUBT_LABELS:
    return f'{is_right}: most of these will be its own mistakes, few of them wrong labels.'
  return (
    f'{is_right}: where it is this sure of another label, the label may be wrong, or '
    'something else may be there than the label says.'
  )


def averages(report: Report) -> dict[str, Any]:
  """Returns a table of means over labels, and the further numbers."""
  names = ('macro', 'weighted')
  found = report['averages']
  rows = [
    (title, [decimal(found[name].get(key)) for name in names])
    for title, key in (('precision', 'precision'), ('recall', 'recall'), ('F1', 'f1'))
  ]
  for title, key in (('ROC-AUC', 'roc_auc'), ('average precision', 'average_precision')):
    if report.get(key):
      rows.append((title, [decimal(report[key].get(name)) for name in names]))
  top = report.get('top_k') or {}
  noun = str(report.get('examples', 'clips')).removesuffix('s')
  facts = [('loss', f'{report["loss"]:.4f} nats a {noun}')]
  macro = report.get('macro_f1_interval_95')
  if macro:
    facts.append(('95 % interval of macro F1', f'{macro["low"]:.3f} to {macro["high"]:.3f}'))
  facts += [
    (f'among the {k} most probable', share(value)) for k, value in top.items() if value is not None
  ]
  return {'names': names, 'rows': rows, 'facts': facts, 'note': report.get('areas_note') or ''}


def labels(report: Report) -> dict[str, Any]:
  """Returns the rows of labels, the worst F1 first, and which further columns there are."""
  rows = sorted(
    report['labels'], key=lambda row: (not row['num_examples'], row['f1'], -row['num_examples'])
  )
  # What is no measure of the clips: a label that none of them has.
  further = [
    (title, key)
    for title, key in (('ROC-AUC', 'roc_auc'), ('AP', 'average_precision'))
    if any(row.get(key) is not None for row in rows)
  ]
  return {
    'rows': rows[:MAX_ROWS],
    'total': len(rows),
    'further': further,
    'has_intervals': any(row.get('f1_interval_95') for row in rows),
  }


def speakers(report: Report, *, is_known: bool) -> dict[str, Any]:
  """Returns the rows of speakers, the worst first; none where nobody knows who speaks."""
  # Reports of earlier versions have recordings of noise among the speakers.
  early = [row for row in report['speakers'] if utterance.is_noise(row['speaker'])]
  noises = [*report.get('noises', ()), *early]
  every = [row for row in report['speakers'] if not utterance.is_noise(row['speaker'])]
  rows = sorted(every, key=lambda row: (row['accuracy'], -row['num_examples'], row['speaker']))
  accuracies = [row['accuracy'] for row in rows]
  if not is_known or not rows:
    return {'rows': [], 'total': 0, 'noises': _noises(noises)}
  return {
    'rows': rows[:MAX_ROWS],
    'total': report.get('num_speakers', len(rows) + len(early)) - len(early),
    'noises': _noises(noises),
    'is_few': len(rows) < _SPEAKERS_FOR_INTERVAL,
    'has_intervals': any(row.get('interval_95') for row in rows),
    'mean': sum(accuracies) / len(rows),
    'worst': accuracies[0],
    'best': accuracies[-1],
    'chart': _spread(accuracies, noun=f'{medium.speaker(report.get("examples", ""))}s'),
  }


def _noises(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
  """Returns what came of the clips that were cut from recordings of noise; None of none."""
  if not rows:
    return None
  right, clips = (sum(row[key] for row in rows) for key in ('num_correct', 'num_examples'))
  return {'recordings': len(rows), 'clips': clips, 'accuracy': right / clips}


def _spread(accuracies: Sequence[float], *, noun: str) -> charts.Chart | None:
  if len(accuracies) <= FIRST_ROWS or min(accuracies) == max(accuracies):
    return None
  percent = 100 * np.asarray(accuracies)
  return charts.histogram(percent, unit='accuracy (%)', noun=noun)


def matrix(report: Report) -> dict[str, Any]:
  """Returns the confusion matrix as a script draws it; of very many labels a part of it."""
  excerpt = matrix_excerpt.of(report)
  return {
    'names': [words.printable(name) for name in excerpt.labels],
    'totals': excerpt.examples.tolist(),
    'cells': [
      [int(truth), int(said), int(excerpt.counts[truth, said])]
      for truth, said in zip(*np.nonzero(excerpt.counts), strict=True)
    ],
    'said': excerpt.said,
  }


def learned(
  history: Sequence[Mapping[str, Any]], config: Mapping[str, Any]
) -> dict[str, Any] | None:
  """Returns curves by epoch, with the best marked; or the candidates of a baseline."""
  if not history:
    return None
  if 'epoch' not in history[0]:
    return {'candidates': history, 'drawn': []}
  flags = config.get('flags') or {}
  best, _ = _best_epoch(history, str(flags.get('monitor', 'loss')))
  drawn = []
  for noun in ('accuracy', 'loss'):
    lines = {
      split: [epoch[split][noun] for epoch in history if epoch.get(split)]
      for split in (splits.TRAIN, splits.VALIDATION)
    }
    lines = {split: values for split, values in lines.items() if values}
    # Both are over all epochs, or the axis below would be of one of them only.
    drawn.append((noun, curves.by_epoch(lines, noun=noun, best=best)))
  seconds = sum(epoch.get('train_s', 0.0) for epoch in history)
  return {
    'candidates': [],
    'drawn': drawn,
    'best': best,
    'facts': [
      ('epochs', f'{len(history):,}'),
      ('the best', f'{best:,}, by {flags.get("monitor", "loss")} on validation')
      if any(epoch.get('validation') for epoch in history)
      else ('kept', f'{best:,}, the last: there is no validation split'),
      ('time of the training steps', words.duration(seconds)),
    ],
  }


def _best_epoch(history: Sequence[Mapping[str, Any]], monitored: str) -> tuple[int, Any]:
  best, rank = int(history[-1]['epoch']), None
  for epoch in history:
    if not epoch.get('validation') or monitored not in monitor.RANKS:
      continue
    found = monitor.RANKS[monitored](scores.Scores(**epoch['validation']))
    if rank is None or found > rank:
      best, rank = int(epoch['epoch']), found
  return best, rank


def calibration(report: Report) -> dict[str, Any] | None:
  """Returns the reliability curve, how often the model is how sure, and facts."""
  found = report.get('calibration')
  if not found or not found.get('bins'):
    return None
  calibrated = found.get('calibrated')
  lines = {'as it is': _reliability(found['bins'])}
  facts = [('ECE', share(found.get('ece')))]
  if calibrated and calibrated.get('bins'):
    lines[f'at temperature {found["temperature"]:.3g}'] = _reliability(calibrated['bins'])
    on = found.get('fitted_on') or {}
    facts += [
      ('ECE at the temperature', share(calibrated.get('ece'))),
      ('loss, and at the temperature', f'{found["loss"]:.4f}, {calibrated["loss"]:.4f}'),
      ('temperature', f'{found["temperature"]:.4g}'),
    ]
    if on:
      same = ', these very clips' if on.get('is_this_split') else ''
      facts.append(('fitted on', f'{on["num_examples"]:,} of {on["split"]}{same}'))
  return {
    'drawn': curves.of_shares(
      lines,
      name='Reliability: share of right answers by probability',
      unit='probability of the answer (%)',
      noun='right (%)',
    ),
    'lines': list(lines),
    'least': LEAST_OF_BIN,
    'sureness': _sureness(found['bins'], noun=str(report.get('examples', 'clips'))),
    'facts': facts,
    'note': found.get('note') or '',
  }


def _reliability(bins: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
  return [
    (one['confidence'], one['accuracy']) for one in bins if one['num_examples'] >= LEAST_OF_BIN
  ]


def _sureness(bins: Sequence[Mapping[str, Any]], *, noun: str) -> charts.Chart:
  most = max(one['num_examples'] for one in bins)
  rounds = axis.edges(0.0, float(most), most=5, is_whole=True)
  return charts.Chart(
    name=f'{noun.capitalize()} by the probability of the answer',
    unit='probability of the answer (%)',
    noun=noun,
    bars=[
      (
        one['num_examples'] / rounds[-1],
        f'{100 * one["low"]:.0f} to {100 * one["high"]:.0f} %: {one["num_examples"]:,} {noun}',
      )
      for one in bins
    ],
    x_ticks=[axis.Tick(i / 5, f'{20 * i}') for i in range(6)],
    y_ticks=[axis.Tick(value / rounds[-1], axis.text(value)) for value in rounds],
  )


def detection(report: Report) -> dict[str, Any] | None:
  """Returns each label against the rest, as a script draws it; None where nothing is known."""
  rows = [
    {
      'label': words.printable(row['label']),
      'clips': row['num_examples'],
      'f1': row['f1'],
      'curve': _deviates(row['detection'].get('det') or {}),
      'alarms': _alarms(row['detection'].get('at_recall') or {}),
      'hours': row['detection'].get('hours_of_others'),
    }
    for row in report['labels']
    if row.get('detection')
  ]
  if not rows:
    return None
  rows = rows[:MAX_ROWS]
  ticks = [
    (round(float(special.ndtri(percent / 100)), 4), f'{percent:g}') for percent in _DET_TICKS
  ]
  low, high = (float(special.ndtri(end)) for end in _DET_ENDS)
  return {
    'for_script': {
      'labels': rows,
      'worst': min(range(len(rows)), key=lambda i: rows[i]['f1']),
      'ticks': ticks,
      'low': low,
      'high': high,
    },
  }


def _deviates(curve: Mapping[str, Sequence[float]]) -> list[list[float]]:
  """Returns shares as deviates of a normal distribution; what lies outside lies on the edge."""
  shares = np.array([curve.get('false_alarms', ()), curve.get('false_rejections', ())], float).T
  found: list[list[float]] = np.round(special.ndtri(np.clip(shares, *_DET_ENDS)), 3).tolist()
  return found


def _alarms(at_recall: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
  """Returns what it takes to find a share of the clips, as text."""
  return [
    {
      'wanted': f'{100 * float(wanted):.0f} %',
      'recall': share(one['recall']),
      'threshold': f'{one["threshold"]:.4g}',
      'count': f'{one["num_false_alarms"]:,}',
      'per_hour': '–'
      if one['false_alarms_per_hour'] is None
      else f'{one["false_alarms_per_hour"]:,.4g}',
    }
    for wanted, one in at_recall.items()
  ]


def known_of_data(
  dataset: manifest.DatasetManifest | None, report: Report
) -> dict[str, Any] | None:
  """Returns what the manifest says of the data."""
  if dataset is None:
    return None
  names = dataset.split_names()
  counts = {split: dataset.label_counts(split) for split in names}
  rows = []
  for split in names:
    shortest, longest = dataset.length_samples(split)
    rate_hz = dataset.audio.sample_rate_hz if dataset.audio else 0
    rows.append(
      {
        'split': split,
        'clips': dataset.num_records(split),
        'labels': sum(count > 0 for count in counts[split]),
        'speakers': dataset.voices_and_noises(split)[0],
        'seconds': dataset.seconds(split)[0] if rate_hz else None,
        'lengths': (
          f'{words.duration(shortest / rate_hz)} to {words.duration(longest / rate_hz)}'
          if rate_hz and longest
          else ''
        ),
      }
    )
  order = sorted(
    range(dataset.num_labels), key=lambda i: (-sum(counts[split][i] for split in names), i)
  )
  return {
    'splits': rows,
    'is_audio': dataset.audio is not None,
    'labels': [
      (dataset.labels[i], {split: counts[split][i] for split in names}) for i in order[:MAX_ROWS]
    ],
    'num_labels': dataset.num_labels,
    'rejects': sorted(dataset.rejects.items()),
    'left_out': sorted(dataset.left_out.items()),
    'noted': [(f'{note.reason} {note.what}', note.count, note.names) for note in dataset.noted],
    'warnings': dataset.warnings,
    'facts': list(_data_facts(dataset, report)),
    'who': [
      (split, dataset.some_voices(split) or 'none, recordings of noise alone')
      for split in dataset.speakers
    ],
  }


def _data_facts(dataset: manifest.DatasetManifest, report: Report) -> Iterator[tuple[str, str]]:
  yield 'data set', dataset.name
  yield 'folder', str(report['data_dir'])
  if dataset.audio:
    length = 'as long as they are' if dataset.audio.is_variable else f'{dataset.audio.clip_s:g} s'
    yield 'clips', f'mono, {dataset.audio.sample_rate_hz:,} Hz, {length}'
  yield from (
    (name, str(dataset.config[name]))
    for name in ('source', 'input', 'split_by', 'augmentations', 'duplicates', 'seed')
    if dataset.config.get(name) not in (None, '', [], ())
  )
  yield 'SHA-256 of the manifest', str(report['manifest_sha256'])


def settings(config: Mapping[str, Any]) -> list[tuple[str, str]]:
  """Returns the flags of the run, by name."""
  flags = config.get('flags') or {}
  found = [(name, _flag_text(value)) for name, value in sorted(flags.items())]
  return [(name, text) for name, text in found if text]


def _flag_text(value: Any) -> str:
  if isinstance(value, bool):
    return 'yes' if value else 'no'
  if isinstance(value, (list, tuple)):
    return ', '.join(map(str, value))
  return '' if value is None else str(value)


def environment(config: Mapping[str, Any], report: Report) -> list[tuple[str, str]]:
  """Returns what the run was made with."""
  facts = [('model', str(report['model'])), ('checkpoint', str(report['checkpoint']))]
  if config.get('num_parameters'):
    facts.append(('parameters', f'{config["num_parameters"]:,}'))
  facts.append(('feature', str(report['feature'])))
  origin = config.get('init_from')
  if origin:
    facts.append(('begun with', str(origin.get('path', origin)) if origin else ''))
  versions = config.get('versions') or {}
  return [*facts, *((name, str(value)) for name, value in versions.items())]


def folds(report: Report) -> dict[str, Any] | None:
  """Returns a row for each fold, and the mean over them."""
  rows = report.get('folds')
  if not rows:
    return None
  return {
    'rows': [{**row, 'who': errors.some(row.get('speakers') or (), _MOST_NAMES)} for row in rows],
    'mean': report.get('mean_over_folds') or {},
  }
