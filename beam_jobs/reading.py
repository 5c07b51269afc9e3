"""Reads and decodes clips, a few files ahead of the computation."""

import collections
import concurrent.futures
from collections.abc import Callable, Iterator, Sequence

from apache_beam.io import filesystems
from apache_beam.io.filesystem import BeamIOError, CompressionTypes

from beam_jobs import reference
from features import clips
from schemas import audio, rejects

# Threads that wait for files. Local files come from the page cache, where more threads only take
# turns; a bucket answers after some 50 ms, in which 16 requests can be under way.
LOCAL_THREADS = 1
REMOTE_THREADS = 16


def read(uri: str) -> bytes:
  """Returns the content of a local file or of an object in a bucket.

  Raises:
    clips.ClipError: with the reason, if it cannot be read.
  """
  if '://' not in uri:
    return clips.read_bytes(uri)
  try:
    with filesystems.FileSystems.open(
      uri, compression_type=CompressionTypes.UNCOMPRESSED
    ) as stream:
      data: bytes = stream.read()
  except FileNotFoundError as error:
    raise clips.ClipError('missing', 'There is no object of this name.') from error
  except (OSError, BeamIOError) as error:
    raise clips.ClipError('unreadable', f'The file system says: {error}.') from error
  if not data:
    raise clips.ClipError('empty', 'Expected an audio file, got zero bytes.')
  return data


def load(uri: str, spec: audio.AudioSpec, min_clip_s: float) -> clips.Clip | clips.ClipError:
  """Returns a decoded clip, or the error why there is none."""
  try:
    return clips.decode(read(uri), spec, min_clip_s=min_clip_s)
  except clips.ClipError as error:
    return error


Loaded = tuple[reference.Reference, clips.Clip | rejects.Reject]


def load_all(
  references: Sequence[reference.Reference], spec: audio.AudioSpec, min_clip_s: float
) -> Iterator[Loaded]:
  """Yields every reference with its clip or its reject, in the given order."""

  def load_one(ref: reference.Reference) -> Loaded:
    loaded = load(ref.uri, spec, min_clip_s)
    if isinstance(loaded, clips.ClipError):
      return ref, rejects.Reject(
        utterance_id=ref.utterance_id, uri=ref.uri, reason=loaded.reason, detail=loaded.detail
      )
    return ref, loaded

  remote = any('://' in ref.uri for ref in references)
  return _map_ahead(load_one, references, REMOTE_THREADS if remote else LOCAL_THREADS)


def _map_ahead(
  function: Callable[[reference.Reference], Loaded],
  items: Sequence[reference.Reference],
  num_threads: int,
) -> Iterator[Loaded]:
  """Maps in order with a bounded number of results waiting: memory stays flat."""
  if num_threads == 1:
    yield from map(function, items)
    return
  waiting: collections.deque[concurrent.futures.Future[Loaded]] = collections.deque()
  with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
    for item in items:
      waiting.append(pool.submit(function, item))
      if len(waiting) >= 2 * num_threads:
        yield waiting.popleft().result()
    while waiting:
      yield waiting.popleft().result()
