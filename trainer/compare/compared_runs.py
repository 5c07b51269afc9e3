"""The runs that are compared: where their predictions lie, and what is to be said of them."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from schemas import errors, medium, utterance
from trainer.compare import results, same_clips
from trainer.measures import group_bootstrap
from trainer.runs import judgement, run_folder, written_checkpoints


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparedRun:
  """One of them.

  Attributes:
    letter: What columns call it.
    name: The end of its path that no other has.
    path: The folder as it was named.
    predictions_file: What it said.
    trained_on: Digest of the data set of its training; '' where config.json does not say.
    trained_in: Where that lay.
    run_dir: The folder of the run; '' where only the predictions were kept.
  """

  letter: str
  name: str
  path: str
  predictions_file: str
  trained_on: str
  trained_in: str
  run_dir: str = ''


def find(paths: Sequence[str]) -> list[ComparedRun]:
  """Returns the runs in some folders.

  Raises:
    ConfigError: if one is not there, is no run's, has no predictions, or is named twice.
  """
  real: dict[str, str] = {}
  for path in paths:
    place = os.path.realpath(path)
    earlier = real.get(place)
    if earlier is not None:
      raise errors.ConfigError(
        f'{path!r} is named twice{"" if path == earlier else f": it is {earlier!r} too"}. Name two '
        'different runs.'
      )
    real[place] = path
  return [
    _run(path, name, chr(ord('A') + i) if len(paths) <= 26 else str(i + 1))
    for i, (path, name) in enumerate(zip(paths, names(paths), strict=True))
  ]


def names(paths: Sequence[str]) -> list[str]:
  """Returns what paths that are not the same are called: as few of their last parts as differ."""
  parts = [[part for part in os.path.abspath(path).split(os.sep) if part] for path in paths]
  sizes = [1] * len(parts)
  while True:
    found = ['/'.join(part[-size:]) for part, size in zip(parts, sizes, strict=True)]
    counts = collections.Counter(found)
    longer = [
      min(size + (counts[name] > 1), len(part))
      for name, size, part in zip(found, sizes, parts, strict=True)
    ]
    if longer == sizes:
      return found
    sizes = longer


def _run(path: str, name: str, letter: str) -> ComparedRun:
  if not os.path.isdir(path):
    what = 'is a file' if os.path.exists(path) else 'is not there'
    raise errors.ConfigError(
      f'{path!r} {what}. Name the folder of a run, or one below its {_judged_name()!r}.'
    )
  predictions = judgement.Judgement(path).predictions_file
  folder = run_folder.RunFolder(path)
  if not os.path.exists(predictions):
    _refuse(folder, predictions)
  if os.path.basename(os.path.dirname(os.path.abspath(path))) == _judged_name():
    folder = run_folder.RunFolder(os.path.dirname(os.path.dirname(os.path.abspath(path))))
  config = _config(folder)
  return ComparedRun(
    letter=letter,
    name=name,
    path=path,
    predictions_file=predictions,
    trained_on=str(config.get('manifest_sha256') or ''),
    trained_in=str(config.get('data_dir') or ''),
    run_dir=folder.path if config else '',
  )


def _why_foreign(run: ComparedRun, checkpoint: str) -> str:
  folder = run_folder.RunFolder(run.run_dir)
  said = [
    written_checkpoints.why_foreign(folder, path)
    for path in (folder.checkpoint_file(checkpoint), folder.baseline_file)
  ]
  return next(filter(None, said), '')


def _judged_name() -> str:
  return os.path.basename(run_folder.RunFolder('').judged_dir)


def _config(folder: run_folder.RunFolder) -> dict[str, Any]:
  """Returns config.json; {} where only the predictions were kept."""
  return folder.read_config() if os.path.exists(folder.config_file) else {}


def _refuse(folder: run_folder.RunFolder, predictions: str) -> None:
  # A data set, and a folder of something else, are told by their names.
  if folder.read_config().get('folds') is not None:
    raise errors.ConfigError(
      f'There are no predictions {predictions!r}: the folds are not finished, or were not judged '
      '(--notest). Run the same command again, which goes on with what is left.'
    )
  judged = folder.judged_dir
  others = sorted(os.listdir(judged)) if os.path.isdir(judged) else []
  advice = f' Or name one of {", ".join(os.path.join(judged, one) for one in others)}.' * bool(
    others
  )
  raise errors.ConfigError(
    f'There are no predictions {predictions!r}: the run is not finished, was trained with '
    '--notest, has no test split, or is of an earlier version. Write them with `python -m '
    f'trainer.evaluate --run_dir={folder.path}`.{advice}'
  )


def notes(
  runs: Sequence[ComparedRun], clips: same_clips.SameClips, found: results.Comparison
) -> list[str]:
  """Returns what is to be said of a comparison, sentences."""
  noun = clips.runs[0].header.examples
  one, speaker = medium.example(noun), medium.speaker(noun)
  together = 'that belong together' if noun == medium.PICTURES else 'of a voice'
  said = [_of_intervals(found, noun)]
  said.append(
    f'Gained are {noun} that the run named first has right and the other wrong, lost the other way '
    'round; of other mistakes both are wrong, with different answers.'
  )
  said.append(
    f"p is that of McNemar's exact test, two-sided. It takes {noun} for independent: with several "
    f'{together} it is too small.'
  )
  if len(found.pairs) > 1:
    said.append(
      f'Of {len(found.pairs)} comparisons one may look large by chance: p (Holm) is corrected for '
      'that. The intervals are not.'
    )
  if len(runs) > results.MOST_ALL_PAIRS:
    said.append(f'Of more than {results.MOST_ALL_PAIRS} runs each is held against the first alone.')
  digests = {run.header.manifest_sha256 for run in clips.runs}
  if len(digests) > 1:
    said.append(
      f'They were judged on different data sets, which hold the same {noun} with the same labels: '
      f'{_by_letter(runs, [run.header.data_dir for run in clips.runs])}.'
    )
  trained = [run.trained_on for run in runs]
  if len(set(filter(None, trained))) > 1:
    said.append(
      'They were trained on different data sets: '
      f'{_by_letter(runs, [run.trained_in or "unknown" for run in runs])}.'
    )
  for run, judged in zip(runs, clips.runs, strict=True):
    why = _why_foreign(run, judged.header.checkpoint) if run.run_dir else ''
    if why:
      said.append(f'{run.letter}: {why}. The figures are of the model that was judged.')
  if clips.other_speakers:
    said.append(
      f'{errors.counted(clips.other_speakers, one, "is", "are")} said to be of another {speaker} '
      'in another run: those of the first count.'
    )
  return said


def _of_intervals(found: results.Comparison, noun: str) -> str:
  """Returns what the intervals of a comparison are over, or why there are none."""
  speaker, voice = medium.speaker(noun), medium.voice(noun)
  groups = utterance.counted_groups(found.num_speakers, found.num_noises, speaker)
  if found.has_intervals and found.num_speakers == found.num_clips:
    alone, together = ('has a speaker of its own', 'are of one voice')
    if noun == medium.PICTURES:
      alone, together = ('stands for itself', 'belong together')
    return (
      f'The intervals are of 95 %, over {noun}: each {alone}. Where several {together} and nobody '
      'says so, they are too narrow.'
    )
  if found.has_intervals:
    return (
      f'The intervals are of 95 %, over {groups}: whole {speaker}s are drawn again, for '
      f'the {noun} of a {voice} are not independent. The differences are paired: all runs are '
      'judged on the same draw. What another seed of the training would come to, they do not say.'
    )
  return (
    f'There are no intervals: of {groups}, fewer than '
    f'{group_bootstrap.MIN_GROUPS} {voice}s, none is worth its name. The difference for each is '
    'shown.'
  )


def _by_letter(runs: Sequence[ComparedRun], texts: Sequence[str]) -> str:
  return ', '.join(f'{run.letter} {text}' for run, text in zip(runs, texts, strict=True))
