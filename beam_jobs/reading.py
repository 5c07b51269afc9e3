"""Reads and decodes one clip, from a local file or from an object in a bucket.

A local file that something writes to while it is read is refused, rather than that a clip is made
of two states of it. Objects in buckets do not change, they are replaced.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io import filesystems
from apache_beam.io.filesystem import BeamIOError, CompressionTypes

from beam_jobs import gcs, tfds_records
from features import byte_ranges, clips
from schemas import audio, utterance

# Larger files are not read as a whole, but only where the decoder asks.
WHOLE_BYTES = 64 << 20

# A file that was changed less than this ago is perhaps not done: its writer may be about to go on.
# File systems stamp a change when it begins, with a clock that stands still for up to 10 ms.
_REST_NS = 200_000_000
_MAX_WAITS = 3


def load(
  uri: str,
  spec: audio.AudioSpec,
  *,
  excerpt: utterance.Excerpt | None = None,
  min_clip_s: float = 0.0,
) -> clips.Clip:
  """Returns a decoded clip.

  Raises:
    clips.ClipError: with the reason, if there is none.
  """
  if excerpt is not None:
    with opened(uri) as stream:
      return clips.decode_excerpt(stream, spec, excerpt, min_clip_s=min_clip_s)
  if tfds_records.is_uri(uri):
    return clips.decode(tfds_records.read_bytes(uri), spec, min_clip_s=min_clip_s)
  with opened(uri) as stream:
    ranges = byte_ranges.ByteRanges(stream)
    if len(ranges) > WHOLE_BYTES:
      return clips.decode(ranges, spec, min_clip_s=min_clip_s)
    data = ranges[:]
  return clips.decode(data, spec, min_clip_s=min_clip_s)


def read(uri: str) -> bytes:
  """Returns the content of a local file, of an object in a bucket, or of a clip in a record file.

  Raises:
    clips.ClipError: with the reason, if it cannot be read.
  """
  if tfds_records.is_uri(uri):
    return tfds_records.read_bytes(uri)
  with opened(uri) as stream:
    data = stream.read()
  if not data:
    raise clips.ClipError('empty', 'Wanted content, got 0 bytes.')
  return data


@contextlib.contextmanager
def opened(uri: str) -> Iterator[BinaryIO]:
  """Gives a seekable stream of a file or an object.

  Raises:
    clips.ClipError: with the reason, if it cannot be opened or read, or `changed` if a local file
      was written to meanwhile: whatever was read is to be thrown away.
    OSError: if a bucket does not answer.
  """
  if not is_remote(uri):
    with clips.opened_file(uri) as stream, _unchanged(stream):
      yield stream
    return
  if uri.startswith(gcs.SCHEME):
    with gcs.opened(uri) as stream:
      yield stream
    return
  try:
    with filesystems.FileSystems.open(
      uri, compression_type=CompressionTypes.UNCOMPRESSED
    ) as stream:
      yield stream
  except FileNotFoundError as error:
    raise clips.ClipError('missing', 'There is no object of this name.') from error
  except (OSError, BeamIOError) as error:
    raise clips.ClipError('unreadable', f'The file system says: {error}.') from error


@contextlib.contextmanager
def _unchanged(stream: BinaryIO) -> Iterator[None]:
  """Raises ClipError if the file is not the same at the end as at the beginning."""
  before = _at_rest(stream)
  try:
    yield
  except clips.ClipError:
    _check_same(stream, before)  # This explains the other error.
    raise
  _check_same(stream, before)


def _at_rest(stream: BinaryIO) -> os.stat_result:
  for _ in range(_MAX_WAITS):
    state = os.fstat(stream.fileno())
    # Stamps in the future are those of another machine's clock.
    age_ns = time.time_ns() - state.st_mtime_ns
    if not 0 <= age_ns < _REST_NS:
      return state
    time.sleep((_REST_NS - age_ns) / 1e9)
  raise clips.ClipError('changed', 'Wanted a file at rest, got one that is being written to.')


def _check_same(stream: BinaryIO, before: os.stat_result) -> None:
  after = os.fstat(stream.fileno())
  if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
    raise clips.ClipError(
      'changed',
      f'Wanted a file that stays as it is, got one of {before.st_size} bytes that was written to '
      f'while it was read, and has {after.st_size} bytes now.',
    )


def is_remote(uri: str) -> bool:
  """Whether Beam's filesystems are asked, and not the local disk."""
  return '://' in uri
