"""Who is asked: a Keras model, or a baseline of scikit-learn. Evaluation and prediction meet both.

A baseline is asked without TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from features import stored_form
from schemas import manifest, record
from tfrecords.pipeline import batch_request
from trainer.baselines import classifier, pooled_split
from trainer.baselines import pooling as pooling_lib
from trainer.data import named_data
from trainer.devices import allocator, quiet
from trainer.judging import batch_memory, judged
from trainer.lazy import keras, tf
from trainer.runs import saved_run


class Answers(NamedTuple):
  """Logits of some records.

  Attributes:
    ids: bytes or text, one each.
    logits: float32 [records, labels].
  """

  ids: Sequence[str]
  logits: NDArray[np.float32]


class JudgedBatch(NamedTuple):
  """What comes of some records with labels."""

  found: judged.Judged
  ids: Sequence[str]
  speakers: Sequence[str]


class Answering(Protocol):
  """A trained model, before which records and arrays can be put."""

  def check_memory(
    self, dataset: manifest.DatasetManifest, *, batch_size: int, num_examples: int
  ) -> None:
    """Raises ConfigError if batches of so many examples cannot fit."""

  def judge(self, asked: batch_request.BatchRequest) -> Iterator[JudgedBatch]:
    """Yields what comes of the records that are asked for."""

  def of_records(self, asked: batch_request.BatchRequest) -> Iterator[Answers]:
    """Yields the logits of the records that are asked for."""

  def of_arrays(self, arrays: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Returns the logits of features in their stored form, float32 [arrays, labels]."""


def load(run: saved_run.SavedRun, checkpoint: str) -> Answering:
  """Returns the trained model of a run; a baseline has one, by whichever name.

  Raises:
    ConfigError: if there is none, or it is damaged.
  """
  if run.pooling is not None:
    return Baseline(run.load_baseline(checkpoint), run.feature, run.pooling)
  return Network(run, run.load_model(checkpoint))


def prepare(run: saved_run.SavedRun, *, debug: bool) -> None:
  """Makes the process ready for the model of a run: imports TensorFlow where that is needed."""
  if run.pooling is None:
    allocator.keep_freed_memory()
    quiet.import_tensorflow(debug=debug)


class Network:
  """A Keras model."""

  def __init__(self, run: saved_run.SavedRun, model: keras.Model) -> None:
    self._run = run
    self._model = model

  def check_memory(
    self, dataset: manifest.DatasetManifest, *, batch_size: int, num_examples: int
  ) -> None:
    """As Answering says."""
    batch_memory.check(
      self._model,
      self._run.feature,
      dataset,
      model_text=self._run.model_text,
      batch_size=batch_size,
      num_examples=num_examples,
    )

  def judge(self, asked: batch_request.BatchRequest) -> Iterator[JudgedBatch]:
    """As Answering says."""
    # Imported here: TensorFlow takes seconds, and a wrong flag is to be told at once.
    from trainer.data import failures
    from trainer.judging import judge

    judging = judge.Judge(
      self._model, tf.distribute.get_strategy(), feature_name=self._run.feature.name
    )
    with failures.readable(data_dir=asked.data_dir, batch_size=asked.batch_size):
      for batch in named_data.read_batches(asked):
        ids, speakers = (
          [name.decode() for name in batch[key].numpy()] for key in (record.ID, record.SPEAKER)
        )
        yield JudgedBatch(judging.judge_each(batch), ids, speakers)

  def of_records(self, asked: batch_request.BatchRequest) -> Iterator[Answers]:
    """As Answering says."""
    from trainer.data import failures, input_pipeline

    with failures.readable(data_dir=asked.data_dir, batch_size=asked.batch_size):
      for batch in named_data.read_batches(asked):
        ids = [name.decode('utf-8', 'surrogateescape') for name in batch[record.ID].numpy()]
        yield Answers(ids, self._logits(input_pipeline.model_input(batch, self._run.feature.name)))

  def of_arrays(self, arrays: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """As Answering says."""
    if not self._run.feature.is_variable:
      return self._logits(stored_form.from_stored(np.stack(arrays)))
    num_rows = np.array([len(array) for array in arrays], np.int32)
    padded = np.zeros((len(arrays), num_rows.max(), *arrays[0].shape[1:]), np.float32)
    for i, array in enumerate(arrays):
      padded[i, : len(array)] = stored_form.from_stored(array)
    return self._logits([padded, num_rows])

  def _logits(self, inputs: Any) -> NDArray[np.float32]:
    return np.asarray(self._model(inputs, training=False), np.float32)


class Baseline:
  """A classifier of scikit-learn, and how clips are pooled for it."""

  def __init__(
    self,
    fitted: classifier.Classifier,
    feature: record.FeatureSpec,
    pooling: pooling_lib.Pooling,
  ) -> None:
    self._fitted = fitted
    self._feature = feature
    self._pooling = pooling

  def check_memory(
    self, dataset: manifest.DatasetManifest, *, batch_size: int, num_examples: int
  ) -> None:
    """As Answering says."""
    del dataset
    pooled_split.check_batch(
      self._pooling, self._feature, batch_size=batch_size, num_clips=num_examples
    )

  def judge(self, asked: batch_request.BatchRequest) -> Iterator[JudgedBatch]:
    """As Answering says."""
    for batch in pooled_split.read_batches(asked, self._pooling):
      found = judged.of_logits(batch.labels, self._fitted.logits(batch.vectors))
      yield JudgedBatch(found, batch.ids, batch.speakers)

  def of_records(self, asked: batch_request.BatchRequest) -> Iterator[Answers]:
    """As Answering says."""
    for batch in pooled_split.read_batches(asked, self._pooling):
      yield Answers(batch.ids, self._fitted.logits(batch.vectors))

  def of_arrays(self, arrays: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """As Answering says."""
    vectors = [self._pooling.pooled(array, self._feature) for array in arrays]
    return self._fitted.logits(np.stack(vectors))
