"""Audio files made in memory: good ones, and WAV files with any header one likes."""

import io
import struct

import numpy as np
import soundfile
from numpy.typing import NDArray

PCM_GUID = bytes.fromhex('0100000000001000800000aa00389b71')

_PIECE_FRAMES = 1 << 18


def chunk(name: bytes, content: bytes, *, declared: int | None = None) -> bytes:
  """Returns a RIFF chunk, filled up to an even length; `declared` replaces its size."""
  size = len(content) if declared is None else declared
  return name + struct.pack('<I', size) + content + b'\0' * (len(content) % 2)


def wave_format(
  *, tag: int = 1, channels: int = 1, sample_rate_hz: int = 16_000, bits: int = 16
) -> bytes:
  """Returns the 16 bytes of a `fmt ` chunk."""
  frame_bytes = channels * bits // 8
  rate_bytes = min(sample_rate_hz * frame_bytes, 0xFFFFFFFF)
  return struct.pack('<HHIIHH', tag, channels, sample_rate_hz, rate_bytes, frame_bytes, bits)


def extensible_format(*, valid_bits: int = 16, guid: bytes = PCM_GUID, **kwargs: int) -> bytes:
  """Returns the 40 bytes of a `fmt ` chunk of the kind WAVE_FORMAT_EXTENSIBLE."""
  extension = struct.pack('<HHI', 22, valid_bits, 0) + guid
  return wave_format(tag=0xFFFE, **kwargs) + extension


def riff(*chunks: bytes, declared: int | None = None) -> bytes:
  """Returns a RIFF/WAVE file of these chunks; `declared` replaces its size."""
  body = b'WAVE' + b''.join(chunks)
  return b'RIFF' + struct.pack('<I', len(body) if declared is None else declared) + body


def pcm16(
  samples: NDArray[np.int16], *, sample_rate_hz: int = 16_000, declared: int | None = None
) -> bytes:
  """Returns a 16-bit PCM WAV file of samples [num_frames] or [num_frames, channels].

  Args:
    samples: What is in it.
    sample_rate_hz: What the header says.
    declared: Replaces the size of the data chunk.
  """
  channels = 1 if samples.ndim == 1 else samples.shape[1]
  return riff(
    chunk(b'fmt ', wave_format(channels=channels, sample_rate_hz=sample_rate_hz)),
    chunk(b'data', samples.astype('<i2').tobytes(), declared=declared),
  )


def int16_noise(num_frames: int, channels: int = 1, *, seed: int = 0) -> NDArray[np.int16]:
  """Returns noise over the whole range of 16 bits, [num_frames, channels]."""
  generator = np.random.default_rng(seed)
  return generator.integers(-32768, 32768, (num_frames, channels), dtype=np.int16)


def encoded(
  samples: NDArray[np.generic], *, format: str, subtype: str, sample_rate_hz: int = 16_000
) -> bytes:
  """Returns a file that libsndfile wrote, such as format='FLAC', subtype='PCM_16'."""
  file = io.BytesIO()
  channels = 1 if samples.ndim == 1 else samples.shape[1]
  with soundfile.SoundFile(
    file, 'w', sample_rate_hz, channels, format=format, subtype=subtype
  ) as writer:
    # In pieces: libsndfile crashes where Vorbis is given minutes at once.
    for start in range(0, max(1, len(samples)), _PIECE_FRAMES):
      writer.write(samples[start : start + _PIECE_FRAMES])
  return file.getvalue()


def decoded(data: bytes) -> NDArray[np.float32]:
  """Returns what libsndfile makes of a whole file, float32 [num_frames, channels]."""
  samples, _ = soundfile.read(io.BytesIO(data), dtype='float32', always_2d=True)
  return samples
