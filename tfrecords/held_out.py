"""A data set as if clips of some labels were not in it: for models that are not to know them.

The manifest of such a view has fewer labels and counts fewer records; its files are those of the
whole data set, and `config` says what they hold, so that whoever reads them leaves these records
out and numbers the labels of the others anew.
"""

import dataclasses
import hashlib
from collections.abc import Collection, Sequence

from schemas import errors
from schemas.manifest import DatasetManifest, ShardInfo

# In the config of a view: the labels of its files, and how many records of each label each of these
# has, by its name.
_KEY, _LABELS, _COUNTS = 'held_out', 'labels', 'label_counts'
# Labels that stand for what is none of the others. Of some corpora they have underscores around.
CATCH_ALLS = ('unknown', 'silence')


def is_catch_all(label: str) -> bool:
  """Whether a label stands for what is none of the others."""
  return label.strip('_ ').casefold() in CATCH_ALLS


def without(manifest: DatasetManifest, labels: Collection[str]) -> DatasetManifest:
  """Returns a data set without the clips of some of its labels, of which others must be left."""
  if not labels:
    return manifest
  whole = of_files(manifest)
  kept = [i for i, label in enumerate(whole.labels) if label in manifest.labels]
  kept = [i for i in kept if whole.labels[i] not in labels]
  counts = {one.file_name: list(one.label_counts) for one in whole.shards}
  return dataclasses.replace(
    manifest,
    labels=tuple(whole.labels[i] for i in kept),
    shards=tuple(_counted(one, [one.label_counts[i] for i in kept]) for one in whole.shards),
    config={**manifest.config, _KEY: {_LABELS: list(whole.labels), _COUNTS: counts}},
  )


def of_files(manifest: DatasetManifest) -> DatasetManifest:
  """Returns what the files of a data set hold, all labels included."""
  said = manifest.config.get(_KEY)
  if said is None:
    return manifest
  return dataclasses.replace(
    manifest,
    labels=tuple(said[_LABELS]),
    shards=tuple(_counted(one, said[_COUNTS][one.file_name]) for one in manifest.shards),
    config={key: value for key, value in manifest.config.items() if key != _KEY},
  )


def files_read(manifest: DatasetManifest) -> DatasetManifest:
  """Returns the same, of those files alone in which there is a record that is not left out."""
  whole = of_files(manifest)
  pairs = zip(whole.shards, manifest.shards, strict=True)
  shards = tuple(one for one, left in pairs if left.num_records)
  return dataclasses.replace(whole, shards=shards)


def labels_of(manifest: DatasetManifest) -> tuple[str, ...]:
  """Returns the labels that are left out, in the order of the files'."""
  return tuple(label for label in of_files(manifest).labels if label not in manifest.labels)


def numbers(manifest: DatasetManifest) -> tuple[int, ...]:
  """Returns for each label of the files its index in the manifest; -1 for one that is left out."""
  index_of = {label: i for i, label in enumerate(manifest.labels)}
  return tuple(index_of.get(label, -1) for label in of_files(manifest).labels)


def chosen(labels: Sequence[str], text: str, *, seed: int) -> tuple[str, ...]:
  """Returns the labels that a text names.

  Args:
    labels: Those of the data set.
    text: How many of them (`2`), their names (`yes,no`; one alone that is a number: `7,`), or ''.
    seed: Decides which, where their number is given: none that stands for what is no other label.

  Raises:
    ConfigError: if there are no such labels, or fewer than two would be left.
  """
  if not text:
    return ()
  if text.isdecimal():
    words = [label for label in labels if not is_catch_all(label)]
    count = int(text)
    if not 1 <= count <= len(words) or len(labels) - count < 2:
      raise errors.ConfigError(
        f'--unknown_labels={text}: expected at least 1, and so few that at least 2 of the '
        f'{errors.counted(len(labels), "label")} are left, or the names of labels.'
      )
    drawn = sorted(words, key=lambda word: _rank(word, seed))[:count]
    return tuple(label for label in labels if label in drawn)
  named = [name for name in text.split(',') if name]
  unknown = [name for name in named if name not in labels]
  if unknown or not named:
    raise errors.ConfigError(
      f'--unknown_labels={text}: the data set has no label {(unknown or [text])[0]!r}. It has '
      f'{errors.some(labels, 10)}. Name some of these as in {labels[0]},{labels[-1]}, or say how '
      'many.'
    )
  if len(set(labels) - set(named)) < 2:
    raise errors.ConfigError(
      f'--unknown_labels={text} leaves {len(set(labels) - set(named))} of '
      f'{errors.counted(len(labels), "label")}: at least 2 must be left to tell apart.'
    )
  return tuple(label for label in labels if label in named)


def _rank(label: str, seed: int) -> str:
  return hashlib.sha256(f'{seed}/{label}'.encode('utf-8', 'surrogateescape')).hexdigest()


def _counted(shard: ShardInfo, counts: Sequence[int]) -> ShardInfo:
  return dataclasses.replace(shard, label_counts=tuple(counts), num_records=sum(counts))
