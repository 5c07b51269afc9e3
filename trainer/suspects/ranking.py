"""From all that speaks against a clip to one list, the most suspect first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from schemas import medium

# What is said of a clip, and how much it speaks for a wrong one, from 0 to 1.
LABEL_ERROR = 'label_error'
NOT_LEARNED = 'not_learned'
SAME_AUDIO = 'same_audio'
NEAR_DUPLICATE = 'near_duplicate'
SILENT = 'silent'
CLIPPED = 'clipped'
UNLIKE_LABEL = 'unlike_label'
REASONS: Mapping[str, str] = {
  LABEL_ERROR: 'By confident learning it counts as another label.',
  NOT_LEARNED: 'Its label gets less than a tenth of what guessing gives it.',
  SAME_AUDIO: 'The same is there with another label.',
  NEAR_DUPLICATE: 'Nearly the same is there with another label.',
  SILENT: 'There is nothing to hear.',
  CLIPPED: 'Tops are cut off at full scale.',
  UNLIKE_LABEL: 'It sounds unlike the others with its label.',
}
# What pictures may have too.
_OF_PICTURES = (LABEL_ERROR, NOT_LEARNED, SAME_AUDIO, NEAR_DUPLICATE)
# Faults that are no wrong label by themselves.
_STRENGTHS = {SILENT: 0.9, CLIPPED: 0.2, UNLIKE_LABEL: 0.2}
_NEARLY = 0.9
# Labels in which more than so many clips are silent are meant to be.
MOST_SILENT = 0.5
_OF_GUESSING = 0.1


def known_of(examples: str) -> tuple[str, ...]:
  """Returns the reasons that can be true of clips, or of pictures."""
  return _OF_PICTURES if examples == medium.PICTURES else tuple(REASONS)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
  """What is known of some clips; about 100 bytes each.

  Attributes:
    margins: Normalised margins, in [-1, 1].
    is_label_error: Whether they stand off the diagonal of the confident joint.
    label_probabilities: What the given label gets.
    num_labels: How many labels there are.
    other_share: See near_duplicates.Twins.
    has_equal: Whether the twin is equal to the last bit.
    flags: Of SILENT, CLIPPED and UNLIKE_LABEL, which clips are so.
  """

  margins: NDArray[np.float64]
  is_label_error: NDArray[np.bool_]
  label_probabilities: NDArray[np.float64]
  num_labels: int
  other_share: NDArray[np.float64]
  has_equal: NDArray[np.bool_]
  flags: Mapping[str, NDArray[np.bool_]]


def scores(evidence: Evidence) -> NDArray[np.float64]:
  """Returns how suspect clips are, in [0, 1].

  The label by itself gives (1 - margin) / 2: from 0 where the model is sure of it to 1 where it is
  sure of another. What else speaks against a clip is added as if it were independent: of the
  strengths s the score is 1 less the product of all 1 - s.
  """
  innocent = 1 - (1 - evidence.margins) / 2
  innocent *= 1 - evidence.other_share * np.where(evidence.has_equal, 1.0, _NEARLY)
  for reason, is_so in evidence.flags.items():
    innocent *= np.where(is_so, 1 - _STRENGTHS[reason], 1.0)
  found: NDArray[np.float64] = np.clip(1 - innocent, 0, 1)
  return found


def reasons(evidence: Evidence) -> dict[str, NDArray[np.bool_]]:
  """Returns which clips each reason is true of, in the order of REASONS."""
  has_twin = evidence.other_share > 0
  return {
    LABEL_ERROR: evidence.is_label_error,
    NOT_LEARNED: evidence.label_probabilities < _OF_GUESSING / evidence.num_labels,
    SAME_AUDIO: has_twin & evidence.has_equal,
    NEAR_DUPLICATE: has_twin & ~evidence.has_equal,
    **{reason: evidence.flags[reason] for reason in (SILENT, CLIPPED, UNLIKE_LABEL)},
  }


def order(suspicion: NDArray[np.float64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
  """Returns places, the most suspect first; of equals by a hash of their ids."""
  # Beyond these digits lies the order in which processors add up.
  return np.lexsort((keys, -np.round(suspicion, 6)))


def unusually_silent(
  is_silent: NDArray[np.bool_], labels: NDArray[np.int64], num_labels: int
) -> NDArray[np.bool_]:
  """Returns which clips are silent though their label is not mostly so, as a `silence` is."""
  silent = np.bincount(labels[is_silent], minlength=num_labels)
  meant = silent > MOST_SILENT * np.bincount(labels, minlength=num_labels)
  return is_silent & ~meant[labels]
