"""The bare limit where files have to be decoded: soundfile, soxr, log-mel, framed write.

python -m benchmarks.contenders.bare_soundfile INPUT OUTPUT NUM_PROCESSES
"""

import io
import sys

import numpy as np
import soundfile
import soxr

from benchmarks.contenders import bare, pool


def decode(data: bytes) -> np.ndarray:
  """Samples of any file, float32 [RATE_HZ] at RATE_HZ."""
  samples, rate_hz = soundfile.read(io.BytesIO(data), dtype='float32')
  if rate_hz != bare.RATE_HZ:
    samples = soxr.resample(samples, rate_hz, bare.RATE_HZ)
  samples = samples[: bare.RATE_HZ]
  return np.pad(samples, (0, bare.RATE_HZ - len(samples)))


def write_shard(paths: list[str], output: str) -> None:
  """One output file from many clips."""
  bare.write_shard(paths, output, decode)


if __name__ == '__main__':
  pool.main(write_shard, sys.argv[1:])
