"""From a file of predictions, and the data set that it is of, to the ranked list of suspects.

Predictions are read three times, records once. About 250 bytes are held of each clip: 250 MB for a
million. Texts are held of those that are listed, alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.decoding import levels
from pages import words
from schemas import errors, manifest, medium
from schemas import splits as splits_lib
from trainer.predictions import header as header_lib
from trainer.predictions import parquet_reader
from trainer.predictions import recordings as recordings_lib
from trainer.suspects import (
  clip_texts,
  confident_learning,
  near_duplicates,
  opened_files,
  ranking,
  stored_clips,
  unlike_label,
)

FOLDS = 'folds'
# Of the model's mistakes: an estimate of wrong labels from here on is about as large.
_ABOUT_AS_MANY = 0.8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suspect:
  """One clip of the list.

  Attributes:
    rank: From 1 on.
    clip_id: Id of its record.
    file: Where it comes from, as in the records; '' where nobody says.
    start_s: Where it begins there.
    end_s: Where it ends there.
    speaker: Who speaks.
    label: What it is said to be.
    suggested: What it seems to be; '' where nothing says that it is something else.
    score: How suspect it is, in [0, 1].
    reasons: Of ranking.REASONS.
    label_probability: What the model gives its label.
    other: The most probable other label; '' where there is but one.
    other_probability: What the model gives that.
    twin: Id of a clip that is the same, or nearly, and has another label; '' where there is none.
    twin_label: The label of that.
  """

  rank: int
  clip_id: str
  file: str
  start_s: float
  end_s: float
  speaker: str
  label: str
  suggested: str
  score: float
  reasons: tuple[str, ...]
  label_probability: float
  other: str
  other_probability: float
  twin: str = ''
  twin_label: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suspects:
  """The list.

  Attributes:
    header: What was judged.
    dataset: The manifest of it; None where it is gone, or another one now.
    num_clips: How many clips were looked at.
    num_copies: Augmented copies and repetitions, which were not.
    error_share: The estimated share of wrong labels.
    accuracy: How often the model gave the label that the clip has.
    pairs: (given, found, clips) of confident learning, the most frequent first.
    counts: How many clips each reason is true of.
    notes: What is to be said of how it was found, sentences.
    listed: The most suspect clips, the first first.
  """

  header: header_lib.Header
  dataset: manifest.DatasetManifest | None
  num_clips: int
  num_copies: int
  error_share: float
  accuracy: float
  pairs: Sequence[tuple[str, str, int]]
  counts: dict[str, int]
  notes: Sequence[str]
  listed: Sequence[Suspect]

  @property
  def caution(self) -> str:
    """A sentence where the model's mistakes may be all that was found; '' where they may not."""
    wrong = 1 - self.accuracy
    if not self.error_share or self.error_share < _ABOUT_AS_MANY * wrong:
      return ''
    look = 'Look at' if self.header.examples == medium.PICTURES else 'Listen to'
    return (
      f'The estimate is about as large as the share of {self.header.examples} that the model has '
      f'wrong ({words.share(wrong)}): figures do not say which of them are wrong labels and which '
      f'are its own mistakes. {look} the first of the list.'
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Judged:
  """What predictions say of the originals, in their order."""

  keys: NDArray[np.uint64]
  labels: NDArray[np.int32]
  confident: NDArray[np.int32]
  others: NDArray[np.int32]
  label_probabilities: NDArray[np.float32]
  other_probabilities: NDArray[np.float32]
  num_copies: int
  num_right: int
  joint: confident_learning.ConfidentJoint

  @property
  def margins(self) -> NDArray[np.float64]:
    return self.label_probabilities.astype(np.float64) - self.other_probabilities

  @property
  def is_label_error(self) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (self.confident != confident_learning.NO_LABEL) & (
      self.confident != self.labels
    )
    return found


def find(
  predictions: parquet_reader.Reader,
  trained: manifest.DatasetManifest,
  *,
  max_listed: int,
  max_opened: int,
) -> Suspects:
  """Returns the list for a file of predictions.

  Args:
    predictions: What a model said of clips, out of fold at best.
    trained: The manifest of the data of the training.
    max_listed: So many clips are listed at most.
    max_opened: Of so many, the most suspect, the files are opened where no audio is stored.

  Raises:
    ConfigError: if there is no clip but copies, or the predictions are damaged.
    RecordError: if the data set is damaged.
  """
  header = predictions.header
  judged = _judged(predictions)
  notes = [_note_on_split(header)]
  dataset, why = recordings_lib.stored(header.data_dir, header.manifest_sha256)
  if dataset is None:
    unusual = '' if header.examples == medium.PICTURES else ' and of clips that sound unusual'
    notes.append(f'{why} So nothing is said of duplicates{unusual}.')
  evidence, twins = _evidence(judged, header, dataset)
  if _is_unheard(dataset or trained, dataset):
    evidence, note = _opened(
      predictions,
      judged,
      evidence,
      recordings=recordings_lib.Recordings(dataset or trained, header.data_dir),
      form=dataset or trained,
      max_opened=max_opened,
    )
    notes.append(note)
  scores = ranking.scores(evidence)
  places = ranking.order(scores, judged.keys)[:max_listed]
  is_so = ranking.reasons(evidence)
  if len(judged.keys) > len(places):
    notes.append(f'The first {len(places):,} of {len(judged.keys):,} {header.examples} are listed.')
  return Suspects(
    header=header,
    dataset=dataset,
    num_clips=len(judged.keys),
    num_copies=judged.num_copies,
    error_share=judged.joint.error_share(),
    accuracy=judged.num_right / len(judged.keys),
    pairs=[
      (header.labels[pair.given], header.labels[pair.confident], pair.count)
      for pair in judged.joint.pairs()
    ],
    counts={reason: int(np.count_nonzero(values)) for reason, values in is_so.items()},
    notes=notes,
    listed=_listed(predictions, judged, places, scores=scores, is_so=is_so, twins=twins),
  )


def _judged(predictions: parquet_reader.Reader) -> _Judged:
  header = predictions.header
  thresholds = confident_learning.Thresholds(len(header.labels))
  keys: list[NDArray[np.uint64]] = []
  num_copies = num_right = 0
  columns = [*parquet_reader.logit_columns(header), *clip_texts.NAMES]
  for batch in predictions.batches(columns):
    chosen = clip_texts.originals(batch)
    num_copies += int(np.count_nonzero(~chosen))
    num_right += int(np.count_nonzero(batch.answers[chosen] == batch.labels[chosen]))
    thresholds.add(batch, chosen)
    some = [
      stored_clips.key_of(clip) for clip, is_one in zip(batch.ids, chosen, strict=True) if is_one
    ]
    keys.append(np.array(some, np.uint64))
  if not sum(map(len, keys)):
    raise errors.ConfigError(
      f'{predictions.path!r} holds no {medium.example(header.examples)} but augmented copies, and '
      'suspects are originals. Judge another split: `python -m trainer.evaluate`.'
    )
  every = np.concatenate(keys)
  _check_ids(predictions, every)
  joint = confident_learning.ConfidentJoint(thresholds.counts)
  parts: list[tuple[NDArray[np.generic], ...]] = []
  for batch in predictions.batches(columns):
    chosen = clip_texts.originals(batch)
    found = confident_learning.find(batch, thresholds.values)
    labels = batch.labels[chosen]
    joint.add(labels, found.confident[chosen])
    parts.append(
      (
        labels.astype(np.int32),
        found.confident[chosen].astype(np.int32),
        found.others[chosen].astype(np.int32),
        found.label_probabilities[chosen].astype(np.float32),
        found.other_probabilities[chosen].astype(np.float32),
      )
    )
  labels, confident, others, own, other = map(np.concatenate, zip(*parts, strict=True))
  return _Judged(
    keys=every,
    labels=labels,
    confident=confident,
    others=others,
    label_probabilities=own,
    other_probabilities=other,
    num_copies=num_copies,
    num_right=num_right,
    joint=joint,
  )


def _check_ids(predictions: parquet_reader.Reader, keys: NDArray[np.uint64]) -> None:
  """Raises ConfigError if a clip is there more than once: a mark of it would be of which?"""
  found, counts = np.unique(keys, return_counts=True)
  twice = found[counts > 1]
  if not len(twice):
    return
  example = next(
    clip
    for batch in predictions.batches([header_lib.ID])
    for clip in batch.ids
    if stored_clips.key_of(clip) == twice[0]
  )
  raise errors.ConfigError(
    f'{predictions.path!r} has {predictions.header.counted(len(twice))} more than once, such as '
    f'{example!r}: nobody can tell which answer counts. Write it again with '
    '`python -m trainer.evaluate`.'
  )


def _evidence(
  judged: _Judged, header: header_lib.Header, dataset: manifest.DatasetManifest | None
) -> tuple[ranking.Evidence, NDArray[np.int64]]:
  """Returns what speaks against each clip, and its twin."""
  count = len(judged.keys)
  nothing = np.zeros(count, bool)
  labels = judged.labels.astype(np.int64)
  flags = {ranking.SILENT: nothing, ranking.CLIPPED: nothing, ranking.UNLIKE_LABEL: nothing}
  share, twins, equal = np.zeros(count), np.full(count, near_duplicates.NONE), nothing
  if dataset is not None:
    stored = stored_clips.read(header.data_dir, dataset, splits_of(header))
    order = np.argsort(stored.keys, kind='stable')
    at = np.minimum(np.searchsorted(stored.keys[order], judged.keys), max(0, len(order) - 1))
    at = order[at]
    known = stored.keys[at] == judged.keys
    digests = np.where(known, stored.digests[at], np.uint64(0))
    fingerprints = stored.fingerprints[at]
    same = near_duplicates.find(digests, fingerprints, labels)
    share, twins, equal = same.other_share, same.twins, same.is_equal
    silent = known & stored.is_silent[at]
    usable = digests != 0
    unlike = unlike_label.find(near_duplicates.whitened(fingerprints, usable), labels)
    flags = {
      ranking.SILENT: ranking.unusually_silent(silent, labels, len(header.labels)),
      ranking.CLIPPED: known & (stored.clipped_shares[at] > levels.AUDIBLE_CLIPPING),
      ranking.UNLIKE_LABEL: unlike & usable,
    }
  evidence = ranking.Evidence(
    margins=judged.margins,
    is_label_error=judged.is_label_error,
    label_probabilities=judged.label_probabilities.astype(np.float64),
    num_labels=len(header.labels),
    other_share=share,
    has_equal=equal,
    flags=flags,
  )
  return evidence, twins


def _is_unheard(form: manifest.DatasetManifest, dataset: manifest.DatasetManifest | None) -> bool:
  """Whether clips are sounds, of which no samples could be read."""
  stored = dataset is not None and any(
    spec.name == stored_clips.WAVEFORM for spec in dataset.features
  )
  return form.audio is not None and not stored


def _opened(
  predictions: parquet_reader.Reader,
  judged: _Judged,
  evidence: ranking.Evidence,
  *,
  recordings: recordings_lib.Recordings,
  form: manifest.DatasetManifest,
  max_opened: int,
) -> tuple[ranking.Evidence, str]:
  """Adds what the files of the most suspect clips sound like; returns a sentence on it."""
  places = ranking.order(ranking.scores(evidence), judged.keys)[:max_opened]
  texts = clip_texts.of(predictions, places)
  where = [
    opened_files.Place(row.file, row.start_s, row.end_s)
    for row in (texts[int(place)] for place in places)
  ]
  faults = opened_files.faults(where, recordings, form)
  labels = judged.labels.astype(np.int64)
  silent = evidence.flags[ranking.SILENT].copy()
  clipped = evidence.flags[ranking.CLIPPED].copy()
  for place, fault in zip(places, faults, strict=True):
    if fault is not None:
      silent[place] |= fault.is_silent
      clipped[place] |= fault.is_clipped
  flags = {
    **evidence.flags,
    ranking.SILENT: ranking.unusually_silent(silent, labels, evidence.num_labels),
    ranking.CLIPPED: clipped,
  }
  heard = sum(fault is not None for fault in faults)
  of_all = '' if heard == len(judged.keys) else f' of {len(judged.keys):,}, the most suspect,'
  note = (
    f'Silence and clipping are of the files of {errors.counted(heard, "clip")}{of_all} as they lie '
    f'in {recordings.folder}.'
    if heard
    else f'No file of a clip is found in {recordings.folder or "its place"}: nothing is said of '
    'silence and clipping.'
  )
  return dataclasses.replace(evidence, flags=flags), note


def _listed(
  predictions: parquet_reader.Reader,
  judged: _Judged,
  places: NDArray[np.int64],
  *,
  scores: NDArray[np.float64],
  is_so: dict[str, NDArray[np.bool_]],
  twins: NDArray[np.int64],
) -> list[Suspect]:
  theirs = twins[places]
  texts = clip_texts.of(
    predictions, np.concatenate([places, theirs[theirs != near_duplicates.NONE]])
  )
  names = predictions.header.labels

  def label(index: int) -> str:
    return names[index] if index != confident_learning.NO_LABEL else ''

  listed = []
  margins = judged.margins
  for rank, place in enumerate(places.tolist(), 1):
    clip, twin = texts[place], int(twins[place])
    has_twin = twin != near_duplicates.NONE
    other = label(int(judged.others[place]))
    twin_label = label(int(judged.labels[twin])) if has_twin else ''
    if is_so[ranking.LABEL_ERROR][place]:
      suggested = label(int(judged.confident[place]))
    else:
      suggested = other if margins[place] < 0 else twin_label
    listed.append(
      Suspect(
        rank=rank,
        clip_id=clip.clip_id,
        file=clip.file,
        start_s=clip.start_s,
        end_s=clip.end_s,
        speaker=clip.speaker,
        label=label(int(judged.labels[place])),
        suggested=suggested,
        score=float(round(scores[place], 6)),
        reasons=tuple(reason for reason, values in is_so.items() if values[place]),
        label_probability=float(judged.label_probabilities[place]),
        other=other,
        other_probability=float(judged.other_probabilities[place]),
        twin=texts[twin].clip_id if has_twin else '',
        twin_label=twin_label,
      )
    )
  return listed


def splits_of(header: header_lib.Header) -> tuple[str, ...]:
  """Returns the splits whose records were judged."""
  return tuple(splits_lib.SPLITS) if header.split == FOLDS else (header.split,)


def _note_on_split(header: header_lib.Header) -> str:
  one = medium.example(header.examples)
  if header.split == FOLDS:
    return f'Every {one} was judged by a model that was not trained on it.'
  if header.split == splits_lib.TRAIN:
    return (
      f'These {one}s were judged by the model that was trained on them: it has learned many of '
      'their wrong labels by heart, which hides them. Train with --folds=speaker:5, so that each '
      f'{one} is judged by a model that never met it.'
    )
  return (
    f'Only {one}s of the {header.split} split were looked at. Train with --folds=speaker:5, so '
    'that all are judged, each by a model that never met it.'
  )
