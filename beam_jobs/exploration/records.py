"""Reads every record of a data set once: counts, and keeps the few that are measured or shown."""

import array
import dataclasses
from collections.abc import Iterator

import numpy as np

from beam_jobs.exploration import census as census_lib
from beam_jobs.exploration import duplicates, findings, measuring, sampling
from beam_jobs.exploration import sound as sound_lib
from features import stored_form
from features.decoding import cutting
from pages import embedded
from schemas import record
from schemas.manifest import DatasetManifest
from tfrecords import reader
from tfrecords import storage as storage_lib
from tfrecords.wire import codec, same_arrays

WAVEFORM = 'waveform'


@dataclasses.dataclass(kw_only=True)
class Scan:
  """What is found by reading all records.

  Attributes:
    census: How many clips there are, copies included.
    durations_s: Seconds of audio of each original, float32.
    digests: Of the arrays of each original that is not silent, 64 bits.
    num_silent: Originals whose arrays are all of one value.
    measured: Originals picked by a hash, where a waveform is stored.
    picked: The same by name, where none is stored.
    by_label: Originals to show.
  """

  census: census_lib.Census
  durations_s: array.array
  digests: array.array
  measured: sampling.Lowest[findings.Measured]
  picked: sampling.Lowest[duplicates.Clip]
  by_label: dict[str, sampling.Lowest[findings.Example]]
  num_silent: int = 0


class Records:
  """The records of a finished data set."""

  def __init__(
    self, data_dir: str, manifest: DatasetManifest, storage: storage_lib.Storage
  ) -> None:
    self._data_dir = data_dir
    self._manifest = manifest
    self._storage = storage
    self._has_waveform = has_waveform(manifest)
    self._shown = _shown_feature(manifest)

  def scan(self, *, max_clips: int, max_examples: int) -> Scan:
    """Reads all records.

    Args:
      max_clips: So many originals are measured at most.
      max_examples: So many of each frequent label are kept to be shown.
    """
    found = Scan(
      census=census_lib.Census(),
      durations_s=array.array('f'),
      digests=array.array('Q'),
      measured=sampling.Lowest(max_clips),
      picked=sampling.Lowest(max_clips),
      by_label={label: sampling.Lowest(max_examples) for label in self._frequent_labels()},
    )
    for split, item in self._read():
      clip = self._named(item, split)
      is_original = not _is_copy(item)
      found.census.add(label=clip.label, split=split, speaker=clip.speaker, is_copy=not is_original)
      if is_original:
        self._add(found, clip, item)
    return found

  def same_arrays(self, found: Scan) -> list[duplicates.Link]:
    """Returns links between originals whose arrays are equal; reads again if there are any."""
    digests, counts = np.unique(np.frombuffer(found.digests, np.uint64), return_counts=True)
    repeated = {int(digest) for digest in digests[counts > 1]}
    if not repeated:
      return []
    pairs = (
      (self._named(item, split), digest.to_bytes(8, 'big'))
      for split, item in self._read()
      if not _is_copy(item)
      and (digest := same_arrays.digest(item.arrays)) in repeated
      and not same_arrays.are_constant(item.arrays)
    )
    return list(duplicates.equal(pairs))

  def _add(self, found: Scan, clip: duplicates.Clip, item: codec.Record) -> None:
    if self._manifest.audio:
      found.durations_s.append(item.num_samples / self._manifest.audio.sample_rate_hz)
    if same_arrays.are_constant(item.arrays):
      found.num_silent += 1
    else:
      found.digests.append(same_arrays.digest(item.arrays))
    if not self._has_waveform:
      found.picked.offer(clip.clip_id, clip)
    elif found.measured.wants(clip.clip_id):
      found.measured.offer(clip.clip_id, measuring.measured(clip, self._sound(item)))
    shown = found.by_label.get(clip.label)
    if shown is not None and shown.wants(clip.clip_id):
      kept = findings.Example(
        clip=clip,
        sound=self._sound(item) if self._has_waveform else None,
        picture=np.array(item.arrays[self._shown]) if self._shown else None,
      )
      shown.offer(clip.clip_id, kept)

  def _read(self) -> Iterator[tuple[str, codec.Record]]:
    for shard in measuring.track(self._manifest.shards, 'reading shards'):
      path = self._storage.join(self._data_dir, shard.file_name)
      for data in reader.read_records(path, self._storage):
        made = self._manifest
        clip = codec.decode(data, made.features, record_version=made.record_version)
        yield shard.split, clip

  def _named(self, item: codec.Record, split: str) -> duplicates.Clip:
    return duplicates.Clip(
      clip_id=item.utterance_id,
      label=self._manifest.labels[item.label],
      speaker=item.speaker_id,
      split=split,
      file=item.file,
      start_us=item.start_us,
      end_us=item.end_us,
    )

  def _frequent_labels(self) -> list[str]:
    counts = [0] * self._manifest.num_labels
    for shard in self._manifest.shards:
      counts = [sum(pair) for pair in zip(counts, shard.label_counts, strict=True)]
    ranked = sorted(zip(counts, self._manifest.labels, strict=True), key=lambda x: (-x[0], x[1]))
    return measuring.shown_labels([label for count, label in ranked if count])

  def _sound(self, item: codec.Record) -> sound_lib.Sound:
    audio = self._manifest.audio
    padded = stored_form.from_stored(item.arrays[WAVEFORM])
    samples = cutting.unpadded(padded, item.num_samples, audio.position)
    return sound_lib.of_samples(samples, audio.sample_rate_hz, coding='as stored')


def has_waveform(manifest: DatasetManifest) -> bool:
  """Whether the audio itself is stored."""
  return manifest.audio is not None and WAVEFORM in [spec.name for spec in manifest.features]


def _is_copy(item: codec.Record) -> bool:
  return record.is_copy(item.utterance_id, item.augmentation)


def _shown_feature(manifest: DatasetManifest) -> str:
  """Returns the feature that can be shown as a picture: [time, bins], or a picture itself."""
  for spec in manifest.features:
    if embedded.is_picture(spec.shape, spec.dtype):
      return spec.name
  for spec in manifest.features:
    if len(spec.shape) == 2 and spec.dtype != 'uint8':
      return spec.name
  return ''
