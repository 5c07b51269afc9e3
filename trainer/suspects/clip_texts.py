"""Which clips of a file of predictions are originals, and the texts of those that are listed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from schemas import record
from trainer.predictions import header as header_lib
from trainer.predictions import parquet_reader

NAMES = (header_lib.ID, header_lib.AUGMENTATION)
_COLUMNS = (
  *NAMES, header_lib.FILE, header_lib.START_S, header_lib.END_S, header_lib.SPEAKER,
)  # fmt: skip


def originals(batch: parquet_reader.Batch) -> NDArray[np.bool_]:
  """Returns which clips of a batch are no augmented copies; it needs NAMES."""
  marks = batch.texts(header_lib.AUGMENTATION)
  return np.array(
    [not record.is_copy(clip, mark) for clip, mark in zip(batch.ids, marks, strict=True)],
    bool,
  )


@dataclasses.dataclass(frozen=True)
class Texts:
  """Which clip it is: id, file, place in it, speaker."""

  clip_id: str
  file: str
  start_s: float
  end_s: float
  speaker: str


def of(predictions: parquet_reader.Reader, places: NDArray[np.int64]) -> dict[int, Texts]:
  """Returns who clips are, by their places among the originals."""
  wanted = np.unique(places)
  found: dict[int, Texts] = {}
  for first, batch in _placed(predictions):
    here = wanted[(wanted >= first) & (wanted < first + len(batch))]
    if not len(here):
      continue
    rows = parquet_reader.Batch(batch.rows.take((here - first).tolist()), batch.header)
    columns = (
      rows.ids,
      rows.texts(header_lib.FILE),
      rows.numbers(header_lib.START_S).tolist(),
      rows.numbers(header_lib.END_S).tolist(),
      rows.speakers,
    )
    found |= {
      int(place): Texts(*values)
      for place, values in zip(here, zip(*columns, strict=True), strict=True)
    }
  return found


def _placed(predictions: parquet_reader.Reader) -> Iterator[tuple[int, parquet_reader.Batch]]:
  """Yields the originals of every batch, and how many there were before them."""
  first = 0
  for batch in predictions.batches(list(_COLUMNS)):
    rows = np.flatnonzero(originals(batch))
    yield first, parquet_reader.Batch(batch.rows.take(rows.tolist()), batch.header)
    first += len(rows)
