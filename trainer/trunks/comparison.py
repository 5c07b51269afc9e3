"""Runs on the same data beside one another: as JSON, and as a page that stands alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pages import curves, embedded, rendering, words
from schemas import errors, splits
from tfrecords import storage
from trainer.compare import results, same_clips
from trainer.judging.report import matrix_excerpt, picture, report_json
from trainer.runs import run_folder


def gather(runs: Mapping[str, str], what: Mapping[str, str]) -> dict[str, Any]:
  """Returns what the runs came to: plain JSON.

  Args:
    runs: Their folders, by name; the last is what the others are compared with.
    what: What trains in each.
  """
  found = {name: _run(path, what[name]) for name, path in runs.items()}
  return {'runs': found, 'differences': _differences(runs), 'compared_with': list(runs)[-1]}


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
  history, report = folder.read_history(), folder.read_report()
  if report.get('report_version') not in report_json.READABLE_VERSIONS:
    raise errors.ConfigError(
      f'{folder.judgement.report_file!r} is of version {report.get("report_version")} of reports, '
      f'and this program reads {report_json.REPORT_VERSION}. Make it again: '
      f'python -m trainer.evaluate --run_dir={path}'
    )
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
  }


def _differences(runs: Mapping[str, str]) -> dict[str, Any]:
  """Returns by how much each run differs from the last, over the clips that all were judged on.

  With the 95 % interval over speakers, None of too few, and the p-value of McNemar's test.
  """
  *others, last = runs
  names = (last, *others)
  clips = same_clips.read(
    {name: run_folder.RunFolder(runs[name]).judgement.predictions_file for name in names}
  )
  found = results.compare(names, clips, most_clips=0)
  pairs = {name: found.pair(0, i) for i, name in enumerate(others, start=1)}
  return {
    name: {
      'difference': pair.difference,
      'interval_95': pair.interval and dict(zip(('low', 'high'), pair.interval, strict=True)),
      'p_value': pair.p_value,
    }
    for name, pair in pairs.items()
  }


def _page(found: Mapping[str, Any], *, title: str, facts: Sequence[tuple[str, str]]) -> str:
  runs = found['runs']
  last = found['compared_with']
  return rendering.render(
    'comparison.html.j2',
    title=title,
    kind='comparison of runs',
    numbers=[(words.share(run['accuracy']), name) for name, run in runs.items()],
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
