"""From a data set to one of embeddings, shard by shard: what is whole is kept."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from features import stored_form
from schemas import errors, manifest, naming, record, splits
from tfrecords import manifest_file, reader, storage, writer
from tfrecords.finishing import lock, moments, notes, shard_result, unfinished
from tfrecords.wire import codec

_NOTE = 'extraction.json'  # What the folder is made of.
_SAME = ('trunk', 'data_sha256', 'feature', 'per_frame', 'dtype')

Embed = Callable[[Sequence[NDArray[np.float32]]], list[NDArray[np.float32]]]
_Item = TypeVar('_Item')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extraction:
  """What is to be made.

  Attributes:
    data_dir: The data set.
    dataset: Its manifest.
    data_sha256: Digest of that.
    feature: What of it the trunk takes.
    embedding: What comes of it.
    output: The folder to write.
    origin: What the manifest says of where the embeddings are from: plain JSON with the trunk's
      digest as `trunk`, and the command.
  """

  data_dir: str
  dataset: manifest.DatasetManifest
  data_sha256: str
  feature: record.FeatureSpec
  embedding: record.FeatureSpec
  output: str
  origin: dict[str, Any]

  @property
  def made_of(self) -> dict[str, Any]:
    """All that decides the bytes."""
    return {
      'trunk': self.origin['trunk'],
      'data_sha256': self.data_sha256,
      'feature': self.feature.name,
      'per_frame': len(self.embedding.shape) > 1,
      'dtype': self.embedding.dtype,
    }


def check_output(output: str, made_of: dict[str, Any] | None = None) -> None:
  """Raises ConfigError if a folder may not be written to; nothing is touched.

  Args:
    output: The folder.
    made_of: What is to be put there; None: not known yet.
  """
  files = storage.storage_of(output)
  try:
    present = files.list_dir(output)
    names = [name for name in present if storage.TEMPORARY_MARK not in name and name != lock.FILE]
  except NotADirectoryError as error:
    raise errors.ConfigError(f'--output={output} is a file. Name a folder.') from error
  except FileNotFoundError:
    return
  note = notes.Notes(output, files).read(_NOTE)
  if note is None:
    if set(names) - {notes.FOLDER}:
      kinds = {naming.RUN_CONFIG: 'a run', naming.MANIFEST: 'a data set'}
      what = next((kind for name, kind in kinds.items() if name in names), 'files')
      raise errors.ConfigError(
        f'--output={output} holds {what} that this program did not write ({sorted(names)[0]!r}, '
        '...). Name a new or empty folder.'
      )
    return
  if made_of is None:
    return
  others = [name for name in _SAME if note.get(name) != made_of[name]]
  if others:
    said = ', '.join(f'{name} {note.get(name)} (here {made_of[name]})' for name in others)
    raise errors.ConfigError(
      f'--output={output} holds embeddings of something else: {said}. Name another folder, or '
      'remove this one.'
    )


def extract(
  asked: Extraction, embed: Embed, *, batch_size: int, say: Callable[[str], None]
) -> manifest.DatasetManifest:
  """Writes a data set of embeddings and returns its manifest, which is written last.

  Args:
    asked: What is to be made.
    embed: From clips to their embeddings.
    batch_size: Clips at a time.
    say: Is told how far it is, a line a shard.

  Raises:
    ConfigError: if the folder holds something else, or another command writes to it.
    DatasetError: if records are damaged, or the storage refuses.
  """
  check_output(asked.output, asked.made_of)  # Before the folder is made.
  with lock.held(asked.output):
    check_output(asked.output, asked.made_of)  # Another may have come first.
    return _extract_alone(asked, embed, batch_size=batch_size, say=say)


def _extract_alone(
  asked: Extraction, embed: Embed, *, batch_size: int, say: Callable[[str], None]
) -> manifest.DatasetManifest:
  files = storage.storage_of(asked.output)
  out = unfinished.Unfinished(asked.output, files)
  out.notes.make_folder()
  out.notes.write(_NOTE, asked.made_of)
  out.remove_leftovers()
  shards = asked.dataset.shards
  if asked.embedding.num_bytes:
    num_records = sum(shard.num_records for shard in shards)
    out.check_room([shard.file_name for shard in shards], num_records * asked.embedding.num_bytes)
  results = []
  for number, shard in enumerate(shards, start=1):
    result = _kept(asked, out, shard)
    if result is None:
      out.forget_manifest()
      result = _write(asked, out, shard, embed, batch_size=batch_size)
      say(
        f'shard    {number} of {len(shards)}: {shard.file_name}, '
        f'{errors.counted(shard.num_records, "clip")}'
      )
    results.append(result)
  num_kept = sum(result.how == shard_result.KEPT for result in results)
  if num_kept:
    say(f'kept     {errors.counted(num_kept, "shard")} that were whole')
  made = _manifest(asked, results)
  if not (num_kept == len(results) and files.exists(out.path(naming.MANIFEST))):
    out.finish(made)
  return manifest_file.load(asked.output, files)


def _kept(
  asked: Extraction, out: unfinished.Unfinished, shard: manifest.ShardInfo
) -> shard_result.ShardResult | None:
  """Returns what an earlier run found of a shard that is whole and of the same."""
  earlier = out.earlier_shard(shard.file_name)
  if earlier is None or earlier[1].get('key') != _key(asked, shard) or not out.is_whole(earlier[0]):
    return None
  return dataclasses.replace(earlier[0], how=shard_result.KEPT)


def _key(asked: Extraction, shard: manifest.ShardInfo) -> str:
  text = json.dumps([asked.made_of, shard.file_name, shard.sha256, record.RECORD_VERSION])
  return hashlib.sha256(text.encode()).hexdigest()


def _write(
  asked: Extraction,
  out: unfinished.Unfinished,
  shard: manifest.ShardInfo,
  embed: Embed,
  *,
  batch_size: int,
) -> shard_result.ShardResult:
  """Writes one shard and its note."""
  num_bins = asked.embedding.num_bins
  found = moments.Moments.none(num_bins)
  with writer.ShardWriter(out.path(shard.file_name), out.files) as stream:
    records = _records(asked, shard)
    batches = iter(lambda: tuple(itertools.islice(records, batch_size)), ())
    for clips in _one_ahead(batches):
      embedded = embed([stored_form.from_stored(clip.arrays[asked.feature.name]) for clip in clips])
      _check_storable(embedded, clips, asked)
      found = found.merge(
        moments.Moments.of(np.concatenate([x.reshape(-1, num_bins) for x in embedded]), num_bins)
      )
      stream.write(
        [
          codec.encode(_with(clip, array, asked.embedding), [asked.embedding])
          for clip, array in zip(clips, embedded, strict=True)
        ]
      )
    if stream.num_records != shard.num_records:
      raise errors.DatasetError(
        f'{shard.file_name!r} of {asked.data_dir!r} holds '
        f'{errors.counted(stream.num_records, "record")}, the manifest says {shard.num_records:,}. '
        f'Were the files changed? Run `python -m tfrecords.verify {asked.data_dir}`.'
      )
  result = shard_result.ShardResult(
    info=dataclasses.replace(shard, num_bytes=stream.num_bytes, sha256=stream.sha256),
    speakers=(),
    moments={asked.embedding.name: found} if shard.split == splits.TRAIN else {},
    rejects=(),
  )
  out.note_shard(_key(asked, shard), result)
  return result


def _records(asked: Extraction, shard: manifest.ShardInfo) -> Iterator[codec.Record]:
  files = storage.storage_of(asked.data_dir)
  version = asked.dataset.record_version
  for data in reader.read_records(files.join(asked.data_dir, shard.file_name), files):
    yield codec.decode(data, [asked.feature], record_version=version)


def _one_ahead(items: Iterable[_Item]) -> Iterator[_Item]:
  """Yields the items, of which a thread reads the next while one is used."""
  source = iter(items)
  end = object()
  with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix='records') as pool:
    coming = pool.submit(next, source, end)
    while (item := coming.result()) is not end:
      coming = pool.submit(next, source, end)
      yield item  # type: ignore[misc]


def _with(
  clip: codec.Record, embedding: NDArray[np.float32], spec: record.FeatureSpec
) -> codec.Record:
  stored = stored_form.to_stored(embedding, spec.dtype)
  return dataclasses.replace(clip, arrays={spec.name: stored})


def _check_storable(
  embedded: Sequence[NDArray[np.float32]], clips: Sequence[codec.Record], asked: Extraction
) -> None:
  for array, clip in zip(embedded, clips, strict=True):
    if not np.isfinite(array).all():
      raise errors.DatasetError(
        f'The trunk gives no finite numbers for {clip.utterance_id!r} of {asked.data_dir!r}. Was '
        'the run whose trunk it is trained to its end? Judge it: python -m trainer.evaluate.'
      )
    largest = float(np.abs(array).max(initial=0.0))
    if asked.embedding.dtype == 'float16' and largest > stored_form.FLOAT16_MAX:
      raise errors.ConfigError(
        f'The trunk gives numbers up to {largest:,.0f} for {clip.utterance_id!r} of '
        f'{asked.data_dir!r}, and float16 holds them up to {stored_form.FLOAT16_MAX:,.0f}: all '
        'above would become the same. Write --dtype=float32, and another --output.'
      )


def _manifest(
  asked: Extraction, results: Sequence[shard_result.ShardResult]
) -> manifest.DatasetManifest:
  return dataclasses.replace(
    asked.dataset,
    features=(asked.embedding,),
    shards=tuple(result.info for result in results),
    statistics=shard_result.statistics(results, [asked.embedding]),
    config={**asked.dataset.config, 'extracted': asked.origin},
    record_version=record.RECORD_VERSION,
  )
