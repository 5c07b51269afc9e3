"""What all tests share."""

import os

# librosa compiles at its first import: 10 s instead of 15, and what is tested is not its speed.
os.environ.setdefault('NUMBA_OPT', '0')
