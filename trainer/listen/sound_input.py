"""Samples as they come, of a file or of standard input: in blocks, never the whole."""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from features import stored_form
from features.decoding import byte_ranges, clips
from schemas import audio as audio_schema
from schemas import errors, utterance

# Of a file; a decoder looks some milliseconds ahead and back around each.
BLOCK_S = 10.0
# A last part that is shorter goes with the one in front of it.
_LEAST_S = 0.5
# What is read of standard input at a time, in seconds; a pipe may be live.
_PIPE_S = 0.05
# The most of a WAV header that is passed by in search of the samples.
_MOST_CHUNK_BYTES = 1 << 20
_PCM, _EXTENSIBLE = 1, 0xFFFE


def of_file(path: str, audio: audio_schema.AudioSpec) -> Iterator[NDArray[np.float32]]:
  """Yields a recording in blocks of float32 samples at the rate of `audio`, without its effects.

  Raises:
    ConfigError: if it cannot be opened; or, behind the blocks before that, decoded.
  """
  whole = dataclasses.replace(
    audio, clip_s=0.0, max_clip_s=2 * BLOCK_S, trim_db=0.0, effects=(), position=audio_schema.START
  )
  try:
    with clips.opened_file(path) as stream:
      for clip in clips.decode_parts(byte_ranges.ByteRanges(stream), whole, _parts):
        yield clip.samples
  except clips.ClipError as error:
    raise errors.ConfigError(f'--input={path} cannot be heard: {error}') from error


def _parts(recording_s: float) -> Iterator[utterance.Excerpt]:
  count = max(1, int((recording_s - _LEAST_S) // BLOCK_S) + 1)
  for i in range(count):
    yield utterance.Excerpt(
      start_s=i * BLOCK_S, duration_s=BLOCK_S if i + 1 < count else recording_s - i * BLOCK_S
    )


def of_stream(stream: BinaryIO, rate_hz: int) -> Iterator[NDArray[np.float32]]:
  """Yields what comes from a stream: 16-bit PCM, one channel, of this rate.

  Raw, little-endian, or behind the header of a WAV file, which is read where there is one. Nothing
  is resampled.

  Raises:
    ConfigError: if a header says something else, or nothing comes.
  """
  if isinstance(stream, io.BufferedReader):
    read = stream.read1  # What is there, without waiting for all.
  else:
    read = stream.read
  head = stream.read(12)
  if head[:4] == b'RIFF' and head[8:12] == b'WAVE':
    _pass_header(stream, rate_hz)
    held = b''
  else:
    held = head
  size = max(2, 2 * round(_PIPE_S * rate_hz))
  has_come = False
  while True:
    whole = len(held) // 2 * 2
    if whole:
      has_come = True
      yield stored_form.from_stored(np.frombuffer(held[:whole], '<i2').astype(np.int16))
      held = held[whole:]
    data = read(size)
    if not data:
      break
    held += data
  if not has_come:
    raise errors.ConfigError(
      '--input=-: no sound came before standard input ended. Look at what the program in front of '
      'the pipe says, or name a file.'
    )


def _pass_header(stream: BinaryIO, rate_hz: int) -> None:
  wanted = f'16-bit PCM, 1 channel, {rate_hz} Hz'
  advice = (
    f'Convert it on the way: ffmpeg -i FILE -f s16le -ac 1 -ar {rate_hz} - | python -m '
    'trainer.listen --input=-; or name the file.'
  )
  is_described = False
  while True:
    head = stream.read(8)
    if len(head) < 8:
      raise errors.ConfigError(f'--input=-: a WAV header without samples behind it. {advice}')
    name, size = head[:4], struct.unpack('<I', head[4:])[0]
    if name == b'data' and is_described:
      return
    if name == b'data' or size > _MOST_CHUNK_BYTES:
      raise errors.ConfigError(f'--input=-: a WAV header that says not what is in it. {advice}')
    content = stream.read(size + size % 2)
    if name == b'fmt ' and len(content) >= 16:
      form, channels, rate, _, _, bits = struct.unpack('<HHIIHH', content[:16])
      if form not in (_PCM, _EXTENSIBLE) or (channels, rate, bits) != (1, rate_hz, 16):
        kind = 'PCM' if form in (_PCM, _EXTENSIBLE) else f'format {form}'
        raise errors.ConfigError(
          f'--input=-: wanted {wanted}, which is what the model hears, got a WAV header of '
          f'{bits}-bit {kind}, {channels} channels, {rate} Hz. {advice}'
        )
      is_described = True
