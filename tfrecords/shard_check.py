"""Reads one shard file from end to end and says everything that is wrong with it."""

import array
import collections
import dataclasses
import hashlib
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from schemas import errors, stable_hash
from schemas.manifest import DatasetManifest, ShardInfo
from tfrecords import reader
from tfrecords import storage as storage_lib
from tfrecords.wire import codec

# A file that is damaged throughout has as many problems as records; the first ones tell the story.
_MAX_PROBLEMS_PER_FILE = 10
_READ_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardReport:
  """What stands in a shard.

  Attributes:
    problems: Sentences, each with the file's name; none if the shard is whole.
    speakers: Who speaks in it.
    id_digests: 64 bits of the hash of every readable record's id, uint64 [num_readable]. The ids
      themselves would fill the memory for large data sets.
    indices: Place of these records in the file, uint64 [num_readable].
  """

  problems: tuple[str, ...]
  speakers: frozenset[str] = frozenset()
  id_digests: NDArray[np.uint64] = dataclasses.field(default_factory=lambda: np.zeros(0, np.uint64))
  indices: NDArray[np.uint64] = dataclasses.field(default_factory=lambda: np.zeros(0, np.uint64))


def check_shard(
  data_dir: str,
  shard: ShardInfo,
  manifest: DatasetManifest,
  storage: storage_lib.Storage = storage_lib.LOCAL,
) -> ShardReport:
  """Returns what stands in a shard and how that differs from its entry in the manifest."""
  check = _ShardCheck(shard, manifest)
  try:
    with reader.open_shard(storage.join(data_dir, shard.file_name), storage) as stream:
      check.read(stream)
  except errors.RecordError as error:
    return ShardReport(problems=(str(error),))
  except OSError as error:
    check.add(f'could not be read to its end: {error.strerror or error}.')
  return check.report()


class _ShardCheck:
  """Gathers the problems of one shard while its records go by."""

  def __init__(self, shard: ShardInfo, manifest: DatasetManifest) -> None:
    self._shard = shard
    self._manifest = manifest
    self._problems: list[str] = []
    self._label_counts: collections.Counter[int] = collections.Counter()
    self._lengths = array.array('q')
    self._num_records = 0
    self._speakers: set[str] = set()
    self._id_digests = array.array('Q')
    self._indices = array.array('Q')

  def add(self, problem: str) -> None:
    """Keeps a problem."""
    self._problems.append(f'{self._shard.file_name}, {problem}')

  def read(self, stream: BinaryIO) -> None:
    """Checks every record, then size, digest and counts."""
    digesting = _DigestingStream(stream)
    for scanned in reader.scan(cast(BinaryIO, digesting)):
      if scanned.problem:
        self.add(reader.describe(scanned))
      else:
        self._check_record(scanned)
    digesting.read_to_end()
    self._check_file(digesting.num_bytes, digesting.sha256)

  def report(self) -> ShardReport:
    """Returns what was gathered."""
    problems = self._problems[:_MAX_PROBLEMS_PER_FILE]
    if len(self._problems) > len(problems):
      more = len(self._problems) - len(problems)
      problems.append(f'{self._shard.file_name}, and {more} more problems.')
    return ShardReport(
      problems=tuple(problems),
      speakers=frozenset(self._speakers),
      id_digests=np.array(self._id_digests, np.uint64),
      indices=np.array(self._indices, np.uint64),
    )

  def _check_record(self, scanned: reader.Scanned) -> None:
    self._num_records += 1
    where = f'record {scanned.index} at byte {scanned.offset_bytes}'
    try:
      clip = codec.decode(
        scanned.data,
        self._manifest.features,
        record_version=self._manifest.record_version,
      )
    except errors.RecordError as error:
      self.add(f'{where}: {error}')
      return
    self._label_counts[clip.label] += 1
    self._lengths.append(clip.num_samples)
    self._speakers.add(clip.speaker_id)
    digest = stable_hash.digest(clip.utterance_id, salt='verify')
    self._id_digests.append(int.from_bytes(digest, 'big'))
    self._indices.append(scanned.index)
    for problem in _content_problems(clip, self._manifest, self._shard):
      self.add(f'{where}: {problem}')

  def _check_file(self, num_bytes: int, sha256: str) -> None:
    shard = self._shard
    if num_bytes != shard.num_bytes:
      self.add(f'has {num_bytes} bytes, the manifest says {shard.num_bytes}.')
    elif sha256 != shard.sha256:
      self.add(f'has the SHA-256 {sha256}, the manifest says {shard.sha256}.')
    if self._num_records != shard.num_records:
      found = errors.counted(self._num_records, 'whole record')
      self.add(f'has {found}, the manifest says {shard.num_records}.')
    for label, wanted in enumerate(shard.label_counts):
      got = self._label_counts[label]
      if got != wanted:
        name = self._manifest.labels[label]
        self.add(
          f'has {errors.counted(got, "record")} of the label {name!r}, the manifest says {wanted}.'
        )
    self._check_lengths()
    if len(self._speakers) != shard.num_speakers:
      found = errors.counted(len(self._speakers), 'speaker')
      self.add(f'has {found}, the manifest says {shard.num_speakers}.')

  def _check_lengths(self) -> None:
    # Clips outside the manifest's range were named one by one.
    wanted = self._shard.shortest_samples, self._shard.longest_samples
    found = min(self._lengths, default=0), max(self._lengths, default=0)
    is_whole = len(self._lengths) == self._shard.num_records
    if is_whole and found != wanted and wanted[0] <= found[0] <= found[1] <= wanted[1]:
      self.add(
        f'has clips of {found[0]} to {found[1]} samples, the manifest says {wanted[0]} to '
        f'{wanted[1]}.'
      )


def _content_problems(clip: codec.Record, manifest: DatasetManifest, shard: ShardInfo) -> list[str]:
  """Returns what no data job would have written into a record of the right form."""
  problems = []
  if not 0 <= clip.label < manifest.num_labels:
    problems.append(
      f'record {clip.utterance_id!r} has the label {clip.label}, there are {manifest.num_labels}.'
    )
  if not shard.shortest_samples <= clip.num_samples <= shard.longest_samples:
    problems.append(
      f'record {clip.utterance_id!r} has {clip.num_samples} samples, the manifest says '
      f'{shard.shortest_samples} to {shard.longest_samples}.'
    )
  for name, values in clip.arrays.items():
    if values.dtype.kind == 'f' and not np.isfinite(values).all():
      problems.append(f'record {clip.utterance_id!r}, feature {name!r}: NaN or infinite values.')
  return problems


class _DigestingStream:
  """Passes the bytes of a stream on, counted and digested."""

  def __init__(self, stream: BinaryIO) -> None:
    self._stream = stream
    self._digest = hashlib.sha256()
    self.num_bytes = 0

  @property
  def sha256(self) -> str:
    return self._digest.hexdigest()

  def read(self, size: int) -> bytes:
    data = self._stream.read(size)
    self._digest.update(data)
    self.num_bytes += len(data)
    return data

  def read_to_end(self) -> None:
    """Reads on where a scan had to stop."""
    while self.read(_READ_BYTES):
      pass
