"""Waits for what a test means, in place of a time that is long enough on some machine."""

import time


def until(is_so, *, limit_s=300):
  """Waits until something is so; only what never comes takes `limit_s`, and fails the test."""
  end_s = time.monotonic() + limit_s
  while not is_so():
    assert time.monotonic() < end_s
    time.sleep(0.005)
