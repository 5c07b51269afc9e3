"""Writes small, whole data sets (shards and manifest) that tests of every package read."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import audio as audio_lib
from schemas import naming, record, splits
from schemas.manifest import DatasetManifest, FeatureStatistics, ShardInfo
from tfrecords import manifest_file, writer
from tfrecords.wire import codec

AUDIO = audio_lib.AudioSpec(sample_rate_hz=8_000, clip_s=0.5)
LOG_MEL = record.FeatureSpec(name='log_mel', shape=(20, 16), dtype='float16', settings={})
VARIABLE_AUDIO = audio_lib.AudioSpec(sample_rate_hz=8_000, clip_s=0)
VARIABLE_LOG_MEL = record.FeatureSpec(
  name='log_mel', shape=(None, 16), dtype='float16', settings={}
)
PICTURE = record.FeatureSpec(name='image', shape=(16, 16, 3), dtype='uint8', settings={})
WAVEFORM = record.FeatureSpec(
  name='waveform', shape=(AUDIO.clip_samples,), dtype='int16', settings={}
)
SPEAKERS = {'train': ('ada', 'bob', 'cyd', 'dan'), 'validation': ('eve',), 'test': ('fay', 'gus')}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Split:
  name: str
  records: Sequence[codec.Record]
  num_shards: int


def write_dataset(
  data_dir: str | os.PathLike[str],
  *,
  name: str = 'tiny',
  features: Sequence[record.FeatureSpec] = (LOG_MEL,),
  labels: Sequence[str] = ('no', 'yes', 'zero'),
  speakers: Mapping[str, Sequence[str]] = SPEAKERS,
  clips_per_speaker: int = 6,
  num_shards: Mapping[str, int] | None = None,
  audio: audio_lib.AudioSpec | None = AUDIO,
  config: Mapping[str, Any] | None = None,
  rejects: Mapping[str, int] | None = None,
  arrays: Callable[[record.FeatureSpec, int, np.random.Generator], NDArray[Any]] | None = None,
  seed: int = 0,
  copies: int = 0,
) -> DatasetManifest:
  """Writes a data set whose labels a model can learn from its features; returns its manifest.

  Every speaker says the labels in turn. An array with two or more axes has a bump at bins of its
  label, one with a single axis a tone of its label; with noise, whose level is the speaker's.

  Args:
    data_dir: Folder to write to; it is made.
    name: The data set's name.
    features: The arrays of every record, of any shape and dtype. Their settings are stored as
      given: for a trained model that predicts from audio give specs made by the features package.
      Where a shape begins with None, clips have lengths of their own; `audio` is to say so too.
    labels: Label texts.
    speakers: Speakers by split; splits without speakers get no shards.
    clips_per_speaker: Clips of every speaker.
    num_shards: Shards by split; 2 for train and 1 for others by default. A speaker is in one shard.
    audio: What the manifest says of the audio; None for pictures.
    config: What the manifest says of the job.
    rejects: What the manifest says of rejected clips.
    arrays: Makes the array of a feature from its spec, the label's index and random numbers, in
      place of what is said above.
    seed: Decides the noise.
    copies: Augmented copies of every clip of the train split.
  """
  os.makedirs(data_dir, exist_ok=True)
  rng = np.random.default_rng(seed)
  shards: list[ShardInfo] = []
  train: list[codec.Record] = []
  for split in splits.SPLITS:
    records = [
      _make_record(
        speaker, take, labels=labels, features=features, audio=audio, arrays=arrays, rng=rng
      )
      for speaker in speakers.get(split, ())
      for take in range(clips_per_speaker)
    ]
    if split == splits.TRAIN:
      records = [one for clip in records for one in (clip, *_copies(clip, copies, rng))]
      train = records
    count = (num_shards or {}).get(split, (2 if split == splits.TRAIN else 1) if records else 0)
    job = _Split(name=split, records=records, num_shards=count)
    shards += _write_split(os.fspath(data_dir), job, name, labels=labels, features=features)
  manifest = DatasetManifest(
    name=name,
    audio=audio,
    features=tuple(features),
    labels=tuple(labels),
    shards=tuple(shards),
    statistics={spec.name: _statistics(train, spec) for spec in features if train},
    num_speakers={split: len(set(names)) for split, names in sorted(speakers.items()) if names},
    speakers={split: tuple(sorted(set(names))) for split, names in speakers.items() if names},
    rejects=dict(rejects or {}),
    config=dict(config or {'split_by': 'speaker'}),
    versions={'voxshard': 'test'},
  )
  manifest_file.save(manifest, os.fspath(data_dir))
  return manifest


def _copies(clip: codec.Record, count: int, rng: np.random.Generator) -> Iterator[codec.Record]:
  for i in range(count):
    noise = {name: rng.uniform(0.5, 1) for name in clip.arrays}
    yield dataclasses.replace(
      clip,
      utterance_id=record.copy_id(clip.utterance_id, i + 1),
      augmentation='gain',
      arrays={name: (a * noise[name]).astype(a.dtype) for name, a in clip.arrays.items()},
    )


def make_array(
  spec: record.FeatureSpec,
  *,
  label: int,
  num_labels: int,
  rng: np.random.Generator,
  noise: float,
  num_rows: int = 0,
) -> NDArray[Any]:
  """Returns one array of `spec`, stored dtype, that shows its label; `num_rows` long if given."""
  shape = (num_rows, *spec.row_shape) if num_rows else (spec.shape[0] or 1, *spec.row_shape)
  num_bins = shape[-1]
  if len(shape) == 1:
    cycles = num_bins * (label + 1) / (2.5 * num_labels + 2.5)
    clean = 0.5 * np.sin(2 * math.pi * cycles * np.arange(num_bins) / num_bins)
  else:
    centre = (label + 0.5) * num_bins / num_labels
    bump = np.exp(-(((np.arange(num_bins) + 0.5 - centre) * 2 * num_labels / num_bins) ** 2))
    clean = np.broadcast_to(bump - 0.5, shape)
  values = np.clip(clean + noise * rng.standard_normal(shape), -1, 1)
  if spec.dtype == 'int16':
    return np.round(values * 32767).astype('<i2')
  if spec.dtype == 'uint8':
    return np.round((values + 1) * 127.5).astype(np.uint8)
  return values.astype(np.dtype(spec.dtype).newbyteorder('<'))


def _make_record(
  speaker: str,
  take: int,
  *,
  labels: Sequence[str],
  features: Sequence[record.FeatureSpec],
  audio: audio_lib.AudioSpec | None,
  arrays: Callable[[record.FeatureSpec, int, np.random.Generator], NDArray[Any]] | None,
  rng: np.random.Generator,
) -> codec.Record:
  label = take % len(labels)
  noise = 0.05 + 0.01 * (sum(speaker.encode()) % 10)
  num_samples = _num_samples(audio, take, rng)
  return codec.Record(
    utterance_id=f'{labels[label]}/{speaker}_{take}.wav',
    speaker_id=speaker,
    label=label,
    num_samples=num_samples,
    file=f'{labels[label]}/{speaker}_{take}.wav',
    end_us=num_samples * 1_000_000 // audio.sample_rate_hz if audio else 0,
    fields={'take': str(take)},
    arrays={
      spec.name: arrays(spec, label, rng)
      if arrays
      else make_array(
        spec,
        label=label,
        num_labels=len(labels),
        rng=rng,
        noise=noise,
        num_rows=max(1, num_samples // 100) if spec.is_variable else 0,
      )
      for spec in features
    },
  )


def _num_samples(audio: audio_lib.AudioSpec | None, take: int, rng: np.random.Generator) -> int:
  if audio is None:
    return 0
  return int(rng.integers(100, 8_000)) if audio.is_variable else audio.clip_samples - take


def _write_split(
  data_dir: str,
  split: _Split,
  name: str,
  *,
  labels: Sequence[str],
  features: Sequence[record.FeatureSpec],
) -> Iterator[ShardInfo]:
  all_speakers = sorted({clip.speaker_id for clip in split.records})
  for index in range(split.num_shards):
    shard_name = naming.ShardName(
      dataset_name=name, split=split.name, index=index, num_shards=split.num_shards
    )
    mine = set(all_speakers[index :: split.num_shards])
    clips = [clip for clip in split.records if clip.speaker_id in mine]
    with writer.ShardWriter(os.path.join(data_dir, str(shard_name))) as out:
      out.write([codec.encode(clip, features) for clip in clips])
    yield ShardInfo(
      file_name=str(shard_name),
      num_records=out.num_records,
      num_bytes=out.num_bytes,
      sha256=out.sha256,
      num_speakers=len(mine),
      label_counts=tuple(sum(clip.label == i for clip in clips) for i in range(len(labels))),
      audio_s=0.4 * len(clips),
      source_s=0.4 * len(clips),
      shortest_samples=min((clip.num_samples for clip in clips), default=0),
      longest_samples=max((clip.num_samples for clip in clips), default=0),
    )


def _statistics(clips: Sequence[codec.Record], spec: record.FeatureSpec) -> FeatureStatistics:
  stacked = np.concatenate([clip.arrays[spec.name] for clip in clips]).astype(np.float64)
  if spec.dtype == 'int16':
    stacked /= 32768  # Statistics are those of the computed values, before storage.
  values = stacked.reshape(-1, spec.num_bins)  # [count, num_bins]
  return FeatureStatistics(
    count=len(values),
    mean=tuple(values.mean(axis=0).tolist()),
    variance=tuple(values.var(axis=0).tolist()),
  )
