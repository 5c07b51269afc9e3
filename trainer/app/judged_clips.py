"""Clips that a run was judged by: which there are, and where each can be heard or seen."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from features import stored_form
from features.decoding import byte_ranges, clips, cutting
from schemas import errors, manifest, record, utterance
from tfrecords.wire import codec
from trainer.judging.report import wrong_clips
from trainer.predictions import parquet_reader
from trainer.predictions import recordings as recordings_lib
from trainer.runs import judgement as judgement_lib
from trainer.runs import saved_run
from trainer.suspects import stored_clips

if TYPE_CHECKING:
  from trainer.app import asked_models

# So many are offered: a list of all would grow with the split.
_MOST_OFFERED = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgedClips:
  """Clips that can be picked.

  Attributes:
    offered: Some of the split, evenly picked from all of it, in its order.
    wrong: Those that the model got wrong while it was surest, the worst first.
    num_clips: How many the split has.
    why_none: Why there is none; '' where there are some.
    run: The run.
    dataset: The manifest of the data that was judged; None where it is gone.
    recordings: Where its files lie; None where there is no clip.
    data_dir: The data set.
    split: The split.
  """

  offered: Sequence[wrong_clips.WrongClip] = ()
  wrong: Sequence[wrong_clips.WrongClip] = ()
  num_clips: int = 0
  why_none: str = ''
  run: saved_run.SavedRun
  dataset: manifest.DatasetManifest | None = None
  recordings: recordings_lib.Recordings | None = None
  data_dir: str = ''
  split: str = ''

  def asked(
    self, clip: wrong_clips.WrongClip, models: Sequence[asked_models.AskedModel]
  ) -> list[asked_models.Answer]:
    """Returns what models say of a clip of the split, each from what can be had of it."""
    path = self.recordings.path(clip.file) if self.recordings else ''
    stored, is_read = None, False
    found = []
    for model in models:
      answer = _of_file(path, clip, model) if path else None
      if answer is None:
        if not is_read:
          stored, is_read = self._record(clip), True
        answer = self._of_record(stored, model, clip, is_first=model is models[0])
      found.append(answer)
    return found

  def _record(self, clip: wrong_clips.WrongClip) -> codec.Record | None:
    if self.dataset is None:
      return None
    try:
      records = stored_clips.records(self.data_dir, self.dataset, [self.split])
      return next((one for one in records if one.utterance_id == clip.clip_id), None)
    except errors.VoxshardError:
      return None  # It was damaged since.

  def _of_record(
    self,
    stored: codec.Record | None,
    model: asked_models.AskedModel,
    clip: wrong_clips.WrongClip,
    *,
    is_first: bool,
  ) -> asked_models.Answer:
    """Returns the answer to what the data set stores of a clip; else what the evaluation says."""
    from trainer.app import asked_models

    what = 'seen' if self.run.manifest.audio is None else 'heard'
    gone = f'It cannot be {what}: its file {clip.file!r} is not there any more'
    arrays = stored.arrays if stored else {}
    if stored is not None and model.export.audio is None:
      pixels = arrays.get(model.export.feature.name)
      if pixels is not None and pixels.shape == tuple(model.export.feature.shape):
        return model.see_pixels(pixels)
    form = self.dataset.audio if self.dataset else None
    if stored is not None and form is not None and stored_clips.WAVEFORM in arrays:
      padded = stored_form.from_stored(arrays[stored_clips.WAVEFORM])
      samples = cutting.unpadded(padded, stored.num_samples, form.position)
      note = f'The file {clip.file!r} is not there any more: this is the waveform in the data set.'
      if form == model.export.audio and not form.effects:
        return dataclasses.replace(model.hear_samples(samples), note=note)
      return asked_models.Answer(
        model=model.name, top=clip.top if is_first else (), samples=samples,
        rate_hz=form.sample_rate_hz, end_s=len(samples) / form.sample_rate_hz,
        note=note + (_EVALUATED if is_first else ' This model takes another form of it.'),
      )  # fmt: skip
    note = f'{gone}, and the data set stores no {"picture" if what == "seen" else "waveform"}.'
    return asked_models.Answer(
      model=model.name, top=clip.top if is_first else (), note=note + _EVALUATED * is_first
    )


_EVALUATED = ' The probabilities are those of the evaluation.'


def of_run(run: saved_run.SavedRun, judgement: judgement_lib.Judgement) -> JudgedClips:
  """Returns the clips of the split that a run was judged by.

  Raises:
    ConfigError: if its predictions are damaged.
  """
  if not os.path.exists(judgement.predictions_file):
    return JudgedClips(
      run=run,
      why_none='This run was not judged by its test split yet: python -m trainer.evaluate '
      f'--run_dir={run.folder.path}',
    )
  predictions = parquet_reader.Reader(judgement.predictions_file)
  header = predictions.header
  dataset, _ = recordings_lib.stored(header.data_dir, header.manifest_sha256)
  return JudgedClips(
    offered=_evenly(predictions),
    wrong=wrong_clips.worst(predictions),
    num_clips=predictions.num_examples,
    run=run,
    dataset=dataset,
    recordings=recordings_lib.Recordings(dataset or run.manifest, header.data_dir),
    data_dir=header.data_dir,
    split=header.split,
  )


def _evenly(predictions: parquet_reader.Reader) -> list[wrong_clips.WrongClip]:
  total = predictions.num_examples
  wanted = np.linspace(0, total, min(total, _MOST_OFFERED), endpoint=False).astype(int)
  found, first = [], 0
  for batch in predictions.batches():
    here = wanted[(wanted >= first) & (wanted < first + len(batch))] - first
    found += wrong_clips.clips_of(batch, here)
    first += len(batch)
  return [clip for clip in found if not record.is_copy(clip.clip_id, clip.augmentation)]


def _of_file(
  path: str, clip: wrong_clips.WrongClip, model: asked_models.AskedModel
) -> asked_models.Answer | None:
  """Returns the answer to the file that a clip comes from; None if it is something else now."""
  try:
    if model.export.audio is None:
      return model.see(clips.read_bytes(path))
    part = None
    if clip.end_s > clip.start_s:
      part = utterance.Excerpt(start_s=clip.start_s, duration_s=clip.end_s - clip.start_s)
    with clips.opened_file(path) as stream:
      return model.hear_part(byte_ranges.ByteRanges(stream), part)
  except (clips.ClipError, errors.VoxshardError):
    return None
