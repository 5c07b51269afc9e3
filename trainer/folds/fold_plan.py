"""Divides a data set into folds: what is written before anything is trained."""

import dataclasses
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import errors, json_form, manifest, naming, splits
from schemas import medium as media
from tfrecords import manifest_file, storage
from trainer.data import datasets, fold_view
from trainer.data.raw import files
from trainer.folds import dealing, fold_flag, fold_manifests, record_groups, shard_sums
from trainer.runs import cv_folder, run_folder

# Bump with every change of how records are divided.
PLAN_VERSION = 2
# In plans of version 1 recordings of noise were dealt out as voices are. Folds that were begun so
# go on so: with other parts, what is trained and what is left would not belong together.
_VERSIONS = (1, PLAN_VERSION)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldPlan(json_form.Fields):
  """One fold.

  Attributes:
    values: The voices, or values of a field, that it is judged on, sorted; no noises.
    num_noises: How many recordings of noise it is judged on beside them.
    num_train: Records that it learns from, copies too.
    num_validation: Clips that choose its best epoch.
    num_test: Clips that it is judged on.
    unlearned: Labels that no record of its train part has.
  """

  values: tuple[str, ...]
  num_train: int
  num_validation: int
  num_test: int
  unlearned: tuple[str, ...]
  num_noises: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan(json_form.Fields):
  """How a data set is divided.

  Attributes:
    text: What --folds asked for.
    data_dir: The data set, absolute.
    manifest_sha256: Digest of its manifest.
    folds: The folds.
    num_copies: Records that are augmented copies.
    without_copies: How many voices, or values, have none.
    version: See PLAN_VERSION.
  """

  text: str
  data_dir: str
  manifest_sha256: str
  folds: tuple[FoldPlan, ...]
  num_copies: int
  without_copies: int
  version: int = PLAN_VERSION

  @property
  def division(self) -> fold_flag.Division:
    """How records are divided."""
    return fold_flag.parse(self.text)

  @property
  def num_values(self) -> int:
    """How many voices, or values, there are; no noises."""
    return sum(len(fold.values) for fold in self.folds)

  @property
  def num_noises(self) -> int:
    """How many recordings of noise there are."""
    return sum(fold.num_noises for fold in self.folds)


def load(folder: cv_folder.CvFolder, data: datasets.Data, text: str) -> Plan | None:
  """Returns the plan in a folder, if it is whole, of these records here and --folds; else None."""
  try:
    with open(folder.plan_file, encoding='utf-8', errors='surrogateescape') as stream:
      held = json.load(stream)
    is_older = isinstance(held, dict) and held.get('version') == 1
    plan = Plan.from_json(held, where=folder.plan_file, is_older=is_older)
  except (OSError, ValueError, RecursionError):  # None yet, or it is made again.
    return None
  wanted = (text, files.absolute(data.path), data.digest)
  found = (plan.text, plan.data_dir, plan.manifest_sha256)
  parts = (fold_view.GROUPS, fold_view.COPIES, fold_view.ROLES)
  paths = [os.path.join(folder.data_dir, name) for name in parts]
  for number in range(len(plan.folds)):
    paths += [os.path.join(folder.data(number), name) for name in (naming.MANIFEST, naming.FOLD)]
  is_whole = all(map(os.path.exists, paths))
  return plan if found == wanted and plan.version in _VERSIONS and is_whole else None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Divided:
  """A data set that is divided, of which nothing is written yet.

  Attributes:
    plan: How.
    groups: Which group each record is of.
    roles: See fold_view.ROLES.
    folds: For each fold its manifest, and what it is of.
  """

  plan: Plan
  groups: record_groups.Groups
  roles: NDArray[np.int32]
  folds: tuple[tuple[manifest.DatasetManifest, fold_view.Fold], ...]


def divide(data: datasets.Data, text: str) -> Divided:
  """Divides a data set. The same input, the same folds.

  The records of a data set are read twice: once to see which voices there are, once to count and to
  take the mean and variance of what each fold learns from.

  Raises:
    RecordError, DatasetError: if the data set is damaged, or a fold could learn nothing.
    ConfigError: if it cannot be divided so.
  """
  division, dataset = fold_flag.parse(text), data.manifest
  raw = _raw_files(data)
  if raw:
    groups = record_groups.of_files(raw.files, dataset.labels, division, data.path)
  else:
    groups = record_groups.find(data.path, dataset, division)
  count = record_groups.check_count(groups, division, text=text, examples=dataset.medium)
  tested = dealing.deal(groups.counts, count, groups.is_noise)
  roles = dealing.roles(tested, groups.counts, groups.is_noise)
  sums = None if raw else shard_sums.add_up(data.path, dataset, groups, roles)
  plans, folds = [], []
  for number in range(count):
    shards: Mapping[str, Sequence[int]] = {}
    if sums:
      made, shards = fold_manifests.make(
        number, dataset, sums=sums, groups=groups, roles=roles, folds=text
      )
    elif raw:
      made = fold_manifests.of_files(number, raw, groups, roles, folds=text)
    fold = fold_view.Fold(
      number=number,
      folds=text,
      data_dir=files.absolute(data.path),
      manifest_sha256=data.digest,
      shards={split: list(some) for split, some in shards.items()},
    )
    mine = roles[fold_view.TESTED] == number
    values = [groups.names[i] for i in np.flatnonzero(mine & ~groups.is_noise)]
    num_noises = int((mine & groups.is_noise).sum())
    plans.append(_planned(made, values, num_noises=num_noises, number=number, text=text))
    folds.append((made, fold))
  plan = Plan(
    text=text,
    data_dir=files.absolute(data.path),
    manifest_sha256=data.digest,
    folds=tuple(plans),
    num_copies=int(groups.is_copy.sum()),
    without_copies=groups.without_copies,
  )
  return Divided(plan=plan, groups=groups, roles=roles, folds=tuple(folds))


def _raw_files(data: datasets.Data) -> files.RawFiles | None:
  audio = data.manifest.audio
  if audio is None or not files.is_raw(data.path):
    return None
  return files.load(data.path, sample_rate_hz=audio.sample_rate_hz, clip_s=audio.clip_s)


def write(folder: cv_folder.CvFolder, divided: Divided) -> None:
  """Writes the folds as data sets, their index, and last the plan; the same input, the same bytes.

  Raises:
    ConfigError: if the folder cannot be written.
  """
  with run_folder.writing(folder.data_dir):
    shutil.rmtree(folder.data_dir, ignore_errors=True)
    os.makedirs(folder.data_dir)
    for name, array in (
      (fold_view.GROUPS, divided.groups.of_record),
      (fold_view.COPIES, divided.groups.is_copy),
      (fold_view.ROLES, divided.roles),
    ):
      _write_array(os.path.join(folder.data_dir, name), array)
  for made, fold in divided.folds:
    _write_fold(folder.data(fold.number), made, fold)
  _write_json(folder.plan_file, divided.plan.to_json())


def _planned(
  made: manifest.DatasetManifest,
  values: list[str],
  *,
  num_noises: int,
  number: int,
  text: str,
) -> FoldPlan:
  unlearned = datasets.unlearned_labels(made)
  learned = made.num_labels - len(unlearned)
  if learned < 2:
    raise errors.DatasetError(
      f'--folds={text}: fold {number} would learn from {media.example(made.medium)}s of '
      f'{errors.counted(learned, "label")}: there is nothing to tell apart. Ask for more folds, so '
      f'that each learns from more {media.voice(made.medium)}s, or name a data set with more of '
      'them.'
    )
  return FoldPlan(
    values=tuple(values),
    num_train=made.num_records(splits.TRAIN),
    num_validation=made.num_records(splits.VALIDATION),
    num_test=made.num_records(splits.TEST),
    unlearned=tuple(unlearned),
    num_noises=num_noises,
  )


def _write_fold(path: str, made: manifest.DatasetManifest, fold: fold_view.Fold) -> None:
  with run_folder.writing(path):
    os.makedirs(path)
  manifest_file.save(made, path)
  _write_json(os.path.join(path, naming.FOLD), fold.to_json())


def _write_json(path: str, value: Any) -> None:
  # Voices may come from file names that are no UTF-8.
  with run_folder.writing(path):
    storage.write_atomically(path, json_form.dumps(value).encode('utf-8', 'surrogateescape'))


def _write_array(path: str, array: NDArray[Any]) -> None:
  stream = io.BytesIO()
  np.save(stream, array, allow_pickle=False)
  storage.write_atomically(path, stream.getvalue())
