"""Decodes files in a process apart, for a page that is shown: its program, and who asks it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import features
from exports import export_file
from features.decoding import byte_ranges, clips, pictures
from trainer.decoders import decoder_pool, decoder_process, heard_parts

PROGRAM = 'trainer.decoders.file_decoder'

_SOUND, _PICTURE = 'sound', 'picture'
_REFUSED = 'refused'
# Two, so that a visitor need not wait for another's file that takes its time.
_COUNT = 2
# Processor time for a part; a decoder that does not look at it gets somewhat more, as
# a file is first counted, then decoded.
_DECODE_S, _CPU_S, _WALL_S = 15.0, 31.0, 61.0
_MEMORY_BYTES = 2 << 30


class FileDecoder:
  """Asks the processes. To be closed; its methods may be called in several threads."""

  def __init__(self, *, max_bytes: int, program: str = PROGRAM) -> None:
    """Starts the first process, which loads what decodes.

    Args:
      max_bytes: The largest file.
      program: What decodes.

    Raises:
      NoDecoderError: if there can be none.
    """
    limits = decoder_pool.Limits(
      cpu_s=_CPU_S, wall_s=_WALL_S, memory_bytes=_MEMORY_BYTES + 2 * max_bytes
    )
    self._pool = decoder_pool.DecoderPool(program, count=_COUNT, limits=limits)
    self._pool.start()

  def set_up(self, exports: Sequence[export_file.Export], *, max_s: float) -> None:
    """Tells decoders what models take.

    Args:
      exports: Of the models.
      max_s: Longer recordings are refused, in seconds.

    Raises:
      NoDecoderError: likewise.
    """
    self._pool.set_up({'exports': [one.to_json() for one in exports], 'max_s': max_s})

  def close(self) -> None:
    """Ends the processes."""
    self._pool.close()

  def sound(self, path: str, model: int) -> Iterator[list[heard_parts.HeardPart]]:
    """Yields what a model, by its number, hears of a file: heard_parts.of_recording.

    Raises:
      ClipError: if it cannot be decoded, or is too long.
      DecoderLostError: if a decoder breaks at it.
      NoDecoderError: if there is none.
    """
    for part in self._pool.stream(_SOUND, {'path': path, 'model': model}):
      yield [
        heard_parts.HeardPart(samples=_values(piece, np.float32), **piece.said) for piece in part
      ]

  def picture(self, path: str, model: int) -> NDArray[np.uint8]:
    """Returns the pixels that a model, by its number, sees, uint8 [height, width, channels].

    Raises:
      ClipError: likewise.
      DecoderLostError: likewise.
      NoDecoderError: likewise.
    """
    [piece] = self._pool.ask(_PICTURE, {'path': path, 'model': model})
    return _values(piece, np.uint8)


def _values(piece: decoder_process.Piece, dtype: type[Any]) -> NDArray[Any]:
  if _REFUSED in piece.said:
    raise clips.ClipError(*piece.said[_REFUSED])
  assert piece.values is not None and piece.values.dtype == dtype
  return piece.values


def make(settings: Mapping[str, Any]) -> dict[str, decoder_process.Handler]:
  """Returns what a decoder can do: a decoder_process.Maker."""
  exports = [export_file.Export.from_json(value, where='export') for value in settings['exports']]
  hear = functools.partial(_hear, exports=exports, max_s=settings['max_s'])
  see = functools.partial(_see, exports=exports)
  return {_SOUND: _telling(hear), _PICTURE: _telling(see)}


def _telling(
  work: Callable[[Mapping[str, Any]], Iterator[Sequence[decoder_process.Piece]]],
) -> decoder_process.Handler:
  """Returns a handler that passes on what is wrong with a file."""

  def told(
    settings: Mapping[str, Any], content: bytes
  ) -> Iterator[Sequence[decoder_process.Piece]]:
    del content
    try:
      yield from work(settings)
    except clips.ClipError as error:
      if decoder_process.of_memory(error):
        raise MemoryError from error
      yield [decoder_process.Piece(said={_REFUSED: [error.reason, error.detail]})]

  return told


def _hear(
  settings: Mapping[str, Any], *, exports: Sequence[export_file.Export], max_s: float
) -> Iterator[Sequence[decoder_process.Piece]]:
  export = exports[settings['model']]
  with clips.opened_file(settings['path']) as stream:
    data = byte_ranges.ByteRanges(stream)
    found = heard_parts.of_recording(data, export, max_s=max_s, max_decode_s=_DECODE_S)
    for batch in found:
      yield [_piece(part) for part in batch]


def _piece(part: heard_parts.HeardPart) -> decoder_process.Piece:
  said = {
    'start_s': part.start_s,
    'end_s': part.end_s,
    'whole_s': part.whole_s,
    'is_window': part.is_window,
  }
  return decoder_process.Piece(said=said, values=part.samples)


def _see(
  settings: Mapping[str, Any], *, exports: Sequence[export_file.Export]
) -> Iterator[Sequence[decoder_process.Piece]]:
  image = features.settings_of(exports[settings['model']].feature)
  clip = pictures.decode(clips.read_bytes(settings['path']), image)
  yield [decoder_process.Piece(said={}, values=clip.samples.astype(np.uint8))]


if __name__ == '__main__':
  decoder_process.run(make, sys.argv[1:])
