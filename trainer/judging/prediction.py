"""What a model says of files and of the records of a data set, one by one in their order."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import features
from features import extractor
from features.decoding import clips
from schemas import errors, manifest
from trainer.confidence import caution
from trainer.data import named_data
from trainer.judging import answering, compatibility
from trainer.measures import counting
from trainer.runs import saved_run

BATCH_SIZE = 64


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
  """What a model says of one example.

  Attributes:
    name: The file as it was named, or the id of the record.
    logits: float32 [labels]; empty if the file cannot be used.
    error: Why it cannot be used, or ''.
    whole_s: Seconds of a file of which the model heard a part; 0 where it heard all.
  """

  name: str
  logits: NDArray[np.float32]
  error: str = ''
  whole_s: float = 0.0

  @property
  def probabilities(self) -> NDArray[np.float64]:
    """Softmax of the logits, [labels]."""
    return caution.Caution().probabilities(self.logits)


def predict_files(
  run: saved_run.SavedRun,
  model: answering.Answering,
  files: Sequence[str],
  *,
  batch_size: int = BATCH_SIZE,
) -> Iterator[Prediction]:
  """Yields a prediction per file, in their order; memory does not grow with their number.

  Args:
    run: Says how a file is brought to the model's form.
    model: The run's trained model.
    files: Paths of audio files, or of pictures where the model was trained on pictures.
    batch_size: Files at a time.
  """
  reader = _Reader(run)
  remaining = iter(files)
  while batch := list(itertools.islice(remaining, batch_size)):
    loaded = [reader.load(file) for file in batch]
    good = [clip.samples for clip in loaded if isinstance(clip, clips.Clip)]
    logits = iter(_checked(model.of_arrays(reader.arrays(good))) if good else ())
    for file, clip in zip(batch, loaded, strict=True):
      if isinstance(clip, clips.Clip):
        yield Prediction(name=file, logits=next(logits), whole_s=reader.whole_s(clip))
      else:
        yield Prediction(name=file, logits=np.zeros(0, np.float32), error=str(clip))


def predict_records(
  run: saved_run.SavedRun,
  model: answering.Answering,
  dataset: manifest.DatasetManifest,
  *,
  data_dir: str,
  splits: Sequence[str],
  batch_size: int = BATCH_SIZE,
) -> Iterator[Prediction]:
  """Yields a prediction per record of a data set that fits the run, in the order of its shards.

  Args:
    run: The trained run.
    model: Its model.
    dataset: The data set's manifest.
    data_dir: Its folder.
    splits: Which of its splits.
    batch_size: Records at a time.

  Raises:
    DatasetError: if records are damaged or missing.
  """
  for split in splits:
    asked = run.request(dataset, split, data_dir=data_dir, batch_size=batch_size)
    num_read = 0
    for batch in model.of_records(asked):
      ids = batch.origins.ids
      num_read += len(ids)
      for name, row in zip(ids, _checked(batch.logits), strict=True):
        yield Prediction(name=name, logits=row)
    named_data.check_count(num_read, dataset, split, data_dir=data_dir)


class _Reader:
  """Brings files to the form of a run's records: the same decoding, features and rounding."""

  def __init__(self, run: saved_run.SavedRun) -> None:
    self._run = run
    self._audio = run.manifest.audio
    self._extractor = extractor.Extractor([run.feature], self._audio)
    # Where clips are of any length, the job pads to what the most demanding of its features needs.
    self._most_samples = compatibility.most_samples(run)
    self._min_samples = extractor.Extractor(run.manifest.features, self._audio).min_samples

  def load(self, file: str) -> clips.Clip | errors.FeatureError:
    """Returns the clip or the picture, or why there is none."""
    try:
      data = clips.read_bytes(file)
      if self._audio is not None:
        clip = clips.decode(data, self._audio)
        return self._refusal(clip) or clip
      from features.decoding import pictures

      return pictures.decode(data, features.settings_of(self._run.feature))
    except clips.ClipError as error:
      return error

  def _refusal(self, clip: clips.Clip) -> errors.FeatureError | None:
    """Returns what is said of a clip that is longer than the model takes."""
    if self._audio is None or not 0 < self._most_samples < clip.num_samples:
      return None
    rate_hz = self._audio.sample_rate_hz
    return errors.FeatureError(
      f'The model {self._run.model_text} takes up to {self._most_samples / rate_hz:.3g} s, the '
      f'longest that it was trained on, got {clip.num_samples / rate_hz:.3g} s. Cut it by a table '
      'and predict with --data, or train a model of clips of any length.'
    )

  def whole_s(self, clip: clips.Clip) -> float:
    """Returns the seconds that a clip had if it was cut, else 0."""
    if self._audio is None or clip.whole_samples <= clip.num_samples:
      return 0.0
    return clip.whole_samples / self._audio.sample_rate_hz

  def arrays(self, samples: Sequence[NDArray[np.float32]]) -> Sequence[NDArray[Any]]:
    """Returns the feature of each of these clips, as records hold it."""
    if not self._run.feature.is_variable:
      return list(self._stored(np.stack(samples)))
    return [self._stored(self._long_enough(one)[np.newaxis])[0] for one in samples]

  def _stored(self, batch: NDArray[np.float32]) -> NDArray[Any]:
    # Through the stored form: the model learned from values that were rounded so.
    stored: NDArray[Any] = self._extractor.compute_stored(batch)[self._run.feature.name]
    return stored

  def _long_enough(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(samples, (0, max(0, self._min_samples - len(samples))))


def _checked(logits: NDArray[np.float32]) -> NDArray[np.float32]:
  """Returns logits; ConfigError where one is not a number."""
  counting.check_numbers(logits)
  return logits
