"""Whether the memory suffices for the batches that a trained model is put before."""

from __future__ import annotations

from schemas import manifest, record
from tfrecords.resources import free_memory
from trainer.data import datasets
from trainer.devices import gpu_memory, memory_budget
from trainer.lazy import keras, tf
from trainer.models import footprint

_FLOAT32_BYTES = 4


def check(
  model: keras.Model,
  feature: record.FeatureSpec,
  dataset: manifest.DatasetManifest,
  *,
  model_text: str,
  batch_size: int,
  num_examples: int,
  num_replicas: int = 1,
) -> None:
  """Refuses batches that cannot fit.

  Args:
    model: Its weights have their place already.
    feature: What it takes.
    dataset: Says how long clips are.
    model_text: What the model is called.
    batch_size: Examples of a batch, as asked.
    num_examples: How many there are: no batch is larger.
    num_replicas: How many devices share a batch.

  Raises:
    ConfigError: with the largest batch that fits.
  """
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
        batch_size=-(-size // num_replicas),
      )
    )
  for budget in budgets:
    memory_budget.check(
      budget,
      asked=batch_size,
      model=model_text,
      num_memories=num_replicas if budget.place == memory_budget.GPU else 1,
    )
