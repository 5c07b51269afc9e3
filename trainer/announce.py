"""What a run says before, between and after its epochs."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from pages import words
from schemas import command, errors, options, splits
from tfrecords import held_out
from tfrecords.pipeline import caches
from trainer import assembly, models
from trainer import config as config_lib
from trainer.augment import chain
from trainer.callbacks import best as best_lib
from trainer.data import datasets
from trainer.data.raw import files
from trainer.devices import half_precision, machine, memory_budget, strategies
from trainer.devices import workers as workers_lib
from trainer.judging.report import confidence_text
from trainer.learning import loop, optimizers, schedules
from trainer.learning import position as position_lib
from trainer.learning import teacher as teacher_lib
from trainer.models import freezing
from trainer.runs import library_versions, run_folder


def start(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  *,
  model: keras.Model,
  parts: assembly.Parts,
  workers: workers_lib.Workers,
  folder: run_folder.RunFolder,
  budgets: Sequence[memory_budget.Budget],
  steps_per_epoch: int,
) -> None:
  """Prints what is going to be trained, on what, and where it goes."""
  if not workers.is_chief:
    print(f'worker {workers.index} of {workers.count}: worker 0 says how it goes.', flush=True)
    return
  counts = ', '.join(
    f'{split} {data.manifest.num_records(split):,}' for split in data.manifest.split_names()
  )
  labels = words.counted(data.manifest.num_labels, 'label')
  print(f'data     {data.path}: {labels}; {_noun(data)}: {counts}')
  name = options.format_option(*models.parse(config.model))
  print(f'model    {name}: {model.count_params():,} parameters on {_input(data)}')
  for line in _parts(config, model, parts):
    print(line)
  unknown = datasets.said_of_unknown(data.manifest)
  if unknown:
    print(f'unknown  {unknown}')
  devices = machine.describe(
    workers, batch_size=config.batch_size, virtual_devices=config.virtual_devices
  )
  print(f'devices  {devices}, {config.precision}')
  for budget in budgets:
    print(f'memory   {budget}')
  print(
    f'steps    {_epoch(data, _noun(data), batch_size=config.step_examples, steps=steps_per_epoch)}'
  )
  print(f'learning {_learning(config)}')
  if config.balance_batches:
    print(f'balance  {_balance(config, data, steps=steps_per_epoch)}')
  if config.teacher:
    print(
      f'teacher  {teacher_lib.find(config.teacher, data)}, weight {config.teacher_weight:g}, '
      f'temperature {config.teacher_temperature:g}'
    )
  if config.augment:
    augmented = chain.Chain(config.augment).with_recordings(data.manifest.audio)
    print(f'augment  {augmented}')
    for note in augmented.notes():
      print(f'         {note}')
  print(f'run      {folder.path}', flush=True)
  for note in (*_notes_on_parts(config, parts), *_notes(config, data, workers)):
    print(f'note: {note}', flush=True)


def _input(data: datasets.Data) -> str:
  """Returns such as `log_mel, 98 rows x 80 bins, computed from waveform`."""
  taken = data.computed or data.feature
  computed = f', computed from {data.feature.name}' if data.computed else ''
  return f'{taken.name}, {taken.shape_words}{computed}'


def _parts(
  config: config_lib.TrainConfig, model: keras.Model, parts: assembly.Parts
) -> Iterator[str]:
  """Yields what was taken from another run, what is new, and what does not train."""
  if parts.taken is not None:
    yield f'taken    trunk of {config.init_from}: {_layers(parts.taken.trunk)}'
    if parts.taken.head:
      yield f'taken    head, as the labels are the same: {_layers(parts.taken.head)}'
    else:
      yield f'new      head: {_layers(parts.taken.new)}'
  if parts.frozen:
    total = model.count_params()
    trained = sum(math.prod(weight.shape) for weight in model.trainable_variables)
    yield f'frozen   {parts.frozen}: {total - trained:,} of {total:,} parameters do not train'


def _layers(counts: Mapping[str, int]) -> str:
  """Returns such as `block1_conv, dense (1,234 weights)`."""
  return f'{errors.some(list(counts), 8)} ({words.counted(sum(counts.values()), "weight")})'


def _notes_on_parts(config: config_lib.TrainConfig, parts: assembly.Parts) -> Iterator[str]:
  if parts.is_random:
    yield (
      f'--freeze={config.freeze} keeps random numbers: {parts.frozen} does not train, and nobody '
      'trained it before. Take it from a run with --init_from, or leave --freeze away.'
    )
  if parts.frozen == freezing.WHOLE and not config.augment and not parts.is_random:
    yield (
      'a trunk that is frozen makes the same of a clip at every pass. `python -m trainer.extract` '
      'computes that once; heads and baselines then train on it in seconds.'
    )


def _notes(
  config: config_lib.TrainConfig, data: datasets.Data, workers: workers_lib.Workers
) -> Iterator[str]:
  """Yields what the user may not expect."""
  yield from data.manifest.warnings
  if not any(map(held_out.is_catch_all, data.manifest.labels)):
    yield confidence_text.NO_CATCH_ALL
  unused = machine.unused_gpus()
  if unused:
    yield (
      f'this machine has a GPU ({", ".join(unused)}) that TensorFlow cannot use, so the CPU '
      'does everything. Install `pip install tensorflow[and-cuda]` and a driver that fits.'
    )
  on_cpu = machine.devices(virtual=config.virtual_devices)[0].startswith('CPU')
  if on_cpu and half_precision.is_emulated(config.precision):
    yield (
      f'this processor has no instructions for {config.precision}, so TensorFlow imitates '
      'them. Leave --precision away: float32 is some 2 to 9 times as fast here.'
    )
  model = models.parse(config.model)[0]
  if config.deterministic and not on_cpu and not half_precision.repeats(model, config.precision):
    yield (
      f'{model} in {config.precision} does not give the same bits twice on a GPU, so this run '
      'cannot be repeated bit for bit. In float32 it does.'
    )
  asked = strategies.parse(config.strategy)[0]
  if asked != 'none' and workers.strategy.num_replicas_in_sync == 1:
    yield f'there is one device, so --strategy={asked} does what none does.'
  num_clips = data.manifest.num_records(splits.TRAIN)
  size = config.step_examples
  if size > num_clips:
    yield (
      f'a batch of {size} is more than the {num_clips:,} {_noun(data)} of the train '
      f'split: each stands in it {size / num_clips:.1f} times on average, and an '
      'epoch is one step.'
    )
  lengths = assembly.compiled_lengths(config, data)
  if lengths:
    yield (
      f'--jit_compile compiles once for each length: batches are padded to one of '
      f'{words.counted(len(lengths), "length")}, {lengths[0]:,} to {lengths[-1]:,} rows, and the '
      'first of each waits for that.'
    )
  yield from _notes_on_teacher(config, data)
  missing = datasets.unlearned_labels(data.manifest)
  if missing:
    yield f'no clip of the train split has the label {", ".join(missing)}.'
  if not data.has_validation:
    yield (
      'there is no validation split, so the last of '
      f'{words.counted(config.epochs, "epoch")} is kept as the best.'
    )


def _notes_on_teacher(config: config_lib.TrainConfig, data: datasets.Data) -> Iterator[str]:
  if not config.teacher:
    return
  lesson = teacher_lib.find(config.teacher, data)
  if not lesson.is_finished:
    yield (
      f'the run of --teacher={config.teacher} is not finished: its best model of now teaches. When '
      'it gets a better one, this run cannot be gone on with.'
    )
  if config.augment and not teacher_lib.hears_masks(lesson, data.computed):
    yield (
      'the teacher computes another feature than the model: of --augment, what changes samples '
      'reaches both, what changes features the model alone.'
    )


def _noun(data: datasets.Data) -> str:
  return 'clips' if data.manifest.audio else 'pictures'


def resumed(
  position: position_lib.Position,
  config: config_lib.TrainConfig,
  before: Mapping[str, Any],
  *,
  steps_per_epoch: int,
) -> None:
  """Prints where a run goes on, and what is other than it was.

  Args:
    position: Where it stands.
    config: What is asked for now.
    before: What config.json said.
    steps_per_epoch: Steps of an epoch.
  """
  if not position.step:
    return
  print(
    f'resumed  behind step {position.step:,}, in epoch {position.epoch}, as if the run had never '
    'stopped.'
  )
  epochs = before.get('flags', {}).get('epochs', config.epochs)
  if epochs != config.epochs:
    print(f'extended from {words.counted(epochs, "epoch")} to {config.epochs:,}.')
    was, now = (
      assembly.learning_rate_at(
        position.step, config, schedules.Horizon(steps_per_epoch=steps_per_epoch, epochs=total)
      )
      for total in (epochs, config.epochs)
    )
    if was != now:
      print(
        f'note: --schedule={config.schedule} is planned for all epochs: the learning rate goes on '
        f'at {now:.3g}, as in a run of {config.epochs} epochs, and not at the {was:.3g} of before.'
      )
  note = library_versions.note(before)
  if note:
    print(note)
  sys.stdout.flush()


def interrupted(
  outcome: loop.Outcome,
  position: position_lib.Position,
  config: config_lib.TrainConfig,
  folder: run_folder.RunFolder,
) -> str:
  """Prints where a run was stopped from outside; returns how to go on."""
  named = '' if config.run_dir else f' with --run_dir={folder.path}'
  again = f'{command.AGAIN}{named}, it goes on from there'
  is_within = position.num_examples > 0
  epoch = f'in epoch {position.epoch}' if is_within else f'the last of epoch {position.epoch - 1}'
  print(
    f'stopped by {outcome.interrupted} behind step {position.step:,}, {epoch}; saved: {again}.',
    flush=True,
  )
  return again


def _epoch(data: datasets.Data, noun: str, *, batch_size: int, steps: int) -> str:
  """Returns how many examples an epoch takes: batches are full, and passes go on over its end."""
  there, seen = data.manifest.num_records(splits.TRAIN), steps * batch_size
  make = 'make' if steps > 1 else 'makes'
  taken = f'{steps:,} of {batch_size:,} {noun} {make} an epoch: '
  if seen < there:
    return (
      f'{taken}{seen:,} of the {there:,} {noun}, the next begins with the other {there - seen:,}'
    )
  more = f' and {seen - there:,} of the next pass' if seen > there else ''
  return f'{taken}all {there:,} {noun}{more}'


def _balance(config: config_lib.TrainConfig, data: datasets.Data, *, steps: int) -> str:
  """Returns how often clips come in an epoch whose batches have each label alike."""
  counts = data.manifest.label_counts(splits.TRAIN)
  known = [
    (count, label) for count, label in zip(counts, data.manifest.labels, strict=True) if count
  ]
  drawn = steps * config.step_examples / len(known)
  (fewest, rare), (most, frequent) = min(known), max(known)
  said = (
    f'each of {words.counted(len(known), "label")} {drawn:,.0f} times an epoch: one of the '
    f'{fewest:,} {_noun(data)} of {rare!r} comes {drawn / fewest:.3g} times'
  )
  if most > fewest:
    said += f', one of the {most:,} of {frequent!r} {drawn / most:.3g} times'
  if config.cache == caches.MEMORY or files.is_raw(data.path):
    return said
  shards = data.manifest.shards_of(splits.TRAIN)
  read = [
    sum(shard.num_records for shard in shards if shard.label_counts[i]) / count
    for i, count in enumerate(counts)
    if count
  ]
  return (
    f'{said}; {sum(read) / len(read):.3g} records are read for each that is taken '
    '(--cache=memory: one)'
  )


def _learning(config: config_lib.TrainConfig) -> str:
  """Returns how the weights move, and what the learning rate is of."""
  parts = [options.format_option(*optimizers.parse(config.optimizer))]
  peak = assembly.peak_learning_rate(config)
  rate = f'learning rate {peak:g} for the whole batch of {config.step_examples}'
  if config.accumulate > 1:
    rate += f', in {config.accumulate} parts'
  if config.scale_learning_rate != 'none':
    rate += f' ({config.scale_learning_rate} from batches of {optimizers.REFERENCE_BATCH})'
  if config.trunk_learning_rate:
    rate += f', {peak * assembly.trunk_factor(config):g} for the trunk'
  parts.append(rate)
  parts.append(options.format_option(*schedules.parse(config.schedule)))
  for name in ('label_smoothing', 'clip_norm', 'ema'):
    if getattr(config, name):
      parts.append(f'{name} {getattr(config, name):g}')
  if config.class_weights != 'none':
    parts.append(f'class weights {config.class_weights}')
  return ', '.join(parts)


def end(config: config_lib.TrainConfig, outcome: loop.Outcome, best: best_lib.Best) -> None:
  """Prints why training ended and which epoch was kept."""
  if outcome.stopped:
    print(f'stopped early: {outcome.stopped}')
  if best.validation is not None:
    shown = f'accuracy {words.share(best.validation.accuracy)}, loss {best.validation.loss:.4f}'
    if config.monitor not in ('accuracy', 'loss'):
      shown = f'{config.monitor} {words.share(getattr(best.validation, config.monitor))}, {shown}'
    print(f'best     epoch {best.epoch}: validation {shown}')


def results(folder: run_folder.RunFolder, report: dict[str, Any] | None, *, has_test: bool) -> None:
  """Prints how good the best epoch is on the test split, and where everything lies."""
  if report is None:
    why = (
      f'the {splits.TEST} split was not looked at'
      if has_test
      else f'there is no {splits.TEST} split'
    )
    print(f'note: {why}, so there is no report.')
  else:
    print(
      f'test     accuracy {words.share(report["accuracy"])} on {report["num_examples"]:,} '
      f'{report["examples"]}'
    )
    for line in confidence_text.unknown_lines(report['none_of_these'], report['examples']):
      print(line)
    print(f'report   {folder.judgement.for_reading}')
  print(f'model    {folder.checkpoint_file(run_folder.BEST)}')
  logs = shlex.quote(str(folder.logs_dir))
  print(f'curves   python -m tensorboard.main --logdir={logs}', flush=True)
