"""Writes curves and the graph for TensorBoard."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorboard.plugins.hparams import api as hparams

from schemas import errors, splits
from trainer.callbacks import callback
from trainer.judging.report import picture
from trainer.measures import counting, scores

# Up to so many labels stand by their names at the picture of the confusion, more by their numbers.
_MAX_NAMES = 40
# What share of the time drawing may take.
_DRAWING_SHARE = 0.05


class TensorBoard(callback.Callback):
  """Scalars of the train and validation splits over training steps, and the step's graph.

  The two splits are two runs of the same tags, so that TensorBoard draws them into one picture.
  """

  def __init__(
    self,
    logs_dir: str,
    *,
    graph: Callable[[], tf.Graph | None],
    confusion: Callable[[], counting.Confusion | None],
    labels: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
    weights: Sequence[keras.Variable] = (),
    profiled: tuple[int, int] | None = None,
    draw_samples: Callable[[], NDArray[np.float32] | None] = lambda: None,
  ) -> None:
    """Takes where to write and what.

    Args:
      logs_dir: Folder of the logs.
      graph: Gives that of the training steps, after the first of them.
      confusion: Gives that of the latest validation, if it was counted.
      labels: Label texts, for the axes of its picture.
      flags: The run's, for TensorBoard's table of hyperparameters.
      weights: Those whose distribution is written after each epoch.
      draw_samples: Gives pictures of some examples, [count, height, width, channels] in [0, 1].
      profiled: First and last step of those that are profiled; rounded up to whole calls.
    """
    self._logs_dir = logs_dir
    self._graph = graph
    self._confusion = confusion
    self._labels = tuple(labels)
    self._undrawn: tuple[scores.EpochResult, counting.Confusion] | None = None
    self._draw_from_s = 0.0
    self._flags = flags
    self._weights = tuple(weights)
    self._profiled = profiled
    self._draw_samples = draw_samples
    self._is_profiling = False
    self._writers: dict[str, tf.summary.SummaryWriter] = {}

  def on_steps(self, done: callback.StepsDone) -> None:
    """Writes the loss of the steps, and the graph after the first ones."""
    is_first = splits.TRAIN not in self._writers
    with self._writing(splits.TRAIN, step=done.step):
      if done.losses:
        tf.summary.scalar('step_loss', sum(done.losses) / len(done.losses))
      tf.summary.scalar('learning_rate', done.learning_rate)
      if done.trunk_learning_rate is not None:
        tf.summary.scalar('trunk_learning_rate', done.trunk_learning_rate)
      tf.summary.scalar('examples_per_s', done.examples_per_s)
      tf.summary.scalar('input_wait_share', done.wait_share)
      if is_first:
        tf.summary.graph(self._graph())
        samples = self._draw_samples()
        if samples is not None:
          tf.summary.image('samples', samples, max_outputs=len(samples))
    if is_first and self._flags is not None:
      self._write_flags(self._flags)
    self._profile(done.step)

  def on_epoch(self, result: scores.EpochResult) -> str:
    """Writes the scores of both splits."""
    with self._writing(splits.TRAIN, step=result.step) as writer:
      _write_scores(result.train)
      tf.summary.scalar('epoch', result.epoch)
      if result.skipped_steps is not None:
        tf.summary.scalar('skipped_steps', result.skipped_steps)
      for weight in self._weights:
        tf.summary.histogram(f'weights/{weight.path}', weight.value)
      writer.flush()
    if result.validation is not None:
      with self._writing(splits.VALIDATION, step=result.step) as writer:
        _write_scores(result.validation)
        writer.flush()
      confusion = self._confusion()
      self._undrawn = None if confusion is None else (result, confusion)
      if time.monotonic() >= self._draw_from_s:
        self._draw_confusion()
    return ''

  def on_end(self) -> None:
    """Draws what is left to draw, and closes the files."""
    self._stop_profiling()
    self._draw_confusion()
    for writer in self._writers.values():
      with self._explained():
        writer.close()

  def _draw_confusion(self) -> None:
    """Writes the picture of the latest validation, if it is not written yet."""
    if self._undrawn is None:
      return
    (result, confusion), self._undrawn = self._undrawn, None
    start_s = time.monotonic()
    png = picture.confusion_png(
      confusion,
      self._labels or [str(i) for i in range(len(confusion))],
      title=f'validation after epoch {result.epoch}',
      max_names=_MAX_NAMES,
    )
    with self._writing(splits.VALIDATION, step=result.step) as writer:
      tf.summary.image('confusion', tf.image.decode_png(png, channels=3)[tf.newaxis])
      writer.flush()
    # Quick epochs would else spend their time with drawing.
    now_s = time.monotonic()
    self._draw_from_s = now_s + (now_s - start_s) / _DRAWING_SHARE

  def _write_flags(self, flags: Mapping[str, Any]) -> None:
    """Writes the flags, and which numbers of the run TensorBoard's table shows beside them."""
    values = {name: v if isinstance(v, bool | int | float | str) else str(v)
              for name, v in flags.items()}  # fmt: skip
    metrics = [
      hparams.Metric(tag, group=split, display_name=f'{split} {tag}')
      for split, tag in (
        (splits.VALIDATION, 'accuracy'), (splits.VALIDATION, 'loss'), (splits.TEST, 'accuracy')
      )
    ]  # fmt: skip
    with self._writing('', step=0) as writer:
      hparams.hparams_config(hparams=[hparams.HParam(name) for name in values], metrics=metrics)
      hparams.hparams(values)
      writer.flush()

  def _profile(self, step: int) -> None:
    """Begins before the first of the steps that are wanted, and ends behind the last."""
    if self._profiled is None:
      return
    first, last = self._profiled
    if not self._is_profiling and first <= step + 1 and step < last:
      with self._explained():
        tf.profiler.experimental.start(self._logs_dir)
      self._is_profiling = True
    elif self._is_profiling and step >= last:
      self._stop_profiling()

  def _stop_profiling(self) -> None:
    if self._is_profiling:
      self._is_profiling, self._profiled = False, None
      with self._explained():
        tf.profiler.experimental.stop()

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


def write_test(logs_dir: str, *, step: int, accuracy: float, loss: float) -> None:
  """Writes the scores of the best epoch on the test split, for the table of hyperparameters."""
  with tf.summary.create_file_writer(os.path.join(logs_dir, splits.TEST)).as_default(step=step):
    tf.summary.scalar('accuracy', accuracy)
    tf.summary.scalar('loss', loss)


def _write_scores(found: scores.Scores) -> None:
  tf.summary.scalar('loss', found.loss)
  tf.summary.scalar('accuracy', found.accuracy)
  for name in ('balanced_accuracy', 'macro_f1'):
    if getattr(found, name) is not None:
      tf.summary.scalar(name, getattr(found, name))
