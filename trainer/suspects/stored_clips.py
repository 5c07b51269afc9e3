"""What the records of a data set say of its clips, without a model: one pass, without TensorFlow.

Of each clip a fingerprint of 64 bytes is kept, and 33 bytes of hashes and measures: about 100 MB
for a million clips.
"""

from __future__ import annotations

import array
import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from features import stored_form
from features.decoding import cutting, levels
from schemas import audio, manifest, record, stable_hash
from tfrecords import reader, storage
from tfrecords.wire import codec, same_arrays

WAVEFORM = 'waveform'
# Numbers of a fingerprint, and the seed of the projection that makes them.
_SIZE, _SEED = 32, 0
_FRAME_SAMPLES, _NUM_BANDS = 512, 40


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StoredClips:
  """Clips in the order of the records.

  Attributes:
    keys: `key_of` their ids, uint64.
    labels: Indices of their labels.
    fingerprints: float16 [clips, 32], of which near ones are of clips that sound alike.
    digests: Of all arrays; 0 where these say nothing, uint64.
    is_silent: Whether there is nothing to hear.
    clipped_shares: Share of the samples whose tops are cut off; NaN where no audio is stored.
  """

  keys: NDArray[np.uint64]
  labels: NDArray[np.int64]
  fingerprints: NDArray[np.float16]
  digests: NDArray[np.uint64]
  is_silent: NDArray[np.bool_]
  clipped_shares: NDArray[np.float32]


def key_of(clip_id: str) -> int:
  """Returns 64 bits that stand for an id."""
  return int.from_bytes(stable_hash.digest(clip_id, salt='suspects'), 'big')


def records(
  data_dir: str, dataset: manifest.DatasetManifest, splits: Sequence[str]
) -> Iterator[codec.Record]:
  """Yields the originals of some splits, in the order of the shards.

  Raises:
    RecordError: if a shard or a record is damaged.
  """
  files = storage.storage_of(data_dir)
  for split in splits:
    for shard in dataset.shards_of(split):
      for data in reader.read_records(files.join(data_dir, shard.file_name), files):
        clip = codec.decode(data, dataset.features, record_version=dataset.record_version)
        if not record.is_copy(clip.utterance_id, clip.augmentation):
          yield clip


def read(data_dir: str, dataset: manifest.DatasetManifest, splits: Sequence[str]) -> StoredClips:
  """Returns what the records of some splits say.

  Raises:
    RecordError: if a shard or a record is damaged.
  """
  keys, labels, digests = array.array('Q'), array.array('q'), array.array('Q')
  silent, shares = array.array('b'), array.array('f')
  prints: list[NDArray[np.float16]] = []
  feature = _shown(dataset)
  position = dataset.audio.position if dataset.audio else audio.START
  projection: NDArray[np.float32] | None = None
  for clip in records(data_dir, dataset, splits):
    summary = _summary(clip.arrays[feature.name], feature)
    if projection is None:
      draws = np.random.default_rng(_SEED).standard_normal((len(summary), _SIZE))
      projection = (draws / math.sqrt(len(summary))).astype(np.float32)
    prints.append(_fitting(summary @ projection))
    level, share = _measured(clip, position)
    nothing = same_arrays.are_constant(clip.arrays)
    keys.append(key_of(clip.utterance_id))
    labels.append(clip.label)
    digests.append(0 if nothing else same_arrays.digest(clip.arrays))
    silent.append(nothing or level < levels.UNHEARD_DBFS)
    shares.append(share)
  return StoredClips(
    keys=np.array(keys, np.uint64),
    labels=np.array(labels, np.int64),
    fingerprints=np.array(prints, np.float16).reshape(len(keys), _SIZE),
    digests=np.array(digests, np.uint64),
    is_silent=np.array(silent, bool),
    clipped_shares=np.array(shares, np.float32),
  )


def _shown(dataset: manifest.DatasetManifest) -> record.FeatureSpec:
  """Returns the feature by which clips are compared: any but samples, where there is one."""
  others = [spec for spec in dataset.features if spec.name != WAVEFORM]
  return (others or list(dataset.features))[0]


def _summary(stored: NDArray[np.generic], feature: record.FeatureSpec) -> NDArray[np.float32]:
  """Returns the mean over time of each bin, but for the level, and its deviation, [2 * bins]."""
  values = stored_form.from_stored(stored)
  if feature.name == WAVEFORM:
    values = _bands(values)
  elif values.ndim == 1:  # A vector, such as an embedding, has no time.
    return values
  rows = values.reshape(len(values), -1).astype(np.float64)
  mean = rows.mean(axis=0)
  return np.concatenate([mean - mean.mean(), rows.std(axis=0)]).astype(np.float32)


def _bands(samples: NDArray[np.float32]) -> NDArray[np.float32]:
  """Returns logarithms of power in bands of equal width, [frames, bands]."""
  padded = np.pad(samples, (0, -len(samples) % _FRAME_SAMPLES))
  power = np.square(np.abs(np.fft.rfft(padded.reshape(-1, _FRAME_SAMPLES))))[:, 1:]
  width = power.shape[1] // _NUM_BANDS
  bands = power[:, : width * _NUM_BANDS].reshape(len(power), _NUM_BANDS, width).mean(axis=2)
  logs: NDArray[np.float32] = np.log(bands + 1e-6).astype(np.float32)
  return logs


def _fitting(values: NDArray[np.float32]) -> NDArray[np.float16]:
  limit = float(np.finfo(np.float16).max)
  return np.clip(np.nan_to_num(values), -limit, limit).astype(np.float16)


def _measured(clip: codec.Record, position: str) -> tuple[float, float]:
  """Returns the level in dBFS and the share of cut tops; 0 and NaN where no audio is stored."""
  if WAVEFORM not in clip.arrays:
    return 0.0, math.nan
  padded = stored_form.from_stored(clip.arrays[WAVEFORM])
  heard = cutting.unpadded(padded, clip.num_samples, position)
  share = levels.num_clipped(heard[:, np.newaxis], levels.Coding()) / len(heard)
  return levels.level_dbfs(heard), share
