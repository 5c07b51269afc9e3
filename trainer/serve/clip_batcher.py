"""Dynamic batching: requests that come together are one batch of the model."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import exported

# A batch is padded to its longest clip. More values than these, 64 MiB, are in none but one of a
# single request: one long clip would make each short one beside it as dear.
_MOST_VALUES = 1 << 24


@dataclasses.dataclass(eq=False)
class _Asked:
  """What a request asks of the model at once, and where the answer goes."""

  inputs: Sequence[NDArray[Any]]
  answers: asyncio.Future[exported.Answers]

  @property
  def longest(self) -> int:
    return max(one.size for one in self.inputs)


class ClipBatcher:
  """Asks a model, in a thread of its own, one batch after another.

  While the model computes, what comes waits and is the next batch. An idle model waits for up to
  `max_wait_s` for more, but only as long as there is more to come: a client that is alone waits for
  nobody.
  """

  def __init__(
    self,
    ask: Callable[[Sequence[NDArray[Any]]], exported.Answers],
    model_thread: futures.Executor,
    *,
    max_batch: int,
    max_wait_s: float,
    is_more_to_come: Callable[[], bool] = lambda: True,
    on_batch: Callable[[int, float], None] = lambda clips, seconds: None,
  ) -> None:
    """Takes what is needed; `run` does the work.

    Args:
      ask: The model; called in `model_thread` only.
      model_thread: Has one thread.
      max_batch: The most clips of a batch; no request may ask for more at once.
      max_wait_s: See the class.
      is_more_to_come: Whether there are requests on their way.
      on_batch: Called with the size of each batch, and the seconds that the model took.
    """
    self._ask = ask
    self._model_thread = model_thread
    self._max_batch = max_batch
    self._max_wait_s = max_wait_s
    self._is_more_to_come = is_more_to_come
    self._on_batch = on_batch
    self._waiting: collections.deque[_Asked] = collections.deque()
    self._came = asyncio.Event()

  @property
  def num_waiting(self) -> int:
    """How many clips wait for the model."""
    return sum(len(asked.inputs) for asked in self._waiting)

  async def answers(self, inputs: Sequence[NDArray[Any]]) -> exported.Answers:
    """Returns what the model says of these, at most `max_batch`; raises what it raises."""
    assert 0 < len(inputs) <= self._max_batch
    asked = _Asked(inputs, asyncio.get_running_loop().create_future())
    self._waiting.append(asked)
    self._came.set()
    return await asked.answers

  async def run(self) -> None:
    """Asks the model for as long as this is not cancelled."""
    while True:
      await self._wait()
      batch = self._taken()
      error = await self._try(batch)
      if error and len(batch) > 1:
        # Each alone: what the model fails at is not to cost others their answers.
        for asked in batch:
          _set(asked.answers, await self._try([asked]))
      elif error:
        _set(batch[0].answers, error)

  async def _try(self, batch: Sequence[_Asked]) -> Exception | None:
    """Answers a batch; returns why the model failed at it, if it did."""
    inputs = [one for asked in batch for one in asked.inputs]
    began_s = time.monotonic()
    loop = asyncio.get_running_loop()
    try:
      found = await loop.run_in_executor(self._model_thread, self._ask, inputs)
    except Exception as error:  # A model fails with whatever TensorFlow raises.
      return error
    self._on_batch(len(inputs), time.monotonic() - began_s)
    start = 0
    for asked in batch:
      _set(asked.answers, _part(found, start, start + len(asked.inputs)))
      start += len(asked.inputs)
    return None

  async def _wait(self) -> None:
    """Returns when there is a batch."""
    loop = asyncio.get_running_loop()
    await self._came.wait()
    end_s = loop.time() + self._max_wait_s
    while self.num_waiting < self._max_batch and loop.time() < end_s and self._is_more_to_come():
      self._came.clear()
      with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(end_s):
          await self._came.wait()
    self._came.set()

  def _taken(self) -> list[_Asked]:
    """Removes from what waits the next batch, in the order in which it came."""
    batch = [self._waiting.popleft()]
    count, longest = len(batch[0].inputs), batch[0].longest
    while self._waiting:
      asked = self._waiting[0]
      count += len(asked.inputs)
      longest = max(longest, asked.longest)
      if count > self._max_batch or count * longest > _MOST_VALUES:
        break
      batch.append(self._waiting.popleft())
    if not self._waiting:
      self._came.clear()
    return batch


def _set(
  future: asyncio.Future[exported.Answers], value: exported.Answers | Exception | None
) -> None:
  if value is None or future.done():  # Answered, or whoever asked was cancelled.
    return
  if isinstance(value, Exception):
    future.set_exception(value)
  else:
    future.set_result(value)


def _part(answers: exported.Answers, start: int, stop: int) -> exported.Answers:
  # Copies: a view would keep the whole batch for as long as the slowest client.
  return exported.Answers(
    probabilities=np.array(answers.probabilities[start:stop]),
    logits=np.array(answers.logits[start:stop]),
    is_none=np.array(answers.is_none[start:stop]),
  )
