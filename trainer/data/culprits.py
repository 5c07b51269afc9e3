"""Which examples were in a batch: asked when a step went wrong, so that no other step pays."""

from __future__ import annotations

from schemas import splits
from trainer.data import input_pipeline, named_data

_SHOWN = 8


def batch_ids(source: input_pipeline.Source, *, seed: int, step: int) -> list[str]:
  """Returns the ids of the batch of a training step, counted from 1; reads it again.

  Empty where batches are made up or come in no fixed order.
  """
  if source.random_data or source.data_service or not source.deterministic:
    return []
  batches = named_data.read_batches(
    source.request(
      splits.TRAIN,
      batch_size=source.step_examples,
      balanced=source.step_examples if source.balance else 0,
      shuffle=True,
      repeat=True,
      seed=seed,
      with_ids=True,
      start_step=step - 1,
    )
  )
  return [name.decode() for name in next(iter(batches))['id'].numpy()]


def sentence(ids: list[str], path: str) -> str:
  """Returns what is said of them; `path` is the file with all, '' where there is none."""
  if not ids:
    return ''
  more = f' and {len(ids) - _SHOWN} more' if len(ids) > _SHOWN else ''
  where = f' (all in {path})' if path else ''
  return f' Its batch held {", ".join(ids[:_SHOWN])}{more}{where}: look whether these are sound.'
