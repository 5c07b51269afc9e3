"""Writes one shard: reads, decodes, computes on whole batches, encodes, renames into place."""

import array
import itertools
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from beam_jobs import config as config_lib
from beam_jobs.processes import thread_pools, worker_page
from beam_jobs.shards import items as items_lib
from beam_jobs.shards import loading, provenance
from features import extractor
from features import stored_form as feature_storage
from features.decoding import clips, sample_digest
from schemas import rejects, splits
from schemas.manifest import ShardInfo
from tfrecords import storage, writer
from tfrecords.finishing import durations, shard_result
from tfrecords.finishing import moments as moments_lib
from tfrecords.wire import codec

# Clips per kernel call: 64 one-second clips are 4 MiB of samples, and the kernels cut a batch into
# pieces that fit the cache themselves. Clips of lengths of their own are computed one by one.
BATCH_CLIPS = 16


def write_shard(
  path: str,
  items: Sequence[items_lib.Item],
  config: config_lib.FeaturizeConfig,
  *,
  split: str,
  num_labels: int,
  files: storage.Storage = storage.LOCAL,
  page: worker_page.WorkerPage,
) -> shard_result.ShardResult:
  """Writes the shard file at `path` and returns what it holds.

  Args:
    path: Final path; nothing stands there until the shard is whole.
    items: The shard's records, in any order.
    config: The job's configuration.
    split: The shard's split; statistics are gathered for train.
    num_labels: Labels of the data set.
    files: Where `path` lies.
    page: Where clips that are done are counted, and files named that are being read.
  """
  job = _ShardJob(config, num_labels, gather=split == splits.TRAIN)
  expected_bytes = len(items) * config.record_bytes
  with (
    # Several workers with a BLAS pool each would fight over the cores.
    thread_pools.one(),
    writer.ShardWriter(path, files, expected_bytes=expected_bytes) as out,
  ):
    loaded = loading.Loader(config, page).load_all(items_lib.in_order(items, config.seed))
    is_variable = config.audio is not None and config.audio.is_variable
    for batch in _batched(loaded, 1 if is_variable else BATCH_CLIPS):
      audio_s = job.audio_s
      out.write(job.encode(batch))
      page.advance(len(batch), job.audio_s - audio_s)
  return job.result(out, file_name=path.rsplit('/', 1)[-1])


class _ShardJob:
  """Counts and moments of one shard, gathered batch by batch."""

  def __init__(self, config: config_lib.FeaturizeConfig, num_labels: int, *, gather: bool) -> None:
    self._specs = config.features
    self._provenance = provenance.Provenance(config)
    self._extractor = extractor.Extractor(config.features, config.audio)
    self._gather = gather
    self._moments = {spec.name: moments_lib.Moments.none(spec.num_bins) for spec in self._specs}
    self._label_counts = np.zeros(num_labels, np.int64)
    self._speakers: set[str] = set()
    self._rejects: dict[str, rejects.Reject] = {}  # By utterance, however many copies it has.
    self._noted: tuple[rejects.Noted, ...] = ()
    self._lengths_samples: tuple[int, ...] = ()
    # Of pictures no length is asked.
    self._rate_hz = config.audio.sample_rate_hz if config.audio else 1
    self._durations = durations.Counter(self._rate_hz)
    self._stored_samples = 0
    self._digests = array.array('Q')
    self._source_s = 0.0

  @property
  def audio_s(self) -> float:
    """Seconds of audio that are stored by now."""
    return self._stored_samples / self._rate_hz

  def encode(self, batch: Sequence[loading.Loaded]) -> list[bytes]:
    """Returns the records of a batch; its rejects are kept."""
    for loaded in batch:
      # Also a copy's, whose file was there when the original was read.
      if loaded.reject:
        self._rejects.setdefault(loaded.reject.utterance_id, loaded.reject)
    good = [(loaded, loaded.clip) for loaded in batch if loaded.clip]
    if not good:
      return []
    arrays = self._extractor.compute(np.stack([clip.samples for _, clip in good]))
    if self._gather:
      for spec in self._specs:
        part = moments_lib.Moments.of(arrays[spec.name], spec.num_bins)
        self._moments[spec.name] = self._moments[spec.name].merge(part)
    stored = {
      spec.name: feature_storage.to_stored(arrays[spec.name], spec.dtype) for spec in self._specs
    }
    for loaded, clip in good:
      self._count(loaded.item, clip)
      self._noted = rejects.merged((*self._noted, *loaded.noted)) if loaded.noted else self._noted
    return [
      codec.encode(
        codec.Record(
          utterance_id=loaded.item.record_id,
          speaker_id=loaded.item.utterance.speaker_id,
          label=loaded.item.label,
          num_samples=clip.num_samples,
          augmentation=loaded.augmentation,
          arrays={name: array[i] for name, array in stored.items()},
          **self._provenance.of(loaded.item.utterance, clip),
        ),
        self._specs,
      )
      for i, (loaded, clip) in enumerate(good)
    ]

  def _count(self, item: items_lib.Item, clip: clips.Clip) -> None:
    self._label_counts[item.label] += 1
    self._speakers.add(item.utterance.speaker_id)
    lengths = (*self._lengths_samples, clip.num_samples)
    self._lengths_samples = min(lengths), max(lengths)
    self._stored_samples += clip.num_samples
    is_original = not item.copy
    self._digests.append(sample_digest.of(clip.samples) if is_original else sample_digest.NOTHING)
    if is_original:
      self._source_s += clip.source_s
      self._durations.add(clip.num_samples, clip.whole_samples)
      noted = (*clip.noted, *(('long_field',) if item.utterance.has_long_field else ()))
      names = (item.utterance.utterance_id,)
      notes = (rejects.Noted(reason=reason, names=names) for reason in noted)
      self._noted = rejects.merged((*self._noted, *notes)) if noted else self._noted

  def result(self, out: writer.ShardWriter, *, file_name: str) -> shard_result.ShardResult:
    """Returns the result, once the writer is closed."""
    return shard_result.ShardResult(
      info=ShardInfo(
        file_name=file_name,
        num_records=out.num_records,
        num_bytes=out.num_bytes,
        sha256=out.sha256,
        num_speakers=len(self._speakers),
        label_counts=tuple(self._label_counts.tolist()),
        audio_s=round(self.audio_s, 6),
        source_s=round(self._source_s, 6),
        shortest_samples=min(self._lengths_samples, default=0),
        longest_samples=max(self._lengths_samples, default=0),
      ),
      speakers=tuple(sorted(self._speakers)),
      moments=self._moments if self._gather else {},
      rejects=tuple(self._rejects.values()),
      noted=self._noted,
      durations=self._durations.durations(),
      digests=self._little_endian_digests(),
    )

  def _little_endian_digests(self) -> bytes:
    if sys.byteorder == 'big':
      self._digests.byteswap()
    return self._digests.tobytes()


def _batched(items: Iterator[loading.Loaded], size: int) -> Iterator[list[loading.Loaded]]:
  while batch := list(itertools.islice(items, size)):
    yield batch
