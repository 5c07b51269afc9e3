"""What a model said of some clips: the form in which answers go into a file of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Origins(NamedTuple):
  """Which clips these are; one entry for each. Texts may hold surrogates for odd bytes.

  Attributes:
    ids: Ids of the records.
    speakers: Who speaks.
    files: Where each comes from; '' where nobody says.
    start_us: Where it begins there, in microseconds.
    end_us: Where it ends.
    fields: What else the corpus says, each a JSON object of strings.
    augmentations: What was done to copies; '' for originals.
  """

  ids: Sequence[str]
  speakers: Sequence[str]
  files: Sequence[str]
  start_us: Sequence[int]
  end_us: Sequence[int]
  fields: Sequence[str]
  augmentations: Sequence[str]


class Answers(NamedTuple):
  """Logits of some clips.

  Attributes:
    origins: Which clips.
    labels: Indices of their labels, int64 [clips].
    logits: float32 [clips, labels].
  """

  origins: Origins
  labels: NDArray[np.int64]
  logits: NDArray[np.float32]
