"""Reads predictions, a group of rows at a time."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet
from scipy import special

from schemas import errors
from trainer.predictions import header as header_lib
from trainer.predictions import log_sums, parquet_writer, row_checks

_ODD_BYTES = re.compile(r'\\u(dc[89a-f][0-9a-f])')
_BATCH_ROWS = 1 << 14
_BUFFER_BYTES = 1 << 20


class Batch:
  """Some clips, of the columns that were asked for."""

  def __init__(self, rows: pa.RecordBatch, header: header_lib.Header) -> None:
    """Takes rows of a file and its header."""
    self.rows = rows
    self.header = header

  def __len__(self) -> int:
    return int(self.rows.num_rows)

  def texts(self, name: str, places: NDArray[np.int64] | None = None) -> list[str]:
    """Returns a column of texts, as they were before they went into the file.

    Args:
      name: Of the column.
      places: Of which clips; of all by default.
    """
    column = self.rows.column(name)
    if places is not None:
      column = column.take(pa.array(places))
    return [_original(text) for text in column.to_pylist()]

  def told_apart(self, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """Returns the different texts of a column, and which of them each clip has, [clips]."""
    column = self.rows.column(name).dictionary_encode()
    places = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return [_original(text) for text in column.dictionary.to_pylist()], places

  def numbers(self, name: str) -> NDArray[np.generic]:
    """Returns a column of numbers, [clips]."""
    values: NDArray[np.generic] = self.rows.column(name).to_numpy(zero_copy_only=False)
    return values

  @property
  def ids(self) -> list[str]:
    """Ids of the records."""
    return self.texts(header_lib.ID)

  @property
  def speakers(self) -> list[str]:
    """Who speaks."""
    return self.texts(header_lib.SPEAKER)

  @property
  def labels(self) -> NDArray[np.int64]:
    """Indices of the labels, int64 [clips]."""
    return self.numbers(header_lib.LABEL_INDEX).astype(np.int64)

  @property
  def answers(self) -> NDArray[np.int64]:
    """Indices of the labels with the highest logits, int64 [clips]."""
    return self.numbers(header_lib.PREDICTED_INDEX).astype(np.int64)

  @functools.cached_property
  def logits(self) -> NDArray[np.float32]:
    """Every logit, float32 [clips, labels]; for files with all of them (header.is_dense)."""
    return self._lists(header_lib.LOGITS, len(self.header.labels))

  @functools.cached_property
  def log_sum_exps(self) -> NDArray[np.float64]:
    """Ln of the sum of exp(logit) over all labels, float64 [clips]."""
    if not self.header.is_dense:
      return self.numbers(header_lib.LOG_SUM_EXP).astype(np.float64)
    sums: NDArray[np.float64] = special.logsumexp(self.logits.astype(np.float64), axis=1)
    return sums

  @property
  def label_logits(self) -> NDArray[np.float32]:
    """The logit of each true label, float32 [clips]."""
    if not self.header.is_dense:
      return self.numbers(header_lib.LABEL_LOGIT).astype(np.float32)
    return self.logits[np.arange(len(self)), self.labels]

  @property
  def losses(self) -> NDArray[np.float64]:
    """Cross-entropies in nats, float64 [clips]."""
    losses: NDArray[np.float64] = np.maximum(0, self.log_sum_exps - self.label_logits)
    return losses

  @property
  def highest_logits(self) -> NDArray[np.float32]:
    """The logits of the answers, float32 [clips]."""
    if self.header.is_dense:
      highest: NDArray[np.float32] = self.logits.max(axis=1)
      return highest
    return self._lists(header_lib.TOP_LOGITS, self.header.num_top)[:, 0]

  @property
  def confidences(self) -> NDArray[np.float64]:
    """The probability that the model gives its answer, float64 [clips]."""
    below = np.minimum(0, self.highest_logits - self.log_sum_exps)
    confidences: NDArray[np.float64] = np.exp(below)
    return confidences

  def scaled_log_sums(self, inverse_temperature: float) -> log_sums.LogSums:
    """Returns the sums that probabilities at a temperature are made of.

    Args:
      inverse_temperature: From log_sums.LEAST to log_sums.MOST.
    """
    if self.header.is_dense:
      return log_sums.exact(self.logits, inverse_temperature)
    nodes = self._lists(header_lib.SCALED_LOG_SUM_EXPS, len(log_sums.INVERSE_TEMPERATURES))
    return log_sums.interpolated(nodes, inverse_temperature)

  def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns the indices and the logits of the highest, the highest first, [clips, count].

    There are at most as many as labels, and as the file keeps.
    """
    if not self.header.is_dense:
      indices = self._lists(header_lib.TOP_INDICES, self.header.num_top).astype(np.int64)
      logits = self._lists(header_lib.TOP_LOGITS, self.header.num_top)
      return indices[:, :count], logits[:, :count]
    order = np.argsort(-self.logits, axis=1, kind='stable')[:, :count]
    return order, np.take_along_axis(self.logits, order, axis=1)

  def _lists(self, name: str, size: int) -> NDArray[np.float32]:
    flat = self.rows.column(name).flatten().to_numpy(zero_copy_only=False)
    lists: NDArray[np.float32] = flat.reshape(len(self), size)
    return lists


class Reader:
  """A file of predictions."""

  def __init__(self, path: str) -> None:
    """Opens it.

    Raises:
      ConfigError: if there is none, or it is damaged or of another version.
    """
    self.path = path
    try:
      # By default a file is read whole ahead of its rows, and kept as long as this is.
      self._file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES)
      text = (self._file.schema_arrow.metadata or {}).get(parquet_writer.METADATA_KEY, b'')
      self.header = _header(json.loads(text.decode('utf-8', 'surrogateescape')), path)
    except FileNotFoundError as error:
      raise errors.ConfigError(
        f'There are no predictions {path!r}. `python -m trainer.evaluate --run_dir=RUN` writes '
        'those of a run.'
      ) from error
    except (OSError, pa.ArrowException, ValueError, RecursionError, errors.SchemaError) as error:
      raise self._damaged(_said(error)) from error
    if self.header.predictions_version != header_lib.PREDICTIONS_VERSION:
      raise errors.ConfigError(
        f'{path!r} is of version {self.header.predictions_version} of predictions, and this '
        f'program reads {header_lib.PREDICTIONS_VERSION}. Write it again with '
        '`python -m trainer.evaluate`.'
      )
    if fault := row_checks.columns_fault(self._file.schema_arrow, self.header):
      raise self._damaged(fault)

  @property
  def num_examples(self) -> int:
    """How many clips there are."""
    return int(self._file.metadata.num_rows)

  def batches(self, columns: Sequence[str] | None = None) -> Iterator[Batch]:
    """Yields all clips in their order.

    Args:
      columns: What is to be read; all by default. Fewer are faster.

    Raises:
      ConfigError: if the file is damaged.
    """
    try:
      for rows in self._file.iter_batches(_BATCH_ROWS, columns=columns):
        if fault := row_checks.rows_fault(rows, self.header):
          raise self._damaged(fault)
        yield Batch(rows, self.header)
    except (OSError, pa.ArrowException) as error:
      raise self._damaged(_said(error)) from error

  def _damaged(self, fault: str) -> errors.ConfigError:
    return errors.ConfigError(
      f'{self.path!r} holds no predictions that can be read: {fault}. Write it again with '
      '`python -m trainer.evaluate`; that of all folds together is written by their own command, '
      'where it was removed.'
    )


def logit_columns(header: header_lib.Header) -> list[str]:
  """Returns the columns that labels, answers, losses and confidences are made of."""
  indices = [header_lib.LABEL_INDEX, header_lib.PREDICTED_INDEX]
  if header.is_dense:
    return [*indices, header_lib.LOGITS]
  return [
    *indices,
    header_lib.LABEL_LOGIT,
    header_lib.LOG_SUM_EXP,
    header_lib.TOP_INDICES,
    header_lib.TOP_LOGITS,
    header_lib.SCALED_LOG_SUM_EXPS,
  ]


def _header(said: Any, path: str) -> header_lib.Header:
  # Of another version all that matters is which: fields that it does not have are no damage.
  version = said.get('predictions_version') if isinstance(said, dict) else None
  is_other = isinstance(version, int) and version != header_lib.PREDICTIONS_VERSION
  return header_lib.Header.from_json(said, where=path, is_older=is_other)


def _said(error: Exception) -> str:
  """Returns what an error says, in one line."""
  return f'{type(error).__name__}: {" ".join(str(error).split()).rstrip(".")[:200]}'


def _original(text: str) -> str:
  if '\\u' not in text:
    return text
  return _ODD_BYTES.sub(lambda odd: chr(int(odd[1], 16)), text)
