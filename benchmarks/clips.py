"""Data sets of made-up log-mel clips, 98x80 in float16, for the rulers of reading and training."""

import os
import pathlib

import numpy as np

from schemas import audio, naming, record
from schemas.manifest import DatasetManifest, FeatureStatistics, ShardInfo
from tfrecords import manifest_file, writer
from tfrecords.wire import codec

SPEC = record.FeatureSpec(name='log_mel', shape=(98, 80), dtype='float16', settings={})
LABELS = tuple(f'word{i}' for i in range(10))
NAME = 'made_up'
NUM_SAMPLES = 16_000


def write(folder: pathlib.Path, num_clips: int, *, num_shards: int, num_files: int = 0) -> None:
  """Writes a data set with a train split alone.

  Args:
    folder: Is made.
    num_clips: Clips, the same number in each shard.
    num_shards: Shards.
    num_files: Shards whose records are written; the others are links to them, so that a set of
      millions fits into the page cache. 0: all.
  """
  folder.mkdir(parents=True)
  each = num_clips // num_shards
  infos: list[ShardInfo] = []
  for index in range(num_shards):
    name = str(
      naming.ShardName(dataset_name=NAME, split='train', index=index, num_shards=num_shards)
    )
    if num_files and index >= num_files:
      first = infos[index % num_files]
      os.link(folder / first.file_name, folder / name)
      infos.append(_info(name, each, first.num_bytes, first.sha256))
      continue
    with writer.ShardWriter(str(folder / name)) as shard:
      shard.write([codec.encode(clip, [SPEC]) for clip in _clips(index, each)])
    infos.append(_info(name, each, shard.num_bytes, shard.sha256))
  _save(folder, infos)


def _clips(seed: int, count: int) -> list[codec.Record]:
  rng = np.random.default_rng(seed)
  noise = rng.standard_normal((64, 98, 80), np.float32).astype('<f2')
  return [
    codec.Record(
      utterance_id=f'word{i % len(LABELS)}/speaker{seed:04d}_nohash_{i}.wav',
      speaker_id=f'speaker{seed:04d}',
      label=i % len(LABELS),
      num_samples=NUM_SAMPLES,
      arrays={SPEC.name: np.roll(noise[i % 64], i, axis=1)},
    )
    for i in range(count)
  ]


def _info(name: str, count: int, num_bytes: int, sha256: str) -> ShardInfo:
  counts = tuple(len(range(i, count, len(LABELS))) for i in range(len(LABELS)))
  return ShardInfo(
    file_name=name,
    num_records=count,
    num_bytes=num_bytes,
    sha256=sha256,
    num_speakers=1,
    label_counts=counts,
    audio_s=float(count),
    shortest_samples=NUM_SAMPLES,
    longest_samples=NUM_SAMPLES,
  )


def _save(folder: pathlib.Path, infos: list[ShardInfo]) -> None:
  bins = SPEC.num_bins
  manifest_file.save(
    DatasetManifest(
      name=NAME,
      audio=audio.AudioSpec(),
      features=(SPEC,),
      labels=LABELS,
      shards=tuple(infos),
      statistics={
        SPEC.name: FeatureStatistics(count=1_000, mean=(0.0,) * bins, variance=(1.0,) * bins)
      },
      num_speakers={'train': len(infos)},
      rejects={},
      config={'split_by': 'speaker'},
      versions={},
    ),
    str(folder),
  )
