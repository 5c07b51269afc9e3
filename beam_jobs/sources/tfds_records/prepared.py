"""A prepared TFDS data set on a disk or in a bucket: its version, features, splits and files."""

import dataclasses
import json
import re
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources.tfds_records import feature_list
from schemas import errors, options
from tfrecords import storage
from tfrecords.storage import passing_faults

INFO_FILE = 'dataset_info.json'
FEATURES_FILE = 'features.json'

_INFO_PATH = re.compile(
  rf'(?:(?P<config>[^/]+)/)?(?P<version>\d+\.\d+\.\d+)/{re.escape(INFO_FILE)}'
)
_TEMPLATE = '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}'
_FORMAT = 'tfrecord'


@dataclasses.dataclass(frozen=True)
class Shard:
  """One record file.

  Attributes:
    name: Its name in the data set's folder.
    num_records: Records in it; None where the data set does not say.
  """

  name: str
  num_records: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared:
  """A data set that TFDS has prepared.

  Attributes:
    folder: Of one version of it.
    title: What it is called in errors, such as `speech_commands 0.0.3`.
    features: By name.
    shards: The files of every split, in the order of the data set.
  """

  folder: corpus_lib.Corpus
  title: str
  features: dict[str, feature_list.Feature]
  shards: dict[str, tuple[Shard, ...]]

  def class_names(self, feature: feature_list.Feature) -> tuple[str, ...]:
    """Returns the names of the classes of a class label, or their numbers if they have none."""
    text = self.folder.read_text(f'{feature.name.replace("/", "-")}.labels.txt')
    if text is None:
      return tuple(map(str, range(feature.num_classes)))
    return tuple(line.strip() for line in text.split('\n') if line.strip())

  def open(self, shard: Shard) -> BinaryIO:
    """Returns a stream of a record file.

    Raises:
      SourceError: if it is not there or cannot be read.
    """
    path = self.folder.uri(shard.name)
    files = storage.storage_of(path)
    try:
      return passing_faults.opened_patiently(lambda: files.open_read(path), path)
    except OSError as error:
      raise errors.SourceError(
        f'Could not open {path}, which the data set {self.title} names: '
        f'{error.strerror or error}. Copy the data set again, or prepare it again.'
      ) from error


def find(corpus: corpus_lib.Corpus, *, name: str, config: str, version: str) -> Prepared:
  """Returns the data set below a data_dir, or the one whose folder the corpus is.

  Args:
    corpus: TFDS's data_dir; or, without a name, the folder of one version of a data set.
    name: The data set's folder in data_dir.
    config: Its builder config; '' for the only one.
    version: Such as 1.0.0; '' for the newest.

  Raises:
    SourceError: if there is none such, or it cannot be read.
  """
  corpus.check()
  if not name:
    return _read(corpus, corpus.folder)
  versions = _versions(corpus, name)
  configs = sorted({found_config for found_config, _ in versions})
  if not config and len(configs) > 1 and '' not in configs:
    raise errors.SourceError(
      f'The data set {name} has the configs {", ".join(configs)}. Choose one with '
      f'tfds:name={name},config=NAME.'
    )
  chosen = config or configs[0]
  there = [found for found_config, found in versions if found_config == chosen]
  if not there:
    raise _unknown('config', config, configs, name)
  newest = max(there, key=_as_numbers)
  if version and version not in there:
    raise _unknown('version', version, sorted(there, key=_as_numbers), name)
  parts = [part for part in (name, chosen, version or newest) if part]
  return _read(corpus_lib.Corpus(corpus.uri('/'.join(parts))), ' '.join(parts))


def _versions(corpus: corpus_lib.Corpus, name: str) -> list[tuple[str, str]]:
  """Returns (config, version) of all that is prepared of a data set; config is '' for none."""
  try:
    paths = corpus_lib.Corpus(corpus.uri(name)).entries((INFO_FILE,))
  except errors.SourceError:
    paths = []
  found = [match.group('config', 'version') for match in map(_INFO_PATH.fullmatch, paths) if match]
  if not found:
    names = _data_sets(corpus)
    raise errors.SourceError(
      f'There is no prepared data set {name!r} below {corpus.folder}.'
      f'{options.did_you_mean(name, names)} It holds: {", ".join(names) or "none"}. Prepare it '
      f'once with TensorFlow Datasets, `tfds build {name} --data_dir={corpus.folder}`, or name '
      'another data_dir with --input=FOLDER.'
    )
  return [(config or '', version) for config, version in found]


def _data_sets(corpus: corpus_lib.Corpus) -> list[str]:
  """Returns the names of the prepared data sets below a data_dir."""
  paths = [path.split('/') for path in corpus.entries((INFO_FILE,))]
  return sorted({parts[0] for parts in paths if len(parts) > 2})


def _unknown(what: str, wanted: str, known: Collection[str], name: str) -> errors.SourceError:
  return errors.SourceError(
    f'The data set {name} has no {what} {wanted!r}.{options.did_you_mean(wanted, known)} '
    f'It has: {", ".join(known) or "none"}. Name one of them, or leave {what}= out.'
  )


def _as_numbers(version: str) -> tuple[int, ...]:
  return tuple(map(int, version.split('.')))


def _read(folder: corpus_lib.Corpus, title: str) -> Prepared:
  texts = {name: folder.read_text(name) for name in (INFO_FILE, FEATURES_FILE)}
  for name, text in texts.items():
    if text is None:
      names = _data_sets(folder)
      raise errors.SourceError(
        f'There is no {name} in {folder.folder}, as TensorFlow Datasets writes it. Name the data '
        f'set with tfds:name=NAME and its data_dir with --input=FOLDER.'
        + (f' Prepared below it: {", ".join(names)}.' if names else '')
      )
  where = folder.uri(INFO_FILE)
  try:
    shards = dict(_splits(json.loads(texts[INFO_FILE] or ''), where))
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    if isinstance(error, errors.SourceError):
      raise
    raise errors.SourceError(
      f'{where} is not what TensorFlow Datasets writes ({type(error).__name__}: {error}). Copy the '
      'data set again, or prepare it again.'
    ) from error
  features = feature_list.parse(texts[FEATURES_FILE] or '', where=folder.uri(FEATURES_FILE))
  return Prepared(folder=folder, title=title, features=features, shards=shards)


def _splits(info: dict[str, Any], where: str) -> Iterator[tuple[str, tuple[Shard, ...]]]:
  """Yields the files of every split that dataset_info.json names."""
  file_format = info.get('fileFormat') or _FORMAT
  if file_format != _FORMAT:
    raise errors.SourceError(
      f'{where} says that the records are stored as {file_format}, and {_FORMAT} is read. Prepare '
      f'the data set again with `tfds build --file_format={_FORMAT}`.'
    )
  for split in info['splits']:
    lengths = split.get('shardLengths')
    num_records = [int(length) for length in lengths] if lengths else None
    total = len(num_records) if num_records else int(split.get('numShards', 0))
    pattern = (split.get('filepathTemplate') or _TEMPLATE).rpartition('/')[2]
    values = {
      'DATASET': info['name'],
      'SPLIT': split['name'],
      'FILEFORMAT': _FORMAT,
      'NUM_SHARDS': f'{total:05d}',
    }
    yield (
      split['name'],
      tuple(
        Shard(
          name=_shard_name(pattern, values, index),
          num_records=num_records[index] if num_records else None,
        )
        for index in range(total)
      ),
    )


def _shard_name(pattern: str, values: dict[str, str], index: int) -> str:
  number = f'{index:05d}'
  return pattern.format(
    **values, SHARD_INDEX=number, SHARD_X_OF_Y=f'{number}-of-{values["NUM_SHARDS"]}'
  )
