"""Runs on the same data beside one another: as JSON, and as a page that stands alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pages import curves, embedded, rendering
from schemas import errors, splits
from tfrecords import storage
from trainer.judging.report import picture
from trainer.runs import run_folder

_DRAWS = 2_000  # Of the bootstrap.
_SEED = 0


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
  speakers = report['speakers']
  return {
    'path': path,
    'what': what,
    'accuracy': report['accuracy'],
    'interval_95': _interval(report),
    'interval_over': 'speakers' if len(speakers) > 1 else 'clips',
    'num_examples': report['num_examples'],
    'num_mistakes': report['num_mistakes'],
    'epochs': len(history),
    'curves': {
      f'{split}_{name}': [epoch[split][name] for epoch in history if epoch.get(split)]
      for split in (splits.TRAIN, splits.VALIDATION)
      for name in ('loss', 'accuracy')
    },
    'labels': [label['label'] for label in report['labels']],
    'confusion_matrix': report['confusion_matrix'],
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


def _interval(report: Mapping[str, Any]) -> dict[str, float]:
  """Returns the 95 % interval of the accuracy: over speakers where there are several."""
  if len(report['speakers']) < 2:
    found: dict[str, float] = report['accuracy_interval_95']
    return found
  counts = np.array([[s['num_correct'], s['num_examples']] for s in report['speakers']], float)
  return _bounds(_resampled(counts, lambda drawn: drawn[..., 0].sum(1) / drawn[..., 1].sum(1)))


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float] | None:
  """Returns the difference of two accuracies with its 95 % interval, paired by speaker.

  None where there are not several speakers, or not the same ones.
  """
  names = sorted(one['speakers'])
  if len(names) < 2 or names != sorted(other['speakers']):
    return None
  counts = np.array([[*one['speakers'][name], other['speakers'][name][0]] for name in names], float)

  def gain(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (drawn[..., 0] - drawn[..., 2]).sum(1) / drawn[..., 1].sum(1)
    return result

  return {'difference': one['accuracy'] - other['accuracy'], **_bounds(_resampled(counts, gain))}


def _resampled(counts: NDArray[np.float64], measure: Any) -> NDArray[np.float64]:
  """Returns a measure of speakers drawn with replacement, many times (Efron 1979)."""
  draw = np.random.default_rng(_SEED)
  # In parts: of many speakers all draws at once would be large.
  parts = [
    measure(counts[draw.integers(0, len(counts), (100, len(counts)))]) for _ in range(_DRAWS // 100)
  ]
  return np.concatenate(parts)


def _bounds(values: NDArray[np.float64]) -> dict[str, float]:
  low, high = np.quantile(values, (0.025, 0.975))
  return {'low': float(low), 'high': float(high)}


def _page(found: Mapping[str, Any], *, title: str, facts: Sequence[tuple[str, str]]) -> str:
  runs = found['runs']
  last = found['compared_with']
  over = {run['interval_over'] for run in runs.values()}
  return rendering.render(
    'comparison.html.j2',
    title=title,
    kind='comparison of runs',
    numbers=[(f'{run["accuracy"]:.1%}', name) for name, run in runs.items()],
    runs=[
      {
        **run,
        'name': name,
        'low': run['interval_95']['low'],
        'high': run['interval_95']['high'],
        'confusion': embedded.png(
          picture.confusion_png(
            np.array(run['confusion_matrix'], np.int64), run['labels'], title=name
          )
        ),
      }
      for name, run in runs.items()
    ],
    intervals=(
      'The intervals are over speakers: from speakers drawn again with replacement.'
      if over == {'speakers'}
      else "The intervals are Wilson's, over clips: as if those of one speaker were independent."
    ),
    paired=[
      (f'{name} over {last}', *(100 * gain[key] for key in ('difference', 'low', 'high')))
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


def _charts(runs: Mapping[str, Any]) -> list[tuple[str, str, str]]:
  """Returns heading, key and noun of the charts; of validation where there is such a split."""
  shown = [('Training', splits.TRAIN), ('Validation', splits.VALIDATION)]
  return [
    (f'{heading}: {noun}', f'{split}_{noun}', noun)
    for heading, split in shown
    for noun in ('accuracy', 'loss')
    if any(run['curves'][f'{split}_{noun}'] for run in runs.values())
  ]
