"""Clips per second of our input pipeline, of the tutorial idiom and of the bare limit.

  python -m benchmarks.input_pipeline
  python -m benchmarks.input_pipeline --clips=64000 --repeats=9
  python -m benchmarks.input_pipeline --sizes=10000,100000,1000000

Log-mel 98x80 in batches of 256 from a warm page cache. The contenders take turns, one pass each;
what is shown is the median of the rounds' ratios, so that a drift of the machine's speed meets all.
CPU is the time of all threads for a clip.

With --sizes the cost of a clip, in the order of training, in data sets of these sizes. Most of
their shards are links to two, or the large ones would not fit into the page cache.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import tensorflow as tf

from benchmarks import clips
from tfrecords import manifest_file, reader
from tfrecords.pipeline import batch_request, buffers, dataset
from trainer.devices import allocator

BATCH = 256
NUM_SHARDS = 16
SHARD_CLIPS = 8_000  # Of a shard of 128 MiB.
OURS, OURS_MIXED = 'ours, in order', 'ours, mixed as for training'
BARE, BARE_MIXED = 'TFRecordDataset.batch, not parsed', 'the same with a shuffle as large'
TUTORIAL = 'tutorial idiom: float_list, parsed one by one'
AGAINST = {BARE: OURS, TUTORIAL: OURS, BARE_MIXED: OURS_MIXED}

Passes = Mapping[str, Callable[[], tf.data.Dataset]]


def write_float_lists(source: pathlib.Path, target: pathlib.Path) -> list[str]:
  """Writes the clips of a data set as the tutorials do; returns the files."""
  target.mkdir()
  manifest = manifest_file.load(str(source))
  paths = []
  for shard in manifest.shards:
    paths.append(str(target / shard.file_name))
    with tf.io.TFRecordWriter(paths[-1]) as out:
      for data in reader.read_records(str(source / shard.file_name)):
        example = tf.train.Example.FromString(data)
        fields = example.features.feature
        values = tf.io.decode_raw(fields['log_mel'].bytes_list.value[0], tf.float16).numpy()
        fields['log_mel'].Clear()
        fields['log_mel'].float_list.value.extend(values.astype('f4'))
        out.write(example.SerializeToString())
  return paths


def passes(folder: str, float_lists: list[str]) -> Passes:
  """Returns what is compared: each makes one pass over the same clips."""
  manifest = manifest_file.load(folder)
  paths = dataset.shard_paths(folder, manifest, 'train')
  held = buffers.shuffle_records(manifest, 'train')

  def ours(shuffle: bool) -> tf.data.Dataset:
    asked = batch_request.BatchRequest(
      data_dir=folder, manifest=manifest, split='train', feature_names=['log_mel'],
      batch_size=BATCH, shuffle=shuffle, seed=1,
    )  # fmt: skip
    return dataset.read_batches(asked)

  def parse_one(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    example = tf.io.parse_single_example(
      serialized,
      {
        'log_mel': tf.io.FixedLenFeature([98, 80], tf.float32),
        'label': tf.io.FixedLenFeature([], tf.int64),
      },
    )
    return example['log_mel'], example['label']

  def tutorial() -> tf.data.Dataset:
    parsed = tf.data.TFRecordDataset(float_lists).map(
      parse_one, num_parallel_calls=tf.data.AUTOTUNE
    )
    return parsed.batch(BATCH).prefetch(tf.data.AUTOTUNE)

  return {
    OURS: lambda: ours(False),
    BARE: lambda: tf.data.TFRecordDataset(paths).batch(BATCH),
    TUTORIAL: tutorial,
    OURS_MIXED: lambda: ours(True),
    BARE_MIXED: lambda: tf.data.TFRecordDataset(paths).shuffle(held, seed=1).batch(BATCH),
  }


def seconds(batches: tf.data.Dataset) -> tuple[float, float]:
  """Returns the seconds of one pass, by the clock and of the CPU."""
  start_s, start_cpu_s = time.perf_counter(), time.process_time()
  for _ in batches:
    pass
  return time.perf_counter() - start_s, time.process_time() - start_cpu_s


def compare(contenders: Passes, *, num_clips: int, repeats: int) -> list[str]:
  """Returns the rows of the table."""
  for make in contenders.values():
    seconds(make())  # Warm-up: page cache, memory.
  taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
  for _ in range(repeats):
    for name, make in contenders.items():
      taken[name].append(seconds(make()))
  rows = []
  for name, found in taken.items():
    wall_s, cpu_s = (statistics.median(part) for part in zip(*found, strict=True))
    ratio = '1.00'
    if name in AGAINST:
      mine = taken[AGAINST[name]]
      rounds = [it[0] / own[0] for it, own in zip(found, mine, strict=True)]
      ratio = f'{statistics.median(rounds):.2f}'
    rows.append(f'| {name} | {num_clips / wall_s:,.0f} | {1e6 * cpu_s / num_clips:.1f} | {ratio} |')
  return rows


def make_sized(root: pathlib.Path, size: int) -> str:
  """Writes a data set of about `size` clips and returns its folder."""
  folder = root / f'clips{size}'
  num_shards = max(NUM_SHARDS, size // SHARD_CLIPS)
  clips.write(folder, size, num_shards=num_shards, num_files=2)
  return str(folder)


def compare_sizes(folders: Mapping[int, str], *, steps: int, repeats: int) -> list[str]:
  """Returns a row for each size: clips/s and CPU in the middle of training."""
  feeds: dict[int, Any] = {}
  for size, folder in folders.items():
    asked = batch_request.BatchRequest(
      data_dir=folder, manifest=manifest_file.load(folder), split='train',
      feature_names=['log_mel'], batch_size=BATCH, shuffle=True, repeat=True, seed=1,
    )  # fmt: skip
    feeds[size] = iter(dataset.read_batches(asked))
  taken: dict[int, list[tuple[float, float]]] = {size: [] for size in feeds}
  for i in range(repeats + 1):
    for size, feed in feeds.items():
      for _ in range(steps // 4):  # What was read ahead in the turns of others.
        next(feed)
      start_s, start_cpu_s = time.perf_counter(), time.process_time()
      for _ in range(steps):
        next(feed)
      found = time.perf_counter() - start_s, time.process_time() - start_cpu_s
      if i:  # The first turn fills the buffers.
        taken[size].append(found)
  first = taken[min(feeds)]
  rows = []
  for size, found in taken.items():
    wall_s, cpu_s = (statistics.median(part) for part in zip(*found, strict=True))
    ratios = [
      statistics.median(own[i] / it[i] for own, it in zip(found, first, strict=True))
      for i in (0, 1)
    ]
    rows.append(
      f'| {size:,} | {steps * BATCH / wall_s:,.0f} | {1e6 * cpu_s / steps / BATCH:.1f} | '
      f'{ratios[0]:.3f} | {ratios[1]:.3f} |'
    )
  return rows


def main() -> None:
  """Prints the tables."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--clips', type=int, default=32_000)
  parser.add_argument('--repeats', type=int, default=7)
  parser.add_argument('--sizes', default='', help='such as 10000,100000,1000000')
  parser.add_argument('--steps', type=int, default=400, help='batches of a turn, with --sizes')
  parser.add_argument('--scratch', default=None, help='where the data sets are made')
  args = parser.parse_args()
  allocator.keep_freed_memory()  # As the trainer does; the rivals profit too.
  with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
    root = pathlib.Path(scratch)
    if args.sizes:
      folders = {int(size): make_sized(root, int(size)) for size in args.sizes.split(',')}
      print('| clips | clips/s | CPU us a clip | seconds / the smallest | CPU / the smallest |')
      print('|---|---|---|---|---|')
      print('\n'.join(compare_sizes(folders, steps=args.steps, repeats=args.repeats)))
      return
    num_clips = args.clips // NUM_SHARDS * NUM_SHARDS
    clips.write(root / 'ours', num_clips, num_shards=NUM_SHARDS)
    float_lists = write_float_lists(root / 'ours', root / 'float_lists')
    contenders = passes(str(root / 'ours'), float_lists)
    print(f'{num_clips} clips, {os.cpu_count()} cores, medians of {args.repeats}\n')
    print('| | clips/s | CPU us a clip | ours / it |\n|---|---|---|---|')
    print('\n'.join(compare(contenders, num_clips=num_clips, repeats=args.repeats)))


if __name__ == '__main__':
  main()
