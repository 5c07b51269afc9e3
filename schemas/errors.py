"""The errors that a user may meet, each a sentence: what was wanted, what was got, what to do."""

from collections.abc import Mapping, Sequence


def counted(value: int, noun: str, one: str = '', many: str = '') -> str:
  """Returns such as `1 clip` or `2,000 clips`; with the forms of a verb `1 clip is`."""
  verb = one if value == 1 else many
  return f'{value:,} {noun}{"s" * (value != 1)}{verb and " "}{verb}'


def some(names: Sequence[str], most: int, *, of: int = 0) -> str:
  """Returns the first of the names, `most` of them, with dots if there are more: `of` in all."""
  shown = names[:most]
  return ', '.join(shown) + (', ...' if max(of, len(names)) > len(shown) else '')


def differing(one: Mapping[str, object], other: Mapping[str, object]) -> tuple[str, str]:
  """Returns what each has that the other has not, as `name=value, ...`; '' twice for nothing."""
  names = sorted(name for name in {**one, **other} if one.get(name) != other.get(name))
  first, second = (
    ', '.join(f'{name}={fields.get(name, "none")}' for name in names) for fields in (one, other)
  )
  return first, second


class VoxshardError(Exception):
  """Root of all errors of this project: programs print its text alone and exit with 2."""


class ConfigError(VoxshardError, ValueError):
  """A flag, an option or a combination of them is wrong."""


class SchemaError(VoxshardError, ValueError):
  """A description of data (settings, manifest, shard name) is malformed."""


class SourceError(VoxshardError, ValueError):
  """A corpus is missing, empty or not laid out as its source expects."""


class StorageError(VoxshardError, ValueError):
  """A disk, a bucket or a web server does not deliver, also when it is asked again."""


class FeatureError(VoxshardError, ValueError):
  """Samples cannot be turned into a feature."""


class RecordError(VoxshardError, ValueError):
  """A record or a shard file is damaged or of another schema."""


class DatasetError(VoxshardError, ValueError):
  """A data set as a whole is missing, unfinished, or does not fit what reads it."""
