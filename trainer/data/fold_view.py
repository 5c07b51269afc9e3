"""A fold of a data set as a data set of its own: a manifest, and which records of which files.

The folder of a fold holds manifest.json, as the data job would have written it for a corpus that is
split so, and fold.json, which names the data set. Beside the folders of all folds lies what they
share, the index: the group of every record. Nothing of the records is copied.

A group of records, such as those of a voice, is judged in one fold (TESTED), chooses the best epoch
in at most one other (VALIDATES), and is learned from in all the rest. Copies are learned from only.
"""

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import errors, json_form, manifest, naming, splits
from tfrecords import manifest_file, storage
from tfrecords.pipeline import excerpts as excerpts_lib
from trainer.data.raw import files as files_lib

# In the folder around those of the folds: the group of each record, int32, in the order of the
# manifest's shards; whether it is a copy, bool; and for each group what _roles says, int32.
GROUPS, COPIES, ROLES = 'groups.npy', 'copies.npy', 'roles.npy'
# What a record takes of memory and disk.
INDEX_BYTES = 5
# Rows of ROLES.
TESTED, VALIDATES = 0, 1
NO_FOLD = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fold(json_form.Fields):
  """What fold.json says.

  Attributes:
    number: The fold, from 0.
    folds: What --folds asked for.
    data_dir: The data set, absolute.
    manifest_sha256: Digest of its manifest.
    shards: For each split, the numbers of the data set's shards of which its own are excerpts.
  """

  number: int
  folds: str
  data_dir: str
  manifest_sha256: str
  shards: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FoldView:
  """A fold, opened.

  Attributes:
    fold: What it is of.
    manifest: The manifest of the data set that is divided.
    excerpts: What the shards of the fold's own manifest stand for; {} for raw files.
    raw: The files of the fold, by split, where it is one of raw files.
  """

  fold: Fold
  manifest: manifest.DatasetManifest
  excerpts: excerpts_lib.Excerpts = dataclasses.field(default_factory=dict)
  raw: files_lib.RawFiles | None = None


def is_fold(data_dir: str) -> bool:
  """Whether a folder is that of a fold."""
  return '://' not in data_dir and os.path.exists(os.path.join(data_dir, naming.FOLD))


def is_raw(data_dir: str) -> bool:
  """Whether it names raw files, or a fold of such."""
  if not is_fold(data_dir):
    return files_lib.is_raw(data_dir)
  return load(data_dir).raw is not None


def load(data_dir: str) -> FoldView:
  """Returns the fold in a folder.

  Raises:
    DatasetError: if it is damaged, or the data set is missing or another than it was.
  """
  return _load(data_dir, os.stat(os.path.join(data_dir, naming.FOLD)).st_mtime_ns)


def split_masks(
  number: int, groups: NDArray[np.int32], copies: NDArray[np.bool_], roles: NDArray[np.int32]
) -> dict[str, NDArray[np.bool_]]:
  """Returns which records are in each split of a fold, bool [records].

  Args:
    number: The fold.
    groups: The group of each record.
    copies: Whether each is a copy.
    roles: See ROLES.
  """
  is_tested, validates = (roles[row] == number for row in (TESTED, VALIDATES))
  is_tested, validates = is_tested[groups], validates[groups]
  return {
    splits.TRAIN: ~(is_tested | validates),
    splits.VALIDATION: validates & ~copies,
    splits.TEST: is_tested & ~copies,
  }


def shard_name(dataset_name: str, split: str, index: int, count: int) -> str:
  """Returns what the manifest of a fold calls an excerpt."""
  return str(
    naming.ShardName(dataset_name=dataset_name, split=split, index=index, num_shards=count)
  )


# Kept, as a run asks for the same several times.
@functools.lru_cache(maxsize=2)
def _load(data_dir: str, changed_ns: int) -> FoldView:
  del changed_ns  # Only tells a fold from one that was made again.
  path = os.path.join(data_dir, naming.FOLD)
  try:
    with open(path, encoding='utf-8') as stream:
      fold = Fold.from_json(json.load(stream), where=path)
    around = os.path.dirname(os.path.abspath(data_dir))
    groups, copies, roles = (
      np.load(os.path.join(around, name), mmap_mode='r', allow_pickle=False)
      for name in (GROUPS, COPIES, ROLES)
    )
  except (OSError, ValueError, RecursionError, errors.SchemaError) as error:
    raise errors.DatasetError(
      f'{data_dir!r} is no whole fold: {str(error).rstrip(".")}. Run the command with --folds that '
      'made it again.'
    ) from error
  if files_lib.is_raw(fold.data_dir):
    return _of_raw_files(data_dir, fold, split_masks(fold.number, groups, copies, roles))
  files = storage.storage_of(fold.data_dir)
  found = manifest_file.load(fold.data_dir, files)
  _check_same(data_dir, fold, manifest_file.digest(fold.data_dir, files))
  return FoldView(
    fold=fold, manifest=found, excerpts=_excerpts(fold, found, (groups, copies, roles))
  )


def _of_raw_files(data_dir: str, fold: Fold, masks: Mapping[str, NDArray[np.bool_]]) -> FoldView:
  audio = manifest_file.load(data_dir).audio
  assert audio is not None  # Raw files are audio.
  whole = files_lib.load(fold.data_dir, sample_rate_hz=audio.sample_rate_hz, clip_s=audio.clip_s)
  _check_same(data_dir, fold, whole.digest)
  return FoldView(fold=fold, manifest=whole.manifest, raw=files_lib.divided(whole, masks))


def _check_same(data_dir: str, fold: Fold, digest: str) -> None:
  if digest != fold.manifest_sha256:
    raise errors.DatasetError(
      f'The data set {fold.data_dir!r} is another now than when it was divided into folds '
      f'({data_dir!r}). Put back the one of before, or train the folds anew in another --run_dir.'
    )


def _excerpts(
  fold: Fold,
  found: manifest.DatasetManifest,
  index: tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32]],
) -> dict[str, excerpts_lib.Excerpt]:
  groups, copies, roles = index
  ends = np.cumsum([shard.num_records for shard in found.shards])
  made = {}
  for split, numbers in fold.shards.items():
    for place, number in enumerate(numbers):
      shard = found.shards[number]
      part = slice(int(ends[number]) - shard.num_records, int(ends[number]))
      masks = split_masks(fold.number, groups[part], copies[part], roles)
      name = shard_name(found.name, split, place, len(numbers))
      made[name] = excerpts_lib.Excerpt(data_dir=fold.data_dir, shard=shard, is_taken=masks[split])
  return made
