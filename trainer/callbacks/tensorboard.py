"""Writes curves and the graph for TensorBoard."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import tensorflow as tf

from schemas import errors, splits
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
    with self._writing(splits.TRAIN, step=done.step):
      tf.summary.scalar('step_loss', sum(done.losses) / len(done.losses))
      if is_first:
        tf.summary.graph(self._compiled.graph)

  def on_epoch(self, result: scores.EpochResult) -> str:
    """Writes the scores of both splits."""
    with self._writing(splits.TRAIN, step=result.step) as writer:
      _write_scores(result.train)
      tf.summary.scalar('epoch', result.epoch)
      tf.summary.scalar('learning_rate', result.learning_rate)
      tf.summary.scalar('examples_per_s', result.examples_per_s)
      writer.flush()
    if result.validation is not None:
      with self._writing(splits.VALIDATION, step=result.step) as writer:
        _write_scores(result.validation)
        writer.flush()
    return ''

  def on_end(self) -> None:
    """Closes the files."""
    for writer in self._writers.values():
      with self._explained():
        writer.close()

  @contextlib.contextmanager
  def _writing(self, split: str, *, step: int) -> Iterator[tf.summary.SummaryWriter]:
    """Lets tf.summary write of a split. One that there is none of gets no empty run."""
    with self._explained():
      if split not in self._writers:
        self._writers[split] = tf.summary.create_file_writer(os.path.join(self._logs_dir, split))
      with self._writers[split].as_default(step=step):
        yield self._writers[split]

  @contextlib.contextmanager
  def _explained(self) -> Iterator[None]:
    try:
      yield
    except tf.errors.OpError as error:
      # Such as `{{function_node ...}} PATH; No space left on device` and what could not be flushed.
      reason = str(error.message).partition('\n')[0].rpartition(';')[2].strip()
      raise errors.ConfigError(
        f'Could not write the TensorBoard logs in {self._logs_dir!r}: {reason}. Make room there or '
        'give this user the right to write, or name another folder with --run_dir.'
      ) from error


def _write_scores(found: scores.Scores) -> None:
  tf.summary.scalar('loss', found.loss)
  tf.summary.scalar('accuracy', found.accuracy)
