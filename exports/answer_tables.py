"""What a model says as a Parquet file, row by row, in memory that does not grow with the rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from exports import answer_rows, table_texts
from exports.export_file import NONE
from schemas import json_form

PARQUET = 'parquet'
METADATA_KEY = b'voxshard_answers'
# Bump with every change of a name or a meaning of a column.
ANSWERS_VERSION = 1

# Of one group of rows, about; a reader holds one at a time.
_GROUP_BYTES = 16 << 20
_MOST_ROWS = 65_536
# What a row takes besides its probabilities.
_ROW_BYTES = 200
# Probabilities that are sorted at once: 16 MiB for their places.
_MOST_SORTED = 1 << 21


class TableWriter:
  """Takes rows and writes them; made by `writing`."""

  def __init__(self, sink: parquet.ParquetWriter, columns: answer_rows.Columns) -> None:
    self._sink = sink
    self._columns = columns
    self._held: list[answer_rows.Row] = []
    row_bytes = _ROW_BYTES + 4 * len(columns.labels)
    self._most_rows = max(1, min(_MOST_ROWS, _GROUP_BYTES // row_bytes))

  def add(self, row: answer_rows.Row) -> None:
    """Adds a row, also one with an error in place of an answer."""
    self._held.append(row)
    if len(self._held) >= self._most_rows:
      self.flush()

  def flush(self) -> None:
    """Writes what is held as a group of rows."""
    if self._held:
      self._sink.write_table(_table(self._held, self._columns))
    self._held = []


@contextlib.contextmanager
def writing(stream: BinaryIO, columns: answer_rows.Columns) -> Iterator[TableWriter]:
  """Yields what writes a Parquet file to a stream; the file is whole behind the block.

  Raises:
    OSError: if the file system refuses.
  """
  with parquet.ParquetWriter(stream, schema(columns), compression='zstd') as sink:
    writer = TableWriter(sink, columns)
    yield writer
    writer.flush()


def write(rows: Iterable[answer_rows.Row], columns: answer_rows.Columns, stream: BinaryIO) -> None:
  """Writes rows as a Parquet file to a stream.

  Raises:
    OSError: if the file system refuses.
  """
  with writing(stream, columns) as writer:
    for row in rows:
      writer.add(row)


def schema(columns: answer_rows.Columns) -> pa.Schema:
  """Returns the columns of a file: the same for all, but for how probabilities are said.

  `top_labels` and `top_probabilities` are of the most probable labels; where those of all are
  asked for, `probabilities` has them in the order of the labels, which the metadata name.
  """
  fields: list[tuple[str, pa.DataType]] = [
    (columns.key, pa.string()),
    *((name, pa.string()) for name in columns.more),
    ('start_s', pa.float64()),
    ('end_s', pa.float64()),
    ('true_label', pa.string()),
    ('answer', pa.string()),
    ('none_of_these', pa.bool_()),
  ]
  if columns.probabilities == answer_rows.ALL:
    # Not of a fixed size: Parquet does not read those back where one is missing.
    fields.append(('probabilities', pa.list_(pa.float32())))
  else:
    fields += [
      ('top_labels', pa.list_(pa.string())),
      ('top_probabilities', pa.list_(pa.float32())),
    ]
  fields.append(('error', pa.string()))
  said = {'answers_version': ANSWERS_VERSION, 'labels': list(columns.labels)}
  text = json_form.dumps(said).encode('utf-8', 'surrogateescape')
  return pa.schema(fields, metadata={METADATA_KEY: text})


def _table(rows: Sequence[answer_rows.Row], columns: answer_rows.Columns) -> pa.Table:
  """Returns rows as a table, column by column: row by row it would take three times as long."""
  is_said = np.array([not row.error for row in rows])
  said = [row for row in rows if not row.error]
  probabilities = (
    np.stack([row.probabilities for row in said]) if said else np.zeros((0, len(columns.labels)))
  )
  names = table_texts.column([*columns.labels, NONE])
  answers = np.zeros(len(rows), np.int64)
  answers[is_said] = [
    len(columns.labels) if row.is_none else likeliest
    for row, likeliest in zip(said, probabilities.argmax(axis=1).tolist(), strict=True)
  ]
  found: list[pa.Array] = [
    table_texts.column([row.name for row in rows]),
    *(table_texts.column(values) for values in zip(*(row.more for row in rows), strict=True)),
    pa.array([row.start_s for row in rows], pa.float64()),
    pa.array([row.end_s for row in rows], pa.float64()),
    table_texts.column([row.label for row in rows]),
    names.take(pa.array(answers, mask=~is_said)),
    pa.array([None if row.error else row.is_none for row in rows], pa.bool_()),
  ]
  if columns.probabilities == answer_rows.ALL:
    found.append(_lists(pa.array(_flat(probabilities)), is_said))
  else:
    best = _best(probabilities, columns.num_said)
    found.append(_lists(names.take(pa.array(best.reshape(-1))), is_said))
    of_best = np.take_along_axis(probabilities, best, axis=1)
    found.append(_lists(pa.array(_flat(of_best)), is_said))
  found.append(table_texts.column([row.error or None for row in rows]))
  return pa.Table.from_arrays(found, schema=schema(columns))


def _best(probabilities: NDArray[np.floating], count: int) -> NDArray[np.int64]:
  """Returns the places of the highest of each row, as Columns.best has them: [rows, count]."""
  step = max(1, _MOST_SORTED // max(1, probabilities.shape[1]))
  best = np.empty((len(probabilities), count), np.int64)
  for at in range(0, len(best), step):
    part = probabilities[at : at + step]
    best[at : at + step] = np.argsort(-part, axis=1, kind='stable')[:, :count]
  return best


def _lists(flat: pa.Array, is_there: NDArray[np.bool_]) -> pa.Array:
  """Returns lists of equal length, in the order of the rows; for those without one, none."""
  size = len(flat) // max(1, int(np.count_nonzero(is_there)))
  ends = np.concatenate([[0], np.cumsum(is_there) * size])
  offsets = pa.array(ends, pa.int32(), mask=np.append(~is_there, False))
  return pa.ListArray.from_arrays(offsets, flat)


def _flat(values: NDArray[np.floating]) -> NDArray[np.float32]:
  return values.astype(np.float32).reshape(-1)
