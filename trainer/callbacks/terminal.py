"""Tells on the terminal how the run goes."""

from __future__ import annotations

import sys
from typing import TextIO

from pages import words
from trainer.callbacks import best, callback
from trainer.measures import scores

# Seconds between the lines of an epoch that takes long, where there is no terminal.
LINE_EVERY_S = 30.0


class Progress(callback.Callback):
  """A line per epoch, and how far the epoch is: on a terminal in a line that moves."""

  def __init__(
    self,
    best_so_far: best.Best,
    *,
    epochs: int,
    steps_per_epoch: int,
    stream: TextIO | None = None,
  ) -> None:
    self._best = best_so_far
    self._epochs = epochs
    self._steps_per_epoch = steps_per_epoch
    self._stream = stream or sys.stdout
    self._is_terminal = self._stream.isatty()
    self._next_line_s = LINE_EVERY_S

  def on_steps(self, done: callback.StepsDone) -> None:
    """Says how far the epoch is: always on a terminal, elsewhere now and then."""
    text = (
      f'{self._epoch(done.epoch)}  step {done.step_in_epoch}/{self._steps_per_epoch}  '
      f'loss {_loss(done)}  {done.examples_per_s:,.0f} examples/s  '
      f'{self._left(done)} left in the epoch  waits for input {words.percent(done.wait_share)}'
    )
    if self._is_terminal:
      self._rewrite(text)
    elif done.epoch_s >= self._next_line_s:
      print(text, file=self._stream, flush=True)
      self._next_line_s = done.epoch_s + LINE_EVERY_S

  def on_epoch(self, result: scores.EpochResult) -> str:
    """Writes the epoch's line, which stays."""
    self._next_line_s = LINE_EVERY_S
    parts = [self._epoch(result.epoch), f'train {_shown(result.train)}']
    if result.validation is not None:
      parts.append(f'validation {_shown(result.validation)}')
    if result.skipped_steps:
      parts.append(f'{result.skipped_steps} step{"s" if result.skipped_steps > 1 else ""} skipped')
    parts.append(f'{result.examples_per_s:,.0f} examples/s')
    parts.append(f'waits {words.percent(result.wait_share)}')
    if result.validation is not None and self._best.epoch == result.epoch:
      parts.append('best')
    if self._is_terminal:
      self._rewrite('')
    print('  '.join(parts), file=self._stream, flush=True)
    return ''

  def on_end(self) -> None:
    """Takes the moving line away: an error is about to be printed, or the results."""
    if self._is_terminal:
      self._rewrite('')

  def _left(self, done: callback.StepsDone) -> str:
    seconds = done.epoch_s * (self._steps_per_epoch / done.step_in_epoch - 1)
    return f'{seconds:.0f} s' if seconds < 120 else f'{seconds / 60:.0f} min'

  def _epoch(self, epoch: int) -> str:
    return f'epoch {epoch:>{len(str(self._epochs))}}/{self._epochs}'

  def _rewrite(self, text: str) -> None:
    # Carriage return, then `erase to the end of the line`.
    print(f'\r\x1b[K{text}', end='', file=self._stream, flush=True)


def _loss(done: callback.StepsDone) -> str:
  return f'{done.losses[-1]:.4f}' if done.losses else 'skipped'


def _shown(found: scores.Scores) -> str:
  return f'loss {found.loss:.4f} accuracy {words.share(found.accuracy):>7}'
