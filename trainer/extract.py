"""Writes what a trained trunk makes of a data set into a data set of its own.

  python -m trainer.extract --run_dir=runs/words --data=/data/mine --output=/data/mine-embedded
  python -m trainer.extract --model=vgg16:weights=FILE --data=/data/mine --output=/data/embedded
  python -m trainer --data=/data/mine-embedded --model=mlp

The output holds the same clips, splits and labels; in place of their features the feature
`embedding`, one row of numbers a clip, or with --per_frame one a frame. Heads and baselines train
on it in seconds. A rerun goes on where an earlier one was stopped: whole shards are kept.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from schemas import command, errors, limits, manifest, options, record, splits
from tfrecords import command_line, storage
from trainer import models
from trainer.data import named_data
from trainer.data.raw import files
from trainer.devices import allocator, quiet, strategies
from trainer.judging import batch_memory, compatibility
from trainer.runs import run_folder, saved_run

if TYPE_CHECKING:
  import keras

_DTYPES = ('float16', 'float32')


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractConfig:
  """One field per flag."""

  run_dir: str = command_line.flag('', 'A run of the trainer, whose trunk is taken.', is_path=True)
  checkpoint: str = command_line.flag(
    run_folder.BEST,
    'Which model of the run.',
    choices=saved_run.CHECKPOINTS,
    needs=('run_dir',),
  )
  model: str = command_line.flag(
    '',
    'In place of a run a model whose trunk has weights from elsewhere, such as vgg16:weights=FILE.',
  )
  data: str = command_line.flag(
    '', 'A data set; empty: the one that the run was trained on.', is_path=True
  )
  feature: str = command_line.flag(
    '', 'What of it a --model takes; empty: the only one, and for a run its own.'
  )
  output: str = command_line.flag('', 'Folder for the embeddings.', is_path=True)
  per_frame: bool = command_line.flag(
    False, 'One embedding a frame that the trunk gives; else their mean over the clip.'
  )
  dtype: str = command_line.flag(
    'float16', 'As which numbers the embeddings are stored.', choices=_DTYPES
  )
  strategy: str = command_line.flag('none', 'Over which devices: none or mirrored.')
  virtual_devices: int = command_line.flag(
    0,
    'Split the GPU, or else the CPU, into so many devices.',
    limits=limits.Limits(lambda value: 0 <= value < 2**31, 'at least 0'),
    needs=('strategy=mirrored',),
  )
  batch_size: int = command_line.flag(64, 'Clips per batch.', limits=limits.COUNT)

  def __post_init__(self) -> None:
    command_line.check(self)
    if bool(self.run_dir) == bool(self.model):
      raise errors.ConfigError(
        'Name one trunk: that of a run with --run_dir=RUN, or one with weights from elsewhere '
        'with --model=vgg16:weights=FILE.'
      )
    if not self.output or (self.model and not self.data):
      missing = '--output=FOLDER for the embeddings' if not self.output else '--data=FOLDER'
      raise errors.ConfigError(f'Name {missing}.')
    if self.model:
      models.parse(self.model)
    elif self.feature:
      raise errors.ConfigError(
        f'--feature={self.feature}: the trunk of a run takes what it was trained on. Leave it away.'
      )
    if strategies.parse(self.strategy)[0] == 'multi_worker':
      raise errors.ConfigError(
        '--strategy=multi_worker: embeddings are written by one process, on as many devices as it '
        'has (--strategy=mirrored).'
      )
    if files.is_raw(self.data):
      raise errors.ConfigError(
        f'--data={self.data}: embeddings are made of a data set, shard by shard. Make one of these '
        'files first: python -m beam_jobs.featurize.'
      )


def main(arguments: Sequence[str]) -> None:
  """Extracts what the arguments ask for."""
  config = command_line.parse(ExtractConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  run = saved_run.load(config.run_dir) if config.run_dir else None
  data_dir = config.data or (run.data_dir if run else '')
  if files.is_raw(data_dir):
    raise errors.ConfigError(
      f'The run in {config.run_dir!r} was trained on raw files. Name a data set with --data.'
    )
  dataset, digest = named_data.load(data_dir)
  named_data.check_shards(data_dir, dataset)
  if run:
    compatibility.check_feature(run, dataset, data_dir=data_dir)
  feature = run.feature if run else dataset.feature(config.feature)
  _check_not_within(config.output, data_dir)
  allocator.keep_freed_memory()
  quiet.import_tensorflow(debug=command.is_on('debug', arguments))
  _extract(config, run, dataset, data_dir=data_dir, digest=digest, feature=feature)


def _extract(
  config: ExtractConfig,
  run: saved_run.SavedRun | None,
  dataset: manifest.DatasetManifest,
  *,
  data_dir: str,
  digest: str,
  feature: record.FeatureSpec,
) -> None:
  # Imported here: TensorFlow takes seconds, and a wrong flag is to be told at once.
  from trainer.devices import machine
  from trainer.trunks import embedder, extraction

  extraction.check_output(config.output)
  strategy = machine.prepare(
    config.strategy, batch_size=config.batch_size, virtual_devices=config.virtual_devices
  )
  with strategy.scope():
    model, name = _model(config, run, dataset, feature)
  batch_memory.check(
    model,
    feature,
    dataset,
    model_text=name,
    batch_size=config.batch_size,
    num_examples=max((shard.num_records for shard in dataset.shards), default=0),
    num_replicas=strategy.num_replicas_in_sync,
  )
  embed = embedder.Embedder(model, strategy, per_frame=config.per_frame)
  trunk = embedder.digest(model)
  spec = embedder.spec(embed.shape, config.dtype, trunk=trunk, model=name)
  source = config.run_dir or config.model
  print(
    f'trunk    {name} of {source}, {trunk[:12]}: an embedding is {spec.shape_words} of {spec.dtype}'
  )
  print(f'data     {data_dir}: {errors.counted(sum(s.num_records for s in dataset.shards), "clip")}'
        f' in {errors.counted(len(dataset.shards), "shard")}', flush=True)  # fmt: skip
  asked = extraction.Extraction(
    data_dir=data_dir,
    dataset=dataset,
    data_sha256=digest,
    feature=feature,
    embedding=spec,
    output=config.output,
    origin={
      'trunk': trunk,
      'of': source,
      'model': name,
      'data_dir': files.absolute(data_dir),
      'data_sha256': digest,
      'command': _command(config),
    },
  )
  made = extraction.extract(
    asked, embed, batch_size=config.batch_size, say=lambda line: print(line, flush=True)
  )
  _write_tfds_metadata(config.output, made)
  print(f'written  {config.output}')
  print(f'next     {_next(config.output, made)}')


def _next(output: str, made: manifest.DatasetManifest) -> str:
  """Returns the command that embeddings are for."""
  if made.num_records(splits.TRAIN):
    return f'python -m trainer --data={output} --model=mlp'
  return f'python -m trainer.predict --data={output} --run_dir=FOLDER, of a run on such embeddings'


def _model(
  config: ExtractConfig,
  run: saved_run.SavedRun | None,
  dataset: manifest.DatasetManifest,
  feature: record.FeatureSpec,
) -> tuple[keras.Model, str]:
  """Returns the model whose trunk is taken, and its name with its settings."""
  if run:
    return run.load_model(config.checkpoint), run.model_text
  name, settings = models.parse(config.model)
  if not models.MODELS[name].is_pretrained(settings):
    print(
      f'note: the trunk of --model={config.model} is random numbers: nobody trained it. Name '
      'weights, or a run with --run_dir.'
    )
  return (
    models.build(name, settings, dataset, feature.name),
    options.format_option(name, settings),
  )


def _check_not_within(output: str, data_dir: str) -> None:
  if files.absolute(output) == files.absolute(data_dir):
    raise errors.ConfigError(
      f'--output={output} is the data set itself. Name a new folder for the embeddings.'
    )


def _command(config: ExtractConfig) -> str:
  """Returns the command, with the flags that are not as they are by themselves."""
  given = {
    field.name: getattr(config, field.name)
    for field in dataclasses.fields(config)
    if getattr(config, field.name) != field.default
  }
  words = [f'--{name}' if value is True else f'--{name}={value}' for name, value in given.items()]
  return ' '.join(['python -m trainer.extract', *words])


def _write_tfds_metadata(output: str, made: manifest.DatasetManifest) -> None:
  """Lets TFDS open the folder; what goes wrong there is told and fails nothing."""
  if importlib.util.find_spec('tensorflow_datasets') is None:
    return
  try:
    from tfrecords import tfds_metadata

    tfds_metadata.write(output, made, storage.storage_of(output))
  except Exception as error:  # Of a library that we only lend our folder to.
    print(
      f'The data set is finished, without TFDS metadata: {error} The trainer does not need them.',
      file=sys.stderr,
    )


def entry() -> Any:
  """Entry point of the program."""
  return command.run(main, stopped='run the same command again, whole shards are kept.')


if __name__ == '__main__':
  sys.exit(entry())
