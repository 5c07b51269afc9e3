"""The load generator of benchmarks.serving counts what a server answered, and times all of it."""

import asyncio
import os
import time

import pytest

from benchmarks import serving
from schemas import errors
from tests.helpers import toy_server


@pytest.fixture(scope='module')
def toy():
  return toy_server.Toy()


def test_every_answer_is_counted_and_timed(toy):
  files = serving.make_files(toy_server.RATE_HZ, 0.1)
  with toy_server.serving(toy) as (address, service, _):
    port = int(address.rpartition(':')[2])
    requests = [serving.request(data) for data in files]
    found = asyncio.run(serving.load(port, requests, num_clients=3, max_s=0.3))
    counted = service.meters.requests.labels('/predict', '200')._value.get()
    with pytest.raises(errors.StorageError, match='answered HTTP/1.1 415'):
      asyncio.run(serving.load(port, [serving.request(b'x')], num_clients=1, max_s=1))
  assert len(found.times_ms) == counted >= 3  # Each client one at least.
  assert found.times_ms == sorted(found.times_ms) and found.clips_per_s <= counted / 0.3
  rows = serving.table({'server': [found], 'bare': [bare(toy, files)]}).splitlines()
  assert [row.split(' | ')[0] for row in rows[2:]] == ['| server', '| bare']


def bare(toy, files):
  found = serving.bare(toy, files, batch=4, decodes=True, max_s=0.05)
  assert found.cpu_ms > 0
  assert found.percentile(0) <= found.percentile(0.5) <= found.percentile(1)
  return found


def test_processor_time_is_that_of_a_process_and_those_below_it():
  before_s, own_s = serving.cpu_s(os.getpid()), time.process_time()
  while time.process_time() < own_s + 0.1:
    pass
  assert 0.05 < serving.cpu_s(os.getpid()) - before_s < 2
