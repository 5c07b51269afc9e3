"""What memory a run needs, and whether it is there: asked before anything large is made.

Estimates are low rather than high, as what fits must not be refused; TensorFlow's own 0.7 GB is
taken already when they are made. Measured on 2 cores with 480 clips of log-mel 98x80, the peak of
resident memory less what was taken at the start:

  model  batch  precision       estimated  measured
  cnn      256  float32            0.78 GB   0.93 GB
  cnn    1,024  float32            3.0       3.5
  cnn    1,024  mixed_bfloat16     1.6       1.8
  vgg16      8  float32            0.56      0.82
  vgg16     64  float32            1.3       1.3
  cnn:dense_units=5000
             8  float32            2.7       2.8
  the same until it is saved first, as with --find_learning_rate
             8  float32            1.6       1.7
  cnn:dense_units=2000, sgd, --ema
             8  float32            1.09      1.12

The last three have 66 and 26 million weights: what an optimizer computes on the way to the largest,
and the copies that are taken while a run is saved, are most of what they take.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import keras
import tensorflow as tf

from pages import words
from schemas import options, record, splits
from tfrecords.pipeline import buffers, caches, order
from tfrecords.pipeline import dataset as dataset_lib
from tfrecords.resources import free_memory
from trainer import assembly, models
from trainer import config as config_lib
from trainer.augment import chain
from trainer.data import datasets, device_feed
from trainer.data.raw import files
from trainer.devices import gpu_memory, machine, memory_budget
from trainer.devices import workers as workers_lib
from trainer.learning import optimizers
from trainer.learning import teacher as teacher_lib
from trainer.models import aside, footprint

_FLOAT32_BYTES = 4
_LABEL_BYTES = 8
# Of a batch that is parsed: being parsed and waiting; then on the devices and in the step.
_READ_COPIES, _FED_COPIES = 1 + dataset_lib.READY_BATCHES, device_feed.DEVICE_BATCHES + 1
# Arrays as large as the largest weight that an optimizer computes on the way to its new value.
_UPDATE_COPIES = 2
# Of the weights, while they are written as a Keras file.
_FILE_COPIES = 2
_CACHED = (
  '--cache=memory holds all records that are trained on: keep copies on a disk of this machine '
  '(--cache=disk), or read them where they lie (--cache=none).'
)


def check(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  workers: workers_lib.Workers,
  *,
  goes_on: bool = False,
) -> list[memory_budget.Budget]:
  """Returns what a run needs of the machine and, if it computes there, of a GPU.

  Args:
    config: What is asked for.
    data: What is learned from.
    workers: Who trains.
    goes_on: Whether the run is in its folder already.

  Raises:
    ConfigError: if it needs more than there is; the text says what fits.
    DatasetError: if the data set cannot feed the model.
  """
  name, settings = assembly.model_of(config, goes_on=goes_on)
  found = footprint.outline(
    name,
    settings,
    data.manifest,
    data.feature.name,
    computed=data.computed,
    precision=config.precision,
    num_rows=data.typical_rows,
    freeze=assembly.frozen(config),
  )
  slots = _num_slots(config.optimizer)
  # The gradient, that of the parts before, and what is kept of each.
  per_weight = 1 + (config.accumulate > 1) + slots + bool(config.ema)
  learning_bytes = found.weights_bytes + per_weight * found.num_trained * _FLOAT32_BYTES
  if not config.jit_compile:  # Which puts what an optimizer computes into one operation.
    learning_bytes += _UPDATE_COPIES * found.largest_trained * _FLOAT32_BYTES
  if config.teacher:
    lesson = teacher_lib.find(config.teacher, data)
    taught = teacher_lib.outline(lesson, num_rows=data.typical_rows)
    learning_bytes += taught.weights_bytes
    found = dataclasses.replace(found, training_bytes=found.training_bytes + taught.answering_bytes)
  saving_bytes = 0 if config.find_learning_rate else _saving_bytes(found, slots + bool(config.ema))
  budgets = list(
    _budgets(config, data, workers, found, learning_bytes=learning_bytes, saving_bytes=saving_bytes)
  )
  share = found.largest_weights / max(1, found.num_weights)
  for budget in budgets:
    memory_budget.check(
      budget,
      asked=config.batch_size,
      model=options.format_option(*models.parse(config.model)),
      what_of_model=(
        f'It has {found.num_weights:,} weights ({memory_budget.size_text(found.weights_bytes)}), '
        f'{words.percent(share)} of them in the layer {found.largest_layer!r}; learning with '
        f'{config.optimizer} keeps {per_weight} more numbers for each, and while the run is saved '
        f'{memory_budget.size_text(saving_bytes)} more are taken on the machine.'
      ),
      what_of_buffers=_CACHED if config.cache == caches.MEMORY else '',
      num_memories=_num_memories(budget, workers),
      can_accumulate=True,
    )
  return budgets


def _budgets(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  workers: workers_lib.Workers,
  found: footprint.Footprint,
  *,
  learning_bytes: int,
  saving_bytes: int,
) -> Iterator[memory_budget.Budget]:
  replicas = workers.strategy.num_replicas_in_sync // workers.count
  here = -(-config.batch_size // workers.count)
  stored_bytes = _stored_bytes(data.feature, data.typical_rows)
  # As read, as stored, and as float32 in front of the model.
  augmented = chain.Chain(config.augment).with_recordings(data.manifest.audio)
  picked_bytes = augmented.picked_bytes(data.feature.shape[0] or data.typical_rows)
  fed_bytes = stored_bytes + picked_bytes
  read_together = config.accumulate if assembly.source(config, data).is_read_by_steps else 1
  read_bytes = (_record_bytes(data) + stored_bytes * _READ_COPIES) * read_together
  waiting_bytes = read_bytes + fed_bytes * _FED_COPIES
  input_bytes = stored_bytes * _FLOAT32_BYTES // record.ITEM_BYTES[data.feature.dtype]
  computing_bytes = found.training_bytes + input_bytes
  on_gpu = bool(tf.config.list_physical_devices('GPU'))
  yield memory_budget.Budget(
    place=memory_budget.MACHINE,
    free_bytes=free_memory.free_bytes(),
    model_bytes=saving_bytes + (0 if on_gpu else replicas * learning_bytes),
    buffer_bytes=_buffer_bytes(config, data) + augmented.held_bytes,
    example_bytes=waiting_bytes + (0 if on_gpu else computing_bytes),
    batch_size=here,
  )
  if on_gpu:
    yield memory_budget.Budget(
      place=memory_budget.GPU,
      # Whole, or the part of it that is a device.
      free_bytes=machine.VIRTUAL_GPU_BYTES
      if config.virtual_devices
      else gpu_memory.largest_bytes(),
      model_bytes=learning_bytes,
      example_bytes=fed_bytes * device_feed.DEVICE_BATCHES + computing_bytes,
      batch_size=-(-here // replicas),
    )


def _saving_bytes(found: footprint.Footprint, num_kept: int) -> int:
  """Returns what is taken in the machine's memory while a run is saved, wherever it computes.

  The state is copied, array by array, before it is written beside the next steps; of models Keras
  makes the whole file in memory, from a copy of the weights.

  Args:
    found: The model.
    num_kept: Numbers for each weight that trains, that the next step depends on.
  """
  state = found.num_weights + num_kept * found.num_trained
  return _FLOAT32_BYTES * max(state + found.largest_trained, _FILE_COPIES * found.num_weights)


def _num_memories(budget: memory_budget.Budget, workers: workers_lib.Workers) -> int:
  """Returns how many such memories share a whole batch."""
  if budget.place == memory_budget.GPU:
    return workers.strategy.num_replicas_in_sync
  return workers.count


def _num_slots(optimizer_text: str) -> int:
  """Returns how many numbers an optimizer keeps for each weight."""

  def count() -> int:
    weight = keras.Variable([[0.0, 0.0, 0.0]])
    optimizer = optimizers.make(optimizer_text, 0.1, [weight])
    optimizer.build([weight])
    return sum(variable.shape == weight.shape for variable in optimizer.variables)

  return aside.apart(count)


def _buffer_bytes(config: config_lib.TrainConfig, data: datasets.Data) -> int:
  """Returns the bytes of records that wait to be mixed, and of those that stay between passes."""
  if config.random_data or config.data_service or files.is_raw(config.data):
    return 0
  found = data.manifest
  if config.cache == caches.MEMORY:
    kept = [splits.TRAIN, *([splits.VALIDATION] if data.has_validation else [])]
    stored_bytes = sum(shard.num_bytes for split in kept for shard in found.shards_of(split))
    labels_bytes = _LABEL_BYTES * found.num_records(splits.TRAIN)
    return stored_bytes + labels_bytes * config.balance_batches
  mixed_bytes = buffers.shuffle_records(found, splits.TRAIN) * _record_bytes(data)
  if not config.balance_batches:
    return mixed_bytes
  return mixed_bytes + buffers.balanced_bytes(
    found, splits.TRAIN, most_shards=order.CYCLE_SHARDS, record_bytes=_record_bytes(data)
  )


def _record_bytes(data: datasets.Data) -> int:
  shards = data.manifest.shards_of(splits.TRAIN)
  num_records = data.manifest.num_records(splits.TRAIN)
  return sum(shard.num_bytes for shard in shards) // max(1, num_records)


def _stored_bytes(feature: record.FeatureSpec, typical_rows: int) -> int:
  return feature.row_bytes * (feature.shape[0] or typical_rows)
