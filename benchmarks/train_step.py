"""What the input costs a training step, and how long it takes until the first one.

  python -m benchmarks.train_step
  python -m benchmarks.train_step --model=cnn --repeats=9 --steps=100

Steps on batches of the real pipeline and on one batch that is held on the device (--random_data)
take turns in one process, with one compiled step; the median of the turns' ratios is shown, so that
a drift of the machine's speed meets all. A third takes the latter under MirroredStrategy on the one
device: what that costs. In front of each turn some steps are not counted: those
use up what was read ahead while others had their turn.

The start-up is that of a whole `python -m trainer` to the end of its first step, whose only line of
output it waits for: TensorFlow's import and the compilation of the step are in it.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
import tensorflow as tf

from benchmarks import clips
from tfrecords import manifest_file
from trainer import models
from trainer.data import input_pipeline
from trainer.devices import allocator, machine, strategies
from trainer.learning import steps

ROOT = pathlib.Path(__file__).parent.parent
NUM_CLIPS, NUM_SHARDS = 16_000, 16
IDLE_STEPS = 16


def make_steps(
  model_text: str, folder: str, strategy: tf.distribute.Strategy | None = None
) -> steps.Steps:
  """Returns the compiled steps of a model, as `python -m trainer` makes them."""
  strategy = strategy or tf.distribute.get_strategy()
  keras.utils.set_random_seed(0)
  name, settings = models.parse(model_text)
  with strategy.scope():
    model = models.build(name, settings, manifest_file.load(folder), clips.SPEC.name)
    optimizer = keras.optimizers.Adam(models.MODELS[name].learning_rate)
    optimizer.build(model.trainable_variables)
  return steps.Steps(model, optimizer, strategy, feature_name=clips.SPEC.name)


def feed(
  folder: str,
  *,
  batch_size: int,
  random_data: bool,
  strategy: tf.distribute.Strategy | None = None,
) -> Iterator[Any]:
  """Returns the batches of the trainer, read or made up."""
  strategy = strategy or tf.distribute.get_strategy()
  source = input_pipeline.Source(
    data_dir=folder,
    manifest=manifest_file.load(folder),
    feature_name=clips.SPEC.name,
    batch_size=batch_size,
    random_data=random_data,
  )
  return iter(input_pipeline.train_batches(source, strategy, seed=0))


def compare(take: dict[str, Callable[[int], object]], *, num_steps: int, repeats: int) -> list[str]:
  """Returns a row for each feed; the last is the ruler."""
  taken: dict[str, list[float]] = {name: [] for name in take}
  for i in range(repeats + 1):
    names = list(take) if i % 2 else list(reversed(take))
    for name in names:
      take[name](IDLE_STEPS)
      start_s = time.perf_counter()
      take[name](num_steps)
      if i:  # The first turn compiles.
        taken[name].append((time.perf_counter() - start_s) / num_steps)
  ruler = taken[list(take)[-1]]
  return [
    f'| {name} | {1e3 * statistics.median(found):.2f} | '
    f'{statistics.median(own / it for own, it in zip(found, ruler, strict=True)):.3f} |'
    for name, found in taken.items()
  ]


def start_up_s(model_text: str, root: pathlib.Path, *, batch_size: int, repeat: int) -> float:
  """Returns the seconds from the command to the line that tells of the first step."""
  command = [
    sys.executable, '-m', 'trainer', f'--data={root / "one"}', f'--model={model_text}',
    f'--run_dir={root / f"run{repeat}"}', '--epochs=1', f'--batch_size={batch_size}',
  ]  # fmt: skip
  start_s = time.perf_counter()
  with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
    assert process.stdout is not None
    found = [time.perf_counter() - start_s for line in process.stdout if line.startswith('epoch')]
  if process.returncode or not found:
    sys.exit(f'{" ".join(command)} failed with {process.returncode}')
  return found[0]


def main() -> None:
  """Prints the table and the start-up."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--model', default='cnn')
  parser.add_argument('--batch_size', type=int, default=64)
  parser.add_argument('--steps', type=int, default=60, help='in a turn')
  parser.add_argument('--repeats', type=int, default=7)
  parser.add_argument('--starts', type=int, default=3)
  parser.add_argument('--scratch', default=None, help='where the data sets are made')
  args = parser.parse_args()
  allocator.keep_freed_memory()
  with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
    root = pathlib.Path(scratch)
    clips.write(root / 'many', NUM_CLIPS, num_shards=NUM_SHARDS)
    clips.write(root / 'one', args.batch_size, num_shards=1)
    folder = str(root / 'many')
    single = tf.distribute.get_strategy()
    mirrored = strategies.make('mirrored', machine.devices()[:1])
    compiled = {
      strategy: make_steps(args.model, folder, strategy) for strategy in (single, mirrored)
    }

    def taker(
      random_data: bool, strategy: tf.distribute.Strategy = single
    ) -> Callable[[int], object]:
      batches = feed(folder, batch_size=args.batch_size, random_data=random_data, strategy=strategy)
      # A compiled step of its own for each kind of iterator, of the same model.
      return lambda num_steps: compiled[strategy].train(batches, num_steps)

    print('| | ms a step | it / made up |\n|---|---|---|')
    take = {
      'real pipeline': taker(False),
      'made up, --strategy=mirrored on one device': taker(True, mirrored),
      'made up, held on the device': taker(True),
    }
    print('\n'.join(compare(take, num_steps=args.steps, repeats=args.repeats)), flush=True)
    starts = [
      start_up_s(args.model, root, batch_size=args.batch_size, repeat=i) for i in range(args.starts)
    ]
    print(
      f'\nto the end of the first step: {statistics.median(starts):.1f} s ({args.starts} starts)'
    )


if __name__ == '__main__':
  main()
