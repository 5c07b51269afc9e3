"""The job's notes beside the data set: what is done, what went wrong, how far it is.

They lie in a hidden folder of the output. A shard's note is written after the shard, so that a
rerun of the same configuration takes over the shards that are whole, and the launcher learns here
what a worker, wherever it runs, had to say.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from beam_jobs import config as config_lib
from beam_jobs.output import file_state, lock
from beam_jobs.shards import moments as moments_lib
from beam_jobs.shards import reference, shard
from schemas import errors, json_form, naming, rejects
from schemas.manifest import ShardInfo
from tfrecords import storage
from tfrecords.storage import buckets

FOLDER = '.voxshard'
_SETTINGS = 'settings.json'
_FAILURE = 'failure.json'


class WorkFolder:
  """Notes of one job; picklable, workers use it too."""

  def __init__(self, output: str, scratch: str = '') -> None:
    """Takes the output of the job.

    Args:
      output: Where the data set is written.
      scratch: A local folder for the sentence of a failure, in case that the output is full; ''
        where there is none.
    """
    self._output = output
    self._scratch = scratch
    self._files = buckets.storage_of(output)
    self.path = self._files.join(output, FOLDER)

  def read_settings(self) -> dict[str, Any] | None:
    """Returns FeaturizeConfig.to_json of the run that wrote the folder; None for a new one."""
    return self._read(_SETTINGS)

  def write_settings(self, config: config_lib.FeaturizeConfig) -> None:
    """Marks the folder as this configuration's and forgets an earlier failure.

    Raises:
      DatasetError: if the storage refuses.
    """
    if self.read_settings() != config.to_json():
      with self._naming_failures():
        self._files.make_dirs(self.path)
      self._write(_SETTINGS, config.to_json())
    with contextlib.suppress(FileNotFoundError):
      if self._files.exists(self._file(_FAILURE)):
        self._files.remove(self._file(_FAILURE))

  def remove_leftovers(self) -> None:
    """Removes what killed processes left half-written, in the output and among the notes.

    To be called by who holds the output (output_lock): no worker may be at work.
    """
    for folder in (self._output, self.path):
      # A new job has no notes; what cannot be removed is in nobody's way.
      with contextlib.suppress(OSError):
        for name in self._files.list_dir(folder):
          if storage.TEMPORARY_MARK in name and (folder == self.path or is_ours(name)):
            with contextlib.suppress(OSError):
              self._files.remove(self._files.join(folder, name))

  @contextlib.contextmanager
  def reporting_failure(self) -> Iterator[None]:
    """Leaves the sentence of an error for the launcher, and lets the error go on."""
    try:
      yield
    except (errors.VoxshardError, OSError, MemoryError) as error:
      note = {'kind': type(error).__name__, 'message': str(error)}
      # Best effort: where even this cannot be written, the runner's own report is all there is.
      with contextlib.suppress(Exception):
        if self._scratch:
          storage.LOCAL.make_dirs(self._scratch)
          path = storage.LOCAL.join(self._scratch, _FAILURE)
          storage.write_atomically(path, json_form.dumps(note).encode())
        else:
          self._write(_FAILURE, note)
      raise

  def failure(self) -> str:
    """Returns the sentence that a worker left, or ''."""
    note = self._read(_FAILURE)
    if note is None and self._scratch:
      note = _parsed(storage.LOCAL, storage.LOCAL.join(self._scratch, _FAILURE))
    if not note:
      return ''
    ours = note['kind'] in vars(errors)
    return str(note['message']) if ours else f'A worker failed: {note["kind"]}: {note["message"]}.'

  def finished_shard(self, file_name: str, key: str) -> shard.ShardResult | None:
    """Returns the result of a shard that is whole and was made from the same input.

    None also for one that had rejects, if one of their files is not as it was: whoever repairs a
    file and runs the same command again wants it taken.
    """
    note = self._read(f'{file_name}.json')
    if note is None or note.get('key') != key:
      return None
    try:
      result = _result_from_json(note)
    except errors.SchemaError:
      return None
    path = self._files.join(self._output, file_name)
    if not self._files.exists(path) or _sha256(path, self._files) != result.info.sha256:
      return None
    states = note.get('reject_states')
    if not isinstance(states, list) or len(states) != len(result.rejects):
      return None
    if not all(map(file_state.is_same, (reject.uri for reject in result.rejects), states)):
      return None
    return result

  def note_shard(self, key: str, result: shard.ShardResult) -> None:
    """Remembers a finished shard."""
    states = [file_state.at_reject(reject) for reject in result.rejects]
    note = {'key': key, 'reject_states': states, **_result_to_json(result)}
    self._write(f'{result.info.file_name}.json', note)

  def _file(self, name: str) -> str:
    return self._files.join(self.path, name)

  def _read(self, name: str) -> dict[str, Any] | None:
    return _parsed(self._files, self._file(name))

  def _write(self, name: str, value: Any) -> None:
    content = json_form.dumps(value).encode()
    with self._naming_failures(f'it needs {len(content):,} bytes'):
      storage.write_atomically(self._file(name), content, self._files)

  @contextlib.contextmanager
  def _naming_failures(self, need: str = '') -> Iterator[None]:
    try:
      yield
    except OSError as error:
      raise errors.DatasetError(
        storage.why_not_written(
          f"the job's notes in {self.path!r}", error, path=self.path, need=need
        )
      ) from error


def is_ours(name: str) -> bool:
  """Whether a name in the output, or what comes before `.tmp-`, is one that the job gives."""
  known = (naming.MANIFEST, naming.REJECTS, FOLDER, lock.FILE, *naming.TFDS_FILES)
  base = name.partition(storage.TEMPORARY_MARK)[0]
  return base in known or naming.is_shard_name(base)


def _parsed(files_: storage.Storage, path: str) -> dict[str, Any] | None:
  """Returns the object in a file of JSON; None if there is none."""
  if not files_.exists(path):
    return None
  with files_.open_read(path) as stream:
    try:
      value = json.loads(stream.read())
    except ValueError:
      return None
  return value if isinstance(value, dict) else None


def shard_key(
  config: config_lib.FeaturizeConfig,
  labels: Sequence[str],
  references: Sequence[reference.Reference],
) -> str:
  """Returns a digest of all that decides a shard's bytes, but for the audio itself."""
  content = [config.fingerprint(), list(labels), [ref.to_json() for ref in references]]
  return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


def _sha256(path: str, files_: storage.Storage) -> str:
  with files_.open_read(path) as stream:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
      digest.update(block)
  return digest.hexdigest()


def _result_to_json(result: shard.ShardResult) -> dict[str, Any]:
  # JSON keeps a float64 exactly: Python writes the shortest text that reads back as the same.
  return {
    'info': result.info.to_json(),
    'speakers': list(result.speakers),
    'moments': {
      name: {'count': part.count, 'mean': part.mean.tolist(), 'm2': part.m2.tolist()}
      for name, part in result.moments.items()
    },
    'rejects': [reject.to_json() for reject in result.rejects],
  }


def _result_from_json(note: dict[str, Any]) -> shard.ShardResult:
  where = 'note of a shard'
  obj = json_form.Reader(note, where)
  moments = {}
  for name, item in obj.mapping('moments').items():
    part = json_form.Reader(item, f'{where}, {name}')
    moments[name] = moments_lib.Moments(
      part.integer('count'), np.array(part.numbers('mean')), np.array(part.numbers('m2'))
    )
  return shard.ShardResult(
    info=ShardInfo.from_json(obj.mapping('info'), where=where),
    speakers=tuple(obj.texts('speakers')),
    moments=moments,
    rejects=tuple(rejects.Reject.from_json(item, where=where) for item in obj.items('rejects')),
  )
