"""The first suspects as a page to listen to, where each can be marked and the marks saved."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features import stored_form
from features.decoding import cutting
from pages import analysis, embedded, panels, rendering, words
from schemas import errors, manifest, medium
from tfrecords.wire import codec
from trainer.predictions import header as header_lib
from trainer.predictions import recordings as recordings_lib
from trainer.suspects import gathering, ranking, stored_clips

_MOST_PAIRS = 10
_PICTURE_PIXELS = 160


def render(
  found: gathering.Suspects,
  trained: manifest.DatasetManifest,
  *,
  max_clips: int,
) -> str:
  """Returns the page: the same text for the same list.

  Args:
    found: The list.
    trained: The manifest of the data of the training.
    max_clips: So many clips are shown.

  Raises:
    RecordError: if the data set is damaged.
  """
  shown = found.listed[:max_clips]
  dataset = found.dataset or trained
  recordings = recordings_lib.Recordings(dataset, found.header.data_dir)
  stored = _records(found, {one.clip_id for one in shown})
  return rendering.render(
    'suspects.html.j2',
    found=found,
    shown=[_shown(one, dataset, recordings, stored.get(one.clip_id)) for one in shown],
    is_sound=found.header.examples != medium.PICTURES,
    noun=found.header.examples,
    numbers=_numbers(found, len(shown)),
    pairs=found.pairs[:_MOST_PAIRS],
    reasons=[(ranking.REASONS[reason], count) for reason, count in found.counts.items() if count],
    # What is marked belongs to this list: another one begins anew.
    state={
      'key': f'voxshard-suspects-{_digest(shown)}',
      'clips': [
        {'id': one.clip_id, 'label': one.label, 'suggested': one.suggested} for one in shown
      ],
      'labels': list(found.header.labels),
    },
    notes=[*filter(None, (found.caution,)), *found.notes, *_length_note(found.header)],
  )


def _records(found: gathering.Suspects, wanted: Collection[str]) -> dict[str, codec.Record]:
  """Returns the records of some clips, by id; none where there is no data set."""
  if found.dataset is None:
    return {}
  splits = gathering.splits_of(found.header)
  return {
    clip.utterance_id: clip
    for clip in stored_clips.records(found.header.data_dir, found.dataset, splits)
    if clip.utterance_id in wanted
  }


def _numbers(found: gathering.Suspects, num_shown: int) -> list[tuple[str, str]]:
  noun = found.header.examples
  return [
    (f'{found.num_clips:,}', f'{noun} looked at'),
    (f'{found.counts[ranking.LABEL_ERROR]:,}', 'that count as another label'),
    (words.share(found.error_share), 'of labels wrong, as estimated'),
    (words.share(found.accuracy), f'of {noun} that the model has right'),
    (f'{num_shown:,}', 'to look at here' if noun == medium.PICTURES else 'to listen to here'),
  ]


def _shown(
  one: gathering.Suspect,
  dataset: manifest.DatasetManifest,
  recordings: recordings_lib.Recordings,
  record: codec.Record | None,
) -> dict[str, Any]:
  """Returns what can be seen and heard of a clip."""
  heard = _heard(one, dataset, recordings, record)
  audio, drawn, picture = '', [], ''
  if heard is not None and len(heard.samples):
    start = analysis.beginning(heard.samples, heard.sample_rate_hz)
    audio = embedded.audio(start, heard.sample_rate_hz)
    drawn = [panels.spectrogram(start, heard.sample_rate_hz)]
  elif dataset.audio is None:
    pixels = recordings.picture(one.file, side=_PICTURE_PIXELS)
    picture = embedded.picture(pixels) if pixels is not None else _stored_picture(record)
  else:
    picture = _stored_picture(record)
  known, who = one.speaker if one.speaker != one.clip_id else '', medium.speaker(dataset.medium)
  return {
    'suspect': one,
    'details': ', '.join(filter(None, (known and f'{who} {known}', _place(one)))),
    'reasons': _sentences(one),
    'audio': audio,
    'panels': drawn,
    'picture': picture,
  }


def _heard(
  one: gathering.Suspect,
  dataset: manifest.DatasetManifest,
  recordings: recordings_lib.Recordings,
  record: codec.Record | None,
) -> recordings_lib.Heard | None:
  form = dataset.audio
  if form is None:
    return None
  if record is not None and stored_clips.WAVEFORM in record.arrays:
    padded = stored_form.from_stored(record.arrays[stored_clips.WAVEFORM])
    samples = cutting.unpadded(padded, record.num_samples, form.position)
    return recordings_lib.Heard(samples, form.sample_rate_hz)
  return recordings.heard(
    one.file, start_s=one.start_s, end_s=one.end_s, max_s=analysis.MAX_SECONDS
  )


def _stored_picture(record: codec.Record | None) -> str:
  """Returns a stored array as a picture; '' where there is none that can be shown."""
  arrays: Sequence[NDArray[Any]] = list(record.arrays.values()) if record else []
  for values in arrays:
    if embedded.is_picture(values.shape, values.dtype) or (
      values.ndim == 2 and values.dtype != np.uint8
    ):
      return embedded.picture(values)
  return ''


def _place(one: gathering.Suspect) -> str:
  if not one.file:
    return ''
  part = f', {one.start_s:.2f} to {one.end_s:.2f} s' if one.start_s > 0 else ''
  return f'{one.file}{part}' if one.file != one.clip_id or part else ''


def _sentences(one: gathering.Suspect) -> list[str]:
  """Returns what speaks against a clip, a sentence each."""
  said = [
    f'The model gives {one.label!r} {words.percent(one.label_probability)}'
    + (f' and {one.other!r} {words.percent(one.other_probability)}.' if one.other else '.')
  ]
  for reason in one.reasons:
    if reason in (ranking.SAME_AUDIO, ranking.NEAR_DUPLICATE):
      same = 'The same' if reason == ranking.SAME_AUDIO else 'Nearly the same'
      said.append(f'{same} is there with the label {one.twin_label!r}: {one.twin}')
    else:
      said.append(ranking.REASONS[reason])
  return said


def _length_note(header: header_lib.Header) -> list[str]:
  if header.examples == medium.PICTURES:
    return []
  return [
    f'At most the first {errors.counted(int(analysis.MAX_SECONDS), "second")} of a clip are drawn '
    'and can be heard.'
  ]


def _digest(shown: Sequence[gathering.Suspect]) -> str:
  text = '\0'.join(f'{one.clip_id}\0{one.label}' for one in shown)
  return hashlib.blake2b(text.encode('utf-8', 'surrogateescape'), digest_size=8).hexdigest()
