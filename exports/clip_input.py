"""From files to what an exported model takes."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from exports import export_file
from exports import windows as windows_lib
from features.decoding import byte_ranges, clips, cutting, deadline
from schemas import audio as audio_schema
from schemas import errors, utterance


def spec(export: export_file.Export) -> audio_schema.AudioSpec:
  """Returns how audio is decoded: as for the training, but for the effects, which the model has.

  Args:
    export: Of audio.
  """
  assert export.audio
  return dataclasses.replace(export.audio, effects=())


def decode(
  data: byte_ranges.Bytes,
  export: export_file.Export,
  excerpt: utterance.Excerpt | None = None,
) -> clips.Clip:
  """Returns the clip of an audio file; its samples [num_samples] without padding.

  Args:
    data: A whole file, or parts of one that are read when they are needed.
    export: Of audio.
    excerpt: Which part of the file; None for the whole.

  Raises:
    ClipError: as features.decoding.clips.decode says, and too_long where the model takes no more.
  """
  return taken(clips.decode(data, spec(export), excerpt), export)


def taken(clip: clips.Clip, export: export_file.Export) -> clips.Clip:
  """Returns a clip that was decoded as `spec` says without its padding.

  Args:
    clip: With it.
    export: Of audio.

  Raises:
    ClipError: too_long where the model takes no more.
  """
  audio = export.audio
  assert audio
  samples = clip.samples
  if clip.num_samples < len(samples):
    samples = cutting.unpadded(samples, clip.num_samples, audio.position)
  if 0 < export.most_samples < len(samples):
    most_s = export.most_samples / audio.sample_rate_hz
    raise clips.ClipError(
      'too_long',
      f'Wanted at most {most_s:.3g} s, which is what the model takes, got '
      f'{len(samples) / audio.sample_rate_hz:.3g} s. Cut it into parts.',
    )
  return clip if samples is clip.samples else dataclasses.replace(clip, samples=samples)


def windows(
  data: byte_ranges.Bytes,
  export: export_file.Export,
  asked: windows_lib.Windows,
  *,
  max_decode_s: float = deadline.DEFAULT_S,
) -> Iterator[windows_lib.Window]:
  """Yields the windows of a recording, their samples without padding; see windows.of_recording.

  Args:
    data: Of clips.opened_file and ByteRanges, what is needed is read.
    export: Of audio.
    asked: Where they lie; WindowFlags.windows_for holds them against what the model takes.
    max_decode_s: Processor time that a window may take, in seconds.

  Raises:
    ClipError: where the recording, or what comes next of it, cannot be decoded; none comes then.
  """
  audio = spec(export)
  for window in windows_lib.of_recording(data, audio, asked, max_decode_s=max_decode_s):
    clip = window.clip
    samples = cutting.unpadded(clip.samples, clip.num_samples, audio.position)
    yield dataclasses.replace(window, clip=dataclasses.replace(clip, samples=samples))


def picture(data: bytes, export: export_file.Export) -> clips.Clip:
  """Returns the pixels of a picture file, as `decode` does the samples of audio.

  Raises:
    ClipError: as features.decoding.pictures.decode says.
  """
  # Here, not above: whoever asks of audio has no need of it.
  import features
  from features import image
  from features.decoding import pictures

  settings = features.settings_of(export.feature)
  assert isinstance(settings, image.Image)
  return pictures.decode(data, settings)


class Batch:
  """Clips that are gathered until a model is asked about them, in memory that is kept for the next.

  A new array for each batch comes from the system page by page and goes back to it: for clips of a
  second that took 60 us each, a quarter of what a small model takes.
  """

  def __init__(self, export: export_file.Export, most_clips: int) -> None:
    """Takes the export, of audio, and how many clips come together at most."""
    self._export = export
    self._clip_samples = export.audio.clip_samples if export.audio else 0
    self._room = np.empty(most_clips * self._clip_samples, np.float32)
    self._lengths = np.zeros(most_clips, np.int32)
    self._clips: list[NDArray[np.float32]] = []  # Where the longest is not known before.
    self._count = 0

  def add(self, samples: NDArray[np.float32]) -> None:
    """Adds a clip, float32 [num_samples].

    Raises:
      FeatureError: if it is longer than the model takes.
    """
    most = self._export.most_samples
    if 0 < most < len(samples):
      raise errors.FeatureError(
        f'The model takes clips of up to {most:,} samples, got {len(samples):,}. Cut them.'
      )
    if self._clip_samples:
      # At once, while the samples are in the processor's cache.
      start = self._count * self._clip_samples
      _pad(self._room[start : start + self._clip_samples], samples)
    else:
      self._clips.append(samples)
    self._lengths[self._count] = len(samples)
    self._count += 1

  def taken(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Returns what was added, as the signature `clips` takes it, and begins anew.

    Returns:
      (float32 [clips, longest] with zeros behind each; int32 [clips]); both hold until the next
      clip is added.
    """
    count, self._count = self._count, 0
    lengths = self._lengths[:count]
    size = self._clip_samples
    if not size:
      size = max(self._export.min_samples, int(lengths.max(initial=0)))
      if count * size > len(self._room):
        self._room = np.empty(count * size, np.float32)
      for i, samples in enumerate(self._clips):
        _pad(self._room[i * size : (i + 1) * size], samples)
      self._clips = []
    return self._room[: count * size].reshape(count, size), lengths


def batch(
  samples: Sequence[NDArray[np.float32]], export: export_file.Export
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
  """Returns clips as the signature `clips` takes them.

  Args:
    samples: Of each clip, float32 [num_samples].
    export: Of audio.

  Returns:
    (float32 [clips, longest] with zeros behind each; int32 [clips])

  Raises:
    FeatureError: if a clip is longer than the model takes.
  """
  gathered = Batch(export, len(samples))
  for one in samples:
    gathered.add(one)
  return gathered.taken()


def _pad(row: NDArray[np.float32], samples: NDArray[np.float32]) -> None:
  row[: len(samples)] = samples
  row[len(samples) :] = 0
