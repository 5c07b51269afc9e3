"""Who is asked: a Keras model, or a baseline of scikit-learn. Evaluation and prediction meet both.

A baseline is asked without TensorFlow.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from features import stored_form
from schemas import manifest, record
from tfrecords.pipeline import batch_request
from trainer.baselines import classifier, pooled_split
from trainer.baselines import pooling as pooling_lib
from trainer.data import named_data
from trainer.devices import allocator, quiet
from trainer.judging import batch_memory
from trainer.lazy import keras, tf
from trainer.predictions import clip_answers
from trainer.runs import saved_run


class Answering(Protocol):
  """A trained model, before which records and arrays can be put."""

  def check_memory(
    self, dataset: manifest.DatasetManifest, *, batch_size: int, num_examples: int
  ) -> None:
    """Raises ConfigError if batches of so many examples cannot fit."""

  def of_records(self, asked: batch_request.BatchRequest) -> Iterator[clip_answers.Answers]:
    """Yields the logits of the records that are asked for, with which records they are."""

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

  @functools.cached_property
  def _compiled(self) -> Callable[[Any], Any]:
    """The model as a graph, which all splits share. One file alone does without."""
    call = functools.partial(self._model, training=False)
    graph: Callable[[Any], Any] = tf.function(call, reduce_retracing=True)
    return graph

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

  def of_records(self, asked: batch_request.BatchRequest) -> Iterator[clip_answers.Answers]:
    """As Answering says."""
    from trainer.data import failures, input_pipeline

    with failures.readable(data_dir=asked.data_dir, batch_size=asked.batch_size):
      for batch in named_data.read_batches(asked):
        inputs = input_pipeline.model_input(batch, self._run.feature.name)
        logits = np.asarray(self._compiled(inputs))
        yield clip_answers.Answers(_origins(batch), batch[record.LABEL].numpy(), logits)

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

  def of_records(self, asked: batch_request.BatchRequest) -> Iterator[clip_answers.Answers]:
    """As Answering says."""
    for batch in pooled_split.read_batches(asked, self._pooling):
      logits = self._fitted.logits(batch.vectors)
      yield clip_answers.Answers(batch.origins, batch.labels, logits)

  def of_arrays(self, arrays: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """As Answering says."""
    vectors = [self._pooling.pooled(array, self._feature) for array in arrays]
    return self._fitted.logits(np.stack(vectors))


def _origins(batch: Mapping[str, Any]) -> clip_answers.Origins:
  """Returns which clips a batch of tensors is of."""
  nothing = {
    record.FILE: b'',
    record.START_US: 0,
    record.END_US: 0,
    record.FIELDS: b'{}',
  }

  def column(name: str) -> list[Any]:
    if name not in batch:  # Of a data set of version 2.
      return [_plain(nothing[name])] * len(batch[record.ID])
    return [_plain(value) for value in batch[name].numpy().tolist()]

  names = (record.ID, record.SPEAKER, record.FILE, record.START_US, record.END_US, record.FIELDS)
  return clip_answers.Origins(*map(column, (*names, record.AUGMENTATION)))


def _plain(value: Any) -> Any:
  return value.decode('utf-8', 'surrogateescape') if isinstance(value, bytes) else value
