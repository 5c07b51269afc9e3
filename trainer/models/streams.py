"""A model built so that it hears frame by frame: what it remembers goes in and comes out.

While `building` is open, the functions of `clip_rows` make the streaming form of what they make
else. What a layer needs of earlier rows becomes a state: an input of the model, and an output that
is to be fed back. What needs rows that are still to come has none and is refused.

A mean (a deviation, a maximum) over a clip is that over the last rows, as many as a window has.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Any

from schemas import errors
from trainer.lazy import keras


class LooksAheadError(errors.VoxshardError):
  """A model cannot hear frame by frame; the text is the reason, such as `goes from both ends`."""


class LooksEverywhereError(LooksAheadError):
  """Nor would it gain by a ring of frames: each frame of a clip changes what all others say."""


class Stream:
  """The states of a model that is being built, for one recording: batches of one.

  Attributes:
    window_rows: Over how many of the last rows a mean goes.
    passes_windows: Whether windows over frames to come are let pass, as they are where only what
      looks at all of a clip is looked for.
    before: Of each state the input, float32 [1, ...].
    behind: Of each the output.
  """

  def __init__(self, window_rows: int, *, passes_windows: bool = False) -> None:
    self.window_rows = window_rows
    self.passes_windows = passes_windows
    self.before: list[Any] = []
    self.behind: list[Any] = []

  def new_state(self, shape: Sequence[int]) -> Any:
    """Returns the input of a further state, float32 [1, *shape]; all begin with zeros."""
    self.before.append(keras.Input(batch_shape=(1, *shape), name=f'state_{len(self.before)}'))
    return self.before[-1]

  def joined(self, values: Any, num_rows: int) -> Any:
    """Returns values behind the last `num_rows` rows of what came before them."""
    if not num_rows:
      return values
    past = self.new_state((num_rows, *values.shape[2:]))
    found = keras.ops.concatenate([past, values], axis=1)
    self.behind.append(found[:, -num_rows:])
    return found

  def recurrent(self, values: Any, layer: Any) -> Any:
    """Returns what a recurrent layer makes of each row, going on from where it was."""
    if isinstance(layer, keras.layers.Bidirectional):
      raise LooksEverywhereError('goes through a clip from both ends')
    size = layer.cell.state_size
    states = [self.new_state((units,)) for units in (size if isinstance(size, list) else [size])]
    layer.return_state = True
    # Without a loop where the rows are counted: LiteRT has operations for all of it then.
    layer.unroll = values.shape[1] is not None
    found, *left = layer(values, initial_state=states)
    self.behind += left
    return found

  def last_rows(self, values: Any) -> tuple[Any, Any]:
    """Returns the rows of a window that have come, the newest first, and how many: int32 [1]."""
    shape = values.shape[2:]
    ring = self.new_state((self.window_rows, *shape))
    count = self.new_state((1,))
    newest_first = keras.ops.flip(keras.ops.cast(values, 'float32'), axis=1)
    found = keras.ops.concatenate([newest_first, ring], axis=1)[:, : self.window_rows]
    ones = keras.ops.ones_like(values[(slice(None), slice(None), *[0] * len(shape))])
    new = keras.ops.sum(ones, axis=1, keepdims=True)
    total = keras.ops.minimum(count + keras.ops.cast(new, 'float32'), float(self.window_rows))
    self.behind += [found, total]
    return found, keras.ops.cast(total[:, 0], 'int32')


_OPEN: contextvars.ContextVar[Stream | None] = contextvars.ContextVar('stream', default=None)


def current() -> Stream | None:
  """Returns the stream that is being built; None for models of whole clips."""
  return _OPEN.get()


@contextlib.contextmanager
def building(stream: Stream) -> Iterator[None]:
  """Lets clip_rows build for a stream inside of the block."""
  token = _OPEN.set(stream)
  try:
    yield
  finally:
    _OPEN.reset(token)


def refuse(reason: str, *, everywhere: bool = False) -> None:
  """Raises LooksAheadError where a stream is being built.

  Args:
    reason: What the model does, such as `weighs all frames of a clip against each other`.
    everywhere: Whether each frame changes what all others say.
  """
  if _OPEN.get() is not None:
    raise (LooksEverywhereError if everywhere else LooksAheadError)(reason)
