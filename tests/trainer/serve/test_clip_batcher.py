"""What comes together is one batch, within limits, and everybody gets the own answer."""

import asyncio
import threading
from concurrent import futures

import numpy as np
import pytest

from tests.helpers import toy_server
from trainer.serve import clip_batcher


def clip(value):
  return np.full(4, value, np.float32)


def said(answers):
  return answers.probabilities[:, 2].tolist()


def batched(toy, ask, **settings):
  """Runs a batcher of a toy while `ask` asks it, and returns what that returns."""

  async def run():
    with futures.ThreadPoolExecutor(1) as thread:
      settings_ = {'max_batch': 4, 'max_wait_s': 0.0, **settings}
      batcher = clip_batcher.ClipBatcher(toy.of_clips, thread, **settings_)
      task = asyncio.create_task(batcher.run())
      try:
        return await asyncio.wait_for(ask(batcher), 300)
      finally:
        task.cancel()

  return asyncio.run(run())


def test_everybody_gets_the_own_answer_in_batches_that_are_not_too_large():
  toy = toy_server.Toy()

  async def ask(batcher):
    asked = [batcher.answers([clip(i / 32)] * (1 + i % 3)) for i in range(32)]
    return await asyncio.gather(*asked)

  found = batched(toy, ask)
  assert [said(answers) for answers in found] == [[i / 32] * (1 + i % 3) for i in range(32)]
  assert sum(toy.batches) == 63 and max(toy.batches) == 4 and len(toy.batches) < 32


def test_what_comes_while_the_model_computes_is_the_next_batch():
  toy = toy_server.Toy()
  toy.gate.clear()

  async def ask(batcher):
    first = asyncio.create_task(batcher.answers([clip(0.5)]))
    while not toy.batches:
      await asyncio.sleep(0.001)
    others = [asyncio.create_task(batcher.answers([clip(0.25)])) for _ in range(3)]
    await asyncio.sleep(0.01)
    toy.gate.set()
    await asyncio.gather(first, *others)

  batched(toy, ask)
  assert toy.batches == [1, 3]


@pytest.mark.parametrize(('coming', 'sizes'), [(True, [2]), (False, [1, 1])])
def test_an_idle_model_waits_only_while_there_is_more_to_come(coming, sizes):
  toy = toy_server.Toy()

  async def ask(batcher):
    first = asyncio.create_task(batcher.answers([clip(0.5)]))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(batcher.answers([clip(0.5)]))
    await asyncio.gather(first, second)

  # A test is as long as the wait, unless the batch is full.
  settings = {'max_batch': 2, 'max_wait_s': 20.0, 'is_more_to_come': lambda: coming}
  batched(toy, ask, **settings)
  assert toy.batches == sizes


def test_long_clips_are_not_padded_to_without_limit(monkeypatch):
  monkeypatch.setattr(clip_batcher, '_MOST_VALUES', 100)
  toy = toy_server.Toy()
  lengths = [10, 10, 90, 10, 200]

  async def ask(batcher):
    await asyncio.gather(*(batcher.answers([np.ones(n, np.float32)]) for n in lengths))

  batched(toy, ask, max_batch=8)
  assert toy.batches == [2, 1, 1, 1]


def test_what_the_model_fails_at_costs_nobody_else_an_answer():
  toy = toy_server.Toy()

  async def ask(batcher):
    values = (0.5, -0.5, 0.25)
    asked = [batcher.answers([clip(value)]) for value in values]
    first = await asyncio.gather(*asked, return_exceptions=True)
    return first, await batcher.answers([clip(1)])

  (one, failed, other), later = batched(toy, ask)
  assert isinstance(failed, RuntimeError)
  assert (said(one), said(other), said(later)) == ([0.5], [0.25], [1])


def test_who_stops_waiting_holds_up_nobody():
  toy = toy_server.Toy()
  toy.gate.clear()

  async def ask(batcher):
    gone = asyncio.create_task(batcher.answers([clip(0.5)]))
    while not toy.batches:
      await asyncio.sleep(0.001)
    gone.cancel()
    threading.Timer(0.01, toy.gate.set).start()
    return await batcher.answers([clip(0.25)])

  assert said(batched(toy, ask)) == [0.25]
