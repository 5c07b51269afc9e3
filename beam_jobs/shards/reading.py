"""Reads and decodes one clip, from a local file, from an object in a bucket, or from a web server.

A local file that something writes to while it is read is refused (local_files.py). Objects in
buckets do not change, they are replaced. What passes by itself is waited out, and ends the shard
where it stays (storage/passing_faults.py): it is no fault of the clip.
"""

import contextlib
import errno
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO

from beam_jobs.shards import local_files
from beam_jobs.sources.tfds_records import clip_uri, stored_audio
from features.decoding import byte_ranges, clips, deadline
from schemas import audio, utterance
from tfrecords import paths, storage
from tfrecords.storage import passing_faults

# Larger files are not read as a whole, but only where the decoder asks.
WHOLE_BYTES = 64 << 20
# Of large objects in a bucket, at least so much is fetched at a time.
RANGE_BYTES = 256 << 10

_REASONS = {errno.ENOENT: 'missing', errno.EACCES: 'no_permission'}


def load(
  uri: str,
  spec: audio.AudioSpec,
  *,
  excerpt: utterance.Excerpt | None = None,
  min_clip_s: float = 0.0,
  max_decode_s: float = deadline.DEFAULT_S,
) -> clips.Clip:
  """Returns a decoded clip.

  Raises:
    clips.ClipError: with the reason, if there is none.
    StorageError: if a disk, a bucket or a server does not deliver, also when asked again.
  """
  return passing_faults.patiently(
    lambda: _load(uri, spec, excerpt, min_clip_s=min_clip_s, max_decode_s=max_decode_s),
    clip_uri.file_of(uri),
  )


def length_s(
  uri: str,
  excerpt: utterance.Excerpt | None = None,
  *,
  max_decode_s: float = deadline.DEFAULT_S,
) -> float:
  """Returns how long a clip is, in seconds; mostly no more than its header is read.

  Raises:
    clips.ClipError: with the reason, if there is none.
    StorageError: if a disk, a bucket or a server does not deliver, also when asked again.
  """

  def attempt() -> float:
    if clip_uri.is_uri(uri):
      return clips.length_s(_read(uri), excerpt, max_decode_s=max_decode_s)
    with opened(uri) as stream:
      ranges = byte_ranges.ByteRanges(stream)
      return clips.length_s(ranges, excerpt, max_decode_s=max_decode_s)

  return passing_faults.patiently(attempt, clip_uri.file_of(uri))


def _load(
  uri: str, spec: audio.AudioSpec, excerpt: utterance.Excerpt | None, **limits: float
) -> clips.Clip:
  if excerpt is not None:
    with opened(uri) as stream:
      ranges = byte_ranges.ByteRanges(stream)
      return clips.decode(ranges, spec, excerpt, **limits)
  if clip_uri.is_uri(uri):
    return clips.decode(_read(uri), spec, **limits)
  if not is_remote(uri):
    data = local_files.read_whole(uri, WHOLE_BYTES)
    if data is not None:
      return clips.decode(data, spec, **limits)
  with opened(uri) as stream:
    ranges = byte_ranges.ByteRanges(stream)
    if len(ranges) > WHOLE_BYTES:
      return clips.decode(ranges, spec, **limits)
    data = ranges[:]
  return clips.decode(data, spec, **limits)


@contextlib.contextmanager
def seekable(uri: str) -> Iterator[byte_ranges.Bytes]:
  """Gives the content of a clip's file, of which only what is asked for is read.

  To be called by passing_faults.patiently; raises what `opened` does.
  """
  if clip_uri.is_uri(uri):
    yield _read(uri)
    return
  with opened(uri) as stream:
    yield byte_ranges.ByteRanges(stream)


def file_of(uri: str) -> str:
  """Returns the file in which a clip lies, that of a record too."""
  return clip_uri.file_of(uri)


def read(uri: str) -> bytes:
  """Returns the content of a local file, of an object in a bucket, or of a clip in a record file.

  Raises:
    clips.ClipError: with the reason, if it cannot be read.
    StorageError: if a disk, a bucket or a server does not deliver, also when asked again.
  """
  return passing_faults.patiently(lambda: _read(uri), clip_uri.file_of(uri))


def _read(uri: str) -> bytes:
  if clip_uri.is_uri(uri):
    place = clip_uri.parse_uri(uri)
    with opened(place.path) as stream:
      return stored_audio.read_bytes(stream, place)
  with opened(uri) as stream:
    data = stream.read()
  if not data:
    raise clips.ClipError('empty', 'Wanted content, got 0 bytes.')
  return data


@contextlib.contextmanager
def opened(uri: str) -> Iterator[BinaryIO]:
  """Gives a seekable stream of a file or an object. To be called by passing_faults.patiently.

  Raises:
    clips.ClipError: with the reason, if it cannot be opened or read, or `changed` if a local file
      was written to meanwhile: whatever was read is to be thrown away.
    OSError: a passing fault.
  """
  if not is_remote(uri):
    with local_files.opened(uri) as stream:
      yield stream
    return
  try:
    with storage.storage_of(uri).open_read(uri, RANGE_BYTES) as stream:
      yield stream
  except (OSError, clips.ClipError) as error:
    # A decoder tells what the service says of a range as the clip's fault.
    said = error if isinstance(error, OSError) else error.__cause__
    is_ours = isinstance(error, clips.ClipError) and error.reason != 'unreadable'
    if is_ours or not isinstance(said, OSError) or passing_faults.fault_in(said):
      raise
    reason = _REASONS.get(said.errno or 0, 'unreadable')
    other = _other_form(uri) if reason == 'missing' else ''
    raise clips.ClipError(reason, f'Of {_service(uri)}: {said.strerror or said}.{other}') from error


def _other_form(uri: str) -> str:
  """Returns a sentence where a bucket has the name in the other normal form of Unicode."""
  for form in paths.FORMS:
    other = unicodedata.normalize(form, uri)
    with contextlib.suppress(OSError):
      if other != uri and storage.storage_of(uri).exists(other):
        return f' There is one whose name is written in the form {form}: name it so.'
  return ''


def _service(uri: str) -> str:
  if storage.is_web(uri):
    return 'the web server'
  return 'Cloud Storage' if uri.startswith('gs://') else 'the bucket'


def is_remote(uri: str) -> bool:
  """Whether a bucket or a server is asked, and not the local disk."""
  return '://' in uri
