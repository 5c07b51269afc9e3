"""What tests of several engines need."""

import signal

import pytest


@pytest.fixture
def ctrl_c():
  """Lets programs be interrupted, also where a shell started these tests in the background."""
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  yield
  signal.signal(signal.SIGINT, before)
