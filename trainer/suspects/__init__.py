"""Lists the clips whose labels, or sound, are the most suspect, and makes a page to listen to them.

  python -m trainer.suspects --run_dir=runs/digits-folds
  python -m trainer.suspects --run_dir=runs/digits --split=validation

Takes what a model said of every clip, at best of clips that it was not trained on: the folder of a
training with --folds. Writes suspects.csv, the most suspect clip first, and suspects.html, where
keys mark clips as right, as wrong or with a new label. What the page saves goes into
`python -m beam_jobs.featurize --corrections=corrections.csv`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from pages import words
from schemas import command, errors, limits, manifest, splits
from tfrecords import command_line, manifest_file, storage
from trainer.predictions import parquet_reader
from trainer.runs import judgement as judgement_lib
from trainer.runs import run_folder, saved_run
from trainer.suspects import gathering, ranking

_NAMES = judgement_lib.Judgement('')
TABLE, PAGE = _NAMES.suspects_file, _NAMES.suspects_page_file
_SHOWN_PAIRS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class SuspectsConfig:
  """One field per flag."""

  run_dir: str = command_line.flag(
    saved_run.DEFAULT_RUN_DIR,
    'Folder of a training with --folds, or of a run that was judged.',
    is_path=True,
  )
  split: str = command_line.flag(
    '',
    'Of a run without folds, the split whose predictions are looked at; empty: test.',
    choices=('', *splits.SPLITS),
  )
  output: str = command_line.flag(
    '', f'Folder for {TABLE} and {PAGE}; empty: that of the predictions.', is_path=True
  )
  max_clips: int = command_line.flag(
    100, 'So many clips are on the page, each with its audio.', limits=limits.COUNT
  )
  max_listed: int = command_line.flag(
    100_000, f'So many clips are in {TABLE} at most.', limits=limits.COUNT
  )
  max_opened: int = command_line.flag(
    5_000,
    'Where the data set stores no waveform, the files of so many clips, the most suspect, are '
    'opened to find silence and clipping.',
    limits=limits.NATURAL,
  )

  def __post_init__(self) -> None:
    command_line.check(self)


def main(arguments: Sequence[str]) -> None:
  """Finds what the arguments ask for, writes it and prints how much there is."""
  config = command_line.parse(SuspectsConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  folder = run_folder.RunFolder(config.run_dir)
  folder.read_config()  # Whatever is no run is told from a run that was not judged.
  judgement = folder.other_judgement(config.split) if config.split else folder.judgement
  if not os.path.exists(judgement.predictions_file):
    split = f' --split={config.split}' if config.split else ''
    raise errors.ConfigError(
      f'There are no predictions {judgement.predictions_file!r}. Write them with `python -m '
      f'trainer.evaluate --run_dir={config.run_dir}{split}`; those that find most are of a '
      'training with --folds=speaker:5, which judges each clip by a model that never met it, and '
      'whose own command writes them.'
    )
  predictions = parquet_reader.Reader(judgement.predictions_file)
  if config.split and predictions.header.split == gathering.FOLDS:
    raise errors.ConfigError(
      f'--split={config.split} is for runs without folds, and {config.run_dir!r} has the '
      'predictions of folds, which judge all clips. Leave --split away.'
    )
  trained = manifest_file.load(config.run_dir, of_run=True)
  found = gathering.find(
    predictions, trained, max_listed=config.max_listed, max_opened=config.max_opened
  )
  _write(found, trained, config.output or judgement.path, max_clips=config.max_clips)


def _write(
  found: gathering.Suspects, trained: manifest.DatasetManifest, output: str, *, max_clips: int
) -> None:
  # Here, not above: a wrong flag need not wait for what draws.
  from trainer.suspects import suspects_page, suspects_table

  page = suspects_page.render(found, trained, max_clips=max_clips)
  files = {TABLE: suspects_table.table(found.listed), PAGE: page.encode()}
  with run_folder.writing(output):
    os.makedirs(output, exist_ok=True)
    for name, content in files.items():
      storage.write_atomically(os.path.join(output, name), content)
  _tell(found, output)


def _tell(found: gathering.Suspects, output: str) -> None:
  header = found.header
  looked_at = header.counted(found.num_clips)
  print(f'{header.model} on {header.data_dir}: {looked_at}')
  if found.num_copies:
    print(f'augmented copies and repetitions, left out: {found.num_copies:,}')
  print(
    f'{words.share(found.error_share)} of the labels are estimated to be wrong, by a model that '
    f'has {words.share(found.accuracy)} of the {header.examples} right: what it takes for another '
    'label may be its own mistake\n'
  )
  for reason in ranking.known_of(header.examples):
    print(f'{found.counts[reason]:>9,}  {reason:<15} {ranking.REASONS[reason]}')
  for given, confident, count in found.pairs[:_SHOWN_PAIRS]:
    print(f'{count:>9,}  {given!r} that counts as {confident!r}')
  print()
  for note in (*filter(None, (found.caution,)), *found.notes):
    print(f'note: {note}')
  print(f'suspects {os.path.join(output, TABLE)}, {os.path.join(output, PAGE)}')


def run() -> int:
  """Entry point of the module as a program."""
  return command.run(main, stopped=command.AGAIN)
