"""Files of predictions that were changed, cut or swapped are refused with what is wrong."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from schemas import errors
from tests.helpers import prediction_files
from trainer.predictions import parquet_reader, parquet_writer


def changed(folder, change, *, labels=('no', 'yes')):
  """Writes predictions of six clips, changes the table, and reads all of it."""
  path = folder / 'predictions.parquet'
  logits = np.random.default_rng(0).normal(size=(6, len(labels)))
  prediction_files.write(path, labels, np.arange(6) % 2, logits)
  parquet.write_table(change(parquet.read_table(path)), path)
  return [batch.losses for batch in parquet_reader.Reader(str(path)).batches()]


def column(name, change):
  def changing(table):
    at, field = table.schema.get_field_index(name), table.schema.field(name)
    values = change(table.column(name).to_pylist())
    return table.set_column(at, field, pa.array(values, field.type))

  return changing


def header(**fields):
  def changing(table):
    metadata = dict(table.schema.metadata)
    found = {**json.loads(metadata[parquet_writer.METADATA_KEY]), **fields}
    metadata[parquet_writer.METADATA_KEY] = json.dumps(found).encode()
    return table.replace_schema_metadata(metadata)

  return changing


NAN, NONE = float('nan'), [None] * 6


@pytest.mark.parametrize(
  ('change', 'said'),
  [
    (lambda table: table.drop_columns(['id']), "it has no column 'id'"),
    (
      lambda table: table.set_column(4, 'speaker', pa.array(range(6))),
      "column 'speaker' must be of string, got int64",
    ),
    (column('id', lambda _: NONE), "column 'id' has rows without a value"),
    (column('label_index', lambda _: [-1] * 6), "'label_index' has indices of labels that are not"),
    (column('label_index', lambda _: [2] * 6), "'label_index' has indices of labels that are not"),
    (column('predicted_index', lambda _: [2] * 6), "'predicted_index' has indices of labels"),
    (column('logits', lambda _: [[NAN, 0]] * 6), "'logits' has values that are not numbers"),
    (column('start_s', lambda _: [NAN] * 6), "'start_s' has values that are not numbers"),
    (header(labels=['no']), "column 'logits' must be of "),
    (header(labels=['no', 'yes', 'up']), "column 'logits' must be of "),
    (header(labels=[str(i) for i in range(300)]), "it has no column 'label_logit'"),
    (header(labels=[]), 'its header has no labels'),
    (header(labels=['no', 'no']), 'its header has a label twice'),
  ],
)
def test_a_file_that_was_changed_is_refused(tmp_path, change, said):
  with pytest.raises(errors.ConfigError, match=said) as caught:
    changed(tmp_path, change)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize('labels', [('no', 'yes'), tuple(map(str, range(201)))])
def test_other_columns_and_no_rows_are_no_damage(tmp_path, labels):
  def more(table):
    return table.append_column('note', pa.array(['mine'] * 6))

  assert len(np.concatenate(changed(tmp_path, more, labels=labels))) == 6
  assert changed(tmp_path, lambda table: table.slice(0, 0), labels=labels) == []
