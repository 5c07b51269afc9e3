"""The pools of NumPy and SciPy have one thread while a shard is made, and are looked for once."""

import sys
import types

import threadpoolctl

from beam_jobs.processes import thread_pools


def num_threads():
  return [pool['num_threads'] for pool in threadpoolctl.threadpool_info()
          if pool['user_api'] == 'blas']  # fmt: skip


def test_they_have_one_thread_in_the_body_and_as_many_as_before_behind_it():
  with threadpoolctl.threadpool_limits(2, user_api='blas'):
    before = num_threads()
    with thread_pools.one('blas'):
      assert set(num_threads()) == {1}
    assert num_threads() == before != []


def test_they_are_looked_for_again_only_where_a_module_was_loaded(monkeypatch):
  looked = []

  class Controller(threadpoolctl.ThreadpoolController):
    def __init__(self):
      looked.append(1)
      super().__init__()

  monkeypatch.setattr(threadpoolctl, 'ThreadpoolController', Controller)
  monkeypatch.setattr(thread_pools, '_found', None)
  for _ in range(3):
    with thread_pools.one():
      pass
  assert len(looked) == 1
  monkeypatch.setitem(sys.modules, 'loaded_since', types.ModuleType('loaded_since'))
  with thread_pools.one():
    pass
  assert len(looked) == 2
