"""What each format of an export costs and how well it does, measured on this machine.

Accuracy is of the clips of the test split as their files are: what a user of the export has. Beside
it stands what the run says of the stored records of the same clips.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import export_file, runtimes
from schemas import errors, medium, splits
from tfrecords.resources import held_stderr
from trainer.export import made as made_lib
from trainer.export import split_clips
from trainer.judging import answering

_BATCH_CLIPS = 64
# The first calls find the library cold.
_WARM_UP, _TIMED = 3, 50


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TestClips:
  """Clips of the test split that can be heard.

  Attributes:
    given: What a caller gives of each: samples or pixels.
    labels: Their true labels.
    answers: The labels that the run gives to the stored records.
  """

  given: Sequence[NDArray[Any]]
  labels: NDArray[np.int64]
  answers: NDArray[np.int64]


def measure(
  made: made_lib.Made, folder: str, names: Sequence[str], *, most_clips: int
) -> dict[str, Any]:
  """Returns what is measured of the formats in a folder, as plain JSON.

  Args:
    made: What was exported.
    folder: With export.json and the formats.
    names: The formats.
    most_clips: No more clips of the test split than so many.
  """
  found, note = _test_clips(made, most_clips)
  result: dict[str, Any] = {'note': note, 'num_clips': 0, 'formats': {}}
  if found is not None:
    result |= {
      'split': splits.TEST,
      'num_clips': len(found.labels),
      'run_accuracy': _share(found.answers == found.labels),
    }
  for name in names:
    result['formats'][name] = _format(made, folder, name, found)
  return result


def num_bytes(path: str) -> int:
  """Returns the size of a file, or of all files of a folder."""
  if not os.path.isdir(path):
    return os.path.getsize(path)
  return sum(
    os.path.getsize(os.path.join(parent, file))
    for parent, _, files in os.walk(path)
    for file in files
  )


def _format(made: made_lib.Made, folder: str, name: str, found: TestClips | None) -> dict[str, Any]:
  file = str(export_file.load(folder).formats[name])
  result: dict[str, Any] = {'num_bytes': num_bytes(os.path.join(folder, file))}
  if name == export_file.LITERT_STREAMING:
    note = 'It hears samples as they come, and was not asked about clips.'
    return {**result, 'note': note}
  if not runtimes.is_installed(name):
    return {**result, 'note': f'{runtimes.package(name)} is not installed: it was not run.'}
  clips = found.given if found else [_any_clip(made.export)]
  with held_stderr.held_back():  # LiteRT tells of its own inside when it begins.
    ask = runtimes.load(folder, name)
    ask(clips[0])
  result['median_ms'] = _median_ms(ask, clips)
  if found is not None:
    answers = np.array([int(np.argmax(ask(one))) for one in clips])
    right = answers == found.labels
    result |= {
      'accuracy': _share(right),
      'difference_to_run': _share(right) - _share(found.answers == found.labels),
      'same_label_as_run': _share(answers == found.answers),
    }
  return result


def _test_clips(made: made_lib.Made, most: int) -> tuple[TestClips | None, str]:
  """Returns the clips, or why there are none; the sentence is '' where all were found."""
  try:
    clips = split_clips.load(made.run)
    records = list(clips.records(splits.TEST, most))
  except errors.VoxshardError as error:
    return None, f'Accuracy was not measured: {error}'
  heard = [clips.heard(one, made.export) for one in records]
  there = [i for i, one in enumerate(heard) if one is not None]
  if not there:
    what = 'holds no test split' if not records else 'names no files that are still there'
    return None, f'Accuracy was not measured: the data set in {clips.data_dir!r} {what}.'
  model = answering.load(made.run, made.export.origin['checkpoint'])
  feature = made.run.feature.name
  answers = [
    np.argmax(model.of_arrays([records[i].arrays[feature] for i in part]), axis=1)
    for part in (there[i : i + _BATCH_CLIPS] for i in range(0, len(there), _BATCH_CLIPS))
  ]
  missing = len(records) - len(there)
  note = ''
  if missing:
    one = medium.example(made.export.medium)
    note = f'{errors.counted(missing, one)} left out: the files are not there any more.'
  found = TestClips(
    given=[one for one in heard if one is not None],
    labels=np.array([records[i].label for i in there]),
    answers=np.concatenate(answers),
  )
  return found, note


def _median_ms(ask: Callable[[NDArray[Any]], Any], clips: Sequence[NDArray[Any]]) -> float:
  times = []
  for i in range(_WARM_UP + _TIMED):
    one = clips[i % len(clips)]
    start = time.perf_counter()
    ask(one)
    times.append(time.perf_counter() - start)
  return 1_000 * statistics.median(times[_WARM_UP:])


def _any_clip(export: export_file.Export) -> NDArray[Any]:
  """Returns noise of a second, or of the length of all clips; or a grey picture."""
  if export.audio is None:
    shape = [size for size in export.feature.shape if size is not None]
    return np.full(shape, 128, np.uint8)
  size = export.audio.clip_samples or export.audio.sample_rate_hz
  noise = np.random.default_rng(0).standard_normal(size)
  return (0.1 * noise).astype(np.float32)


def _share(values: NDArray[Any]) -> float:
  return float(np.mean(values))


def lines(found: Mapping[str, Any], kind: str) -> list[list[str]]:
  """Returns what was measured as rows of a table, its head first; kind is one of medium.MEDIA."""
  has_accuracy = bool(found['num_clips'])
  head = [
    'format',
    'bytes',
    f'ms a {medium.example(kind)}',
    *(['accuracy', 'to the run'] if has_accuracy else []),
  ]
  rows = [head]
  for name, one in found['formats'].items():
    row = [name, f'{one["num_bytes"]:,}', f'{one["median_ms"]:.2f}' if 'median_ms' in one else '']
    if has_accuracy:
      row += (
        [f'{100 * one["accuracy"]:.2f} %', f'{100 * one["difference_to_run"]:+.2f}']
        if 'accuracy' in one
        else ['', '']
      )
    rows.append(row)
  return rows
