"""Whether the memory suffices for the batches that a trained model is put before."""

from __future__ import annotations

from schemas import manifest, record
from tfrecords.resources import free_memory
from trainer.data import datasets
from trainer.devices import gpu_memory, memory_budget
from trainer.lazy import keras, tf
from trainer.models import footprint
from trainer.runs import saved_run

_FLOAT32_BYTES = 4


def check(
  run: saved_run.SavedRun,
  model: keras.Model,
  dataset: manifest.DatasetManifest,
  *,
  batch_size: int,
  num_examples: int,
) -> None:
  """Refuses batches that cannot fit.

  Args:
    run: The run.
    model: Its model, whose weights have their place already.
    dataset: Says how long clips are.
    batch_size: Examples of a batch, as asked.
    num_examples: How many there are: no batch is larger.

  Raises:
    ConfigError: with the largest batch that fits.
  """
  feature = run.feature
  rows = datasets.typical_rows(dataset, feature)
  stored_bytes = feature.row_bytes * (feature.shape[0] or rows)
  input_bytes = stored_bytes * _FLOAT32_BYTES // record.ITEM_BYTES[feature.dtype]
  answering_bytes = input_bytes + footprint.of(model, num_rows=rows).answering_bytes
  size = min(batch_size, num_examples)
  on_gpu = bool(tf.config.list_physical_devices('GPU'))
  budgets = [
    memory_budget.Budget(
      place=memory_budget.MACHINE,
      free_bytes=free_memory.free_bytes(),
      model_bytes=0,
      example_bytes=stored_bytes + (0 if on_gpu else answering_bytes),
      batch_size=size,
    )
  ]
  if on_gpu:
    budgets.append(
      memory_budget.Budget(
        place=memory_budget.GPU,
        free_bytes=gpu_memory.largest_bytes(),
        model_bytes=0,
        example_bytes=stored_bytes + answering_bytes,
        batch_size=size,
      )
    )
  for budget in budgets:
    memory_budget.check(budget, asked=batch_size, model=run.model_text)
