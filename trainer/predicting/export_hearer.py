"""An export, to which files are brought as to a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import clip_input, export_file, exported
from exports import windows as windows_lib
from features.decoding import byte_ranges, clips
from trainer.confidence import caution as caution_lib


class OfExport:
  """As trainer.judging.prediction.Hearer says."""

  def __init__(self, model: exported.Exported) -> None:
    self._model = model
    self.audio = clip_input.spec(model.export) if model.export.audio else None

  def decode(self, data: byte_ranges.Bytes) -> clips.Clip:
    """As Hearer says."""
    decode = clip_input.decode if self.audio else clip_input.picture
    return decode(data, self._model.export)

  def windows(
    self, data: byte_ranges.Bytes, windows: windows_lib.Windows
  ) -> Iterator[windows_lib.Window]:
    """As Hearer says."""
    return clip_input.windows(data, self._model.export, windows)

  def logits(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """As Hearer says."""
    if self.audio is None:
      return self._model.of_pictures(np.stack(samples).astype(np.uint8)).logits
    return self._model.of_clips(samples).logits


def caution(export: export_file.Export) -> caution_lib.Caution:
  """Returns how the logits of an export become answers, which was decided when it was made."""
  return caution_lib.Caution(
    temperature=export.temperature, score=export.none_score, threshold=export.none_threshold
  )
