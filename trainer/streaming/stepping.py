"""Asks a step model: samples of any number in, scores of windows out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.lazy import tf
from trainer.streaming import step_model


class Stepping:
  """Hears one recording, from its start on, by a step model of any number of frames.

  The first score is of the first window; each further one of the window `hop_frames` later. They
  are those windows whose frames a clip that begins there would have.
  """

  def __init__(self, step: step_model.StepModel, *, hop_frames: int) -> None:
    self._step = step
    self._hop_frames = hop_frames
    shapes = step.state_shapes
    self._states = [tf.zeros(shape) for shape in shapes]
    spec = [tf.TensorSpec([1, None], tf.float32), *(tf.TensorSpec(shape) for shape in shapes)]
    ask = tf.function(lambda *given: step.model(list(given)), input_signature=spec, autograph=False)
    # Without what a tf.function looks up each time.
    self._ask = ask.get_concrete_function()
    self._primed = not step.framing.primed_samples
    self._next_frames = step.window_frames
    self._held = np.zeros(0, np.float32)
    self._num_taken = 0

  def hear(self, samples: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Takes the next samples, and yields scores as they come.

    Yields:
      (how many samples of the recording were taken for it; logits, float32 [labels])
    """
    form = self._step.framing
    self._held = np.concatenate([self._held, samples])
    if not self._primed and len(self._held) >= form.primed_samples:
      self._states[0] = tf.constant(self._taken(form.primed_samples)[None])
      self._primed = True
    while self._primed and len(self._held) >= self._next_frames * form.hop_samples:
      logits = self._heard(self._taken(self._next_frames * form.hop_samples))
      self._next_frames = self._hop_frames
      yield self._num_taken, logits

  def _taken(self, num_samples: int) -> NDArray[np.float32]:
    taken, self._held = self._held[:num_samples], self._held[num_samples:]
    self._num_taken += num_samples
    return taken

  def _heard(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    found: list[Any] = self._ask(tf.constant(samples[None]), *self._states)
    logits, *self._states = found
    result: NDArray[np.float32] = logits.numpy()[0]
    return result
