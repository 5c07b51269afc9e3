"""Reads and decodes one clip, from a local file or from an object in a bucket."""

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io import filesystems
from apache_beam.io.filesystem import BeamIOError, CompressionTypes

from beam_jobs import tfds_records
from features import clips
from schemas import audio, utterance


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
  if excerpt is None:
    return clips.decode(read(uri), spec, min_clip_s=min_clip_s)
  with opened(uri) as stream:
    return clips.decode_excerpt(stream, spec, excerpt, min_clip_s=min_clip_s)


def read(uri: str) -> bytes:
  """Returns the content of a local file, of an object in a bucket, or of a clip in a record file.

  Raises:
    clips.ClipError: with the reason, if it cannot be read.
  """
  if tfds_records.is_uri(uri):
    return tfds_records.read_bytes(uri)
  if not is_remote(uri):
    return clips.read_bytes(uri)
  with opened(uri) as stream:
    data = stream.read()
  if not data:
    raise clips.ClipError('empty', 'Expected an audio file, got zero bytes.')
  return data


@contextlib.contextmanager
def opened(uri: str) -> Iterator[BinaryIO]:
  """Gives a seekable stream of a file or an object.

  Raises:
    clips.ClipError: with the reason, if it cannot be opened or read.
  """
  if not is_remote(uri):
    with clips.opened_file(uri) as stream:
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
