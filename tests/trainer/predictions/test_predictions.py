"""Files of predictions come back as they went in, dense or with the highest logits only."""

import json
import os

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from scipy import special

from schemas import errors
from tests.helpers import prediction_files
from trainer.predictions import clip_answers, header, parquet_reader, parquet_writer

ODD = 'a\udcff/€"<script>'


def columns(path):
  (batch,) = parquet_reader.Reader(str(path)).batches()
  return batch


@settings(max_examples=20)
@given(num_labels=st.sampled_from([2, 200, 201, 300]), count=st.integers(1, 9), seed=st.integers(0))
def test_numbers_come_back(tmp_path_factory, num_labels, count, seed):
  random = np.random.default_rng(seed)
  logits = random.normal(size=(count, num_labels)).astype(np.float32) * 9
  truth = random.integers(0, num_labels, count)
  labels = [f'word {i}' for i in range(num_labels)]
  path = tmp_path_factory.mktemp('p') / 'predictions.parquet'
  found = prediction_files.write(path, labels, truth, logits, batch_size=4)
  assert found.num_examples == count
  assert found.header.is_dense == (num_labels <= 200)
  batch = columns(path)
  order = np.argsort(-logits, axis=1, kind='stable')
  logs = special.log_softmax(logits.astype(np.float64), axis=1)
  np.testing.assert_array_equal(batch.labels, truth)
  np.testing.assert_array_equal(batch.answers, order[:, 0])
  np.testing.assert_allclose(batch.losses, -logs[np.arange(count), truth], atol=2e-6)
  np.testing.assert_allclose(batch.confidences, np.exp(logs.max(axis=1)), rtol=2e-5)
  indices, highest = batch.top(3)
  np.testing.assert_array_equal(indices, order[:, :3])
  np.testing.assert_array_equal(highest, np.take_along_axis(logits, order[:, :3], axis=1))


def test_texts_and_places_come_back_and_other_tools_read_them(tmp_path):
  path = tmp_path / 'predictions.parquet'
  origins = clip_answers.Origins(
    ids=[ODD, 'b'], speakers=['', '李'], files=[f'{ODD}.wav', 'https://a/b.wav'],
    start_us=[0, 1_234_567], end_us=[10, 9_000_000_001], fields=['{"take":"1"}', '{}'],
    augmentations=['', 'gain:gain_db=3'],
  )  # fmt: skip
  answers = clip_answers.Answers(
    origins, np.array([1, 0]), np.array([[0.5, 1], [3, -1]], np.float32)
  )
  with parquet_writer.writing(str(path), prediction_files.header_of(['no', ODD])) as writer:
    writer.add(answers, fold=3)
  found = prediction_files.answers_of(columns(path))
  assert found.origins == origins
  np.testing.assert_array_equal(found.logits, answers.logits)
  assert parquet_reader.Reader(str(path)).header.labels == ('no', ODD)
  frame = parquet.read_table(path).to_pydict()
  assert frame['label'] == ['a\\udcff/€"<script>', 'no']
  assert frame['predicted'] == ['a\\udcff/€"<script>', 'no']
  assert frame['start_s'] == [0, 1.234567]
  assert frame['fold'] == [3, 3]


def test_equal_predictions_are_equal_bytes_however_they_come(tmp_path):
  logits = np.random.default_rng(0).normal(size=(500, 3))
  for name in ('one', 'two'):
    prediction_files.write(tmp_path / name, 'abc', [0] * 500, logits)
  assert (tmp_path / 'one').read_bytes() == (tmp_path / 'two').read_bytes()


def test_many_clips_are_written_in_groups_and_read_in_batches(tmp_path, monkeypatch):
  monkeypatch.setattr(parquet_writer, '_GROUP_BYTES', 1 << 14)
  monkeypatch.setattr(parquet_reader, '_BATCH_ROWS', 300)
  logits = np.random.default_rng(0).normal(size=(1_000, 3))
  found = prediction_files.write(tmp_path / 'p', 'abc', [0] * 1_000, logits, batch_size=64)
  batches = list(found.batches([header.ID]))
  assert len(batches) > 3
  assert [one for batch in batches for one in batch.ids] == [f'clip {i}' for i in range(1_000)]


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_refused(tmp_path, bad):
  with pytest.raises(errors.ConfigError, match='logits that are not numbers'):
    prediction_files.write(tmp_path / 'p', 'ab', [0], [[bad, 0]])


def newer(path):
  with parquet_writer.writing(str(path), prediction_files.header_of('ab', predictions_version=9)):
    pass


def first(path):
  """A file of the first version, whose header had no unknown_labels."""
  said = {**prediction_files.header_of('ab').to_json(), 'predictions_version': 1}
  del said['unknown_labels']
  schema = pa.schema([('id', pa.string())], {parquet_writer.METADATA_KEY: json.dumps(said)})
  parquet.write_table(schema.empty_table(), str(path))


@pytest.mark.parametrize(
  ('make', 'said'),
  [
    (lambda path: None, 'There are no predictions'),
    (lambda path: path.write_bytes(b'PAR1 and no more'), 'holds no predictions that can be read'),
    (lambda path: path.mkdir(), 'holds no predictions that can be read'),
    (
      lambda path: parquet.write_table(pa.table({'id': ['a']}), str(path)),
      'holds no predictions that can be read',
    ),
    (
      newer,
      'is of version 9 of predictions',
    ),
    (first, 'is of version 1 of predictions, and this program reads 2. Write it again'),
  ],
  ids=['missing', 'damaged', 'folder', 'other', 'newer', 'first'],
)
def test_what_is_no_file_of_predictions_is_said(tmp_path, make, said):
  make(tmp_path / 'p')
  with pytest.raises(errors.ConfigError, match=said):
    parquet_reader.Reader(str(tmp_path / 'p'))


def test_a_file_is_not_kept_in_memory(tmp_path):
  rng = np.random.default_rng(0)
  prediction_files.write(
    tmp_path / 'p', [str(i) for i in range(50)], np.zeros(20_000), rng.normal(size=(20_000, 50))
  )
  before = pa.total_allocated_bytes()
  predictions = parquet_reader.Reader(str(tmp_path / 'p'))
  for batch in predictions.batches():
    assert len(batch)
  del batch
  assert pa.total_allocated_bytes() - before < os.path.getsize(tmp_path / 'p') / 2
