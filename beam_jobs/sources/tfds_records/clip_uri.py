"""Where one clip stands in a record file, as the text of a URI.

`tfds:/data/x-train.tfrecord-00000-of-00002?offset=123&length=4567&key=audio&...` is what the data
job shuffles in place of the audio. The path may be in a bucket (`tfds:gs://...`).
"""

import dataclasses
import urllib.parse

from schemas import errors

SCHEME = 'tfds:'

# How samples are stored: as the list of numbers of a tf.train.Example, as their bytes, as their
# bytes compressed, or as a whole audio file.
NUMBERS, RAW, ZLIB, FILE = 'none', 'bytes', 'zlib', 'file'
ENCODINGS = (NUMBERS, RAW, ZLIB, FILE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredAudio:
  """How a data set stores its audio.

  Attributes:
    key: Name of the feature in a record.
    encoding: One of ENCODINGS.
    dtype: Type of a sample, as NumPy calls it; '' for files.
    bits: Bits of a whole number that a sample may use; 0 for float and for files.
    channels: Samples that follow one another at each moment.
    rate_hz: Samples per second; 0 for files, which tell it themselves.
  """

  key: str
  encoding: str
  dtype: str = ''
  bits: int = 0
  channels: int = 1
  rate_hz: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
  """One record of a file.

  Attributes:
    path: The file.
    offset_bytes: Where the record's frame begins.
    length_bytes: How long the record is, without its frame.
    audio: How the audio is stored in it.
  """

  path: str
  offset_bytes: int
  length_bytes: int
  audio: StoredAudio


def is_uri(uri: str) -> bool:
  """Whether a URI names a clip in a record file."""
  return uri.startswith(SCHEME)


def file_of(uri: str) -> str:
  """Returns the file that is opened for a clip: itself, or the record file that holds it."""
  return parse_uri(uri).path if is_uri(uri) else uri


def uri(place: Place) -> str:
  """Returns the URI of a record."""
  values = {
    'offset': place.offset_bytes,
    'length': place.length_bytes,
    **dataclasses.asdict(place.audio),
  }
  return f'{SCHEME}{urllib.parse.quote(place.path, safe="/:")}?{urllib.parse.urlencode(values)}'


def parse_uri(uri: str) -> Place:
  """Returns what `uri` has written.

  Raises:
    SchemaError: if the text is none of its URIs.
  """
  path, mark, query = uri.removeprefix(SCHEME).partition('?')
  values = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
  try:
    if not (mark and is_uri(uri) and values['encoding'] in ENCODINGS):
      raise ValueError(uri)
    return Place(
      path=urllib.parse.unquote(path),
      offset_bytes=int(values['offset']),
      length_bytes=int(values['length']),
      audio=StoredAudio(
        key=values['key'],
        encoding=values['encoding'],
        dtype=values['dtype'],
        bits=int(values['bits']),
        channels=int(values['channels']),
        rate_hz=int(values['rate_hz']),
      ),
    )
  except (KeyError, ValueError) as error:
    raise errors.SchemaError(
      f'Wanted {SCHEME}PATH?offset=...&length=...&key=..., got {uri!r}. List the data set again.'
    ) from error
