"""Names of the files of a data set: `<name>-<split>.tfrecord-00003-of-00016`, as in TFDS."""

import dataclasses
import re
from collections.abc import Iterable

from schemas import errors, splits

MANIFEST = 'manifest.json'
FOLD = 'fold.json'  # Of a fold of a data set: a manifest whose shards lie elsewhere.
RUN_CONFIG = 'config.json'  # Of the folder of a run, which holds a manifest too.
REJECTS = 'rejects.jsonl'
# What TensorFlow Datasets needs to open the folder.
TFDS_FILES = ('dataset_info.json', 'features.json', 'label.labels.txt')

_DATASET_NAME = re.compile(r'[a-z][a-z0-9_]*\Z')
_SHARD_NAME = re.compile(
  r'(?P<name>[a-z][a-z0-9_]*)-(?P<split>[a-z]+)\.tfrecord-(?P<index>\d{5,})-of-(?P<count>\d{5,})\Z'
)


def check_dataset_name(name: str) -> str:
  """Returns `name`, or raises SchemaError where TFDS could not read a data set of that name."""
  if not _DATASET_NAME.match(name):
    raise errors.SchemaError(
      f'A data set name has small letters, digits and _ and starts with a letter, got {name!r}.'
    )
  return name


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardName:
  """The parts of a shard's file name; shards of a split count from 0."""

  dataset_name: str
  split: str
  index: int
  num_shards: int

  def __post_init__(self) -> None:
    check_dataset_name(self.dataset_name)
    if self.split not in splits.SPLITS:
      raise errors.SchemaError(f'No split is called {self.split!r}.')
    if not 0 <= self.index < self.num_shards:
      raise errors.SchemaError(
        f'A shard index must be in [0, {self.num_shards}), got {self.index}.'
      )

  def __str__(self) -> str:
    return f'{self.dataset_name}-{self.split}.tfrecord-{self.index:05d}-of-{self.num_shards:05d}'

  @classmethod
  def parse(cls, file_name: str) -> 'ShardName':
    """Returns the parts of `file_name`; raises SchemaError if it is no shard's name."""
    match = _SHARD_NAME.match(file_name)
    if not match:
      raise errors.SchemaError(
        f'{file_name!r} is not a shard name such as speech-train.tfrecord-00003-of-00016.'
      )
    return cls(
      dataset_name=match['name'],
      split=match['split'],
      index=int(match['index']),
      num_shards=int(match['count']),
    )


def is_shard_name(file_name: str) -> bool:
  """Whether `file_name` has the form of a shard's name."""
  return bool(_SHARD_NAME.match(file_name))


def unfit_for_tfds(labels: Iterable[str]) -> list[str]:
  """Returns the labels that the metadata of TensorFlow Datasets cannot hold as they are.

  It keeps labels as the lines of a text, strips each when it reads them and leaves blank ones out:
  every label behind a blank one, or behind one of two lines, would have its neighbour's number.
  """
  return [label for label in labels if not _is_line(label)]


def _is_line(text: str) -> bool:
  try:
    text.encode()
  except UnicodeEncodeError:
    return False
  # A carriage return is read as the end of a line.
  return bool(text) and text == text.strip() and not set('\n\r') & set(text)
