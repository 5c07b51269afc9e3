"""What a second pass over a data set adds up for its folds: counts, lengths, mean and variance.

Records are added up by cells: those that are in the same split in every fold. So one pass makes the
manifests of all folds, and the statistics of a fold are merged from the cells of its train part.
"""

from __future__ import annotations

import collections
import dataclasses

import numpy as np
from numpy.typing import NDArray

from schemas import manifest
from tfrecords.finishing import moments as moments_lib
from tfrecords.wire import codec
from trainer.data import fold_view, record_moments
from trainer.folds import record_groups

_FRAME_BYTES = 16  # Around each record in a file.

# The fold where records are judged, the one where they validate, and whether they are copies.
Cell = tuple[int, int, bool]


@dataclasses.dataclass
class Sums:
  """What is counted of the records of a cell in a shard.

  Attributes:
    num_records: How many.
    num_bytes: In the file.
    samples: Samples of real audio.
    source_us: Of the recordings that originals were made of.
    shortest: Samples of the shortest.
    longest: Samples of the longest.
    labels: How many by label.
    speakers: Who speaks, by numbers.
  """

  num_records: int = 0
  num_bytes: int = 0
  samples: int = 0
  source_us: int = 0
  shortest: int = 0
  longest: int = 0
  labels: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
  speakers: set[int] = dataclasses.field(default_factory=set)

  def add(self, clip: codec.Record, num_bytes: int, speaker: int) -> None:
    """Counts a record."""
    self.shortest = min(self.shortest, clip.num_samples) if self.num_records else clip.num_samples
    self.longest = max(self.longest, clip.num_samples)
    self.num_records += 1
    self.num_bytes += num_bytes + _FRAME_BYTES
    self.samples += clip.num_samples
    self.source_us += 0 if clip.augmentation else max(0, clip.end_us - clip.start_us)
    self.labels[clip.label] += 1
    self.speakers.add(speaker)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetSums:
  """What was added up of a data set.

  Attributes:
    of_shards: For each shard of the manifest, by cell.
    moments: By cell and feature, merged in the order of the shards.
    speakers: Names by number.
  """

  of_shards: tuple[dict[Cell, Sums], ...]
  moments: dict[Cell, dict[str, moments_lib.Moments]]
  speakers: tuple[str, ...]


def add_up(
  data_dir: str,
  dataset: manifest.DatasetManifest,
  groups: record_groups.Groups,
  roles: NDArray[np.int32],
) -> DatasetSums:
  """Returns the sums over a data set; reads every record once.

  Raises:
    RecordError, DatasetError: as record_groups.find.
  """
  speakers: dict[str, int] = {}
  of_shards = []
  moments: dict[Cell, dict[str, moments_lib.Moments]] = {}
  place = 0
  for shard in dataset.shards:
    sums: dict[Cell, Sums] = {}
    waiting: dict[Cell, list[codec.Record]] = collections.defaultdict(list)
    num_waiting = 0
    for clip, num_bytes in record_groups.sized_records(
      data_dir, dataset, shard, features=dataset.features
    ):
      cell = _cell(groups, roles, place)
      speaker = speakers.setdefault(clip.speaker_id, len(speakers))
      sums.setdefault(cell, Sums()).add(clip, num_bytes, speaker)
      waiting[cell].append(clip)
      num_waiting += 1
      place += 1
      if num_waiting == record_moments.CHUNK_RECORDS:
        _add(moments, waiting, dataset)
        waiting.clear()
        num_waiting = 0
    _add(moments, waiting, dataset)
    of_shards.append(sums)
  return DatasetSums(of_shards=tuple(of_shards), moments=moments, speakers=tuple(speakers))


def _cell(groups: record_groups.Groups, roles: NDArray[np.int32], place: int) -> Cell:
  group = groups.of_record[place]
  return (
    int(roles[fold_view.TESTED, group]),
    int(roles[fold_view.VALIDATES, group]),
    bool(groups.is_copy[place]),
  )


def _add(
  moments: dict[Cell, dict[str, moments_lib.Moments]],
  waiting: dict[Cell, list[codec.Record]],
  dataset: manifest.DatasetManifest,
) -> None:
  for cell, clips in sorted(waiting.items()):
    record_moments.add(moments.setdefault(cell, {}), clips, dataset.features)
