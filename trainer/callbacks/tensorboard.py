"""Writes curves and the graph for TensorBoard."""

from __future__ import annotations

import os

import tensorflow as tf

from schemas import splits
from trainer import scores, steps
from trainer.callbacks import callback


class TensorBoard(callback.Callback):
  """Scalars of the train and validation splits over training steps, and the step's graph.

  The two splits are two runs of the same tags, so that TensorBoard draws them into one picture.
  """

  def __init__(self, logs_dir: str, compiled: steps.Steps) -> None:
    self._logs_dir = logs_dir
    self._compiled = compiled
    self._writers: dict[str, tf.summary.SummaryWriter] = {}

  def on_steps(self, done: callback.StepsDone) -> None:
    """Writes the loss of the steps, and the graph after the first ones."""
    is_first = splits.TRAIN not in self._writers
    with self._writer(splits.TRAIN).as_default(step=done.step):
      tf.summary.scalar('step_loss', sum(done.losses) / len(done.losses))
      if is_first:
        tf.summary.graph(self._compiled.graph)

  def on_epoch(self, result: scores.EpochResult) -> str:
    """Writes the scores of both splits."""
    with self._writer(splits.TRAIN).as_default(step=result.step):
      _write_scores(result.train)
      tf.summary.scalar('epoch', result.epoch)
      tf.summary.scalar('learning_rate', result.learning_rate)
      tf.summary.scalar('examples_per_s', result.examples_per_s)
    if result.validation is not None:
      with self._writer(splits.VALIDATION).as_default(step=result.step):
        _write_scores(result.validation)
    for writer in self._writers.values():
      writer.flush()
    return ''

  def on_end(self) -> None:
    """Closes the files."""
    for writer in self._writers.values():
      writer.close()

  def _writer(self, split: str) -> tf.summary.SummaryWriter:
    """Returns the split's writer. A split that there is none of gets no empty run."""
    if split not in self._writers:
      self._writers[split] = tf.summary.create_file_writer(os.path.join(self._logs_dir, split))
    return self._writers[split]


def _write_scores(found: scores.Scores) -> None:
  tf.summary.scalar('loss', found.loss)
  tf.summary.scalar('accuracy', found.accuracy)
