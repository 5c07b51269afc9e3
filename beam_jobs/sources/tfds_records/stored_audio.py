"""From one record of a TFDS data set to the bytes of an audio file."""

import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from beam_jobs.sources.tfds_records import clip_uri
from features.decoding import wav
from schemas.rejects import ClipError
from tfrecords.wire import example_proto, framing

_MOST_WAV_BYTES = (1 << 32) - wav.PLAIN_HEADER_BYTES


def read_bytes(stream: BinaryIO, place: clip_uri.Place) -> bytes:
  """Returns the audio of a record of an open file as the bytes of a whole audio file.

  What is stored as a file comes as it is, samples come as a WAV file of theirs.

  Raises:
    ClipError: reason truncated (the record), no_samples, bad_samples.
  """
  data = _record(stream, place)
  features = example_proto.Example.FromString(data).features.feature
  if place.audio.encoding == clip_uri.FILE:
    return _bytes_of(features, place.audio.key)
  return wav_bytes(_samples(features, place.audio), place.audio)


def wav_bytes(samples: NDArray[Any], audio: clip_uri.StoredAudio) -> bytes:
  """Returns a WAV file of interleaved samples: 16-bit where that holds them, 32-bit, or float.

  Args:
    samples: [num_frames * channels], of any whole or float type.
    audio: Rate, channels (1 or more) and bits of the samples.

  Raises:
    ClipError: if a sample needs more bits, or the channels are not all there.
  """
  if len(samples) % audio.channels:
    raise ClipError(
      'truncated', f'Wanted {audio.channels} samples a moment, got {len(samples)} in all.'
    )
  data, code = _as_stored(samples, audio)
  if data.nbytes > _MOST_WAV_BYTES:
    raise ClipError('too_long', f'Wanted at most 4 GiB of samples, got {data.nbytes} bytes.')
  header = wav.header_bytes(
    code,
    data.nbytes,
    channels=audio.channels,
    rate_hz=audio.rate_hz,
    sample_bytes=data.itemsize,
  )
  return header + data.tobytes()


def _as_stored(samples: NDArray[Any], audio: clip_uri.StoredAudio) -> tuple[NDArray[Any], int]:
  """Returns samples in a type that WAV has, and WAV's code for it."""
  if samples.dtype.kind == 'f':
    return samples.astype('<f4'), wav.FLOAT
  if audio.dtype == 'uint8':
    samples = samples.astype(np.int16) - 128
  limit = 1 << (audio.bits - 1)
  if len(samples) and not -limit <= int(samples.min()) <= int(samples.max()) < limit:
    raise ClipError(
      'bad_samples',
      f'Wanted samples of {audio.bits} bits, got {int(samples.min())} to {int(samples.max())}.',
    )
  wav_bits = 16 if audio.bits <= 16 else 32
  # To the top of the range: full scale is 1.0, whatever it was before.
  return samples.astype(f'<i{wav_bits // 8}') << (wav_bits - audio.bits), wav.PCM


def _record(stream: BinaryIO, place: clip_uri.Place) -> bytes:
  """Returns the bytes of a record, whose checksums must be right."""
  stream.seek(place.offset_bytes)
  framed = stream.read(framing.OVERHEAD_BYTES + place.length_bytes)
  header, data = (
    framed[: framing.HEADER_BYTES],
    framed[framing.HEADER_BYTES : -framing.FOOTER_BYTES],
  )
  if len(data) != place.length_bytes:
    raise ClipError(
      'truncated',
      f'Wanted a record of {place.length_bytes} bytes at byte {place.offset_bytes}, and the file '
      'ends before.',
    )
  length, expected, got = framing.split_header(header)
  if (length, expected) != (place.length_bytes, got):
    raise ClipError(
      'truncated',
      f'Wanted a record of {place.length_bytes} bytes at byte {place.offset_bytes}, got something '
      'else: the file has changed since it was listed.',
    )
  if framing.crc_of(framed[-framing.FOOTER_BYTES :]) != framing.masked_crc(data):
    raise ClipError(
      'truncated', f'The checksum of the record at byte {place.offset_bytes} is wrong.'
    )
  return data


def _samples(features: Any, audio: clip_uri.StoredAudio) -> NDArray[Any]:
  """Returns the interleaved samples of a record, in the type that the data set names."""
  if audio.encoding == clip_uri.NUMBERS:
    feature = features[audio.key]
    kind = feature.WhichOneof('kind')
    if kind not in ('int64_list', 'float_list'):
      raise ClipError('no_samples', f'Wanted samples in {audio.key!r}, got none.')
    # The slice is a list of Python numbers: NumPy reads that in half the time.
    values = getattr(feature, kind).value[:]
    return np.array(values, np.int64 if kind == 'int64_list' else np.float32)
  data = _bytes_of(features, audio.key)
  if audio.encoding == clip_uri.ZLIB:
    try:
      data = zlib.decompress(data)
    except zlib.error as error:
      raise ClipError('truncated', f'The samples cannot be unpacked: {error}.') from None
  dtype = np.dtype(audio.dtype).newbyteorder('<')
  if len(data) % dtype.itemsize:
    raise ClipError('truncated', f'Wanted samples of type {audio.dtype}, got {len(data)} bytes.')
  return np.frombuffer(data, dtype)


def _bytes_of(features: Any, key: str) -> bytes:
  values = features[key].bytes_list.value
  if len(values) != 1 or not values[0]:
    raise ClipError('no_samples', f'Wanted audio in {key!r}, got none.')
  return bytes(values[0])
