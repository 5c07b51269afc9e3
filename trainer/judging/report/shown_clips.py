"""The wrong clips as a page shows them: with a player and a picture, within a number of bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from features import stored_form
from features.decoding import cutting
from pages import analysis, embedded, panels
from schemas import errors, manifest, record, splits
from tfrecords import reader, storage
from tfrecords.wire import codec
from trainer.data.raw import files
from trainer.judging.report import wrong_clips
from trainer.predictions import recordings

# What players and pictures may take in a page, in bytes of its text: three in four are their own.
MAX_AUDIO_BYTES = 8 << 20
MAX_PICTURE_BYTES = 8 << 20
# So much of the shards is searched for clips whose recordings are not there.
_MAX_READ_BYTES = 256 << 20
_THUMBNAIL_PIXELS = 160
_WAVEFORM = 'waveform'


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShownClip:
  """One clip.

  Attributes:
    clip: What is known of it.
    audio: An address that holds what can be heard; '' where there is nothing.
    panel: A picture over time, or None.
    picture: An address that holds the picture itself; '' where it is audio.
  """

  clip: wrong_clips.WrongClip
  audio: str = ''
  panel: panels.Panel | None = None
  picture: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gallery:
  """Some clips to see and to hear.

  Attributes:
    clips: The clips.
    notes: What is to be said of them, a sentence each.
  """

  clips: Sequence[ShownClip]
  notes: Sequence[str]


def gallery(
  clips: Sequence[wrong_clips.WrongClip],
  dataset: manifest.DatasetManifest | None,
  *,
  data_dir: str,
  split: str,
) -> Gallery:
  """Returns clips with what can be heard and seen of them.

  Args:
    clips: The clips.
    dataset: What they are of; None where it is gone.
    data_dir: Where it lies.
    split: The split they are of, or another word for all of them.
  """
  if dataset is None or not clips:
    why = ['The data set is not there any more, or was made again: no clip can be heard or seen.']
    return Gallery(clips=[ShownClip(clip=clip) for clip in clips], notes=why if clips else [])
  found = recordings.Recordings(dataset, data_dir)
  shown = {i: one for i, clip in enumerate(clips) if (one := _recorded(clip, found, dataset))}
  missing = {clips[i].clip_id for i in range(len(clips)) if i not in shown}
  stored = _stored(dataset, data_dir, split, missing) if missing else {}
  made = [
    shown.get(i) or _of_record(clip, stored.get(clip.clip_id), dataset)
    for i, clip in enumerate(clips)
  ]
  return _bounded(made, dataset, found.folder)


def _recorded(
  clip: wrong_clips.WrongClip, found: recordings.Recordings, dataset: manifest.DatasetManifest
) -> ShownClip | None:
  """Returns a clip as its recording has it; None where that is not there."""
  if dataset.audio is None:
    picture = found.picture(clip.file, side=_THUMBNAIL_PIXELS)
    return None if picture is None else ShownClip(clip=clip, picture=embedded.picture(picture))
  heard = found.heard(clip.file, start_s=clip.start_s, end_s=clip.end_s, max_s=analysis.MAX_SECONDS)
  return None if heard is None else _heard(clip, *heard)


def _heard(
  clip: wrong_clips.WrongClip, samples: NDArray[np.float32], sample_rate_hz: int
) -> ShownClip:
  samples = analysis.beginning(samples, sample_rate_hz)
  return ShownClip(
    clip=clip,
    audio=embedded.audio(samples, sample_rate_hz),
    panel=panels.spectrogram(samples, sample_rate_hz),
  )


def _of_record(
  clip: wrong_clips.WrongClip, item: codec.Record | None, dataset: manifest.DatasetManifest
) -> ShownClip:
  """Returns a clip as the data set has it: what is stored of it."""
  if item is None:
    return ShownClip(clip=clip)
  if dataset.audio is not None and _WAVEFORM in item.arrays:
    padded = stored_form.from_stored(item.arrays[_WAVEFORM])
    samples = cutting.unpadded(padded, item.num_samples, dataset.audio.position)
    return _heard(clip, samples, dataset.audio.sample_rate_hz)
  name, values = next(iter(item.arrays.items()))
  values = np.asarray(values)
  if embedded.is_picture(values.shape, values.dtype):
    return ShownClip(clip=clip, picture=embedded.picture(values))
  if values.ndim not in (1, 2) or not values.size:
    return ShownClip(clip=clip)
  return ShownClip(clip=clip, panel=panels.stored(values, name))


def _stored(
  dataset: manifest.DatasetManifest, data_dir: str, split: str, ids: Collection[str]
) -> Mapping[str, codec.Record]:
  """Returns the records of some clips, of the first _MAX_READ_BYTES of the shards."""
  found: dict[str, codec.Record] = {}
  if files.is_raw(data_dir):
    return found
  place = storage.storage_of(data_dir)
  left_bytes = _MAX_READ_BYTES
  shards = dataset.shards_of(split) if split in splits.SPLITS else dataset.shards
  for shard in shards:
    if left_bytes < shard.num_bytes or len(found) == len(ids):
      break
    left_bytes -= shard.num_bytes
    path = place.join(data_dir, shard.file_name)
    try:
      for data in reader.read_records(path, place):
        item = codec.decode(data, _shown_first(dataset), record_version=dataset.record_version)
        if item.utterance_id in ids:
          found.setdefault(item.utterance_id, _copied(item))
    except errors.VoxshardError:
      continue  # Damaged since: what is shown of the others is right.
  return found


def _shown_first(dataset: manifest.DatasetManifest) -> Sequence[record.FeatureSpec]:
  """Returns the features, those first that say most to a reader."""
  return sorted(dataset.features, key=lambda spec: (spec.name != _WAVEFORM, len(spec.shape) < 2))


def _copied(item: codec.Record) -> codec.Record:
  # Arrays are views of the whole record.
  arrays = {name: np.array(values) for name, values in item.arrays.items()}
  return dataclasses.replace(item, arrays=arrays)


def _bounded(clips: Sequence[ShownClip], dataset: manifest.DatasetManifest, folder: str) -> Gallery:
  """Returns as much of the clips as a page may hold, and says what it lacks."""
  kept: list[ShownClip] = []
  audio_bytes = picture_bytes = num_unheard = num_unseen = 0
  for one in clips:
    image = one.panel.image if one.panel else one.picture
    is_heard = audio_bytes + len(one.audio) <= MAX_AUDIO_BYTES
    is_seen = picture_bytes + len(image) <= MAX_PICTURE_BYTES
    audio_bytes += len(one.audio) * is_heard
    picture_bytes += len(image) * is_seen
    num_unheard += not is_heard
    num_unseen += not is_seen
    kept.append(
      dataclasses.replace(
        one,
        audio=one.audio if is_heard else '',
        panel=one.panel if is_seen else None,
        picture=one.picture if is_seen else '',
      )
    )
  return Gallery(
    clips=kept,
    notes=[
      *_of_missing(clips, dataset, folder),
      'In this page: '
      + (f'sound {_megabytes(audio_bytes, MAX_AUDIO_BYTES)}, ' if dataset.audio else '')
      + f'pictures {_megabytes(picture_bytes, MAX_PICTURE_BYTES)}'
      + (f'; {num_unheard:,} clips are left without a player' if num_unheard else '')
      + (f'; {num_unseen:,} clips are left without a picture' if num_unseen else '')
      + '.',
    ],
  )


def _megabytes(num_bytes: int, most_bytes: int) -> str:
  return f'{num_bytes / 1e6:,.2f} MB (at most {most_bytes / 1e6:.2f} MB)'


def _of_missing(
  clips: Sequence[ShownClip], dataset: manifest.DatasetManifest, folder: str
) -> list[str]:
  """Returns what is said where recordings are not there."""
  if dataset.audio is None:
    num_missing = sum(not one.picture for one in clips)
    return [f'{num_missing:,} pictures are not there any more.'] if num_missing else []
  num_missing = sum(not one.audio for one in clips)
  if not num_missing:
    return []
  some = 'The recordings are' if num_missing == len(clips) else f'{num_missing:,} recordings are'
  return [
    f'{some} not on this machine ({folder or "nobody says where they lie"}): of these clips the '
    'picture is of what the data set stores, as far as it does.'
  ]
