"""What a model says of files and of the records of a data set, one by one in their order."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

import features
from exports import windows as windows_lib
from features import extractor
from features.decoding import byte_ranges, clips
from schemas import audio as audio_schema
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
    logits: float32 [labels]; empty if the file, or what is left of it, cannot be used.
    error: Why it cannot be used, or ''.
    whole_s: Seconds of a file of which the model heard a part; 0 where it heard all.
    start_s: Where the window begins in its recording, in seconds; None for no window.
    end_s: Where it ends.
    label: The true label of a record; None where it is not known.
  """

  name: str
  logits: NDArray[np.float32]
  error: str = ''
  whole_s: float = 0.0
  start_s: float | None = None
  end_s: float | None = None
  label: str | None = None

  @property
  def probabilities(self) -> NDArray[np.float64]:
    """Softmax of the logits, [labels]."""
    return caution.Caution().probabilities(self.logits)


class Hearer(Protocol):
  """A trained model to which files are brought, of a run or of an export."""

  @property
  def audio(self) -> audio_schema.AudioSpec | None:
    """The clips that it takes; None: pictures."""

  def decode(self, data: byte_ranges.Bytes) -> clips.Clip:
    """Returns the clip, or in its place the picture, that is made of a file.

    Raises:
      ClipError: where there is none.
      FeatureError: where the model does not take it.
    """

  def windows(
    self, data: byte_ranges.Bytes, windows: windows_lib.Windows
  ) -> Iterator[windows_lib.Window]:
    """Yields the windows of a recording.

    Raises:
      ClipError: where the rest cannot be decoded.
    """

  def logits(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Returns the logits of what was decoded, float32 [clips, labels]."""


def predict_files(
  run: saved_run.SavedRun,
  model: answering.Answering,
  files: Sequence[str],
  *,
  batch_size: int = BATCH_SIZE,
) -> Iterator[Prediction]:
  """Yields a prediction per file by the model of a run; see `of_files`."""
  return of_files(OfRun(run, model), files, batch_size=batch_size)


def of_files(
  hearer: Hearer,
  files: Iterable[str],
  *,
  windows: windows_lib.Windows | None = None,
  batch_size: int = BATCH_SIZE,
) -> Iterator[Prediction]:
  """Yields a prediction per file, or per window, in their order.

  Memory grows neither with the number of files nor with the length of what is cut into windows. Of
  a recording that cannot be decoded to its end come the windows before, and then the error.

  Args:
    hearer: The model.
    files: Paths of audio files, or of pictures where the model was trained on pictures.
    windows: How recordings are cut; None: each is one clip.
    batch_size: Files or windows at a time.
  """
  parts = _clips(hearer, files) if windows is None else _windows(hearer, files, windows)
  while batch := list(itertools.islice(parts, batch_size)):
    good = [part.samples for part in batch if part.samples is not None]
    logits = iter(_checked(hearer.logits(good)) if good else ())
    for part in batch:
      found = np.zeros(0, np.float32) if part.samples is None else next(logits)
      yield dataclasses.replace(part.said, logits=found)


class _Part(NamedTuple):
  """What is put before a model; None, and an error in what is said, where there is nothing."""

  samples: NDArray[Any] | None
  said: Prediction


_NO_LOGITS = np.zeros(0, np.float32)


def _clips(hearer: Hearer, files: Iterable[str]) -> Iterator[_Part]:
  for file in files:
    try:
      clip = hearer.decode(clips.read_bytes(file))
    except errors.FeatureError as error:
      yield _unusable(file, error)
      continue
    is_part = hearer.audio and clip.whole_samples > clip.num_samples
    whole_s = clip.whole_samples / hearer.audio.sample_rate_hz if is_part and hearer.audio else 0.0
    yield _Part(clip.samples, Prediction(name=file, logits=_NO_LOGITS, whole_s=whole_s))


def _windows(hearer: Hearer, files: Iterable[str], windows: windows_lib.Windows) -> Iterator[_Part]:
  for file in files:
    try:
      with clips.opened_file(file) as stream:
        for window in hearer.windows(byte_ranges.ByteRanges(stream), windows):
          said = Prediction(
            name=file, logits=_NO_LOGITS, start_s=window.start_s, end_s=window.end_s
          )
          yield _Part(window.clip.samples, said)
    except errors.FeatureError as error:
      yield _unusable(file, error)


def _unusable(file: str, error: Exception) -> _Part:
  return _Part(None, Prediction(name=file, logits=_NO_LOGITS, error=str(error)))


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
      for name, label, row in zip(ids, batch.labels, _checked(batch.logits), strict=True):
        true = dataset.labels[label] if dataset.is_labelled else None
        yield Prediction(name=name, logits=row, label=true)
    named_data.check_count(num_read, dataset, split, data_dir=data_dir)


class OfRun:
  """Brings files to the form of a run's records: the same decoding, features and rounding."""

  def __init__(self, run: saved_run.SavedRun, model: answering.Answering) -> None:
    self._run = run
    self._model = model
    self.audio = run.manifest.audio
    self._extractor = extractor.Extractor([run.feature], self.audio)
    # Where clips are of any length, the job pads to what the most demanding of its features needs.
    self._most_samples = compatibility.most_samples(run)
    self._min_samples = extractor.Extractor(run.manifest.features, self.audio).min_samples

  def decode(self, data: byte_ranges.Bytes) -> clips.Clip:
    """As Hearer says."""
    if self.audio is None:
      from features.decoding import pictures

      return pictures.decode(data, features.settings_of(self._run.feature))
    clip = clips.decode(data, self.audio)
    if 0 < self._most_samples < clip.num_samples:
      rate_hz = self.audio.sample_rate_hz
      raise errors.FeatureError(
        f'The model {self._run.model_text} takes up to {self._most_samples / rate_hz:.3g} s, the '
        f'longest that it was trained on, got {clip.num_samples / rate_hz:.3g} s. Hear it in '
        'windows (--window_s), or train a model of clips of any length.'
      )
    return clip

  def windows(
    self, data: byte_ranges.Bytes, windows: windows_lib.Windows
  ) -> Iterator[windows_lib.Window]:
    """As Hearer says."""
    assert self.audio
    return windows_lib.of_recording(data, self.audio, windows)

  def logits(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """As Hearer says."""
    return self._model.of_arrays(self._arrays(samples))

  def _arrays(self, samples: Sequence[NDArray[np.float32]]) -> Sequence[NDArray[Any]]:
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
