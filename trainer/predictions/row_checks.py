"""Whether a file of predictions holds what its header says: columns, and what stands in them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from trainer.predictions import header as header_lib
from trainer.predictions import parquet_writer

_NULLABLE = frozenset({header_lib.FOLD})
# A label that the model does not know has no logit.
_MAY_BE_NAN = frozenset({header_lib.LABEL_LOGIT})


def columns_fault(found: pa.Schema, header: header_lib.Header) -> str:
  """Returns what is wrong with the columns of a file; '' if nothing is. More may be there."""
  if not header.labels:
    return 'its header has no labels'
  if len(set(header.labels)) < len(header.labels):
    return 'its header has a label twice'
  for field in parquet_writer.schema(header):
    at = found.get_field_index(field.name)
    if at < 0:
      return f'it has no column {field.name!r}'
    if found.field(at).type != field.type:
      return f'column {field.name!r} must be of {field.type}, got {found.field(at).type}'
  return ''


def rows_fault(rows: pa.RecordBatch, header: header_lib.Header) -> str:
  """Returns what is wrong with some rows, of all columns or a few; '' if nothing is."""
  num_labels = len(header.labels)
  sizes = {
    header_lib.LABEL_INDEX: num_labels + len(header.unknown_labels),
    header_lib.PREDICTED_INDEX: num_labels,
    header_lib.TOP_INDICES: num_labels,
  }
  for name in rows.schema.names:
    column = rows.column(name)
    if column.null_count and name not in _NULLABLE:
      return f'column {name!r} has rows without a value'
    if pa.types.is_fixed_size_list(column.type):
      column = column.flatten()
      if column.null_count:
        return f'column {name!r} has lists without a value'
    if pa.types.is_floating(column.type) and name not in _MAY_BE_NAN:
      if not np.isfinite(column.to_numpy(zero_copy_only=False)).all():
        return f'column {name!r} has values that are not numbers'
    elif name in sizes and len(column):
      values = column.to_numpy(zero_copy_only=False)
      if values.min() < 0 or values.max() >= sizes[name]:
        return f'column {name!r} has indices of labels that are not there'
  return ''
