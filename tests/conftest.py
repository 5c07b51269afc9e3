"""What all tests share."""

import os

import hypothesis

# librosa compiles at its first import: 10 s instead of 15, and what is tested is not its speed.
os.environ.setdefault('NUMBA_OPT', '0')

# No test asserts a time: machines differ, and are loaded.
hypothesis.settings.register_profile('suite', deadline=None)
hypothesis.settings.load_profile('suite')
