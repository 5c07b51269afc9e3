"""From a file or samples to what the model takes, within limits: what a decoder does."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import clip_input, export_file
from exports import windows as windows_lib
from features.decoding import clips, wav
from schemas import audio as audio_schema
from schemas import errors, rejects
from trainer.serve import json_samples, refusal, request_body

_PLAIN_BYTES = 1 << 18
_PLAIN_TYPES = ('audio/', 'application/octet-stream')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heard:
  """A clip, a window of a recording, or a picture.

  Attributes:
    values: Samples, float32 [num_samples], or pixels, uint8 [height, width, channels].
    start_s: Where the window begins in its recording; None for no window.
    end_s: Where it ends.
    heard_s: How long the clip is; 0 for a picture.
    whole_s: How long it was before it was cut; 0 where it was not.
  """

  values: NDArray[Any]
  start_s: float | None = None
  end_s: float | None = None
  heard_s: float = 0.0
  whole_s: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Intake:
  """Decodes what requests bring.

  Attributes:
    export: What the model takes.
    max_s: The longest recording, in seconds.
    max_decode_s: Processor time for a clip or a window, in seconds.
    max_windows: The most windows of a recording.
  """

  export: export_file.Export
  max_s: float
  max_decode_s: float
  max_windows: int

  def whole(self, upload: request_body.Upload) -> Heard:
    """Returns the clip or the picture of a file.

    Raises:
      RefusedError: with what the decoder says, if it cannot be used.
    """
    export = self.export
    try:
      if export.audio is None:
        pixels = clip_input.picture(upload.content, export).samples
        return Heard(values=pixels.astype(np.uint8))
      data, export = self._recording(upload)
      audio = clip_input.spec(export)
      if audio.trim_db:  # The whole is decoded and held for it.
        self._check_length(clips.length_s(data, max_decode_s=self.max_decode_s))
      decoded = clips.decode(data, audio, max_decode_s=self.max_decode_s)
      self._check_length(decoded.source_s)
      return self._heard(clip_input.taken(decoded, export))
    except rejects.ClipError as error:
      raise refusal.of_decoder(error) from error

  def is_plain(self, body: bytes, content_type: str) -> bool:
    """Whether Python and NumPy alone decode a body, in less time than it takes to pass it on.

    So are short WAVE files of 16 bits at the model's rate, of one or two channels, with a header of
    44 bytes, which most programs write. All else is for libraries of C, or takes some parsing.
    """
    audio = self.export.audio
    if audio is None or audio.trim_db or len(body) > _PLAIN_BYTES:
      return False
    if not content_type.lower().startswith(_PLAIN_TYPES):
      return False
    header = wav.plain_header(body)
    return header is not None and (
      header.sample_rate_hz == audio.sample_rate_hz and header.num_channels in (1, 2)
    )

  def warm_up(self) -> None:
    """Decodes something, and what nobody can: what libraries load late is there for the first."""
    of_samples = json.dumps({'samples': [0.0] * 4_410, 'sample_rate_hz': 44_100}).encode()
    for content, is_json in ((of_samples, self.export.audio is not None), (b'nothing', False)):
      with contextlib.suppress(refusal.RefusedError):
        self.whole(request_body.Upload(content=content, is_json=is_json))

  def windows(
    self, upload: request_body.Upload, asked: windows_lib.Windows, *, at_once: int, most: int
  ) -> Iterator[list[Heard]]:
    """Yields the windows of a recording.

    Args:
      upload: The recording.
      asked: Where they lie.
      at_once: How many are yielded together.
      most: As many as the answer may be about, if that is fewer than max_windows.

    Raises:
      RefusedError: as `whole`; also if they are too many.
    """
    try:
      data, export = self._recording(upload)
      recording_s = clips.length_s(data, max_decode_s=self.max_decode_s)
      self._check_length(recording_s)
      count = asked.num_windows(recording_s)
      most = min(most, self.max_windows)
      if count > most:
        raise refusal.RefusedError(
          refusal.TOO_LARGE,
          f'Wanted at most {most:,} windows, got {count:,} in {recording_s:.6g} s. Make hop_s '
          'longer, ask for fewer labels (top), or send the recording in parts.',
        )
      found = (
        dataclasses.replace(
          self._heard(window.clip),
          start_s=window.start_s,
          end_s=window.end_s,
          whole_s=0.0,
        )
        for window in clip_input.windows(data, export, asked, max_decode_s=self.max_decode_s)
      )
      while part := list(itertools.islice(found, at_once)):
        yield part
    except rejects.ClipError as error:
      raise refusal.of_decoder(error) from error

  def _recording(self, upload: request_body.Upload) -> tuple[bytes, export_file.Export]:
    """Returns a file, and what says how it is decoded."""
    if not upload.is_json:
      return upload.content, self.export
    assert self.export.audio
    # Of one channel, in [-1, 1], whatever the files of the training were.
    audio = dataclasses.replace(self.export.audio, channel=audio_schema.MIX, full_scale=1.0)
    return json_samples.to_wav(upload.content), dataclasses.replace(self.export, audio=audio)

  def _heard(self, clip: clips.Clip) -> Heard:
    assert self.export.audio
    rate_hz = self.export.audio.sample_rate_hz
    was_cut = clip.whole_samples > len(clip.samples)
    return Heard(
      values=clip.samples,
      heard_s=len(clip.samples) / rate_hz,
      whole_s=clip.whole_samples / rate_hz if was_cut else 0.0,
    )

  def _check_length(self, recording_s: float) -> None:
    if recording_s > self.max_s:
      raise rejects.ClipError(
        'too_long',
        f'Wanted a recording of at most {self.max_s:g} s, got {recording_s:.6g} s. Send it in '
        'parts, or raise --max_s.',
      )


def windows_of(
  export: export_file.Export, window_s: float, hop_s: float
) -> windows_lib.Windows | None:
  """Returns the windows that a request asks for; None where it asks for none.

  Raises:
    RefusedError: if the model cannot hear such windows.
  """
  if hop_s and not window_s:
    raise refusal.RefusedError(
      refusal.NOT_USABLE, f'hop_s={hop_s:g} has no effect without window_s: write both.'
    )
  try:
    asked = windows_lib.WindowFlags(window_s=window_s, hop_s=hop_s)
    asked.check_windows()
    return asked.windows_for(export.audio, most_samples=export.most_samples)
  except errors.ConfigError as error:
    raise refusal.RefusedError(refusal.NOT_USABLE, str(error).replace('--', '')) from error
