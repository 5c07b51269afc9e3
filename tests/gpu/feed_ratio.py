"""Prints what the input costs a training step on this machine's first device.

  python -m tests.gpu.feed_ratio --model=vgg16 --batch_size=128 --steps=40 --turns=15

Steps on batches of the real pipeline and on one that lies on the device take turns, with the step
of benchmarks/train_step.py; the JSON has the median seconds of a step of each, and the median of
the turns' ratios.
"""

import argparse
import json
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from benchmarks import clips, train_step
from trainer.devices import allocator

KINDS = {'real': False, 'random': True}
IDLE_STEPS = 16  # They use up what was read ahead while the other had its turn.


def measure(folder: str, *, model: str, batch_size: int, steps: int, turns: int) -> dict:
  """Returns what is printed."""
  compiled = train_step.make_steps(model, folder)
  feeds = {
    kind: train_step.feed(folder, batch_size=batch_size, random_data=made_up)
    for kind, made_up in KINDS.items()
  }
  taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
  for turn in range(turns + 1):
    for kind in sorted(KINDS, reverse=bool(turn % 2)):
      compiled.train(feeds[kind], IDLE_STEPS)
      start_s = time.perf_counter()
      compiled.train(feeds[kind], steps)
      if turn:  # The first compiles.
        taken[kind].append((time.perf_counter() - start_s) / steps)
  ratios = [real / free for real, free in zip(taken['real'], taken['random'], strict=True)]
  medians = {f'{kind}_s': statistics.median(found) for kind, found in taken.items()}
  return {**medians, 'ratio': statistics.median(ratios), 'ratios': ratios}


def main() -> None:
  """Makes the clips, and measures."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--model', required=True)
  for name in ('clips', 'batch_size', 'steps', 'turns'):
    parser.add_argument(f'--{name}', type=int, required=True)
  args = vars(parser.parse_args())
  allocator.keep_freed_memory()
  with tempfile.TemporaryDirectory() as scratch:
    folder = pathlib.Path(scratch) / 'data'
    clips.write(folder, args.pop('clips'), num_shards=8)
    print(json.dumps(measure(str(folder), **args)))


if __name__ == '__main__':
  main()
