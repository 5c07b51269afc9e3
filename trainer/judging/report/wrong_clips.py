"""The clips that a model got wrong while it was surest: what is to be listened to first."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from trainer.predictions import header as header_lib
from trainer.predictions import parquet_reader

MAX_CLIPS = 40
_NUM_TOP = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class WrongClip:
  """One clip, wrong or not.

  Attributes:
    clip_id: Id of its record.
    speaker: Who speaks.
    file: Where it comes from, as in the records; '' where nobody says.
    start_s: Where it begins there.
    end_s: Where it ends there; 0 where nobody says.
    fields: What else the corpus says, a JSON object of strings.
    augmentation: What was done to a copy; '' for an original.
    label: What it is.
    loss: Its cross-entropy in nats.
    top: The most probable labels, with their probabilities, the highest first.
    label_probability: What the model gave the true label.
  """

  clip_id: str
  speaker: str
  file: str
  start_s: float
  end_s: float
  fields: str
  augmentation: str
  label: str
  loss: float
  top: tuple[tuple[str, float], ...]
  label_probability: float


def worst(predictions: parquet_reader.Reader, *, limit: int = MAX_CLIPS) -> list[WrongClip]:
  """Returns the wrong clips of the highest loss, the worst first; of equals by their ids."""
  kept: list[tuple[float, str, int, WrongClip]] = []
  place = 0
  for batch in predictions.batches():
    losses = np.where(batch.answers == batch.labels, -np.inf, batch.losses)
    # Texts of the few that may stay, not of all: they are most of the time.
    least = kept[-1][0] if len(kept) == limit else -np.inf
    candidates = np.flatnonzero((losses >= least) & np.isfinite(losses))
    if len(candidates) > limit:
      # All that are as bad as the last of them: ids decide between these.
      least = np.sort(losses[candidates])[-limit]
      candidates = candidates[losses[candidates] >= least]
    if len(candidates):
      found = clips_of(batch, candidates)
      kept += [
        (clip.loss, clip.clip_id, place + int(i), clip)
        for i, clip in zip(candidates, found, strict=True)
      ]
      kept = sorted(kept, key=lambda one: (-one[0], one[1], one[2]))[:limit]
    place += len(batch)
  return [clip for *_, clip in kept]


def clips_of(batch: parquet_reader.Batch, places: np.ndarray) -> list[WrongClip]:
  """Returns some clips of a batch, right or wrong, by their places in it."""
  some = parquet_reader.Batch(batch.rows.take(places.tolist()), batch.header)
  labels = batch.header.labels
  sums = some.log_sum_exps
  indices, logits = some.top(_NUM_TOP)
  shares = np.exp(np.minimum(0, logits - sums[:, np.newaxis]))
  columns: dict[str, list[Any]] = {
    'clip_id': some.ids,
    'speaker': some.speakers,
    'file': some.texts(header_lib.FILE),
    'start_s': some.numbers(header_lib.START_S).tolist(),
    'end_s': some.numbers(header_lib.END_S).tolist(),
    'fields': some.texts(header_lib.FIELDS),
    'augmentation': some.texts(header_lib.AUGMENTATION),
    'label': [labels[i] for i in some.labels],
    'loss': some.losses.tolist(),
    'label_probability': np.exp(np.minimum(0, some.label_logits - sums)).tolist(),
    'top': [
      tuple((labels[i], float(share)) for i, share in zip(mine, theirs, strict=True))
      for mine, theirs in zip(indices, shares, strict=True)
    ],
  }
  return [
    WrongClip(**dict(zip(columns, values, strict=True)))
    for values in zip(*columns.values(), strict=True)
  ]
