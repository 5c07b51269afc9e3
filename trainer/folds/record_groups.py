"""To which voice, or value of a field, each record of a data set belongs: found by one pass."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import errors, manifest, record, utterance
from tfrecords import reader, storage
from tfrecords.wire import codec
from trainer.data.raw import files
from trainer.folds import dealing, fold_flag

_MOST_NAMED = 8


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
  """The groups of all records, in the order of the manifest's shards.

  Attributes:
    names: The voices, or values of a field, sorted; recordings of noise stand among the voices.
    of_record: Index of the group of each record, int32 [records].
    is_copy: Whether each is a copy, augmented or as it is, bool [records].
    counts: Originals of each group by label.
    is_noise: Whether each group is a recording of noise, bool [groups].
  """

  names: tuple[str, ...]
  of_record: NDArray[np.int32]
  is_copy: NDArray[np.bool_]
  counts: tuple[dealing.LabelCounts, ...]
  is_noise: NDArray[np.bool_]

  @property
  def voices(self) -> tuple[str, ...]:
    """The names without those of noises."""
    return tuple(name for name, one in zip(self.names, self.is_noise, strict=True) if not one)

  @property
  def without_copies(self) -> int:
    """How many groups have no copy; noises are left out."""
    has_copies = np.zeros(len(self.names), np.bool_)
    has_copies[self.of_record[self.is_copy]] = True
    return int((~has_copies & ~self.is_noise).sum())


def find(data_dir: str, dataset: manifest.DatasetManifest, division: fold_flag.Division) -> Groups:
  """Returns the group of every record; reads each once, and none of its arrays.

  Raises:
    RecordError: if a shard is damaged.
    DatasetError: if there are other records than the manifest says.
    ConfigError: if records do not have the field, or all have the same.
  """
  total = sum(shard.num_records for shard in dataset.shards)
  of_record, is_copy = np.zeros(total, np.int32), np.zeros(total, np.bool_)
  numbers: dict[str, int] = {}
  counts: list[collections.Counter[int]] = []
  missing, known = 0, set()
  place = 0
  for shard in dataset.shards:
    for clip in records(data_dir, dataset, shard):
      value = _value(clip, division)
      if value is None:
        missing += 1
        if len(known) < _MOST_NAMED:
          known |= set(clip.fields)
        continue
      number = numbers.setdefault(value, len(numbers))
      if number == len(counts):
        counts.append(collections.Counter())
      # Repetitions for balance too: who is judged is judged once.
      of_record[place], is_copy[place] = (
        number,
        record.is_copy(clip.utterance_id, clip.augmentation),
      )
      counts[number][clip.label] += not is_copy[place]
      place += 1
  if missing:
    raise _no_field(data_dir, division, dataset, missing=missing, total=total, known=known)
  # Numbered in the order of their names, not in that of the shards.
  names = sorted(numbers)
  order = np.array([numbers[name] for name in names], np.int64)
  rank = np.zeros(len(names), np.int32)
  rank[order] = np.arange(len(names), dtype=np.int32)
  return Groups(
    names=tuple(names),
    of_record=rank[of_record],
    is_copy=is_copy,
    counts=tuple({k: n for k, n in sorted(counts[i].items()) if n} for i in order.tolist()),
    is_noise=_are_noises(names, division),
  )


def of_files(
  clips: Sequence[files.File], labels: Sequence[str], division: fold_flag.Division, data: str
) -> Groups:
  """Returns the same of raw files, of which only the voice is known.

  Raises:
    ConfigError: if they are to be divided by something else.
  """
  if division.by != fold_flag.SPEAKER:
    raise errors.ConfigError(
      f'--folds: of raw files ({data}) nothing is known but labels and voices, and no '
      f'{division.field!r}. Divide by speaker, or let the data job read them: it keeps the columns '
      'of a table.'
    )
  names = sorted({clip.speaker for clip in clips})
  number_of = {name: i for i, name in enumerate(names)}
  label_of = {label: i for i, label in enumerate(labels)}
  counts: list[collections.Counter[int]] = [collections.Counter() for _ in names]
  for clip in clips:
    counts[number_of[clip.speaker]][label_of[clip.label]] += 1
  return Groups(
    names=tuple(names),
    of_record=np.array([number_of[clip.speaker] for clip in clips], np.int32),
    is_copy=np.zeros(len(clips), np.bool_),
    counts=tuple(dict(sorted(some.items())) for some in counts),
    is_noise=_are_noises(names, division),
  )


def check_count(groups: Groups, division: fold_flag.Division, *, text: str, examples: str) -> int:
  """Returns how many folds there are.

  A recording of noise makes no fold of its own: what is judged is how a model does on voices.

  Raises:
    ConfigError: if there are fewer groups.
  """
  there = len(groups.voices)
  if there < max(2, division.count):
    what = division.counted(there, examples)
    fewer = f'Ask for at most {there:,} folds'
    again = fewer if there > 1 else 'Divide by a field of the records, as --folds=field:take:5'
    raise errors.ConfigError(
      f'--folds={text}: the data set has {what} ({errors.some(groups.voices, _MOST_NAMED)}), and '
      f'no two folds may share one. {again}.'
    )
  return division.count or there


def records(
  data_dir: str,
  dataset: manifest.DatasetManifest,
  shard: manifest.ShardInfo,
  *,
  features: tuple[record.FeatureSpec, ...] = (),
) -> Iterator[codec.Record]:
  """Yields the records of a shard.

  Raises:
    RecordError: if it is damaged.
    DatasetError: if there are more or fewer than the manifest says.
  """
  for clip, _ in sized_records(data_dir, dataset, shard, features=features):
    yield clip


def sized_records(
  data_dir: str,
  dataset: manifest.DatasetManifest,
  shard: manifest.ShardInfo,
  *,
  features: tuple[record.FeatureSpec, ...] = (),
) -> Iterator[tuple[codec.Record, int]]:
  """Yields the records of a shard, each with its bytes."""
  place = storage.storage_of(data_dir)
  path = place.join(data_dir, shard.file_name)
  count = 0
  for data in reader.read_records(path, place):
    yield codec.decode(data, features, record_version=dataset.record_version), len(data)
    count += 1
  if count != shard.num_records:
    raise errors.DatasetError(
      f'{path!r} holds {errors.counted(count, "record")}, the manifest says '
      f'{shard.num_records:,}. Run `python -m tfrecords.verify {data_dir}`.'
    )


def _are_noises(names: Sequence[str], division: fold_flag.Division) -> NDArray[np.bool_]:
  by_voice = division.by == fold_flag.SPEAKER
  return np.array([by_voice and utterance.is_noise(name) for name in names], np.bool_)


def _value(clip: codec.Record, division: fold_flag.Division) -> str | None:
  return clip.speaker_id if division.by == fold_flag.SPEAKER else clip.fields.get(division.field)


def _no_field(
  data_dir: str,
  division: fold_flag.Division,
  dataset: manifest.DatasetManifest,
  *,
  missing: int,
  total: int,
  known: set[str],
) -> errors.ConfigError:
  if dataset.record_version < record.FIRST_WITH_ORIGIN:
    why = 'its records are of an older version and have no fields: run the data job again'
  elif known:
    why = f'there are: {errors.some(sorted(known), _MOST_NAMED)}'
  else:
    why = 'its source says nothing of clips but their labels and voices'
  return errors.ConfigError(
    f'--folds: {missing:,} of {total:,} records of {data_dir!r} have no field {division.field!r}; '
    f'{why}. Divide by another field, or by speaker.'
  )
