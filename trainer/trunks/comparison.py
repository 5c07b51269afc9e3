"""Runs on the same data beside one another: as JSON, and as a page that stands alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pages import curves, embedded, rendering
from schemas import errors, splits
from tfrecords import storage
from trainer.judging.report import matrix_excerpt, picture, report_json
from trainer.measures import group_bootstrap, intervals
from trainer.runs import run_folder


def gather(runs: Mapping[str, str], what: Mapping[str, str]) -> dict[str, Any]:
  """Returns what the runs came to: plain JSON.

  Args:
    runs: Their folders, by name; the last is what the others are compared with.
    what: What trains in each.
  """
  found = {name: _run(path, what[name]) for name, path in runs.items()}
  names = list(found)
  return {
    'runs': found,
    'differences': {
      name: difference
      for name in names[:-1]
      if (difference := _difference(found[name], found[names[-1]]))
    },
    'compared_with': names[-1],
  }


def write(
  folder: str, found: dict[str, Any], *, title: str, facts: Sequence[tuple[str, str]]
) -> str:
  """Writes comparison.json and comparison.html into a folder; returns the path of the page.

  Args:
    folder: Where to.
    found: What `gather` returned.
    title: Of the page.
    facts: What else to say, by name.
  """
  out = run_folder.RunFolder(folder)
  page = os.path.join(folder, 'comparison.html')
  out.write_json(os.path.join(folder, 'comparison.json'), found)
  with run_folder.writing(page):
    storage.write_atomically(page, _page(found, title=title, facts=facts).encode())
  return page


def _run(path: str, what: str) -> dict[str, Any]:
  folder = run_folder.RunFolder(path)
  history, report = _json(folder.history_file), _json(folder.judgement.report_file)
  if report.get('report_version') != report_json.REPORT_VERSION:
    raise errors.ConfigError(
      f'{folder.judgement.report_file!r} is of version {report.get("report_version")} of reports, '
      f'and this program reads {report_json.REPORT_VERSION}. Make it again: '
      f'python -m trainer.evaluate --run_dir={path}'
    )
  speakers = report['speakers']
  return {
    'path': path,
    'what': what,
    'accuracy': report['accuracy'],
    'interval_95': report['accuracy_interval_95'],
    'interval_note': report['interval_note'],
    'num_examples': report['num_examples'],
    'num_mistakes': report['num_mistakes'],
    'epochs': len(history),
    'curves': {
      f'{split}_{name}': [epoch[split][name] for epoch in history if epoch.get(split)]
      for split in (splits.TRAIN, splits.VALIDATION)
      for name in ('loss', 'accuracy')
    },
    'confusion': matrix_excerpt.of(report).to_json(),
    'num_speakers': report['num_speakers'],
    'speakers': {
      speaker['speaker']: [speaker['num_correct'], speaker['num_examples']] for speaker in speakers
    },
  }


def _json(path: str) -> Any:
  try:
    with open(path, encoding='utf-8') as stream:
      return json.load(stream)
  except (OSError, ValueError) as error:
    raise errors.ConfigError(
      f'{path!r} cannot be read ({error}). Remove the folder of that run, and run the same command '
      'again.'
    ) from error


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
  """Returns the difference of two accuracies with its 95 % interval, paired by speaker.

  None where they are not of the same speakers; without an interval where those are too few.
  """
  names = sorted(one['speakers'])
  if names != sorted(other['speakers']):
    return None
  found = {'difference': one['accuracy'] - other['accuracy'], 'interval_95': None}
  # A report names the worst only of very many speakers.
  if group_bootstrap.MIN_GROUPS <= len(names) == one['num_speakers'] == other['num_speakers']:
    counts = [
      (other['speakers'][name][0], one['speakers'][name][0], one['speakers'][name][1])
      for name in names
    ]
    low, high = group_bootstrap.interval(counts, intervals.difference)
    found['interval_95'] = {'low': low, 'high': high}
  return found


def _page(found: Mapping[str, Any], *, title: str, facts: Sequence[tuple[str, str]]) -> str:
  runs = found['runs']
  last = found['compared_with']
  return rendering.render(
    'comparison.html.j2',
    title=title,
    kind='comparison of runs',
    numbers=[(f'{run["accuracy"]:.1%}', name) for name, run in runs.items()],
    runs=[
      {
        **run,
        'name': name,
        'confusion': embedded.png(
          picture.excerpt_png(matrix_excerpt.Excerpt.from_json(run['confusion']), title=name)
        ),
      }
      for name, run in runs.items()
    ],
    intervals=runs[last]['interval_note'],
    paired=[
      (f'{name} over {last}', 100 * gain['difference'], _points(gain['interval_95']))
      for name, gain in found['differences'].items()
    ],
    drawn=[
      (
        heading,
        curves.by_epoch({name: run['curves'][key] for name, run in runs.items()}, noun=noun),
      )
      for heading, key, noun in _charts(runs)
    ],
    facts=[*facts, *((name, run['path']) for name, run in runs.items())],
    remarks=[],
  )


def _points(interval: Mapping[str, float] | None) -> tuple[float, float] | None:
  return (100 * interval['low'], 100 * interval['high']) if interval else None


def _charts(runs: Mapping[str, Any]) -> list[tuple[str, str, str]]:
  """Returns heading, key and noun of the charts; of validation where there is such a split."""
  shown = [('Training', splits.TRAIN), ('Validation', splits.VALIDATION)]
  return [
    (f'{heading}: {noun}', f'{split}_{noun}', noun)
    for heading, split in shown
    for noun in ('accuracy', 'loss')
    if any(run['curves'][f'{split}_{noun}'] for run in runs.values())
  ]
