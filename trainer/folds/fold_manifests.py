"""The manifest of each fold, as the data job would have written it for a corpus split so."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from schemas import manifest, splits
from tfrecords.finishing import moments as moments_lib
from trainer.data import fold_view
from trainer.data.raw import files
from trainer.folds import record_groups, shard_sums

_OF_SPLITS = re.compile(r'\bsplits?\b')


def make(
  number: int,
  dataset: manifest.DatasetManifest,
  *,
  sums: shard_sums.DatasetSums,
  groups: record_groups.Groups,
  roles: NDArray[np.int32],
  folds: str,
) -> tuple[manifest.DatasetManifest, Mapping[str, tuple[int, ...]]]:
  """Returns the manifest of a fold, and for each split the shards of which its own are excerpts.

  Args:
    number: The fold.
    dataset: The manifest of the data set.
    sums: What was added up of it.
    groups: Which group each record is of.
    roles: See fold_view.ROLES.
    folds: What --folds asked for.
  """
  of_split = {split: _shards_with(number, split, sums) for split in splits.SPLITS}
  ends = np.cumsum([shard.num_records for shard in dataset.shards])
  shards = []
  for split, found in of_split.items():
    for place, (source, merged) in enumerate(found.items()):
      whole = dataset.shards[source]
      part = slice(int(ends[source]) - whole.num_records, int(ends[source]))
      masks = fold_view.split_masks(number, groups.of_record[part], groups.is_copy[part], roles)
      digest = hashlib.sha256(whole.sha256.encode())
      digest.update(np.packbits(masks[split]).tobytes())
      shards.append(
        _shard_info(
          fold_view.shard_name(dataset.name, split, place, len(found)),
          merged,
          dataset,
          sha256=digest.hexdigest(),
        )
      )
  made = dataclasses.replace(
    dataset,
    shards=tuple(shards),
    statistics=_statistics(number, dataset, sums),
    **_speakers(dataset, of_split, sums),
    config={**dataset.config, 'fold': {'number': number, 'folds': folds}},
    warnings=warnings(dataset),
  )
  return made, {split: tuple(found) for split, found in of_split.items() if found}


def of_files(
  number: int,
  raw: files.RawFiles,
  groups: record_groups.Groups,
  roles: NDArray[np.int32],
  *,
  folds: str,
) -> manifest.DatasetManifest:
  """Returns the manifest of a fold of raw files."""
  masks = fold_view.split_masks(number, groups.of_record, groups.is_copy, roles)
  made = files.divided(raw, masks).manifest
  return dataclasses.replace(
    made,
    config={**made.config, 'fold': {'number': number, 'folds': folds}},
    warnings=warnings(raw.manifest),
  )


def warnings(dataset: manifest.DatasetManifest) -> tuple[str, ...]:
  """Returns what a data set warns of, but for its splits, which are others in folds."""
  return tuple(text for text in dataset.warnings if not _OF_SPLITS.search(text))


def _is_in(split: str, number: int) -> Callable[[shard_sums.Cell], bool]:
  """Returns what says whether the records of a cell are in a split of a fold."""

  def judged(cell: shard_sums.Cell) -> bool:
    tested, validates, is_copy = cell
    if split == splits.TEST:
      return tested == number and not is_copy
    if split == splits.VALIDATION:
      return validates == number and not is_copy
    return number not in (tested, validates)

  return judged


def _shards_with(
  number: int, split: str, sums: shard_sums.DatasetSums
) -> dict[int, shard_sums.Sums]:
  """Returns by number the shards with records of a split of a fold, and what these add up to."""
  is_in = _is_in(split, number)
  found = {}
  for source, cells in enumerate(sums.of_shards):
    mine = [some for cell, some in sorted(cells.items()) if is_in(cell)]
    if mine:
      found[source] = _together(mine)
  return found


def _together(parts: list[shard_sums.Sums]) -> shard_sums.Sums:
  labels: collections.Counter[int] = collections.Counter()
  for part in parts:
    labels.update(part.labels)
  return shard_sums.Sums(
    num_records=sum(part.num_records for part in parts),
    num_bytes=sum(part.num_bytes for part in parts),
    samples=sum(part.samples for part in parts),
    source_us=sum(part.source_us for part in parts),
    shortest=min(part.shortest for part in parts),
    longest=max(part.longest for part in parts),
    labels=labels,
    speakers=set().union(*(part.speakers for part in parts)),
  )


def _shard_info(
  name: str, sums: shard_sums.Sums, dataset: manifest.DatasetManifest, *, sha256: str
) -> manifest.ShardInfo:
  rate_hz = dataset.audio.sample_rate_hz if dataset.audio else 1
  return manifest.ShardInfo(
    file_name=name,
    num_records=sums.num_records,
    num_bytes=sums.num_bytes,
    sha256=sha256,
    num_speakers=len(sums.speakers),
    label_counts=tuple(sums.labels[label] for label in range(dataset.num_labels)),
    audio_s=sums.samples / rate_hz,
    source_s=sums.source_us / 1e6,
    shortest_samples=sums.shortest,
    longest_samples=sums.longest,
  )


def _statistics(
  number: int, dataset: manifest.DatasetManifest, sums: shard_sums.DatasetSums
) -> dict[str, manifest.FeatureStatistics]:
  """Returns mean and variance over the train part of a fold, and nothing else."""
  is_in = _is_in(splits.TRAIN, number)
  cells = [some for cell, some in sorted(sums.moments.items()) if is_in(cell)]
  if not cells:
    return {}
  return {
    spec.name: moments_lib.merge_all(
      (cell[spec.name] for cell in cells), spec.num_bins
    ).to_statistics()
    for spec in dataset.features
  }


def _speakers(
  dataset: manifest.DatasetManifest,
  of_split: Mapping[str, Mapping[int, shard_sums.Sums]],
  sums: shard_sums.DatasetSums,
) -> dict[str, dict[str, int] | dict[str, tuple[str, ...]]]:
  found = {
    split: set().union(*(some.speakers for some in shards.values()))
    for split, shards in of_split.items()
    if shards
  }
  names = {
    split: manifest.named_speakers({sums.speakers[i] for i in some})
    for split, some in found.items()
  }
  return {
    'num_speakers': {split: len(some) for split, some in found.items()},
    'speakers': names if dataset.speakers else {},  # Else nobody knows who speaks.
  }
