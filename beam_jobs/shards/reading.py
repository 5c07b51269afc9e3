"""Reads and decodes one clip, from a local file or from an object in a bucket.

A local file that something writes to while it is read is refused (local_files.py). Objects in
buckets do not change, they are replaced.
"""

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io import filesystems
from apache_beam.io.filesystem import BeamIOError, CompressionTypes

from beam_jobs.shards import local_files
from beam_jobs.sources import tfds_records
from features.decoding import byte_ranges, clips
from schemas import audio, utterance
from tfrecords.storage import gcs

# Larger files are not read as a whole, but only where the decoder asks.
WHOLE_BYTES = 64 << 20


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
  if not is_remote(uri):
    data = local_files.read_whole(uri, WHOLE_BYTES)
    if data is not None:
      return clips.decode(data, spec, min_clip_s=min_clip_s)
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
    with local_files.opened(uri) as stream:
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


def is_remote(uri: str) -> bool:
  """Whether Beam's filesystems are asked, and not the local disk."""
  return '://' in uri
