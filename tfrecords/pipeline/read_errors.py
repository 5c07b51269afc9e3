"""What TensorFlow says of damaged data, as sentences. Imports TensorFlow: for the trainer only."""

import contextlib
import re
import time
from collections.abc import Iterator

import tensorflow as tf

from schemas import errors
from schemas.manifest import DatasetManifest, ShardInfo
from tfrecords import manifest_file, reader, storage
from tfrecords.pipeline import parsing
from tfrecords.wire import codec, framing

# What TensorFlow writes around an error, and what tells that an error is about our records.
_NOISE = re.compile(
  r'\{\{function_node .*?\}\}|Error in user-defined function .*? \w*Iterator::\S+: |\[Op:\w+\].*',
  re.DOTALL,
)
_OUR_CHECK = re.compile(rf'assertion failed: \[(.*?{parsing.AS_THE_MANIFEST_SAYS})\]')
# How TensorFlow says that a shard has not as many records as were announced (stores.py).
_COUNT = re.compile(r'was expected to contain (\d+) elements? but contained (only|at least) (\d+)')
_ABOUT_RECORDS = re.compile(
  rf'{parsing.AS_THE_MANIFEST_SAYS}|Could not parse example|is required but could not be found|'
  rf'\.tfrecord-\d+-of-\d+|{_COUNT.pattern}'
)
_FILE = re.compile(r'\.tfrecord-\d+-of-\d+')
# Where a record is damaged, of which TensorFlow does not say in which file.
_OFFSET = re.compile(r'(?:corrupted|truncated) record at (\d+)')
# So long the files are looked through for its name: 1 GB/s on this machine, 0.1 from a bucket.
_SEARCH_S = 60.0


# What a disk or a bucket fails to deliver just now. TensorFlow itself asks a bucket again.
_PASSING = (
  tf.errors.UnknownError,
  tf.errors.UnavailableError,
  tf.errors.DeadlineExceededError,
  tf.errors.ResourceExhaustedError,
  tf.errors.AbortedError,
)
_SHARD = re.compile(r'\.tfrecord-\d+-of-\d+')


@contextlib.contextmanager
def readable_errors(data_dir: str) -> Iterator[None]:
  """Turns TensorFlow's errors about damaged data into a sentence; other errors pass.

  Batches are read when they are iterated over, so the loop over them goes inside.

  Raises:
    DatasetError: for a damaged, missing or foreign record in the shards of `data_dir`.
    StorageError: if a disk or a bucket does not deliver.
  """
  try:
    yield
  except _PASSING as error:
    text = _NOISE.sub('', str(error.message)).strip()
    if not _SHARD.search(text):
      raise
    raise errors.StorageError(
      f'Could not read the records in {data_dir!r}: {_sentence(text)} Such a fault mostly passes: '
      'run the same command again, a training goes on from its last state. Where it stays, copy '
      'the folder to another disk.'
    ) from error
  except (
    tf.errors.DataLossError,
    tf.errors.NotFoundError,
    tf.errors.InvalidArgumentError,
    tf.errors.FailedPreconditionError,
    tf.errors.PermissionDeniedError,
  ) as error:
    text = _NOISE.sub('', str(error.message)).strip()
    if not isinstance(error, tf.errors.DataLossError) and not _ABOUT_RECORDS.search(text):
      raise
    raise errors.DatasetError(
      f'Could not read the records in {data_dir!r}: {_sentence(text)}{_where(text, data_dir)} '
      f'Run `python -m tfrecords.verify {data_dir}` to see what is damaged.'
    ) from error


def _sentence(text: str) -> str:
  """Returns what went wrong, out of a message of TensorFlow without its noise."""
  check = _OUR_CHECK.search(text)  # It is followed by the values that failed it.
  if check:
    return check[1].replace("\\'", "'")
  count = _COUNT.search(text)
  if count:
    return f'a shard holds {count[2]} {count[3]} records, the manifest says {count[1]}.'
  # Above it stand stack traces of the graph, below it nodes in double brackets.
  lines = [line.strip() for line in text.splitlines()]
  said = [line for line in lines if line and not line.startswith('[[')]
  line = said[-1] if said else 'a record is damaged'
  return line if line.endswith('.') else f'{line}.'


def _where(text: str, data_dir: str) -> str:
  """Returns which shard it is about, as a sentence; '' where it is said already or not found."""
  count, offset = _COUNT.search(text), _OFFSET.search(text)
  if _FILE.search(text):
    return ''
  files, ends_s = storage.storage_of(data_dir), time.monotonic() + _SEARCH_S
  try:
    manifest = manifest_file.load(data_dir, files)
    for info in manifest.shards:
      path, wanted = files.join(data_dir, info.file_name), int(offset[1]) if offset else None
      if not count and not offset:
        index = _first_foreign(path, manifest, files=files, ends_s=ends_s)
        if index is not None:
          return f' It is record {index} of {info.file_name}.'
      elif _is_about(path, info, wanted, files=files, ends_s=ends_s):
        return f' It is {info.file_name}.'
  except (OSError, errors.VoxshardError):
    pass  # What is wrong was said, and verify tells where.
  return ''


def _first_foreign(
  path: str, manifest: DatasetManifest, *, files: storage.Storage, ends_s: float
) -> int | None:
  """Returns the place of the first record of a shard that is not as the manifest says.

  Raises:
    TimeoutError: if the time is up before it is known.
  """
  with reader.open_shard(path, files) as stream:
    for scanned in reader.scan(stream):
      if time.monotonic() > ends_s:
        raise TimeoutError
      try:
        clip = codec.decode(scanned.data, manifest.features, record_version=manifest.record_version)
      except errors.RecordError:
        return scanned.index
      if not 0 <= clip.label < manifest.num_labels:
        return scanned.index
  return None


def _is_about(
  path: str, info: ShardInfo, offset: int | None, *, files: storage.Storage, ends_s: float
) -> bool:
  """Whether a shard is damaged at a byte; without one, whether it has another number of records.

  Raises:
    TimeoutError: if the time is up before it is known.
  """
  num_records = 0
  with reader.open_shard(path, files) as stream:
    for scanned in reader.scan(stream):
      if time.monotonic() > ends_s:
        raise TimeoutError
      # It speaks of where a length stands, or the data behind it.
      if offset is not None and scanned.offset_bytes + framing.HEADER_BYTES >= offset:
        return bool(scanned.problem)
      num_records += not scanned.problem
  return offset is None and num_records != info.num_records
