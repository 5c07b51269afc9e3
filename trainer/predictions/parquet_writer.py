"""Writes predictions as Parquet, batch by batch, in memory that does not grow with the clips."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet
from scipy import special

from exports import table_texts
from schemas import errors, json_form
from trainer.predictions import clip_answers, log_sums
from trainer.predictions import header as header_lib

METADATA_KEY = b'voxshard_predictions'
# Of one group of rows, in memory; a reader holds one at a time.
_GROUP_BYTES = 16 << 20
_MICROSECONDS = 1e-6


class Writer:
  """Takes answers and writes them; made by `writing`."""

  def __init__(self, sink: parquet.ParquetWriter, header: header_lib.Header) -> None:
    self._sink = sink
    self._header = header
    self._held: list[pa.RecordBatch] = []
    self._held_bytes = 0
    names = [*header.labels, *header.unknown_labels]
    self._names = table_texts.column(names)
    self.num_examples = 0

  def add(self, answers: clip_answers.Answers, *, fold: int | None = None) -> None:
    """Adds some clips.

    Args:
      answers: What was said of them.
      fold: Which fold judged them.

    Raises:
      ConfigError: if a logit is not a number.
    """
    if not np.isfinite(answers.logits).all():
      raise errors.ConfigError(
        'The model gives logits that are not numbers: its training went astray. Train again with '
        'a lower --learning_rate, or take --checkpoint=best if this was the last one.'
      )
    self.add_rows(self._rows(answers, fold))

  def add_rows(self, rows: pa.RecordBatch) -> None:
    """Adds rows that have the columns of this file already."""
    self._held.append(rows)
    self._held_bytes += rows.nbytes
    self.num_examples += rows.num_rows
    if self._held_bytes >= _GROUP_BYTES:
      self.flush()

  def flush(self) -> None:
    """Writes what is held as a group of rows."""
    if self._held:
      table = pa.Table.from_batches(self._held)
      self._sink.write_table(table, row_group_size=table.num_rows)
    self._held, self._held_bytes = [], 0

  def _rows(self, answers: clip_answers.Answers, fold: int | None) -> pa.RecordBatch:
    origins, labels, logits = answers
    count = len(labels)
    predicted = logits.argmax(axis=1) if count else np.zeros(0, np.int64)
    columns = {
      header_lib.ID: table_texts.column(origins.ids),
      header_lib.FILE: table_texts.column(origins.files),
      header_lib.START_S: pa.array(np.asarray(origins.start_us, np.float64) * _MICROSECONDS),
      header_lib.END_S: pa.array(np.asarray(origins.end_us, np.float64) * _MICROSECONDS),
      header_lib.SPEAKER: table_texts.column(origins.speakers),
      header_lib.FIELDS: table_texts.column(origins.fields),
      header_lib.AUGMENTATION: table_texts.column(origins.augmentations),
      header_lib.FOLD: pa.array([fold] * count, pa.int32()),
      header_lib.LABEL: self._names.take(pa.array(labels)),
      header_lib.LABEL_INDEX: pa.array(labels, pa.int32()),
      header_lib.PREDICTED: self._names.take(pa.array(predicted)),
      header_lib.PREDICTED_INDEX: pa.array(predicted, pa.int32()),
    }
    if self._header.is_dense:
      columns[header_lib.LOGITS] = _lists(logits, np.float32)
    else:
      # Equal logits in the order of labels, as argmax has them.
      top = np.argsort(-logits, axis=1, kind='stable')[:, : self._header.num_top]
      columns[header_lib.LABEL_LOGIT] = pa.array(_label_logits(labels, logits))
      sums = special.logsumexp(logits.astype(np.float64), axis=1)
      columns[header_lib.LOG_SUM_EXP] = pa.array(sums.astype(np.float32))
      columns[header_lib.TOP_INDICES] = _lists(top, np.int32)
      columns[header_lib.TOP_LOGITS] = _lists(np.take_along_axis(logits, top, axis=1), np.float32)
      columns[header_lib.SCALED_LOG_SUM_EXPS] = _lists(log_sums.at_nodes(logits), np.float32)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema(self._header))


@contextlib.contextmanager
def writing(path: str, header: header_lib.Header) -> Iterator[Writer]:
  """Yields what writes a file of predictions at `path`, which is whole behind the block.

  Raises:
    OSError: if the file system refuses.
  """
  with parquet.ParquetWriter(path, schema(header), compression='zstd') as sink:
    writer = Writer(sink, header)
    yield writer
    writer.flush()


def schema(header: header_lib.Header) -> pa.Schema:
  """Returns the columns of a file, with its header in their metadata."""
  fields: list[tuple[str, pa.DataType]] = [
    (header_lib.ID, pa.string()),
    (header_lib.FILE, pa.string()),
    (header_lib.START_S, pa.float64()),
    (header_lib.END_S, pa.float64()),
    (header_lib.SPEAKER, pa.string()),
    (header_lib.FIELDS, pa.string()),
    (header_lib.AUGMENTATION, pa.string()),
    (header_lib.FOLD, pa.int32()),
    (header_lib.LABEL, pa.string()),
    (header_lib.LABEL_INDEX, pa.int32()),
    (header_lib.PREDICTED, pa.string()),
    (header_lib.PREDICTED_INDEX, pa.int32()),
  ]
  if header.is_dense:
    fields.append((header_lib.LOGITS, pa.list_(pa.float32(), len(header.labels))))
  else:
    fields += [
      (header_lib.LABEL_LOGIT, pa.float32()),
      (header_lib.LOG_SUM_EXP, pa.float32()),
      (header_lib.TOP_INDICES, pa.list_(pa.int32(), header.num_top)),
      (header_lib.TOP_LOGITS, pa.list_(pa.float32(), header.num_top)),
      (
        header_lib.SCALED_LOG_SUM_EXPS,
        pa.list_(pa.float32(), len(log_sums.INVERSE_TEMPERATURES)),
      ),
    ]
  text = json_form.dumps(header.to_json())
  return pa.schema(fields, metadata={METADATA_KEY: text.encode('utf-8', 'surrogateescape')})


def _label_logits(labels: NDArray[np.int64], logits: NDArray[np.float32]) -> NDArray[np.float32]:
  """Returns the logit of each true label; NaN for labels that have none."""
  found = np.full(len(labels), np.nan, np.float32)
  known = np.flatnonzero(labels < logits.shape[1])
  found[known] = logits[known, labels[known]]
  return found


def _lists(values: NDArray[np.generic], dtype: type[np.generic]) -> pa.FixedSizeListArray:
  flat = pa.array(np.ascontiguousarray(values, dtype).reshape(-1))
  return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
