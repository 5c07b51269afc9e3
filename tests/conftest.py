"""What all tests share."""

import gc
import os

import hypothesis
import pytest

from tests.helpers import browser

# librosa compiles at its first import: 10 s instead of 15, and what is tested is not its speed.
# Without compiling (NUMBA_DISABLE_JIT) its generalised ufuncs fail where Numba has cached none.
os.environ.setdefault('NUMBA_OPT', '0')

# No test asserts a time: machines differ, and are loaded. The same examples in every run, so that
# what passes today does tomorrow; `--hypothesis-profile=search` looks for others.
hypothesis.settings.register_profile('suite', deadline=None, derandomize=True)
hypothesis.settings.register_profile('search', deadline=None, derandomize=False)
hypothesis.settings.load_profile('suite')


@pytest.hookimpl(wrapper=True)
def pytest_collection():
  """What was imported and collected stays to the end: no search for garbage goes through it again.

  With TensorFlow and all tests it is a million objects, which take half a second each time.
  """
  gc.disable()
  try:
    return (yield)
  finally:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope='module')
def chromium():
  with browser.running() as found:
    yield found
