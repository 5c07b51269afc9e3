"""What was found out about a corpus or a data set: all that the page is made from."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_jobs.exploration import census as census_lib
from beam_jobs.exploration import duplicates, fingerprint
from beam_jobs.exploration import sound as sound_lib
from features.decoding import levels
from schemas import medium as media
from schemas import rejects as rejects_lib


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
  """One clip that was opened.

  Attributes:
    clip: Which.
    measures: What is measured of it.
    fingerprint: What it is compared by.
  """

  clip: duplicates.Clip
  measures: sound_lib.Measures
  fingerprint: fingerprint.Fingerprint


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Example:
  """One clip that is drawn.

  Attributes:
    clip: Which.
    sound: Its audio; None where there is none.
    picture: uint8 [height, width, 1 or 3], or a stored feature [time, bins]; shown without audio.
  """

  clip: duplicates.Clip
  sound: sound_lib.Sound | None = None
  picture: NDArray[Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RejectReason:
  """Clips that cannot be used, for one reason.

  Attributes:
    reason: A key of schemas.rejects.ADVICE.
    count: How many.
    example: One of them: its id, and what is wrong.
  """

  reason: str
  count: int
  example: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
  """All that is known.

  Attributes:
    title: What is looked at.
    kind: `data set` or `corpus`.
    medium: One of schemas.medium.MEDIA.
    facts: What it is, as (name, value).
    census: How many clips there are.
    is_labelled: Whether clips have labels.
    total_s: Seconds of audio; None where only some clips were opened.
    durations_s: Lengths of the clips that were opened or counted.
    duration_is_of: Which clips these are, for the chart.
    measured: The clips that were opened.
    measured_from: Where their audio comes from; '' where there was none to measure.
    examples: By label.
    groups: Duplicates.
    compared: What was compared to find them, sentences.
    num_silent: Clips that are nothing but silence, among those compared.
    rejects: Clips that cannot be used.
    left_out: Clips that were not asked for, by reason.
    noted: What else is to be said of clips, files or names.
    warnings: Sentences of whoever made the data set.
    notes: How it was measured.
  """

  title: str
  kind: str
  facts: Sequence[tuple[str, str]]
  census: census_lib.Census
  durations_s: NDArray[np.float64]
  duration_is_of: str
  medium: str = media.AUDIO
  is_labelled: bool = True
  total_s: float | None = None
  measured: Sequence[Measured] = ()
  measured_from: str = ''
  examples: Mapping[str, Sequence[Example]] = dataclasses.field(default_factory=dict)
  groups: Sequence[duplicates.Group] = ()
  compared: Sequence[str] = ()
  num_silent: int = 0
  rejects: Sequence[RejectReason] = ()
  left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)
  noted: Sequence[rejects_lib.Noted] = ()
  warnings: Sequence[str] = ()
  notes: Sequence[str] = ()

  @property
  def num_rejects(self) -> int:
    """Clips that cannot be used."""
    return sum(item.count for item in self.rejects)

  @property
  def is_pictures(self) -> bool:
    """Whether its files are pictures."""
    return self.medium == media.PICTURES

  @functools.cached_property
  def has_speakers(self) -> bool:
    """Whether it is known who speaks."""
    return not (self.is_pictures or self.census.every_clip_its_own_speaker)

  @functools.cached_property
  def clipped(self) -> list[Measured]:
    """The clips whose tops are cut off audibly, the worst first."""
    limit = levels.AUDIBLE_CLIPPING
    worst = [item for item in self.measured if item.measures.clipped_share > limit]
    return sorted(worst, key=lambda item: (-item.measures.clipped_share, item.clip.clip_id))
