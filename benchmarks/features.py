"""Clips per second and bytes per clip of every feature, on real recordings or on noise.

  python -m benchmarks.features
  python -m benchmarks.features --input=/data/fsdd --sample_rate_hz=8000

One process on one core, whole batches of clips that are already decoded: the kernel and the
conversion to the stored form, and nothing else. Features take turns; medians are shown.
"""

import argparse
import pathlib
import statistics
import time

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

import features
from features import extractor
from features.decoding import clips
from schemas import audio
from schemas import medium as media

BATCH_CLIPS = 64


def load(folder: str, spec: audio.AudioSpec) -> NDArray[np.float32]:
  """Returns a batch of clips, float32 [clips, clip_samples]: recordings, or noise without any."""
  if not folder:
    noise = np.random.default_rng(0).standard_normal((BATCH_CLIPS, spec.clip_samples), np.float32)
    return noise / 10
  paths = sorted(pathlib.Path(folder).rglob('*.wav'))
  chosen = paths[:: max(1, len(paths) // BATCH_CLIPS)][:BATCH_CLIPS]
  return np.stack([clips.decode(clips.read_bytes(str(path)), spec).samples for path in chosen])


def measure(batch: NDArray[np.float32], spec: audio.AudioSpec, repeats: int) -> list[str]:
  """Returns the rows of the table, in the order of FEATURES."""
  kernels = {}
  for name, member in features.FEATURES.items():
    if member.medium == media.AUDIO:
      stored = features.spec(name, member.settings(), spec)
      kernels[name] = extractor.Extractor([stored], spec)
      kernels[name].compute_stored(batch)  # Tables are made here.
  seconds: dict[str, list[float]] = {name: [] for name in kernels}
  for _ in range(repeats):
    for name, kernel in kernels.items():
      start_s = time.perf_counter()
      kernel.compute_stored(batch)
      seconds[name].append(time.perf_counter() - start_s)
  rows = []
  for name, kernel in kernels.items():
    per_s = len(batch) / statistics.median(seconds[name])
    (stored,) = kernel.specs
    rows.append(f'| `{name}` | {list(stored.shape)} | {per_s:,.0f} | {stored.num_bytes:,} |')
  return rows


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--input', default='', help='a folder of WAV files; noise without it')
  parser.add_argument('--sample_rate_hz', type=int, default=16_000)
  parser.add_argument('--repeats', type=int, default=15)
  flags = parser.parse_args()
  spec = audio.AudioSpec(sample_rate_hz=flags.sample_rate_hz)
  with threadpoolctl.threadpool_limits(1):
    rows = measure(load(flags.input, spec), spec, flags.repeats)
  print('| feature | shape | clips/s | bytes a clip |\n|---|---|---|---|')
  print('\n'.join(rows))


if __name__ == '__main__':
  main()
