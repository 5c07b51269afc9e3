"""What is wrong with the sound of clips whose data set stores none: their files are opened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from features.decoding import levels
from schemas import audio, manifest
from trainer.predictions import recordings as recordings_lib

# Notes of a decoder, of schemas.rejects.NOTED.
_SILENT, _CLIPPED = 'silent', 'clipped'
_MOST_S = 60.0


class Place(NamedTuple):
  """Where a clip is: a file of its record, and where in it, in seconds."""

  file: str
  start_s: float
  end_s: float


class Fault(NamedTuple):
  """What is wrong with the sound of a clip."""

  is_silent: bool
  is_clipped: bool


def faults(
  places: Iterable[Place],
  recordings: recordings_lib.Recordings,
  dataset: manifest.DatasetManifest,
) -> list[Fault | None]:
  """Returns what is wrong with each clip; None where its file is not there, or cannot be read."""
  form = dataset.audio
  if form is None:
    return [None for _ in places]
  spec = audio.AudioSpec(
    sample_rate_hz=form.sample_rate_hz,
    clip_s=0,
    max_clip_s=_MOST_S,
    channel=form.channel,
    full_scale=form.full_scale,
  )
  return [_fault(place, recordings, spec) for place in places]


def _fault(
  place: Place, recordings: recordings_lib.Recordings, spec: audio.AudioSpec
) -> Fault | None:
  clip = recordings.decoded(
    place.file, spec, start_s=place.start_s, end_s=place.end_s, max_s=_MOST_S
  )
  if clip is None:
    return None
  quiet = levels.level_dbfs(clip.samples[: clip.num_samples]) < levels.UNHEARD_DBFS
  return Fault(is_silent=_SILENT in clip.noted or quiet, is_clipped=_CLIPPED in clip.noted)
