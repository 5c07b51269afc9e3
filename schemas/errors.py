"""The errors that a user may meet, each a sentence: what was wanted, what was got, what to do.

What may be written of an address that a user gives is said here too: everything that writes or
prints one asks `shown`, and no sentence of an error holds more of it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

_WEB = ('http', 'https')
_PARTS = re.compile(
  r'(?P<host>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?', re.DOTALL
)
_HIDDEN = re.compile(r'\?hidden=[0-9a-f]{16}')
# What a bucket's object, or what stands behind `#`, may be called is no secret but for such.
_SECRET = re.compile(r'(sig|signature|token|credential|password|secret|key|auth)[^=&]*=', re.I)
# In quotes, as sentences have most, an address may have blanks and other quotes.
_SCHEME = r'[A-Za-z][A-Za-z0-9+.-]*://'
_IN_TEXT = re.compile(
  rf"""(?<='){_SCHEME}(?:\\.|[^'\\])*(?=')|(?<="){_SCHEME}(?:\\.|[^"\\])*(?=")"""
  rf"""|{_SCHEME}[^\s'"<>`]*[^\s'"<>`.,:;)\]]""",
  re.DOTALL,
)
# No host has such an end: it is a password, or a key, in which there is a `/`, `?` or `#`.
_NO_PORT = re.compile(r'[^@\[\]]*:[^:@]*[^:@\d][^:@]*')


def counted(value: int, noun: str, one: str = '', many: str = '') -> str:
  """Returns such as `1 clip` or `2,000 clips`; with the forms of a verb `1 clip is`."""
  verb = one if value == 1 else many
  return f'{value:,} {noun}{"s" * (value != 1)}{verb and " "}{verb}'


def share(part: float) -> str:
  """Returns such as `93.3 %`: with a tenth whatever it is, for figures that stand side by side."""
  return f'{100 * part:.1f} %'


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


def shown(address: str) -> str:
  """Returns what may be written of an address: no secret that whoever reads it could use.

  Who signs in (`user:password@`) is left away, and of what stands behind `?`, as a signature or a
  token, a digest is left, by which two addresses are told apart: `https://host/a.wav?hidden=...`.
  Of objects in buckets, whose names may have a `?`, only what looks like a secret is hidden. Other
  texts, and what was shown before, stay as they are.
  """
  scheme, mark, rest = address.partition('://')
  if not mark:
    return address
  if '@' in rest and _NO_PORT.fullmatch(re.split('[/?#]', rest, maxsplit=1)[0]):
    rest = rest.rpartition('@')[2]
  parts = _PARTS.fullmatch(rest)
  if not parts:
    return address
  query, fragment = parts['query'] or '', parts['fragment'] or ''
  if len(query) > 1 and (scheme.lower() in _WEB or _SECRET.search(query)):
    query = query if _HIDDEN.fullmatch(query) else _hidden(query)
  if _SECRET.search(fragment):
    fragment = _hidden(fragment).replace('?', '#', 1)
  return f'{scheme}://{parts["host"].rpartition("@")[2]}{parts["path"]}{query}{fragment}'


def without_secrets(text: str) -> str:
  """Returns a text in which every address is what `shown` makes of it."""
  return _IN_TEXT.sub(lambda match: shown(match[0]), text) if '://' in text else text


def _hidden(secret: str) -> str:
  digest = hashlib.blake2b(secret.encode('utf-8', 'surrogateescape'), digest_size=8).hexdigest()
  return f'?hidden={digest}'


class VoxshardError(Exception):
  """Root of all errors of this project: programs print its text alone and exit with 2."""

  def __init__(self, *args: object) -> None:
    """Takes the sentence, of which no address keeps its secrets."""
    super().__init__(*(without_secrets(arg) if isinstance(arg, str) else arg for arg in args))


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
