"""What a run says before, between and after its epochs."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from schemas import options, splits
from trainer import config as config_lib
from trainer import datasets, loop, machine, models, run_folder, strategies
from trainer.callbacks import best as best_lib


def start(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  *,
  model: keras.Model,
  strategy: tf.distribute.Strategy,
  folder: run_folder.RunFolder,
) -> None:
  """Prints what is going to be trained, on what, and where it goes."""
  counts = ', '.join(
    f'{split} {data.manifest.num_records(split):,}' for split in data.manifest.split_names()
  )
  noun = 'clips' if data.manifest.audio else 'pictures'
  print(f'data     {data.path}: {data.manifest.num_labels} labels; {noun}: {counts}')
  shape = 'x'.join('any' if size is None else str(size) for size in data.feature.shape)
  name = options.format_option(*models.parse(config.model))
  print(f'model    {name}: {model.count_params():,} parameters on {data.feature.name} {shape}')
  print(f'devices  {machine.describe(strategy, config)}, {config.precision}')
  print(f'run      {folder.path}', flush=True)
  for warning in data.manifest.warnings:
    print(f'note: {warning}')
  asked = strategies.parse(config.strategy)[0]
  if asked != 'none' and strategy.num_replicas_in_sync == 1:
    print(f'note: there is one device, so --strategy={asked} does what none does.')
  missing = datasets.unlearned_labels(data.manifest)
  if missing:
    print(f'note: no clip of the train split has the label {", ".join(missing)}.')
  if not data.has_validation:
    print(
      f'note: there is no validation split, so all {config.epochs} epochs are trained and the last '
      'one is kept as the best.'
    )


def end(outcome: loop.Outcome, best: best_lib.Best) -> None:
  """Prints why training ended and which epoch was kept."""
  if outcome.stopped:
    print(f'stopped early: {outcome.stopped}')
  if best.validation is not None:
    print(
      f'best     epoch {best.epoch}: validation accuracy {best.validation.accuracy:.1%}, '
      f'loss {best.validation.loss:.4f}'
    )


def results(folder: run_folder.RunFolder, report: dict[str, Any] | None) -> None:
  """Prints how good the best epoch is on the test split, and where everything lies."""
  if report is None:
    print(f'note: there is no {splits.TEST} split, so there is no report.')
  else:
    print(
      f'test     accuracy {report["accuracy"]:.1%} on {report["num_examples"]:,} '
      f'{report["examples"]}'
    )
    print(f'report   {folder.report_file}, {folder.confusion_matrix_file}')
  print(f'model    {folder.checkpoint_file(run_folder.BEST)}')
  print(f'curves   tensorboard --logdir {folder.logs_dir}', flush=True)
