"""Damaged and hostile audio files, made from good ones by a seeded generator."""

import functools
import io
import random
import struct
from collections.abc import Iterator

import numpy as np
import soundfile

from tests.helpers import media_files, wav_files

RATE_HZ = 16_000
# A file is never larger than this, so what is made of it must not be either.
MAX_FILE_BYTES = 4 << 20

_CODINGS = (
  ('WAV', 'PCM_16'), ('WAV', 'PCM_24'), ('WAV', 'FLOAT'), ('WAV', 'DOUBLE'), ('WAV', 'ULAW'),
  ('WAV', 'IMA_ADPCM'), ('WAV', 'MS_ADPCM'), ('WAV', 'GSM610'), 
  ('WAV', 'NMS_ADPCM_16'), ('WAV', 'G721_32'),
  ('WAVEX', 'PCM_16'), ('WAVEX', 'FLOAT'), ('W64', 'PCM_16'), ('W64', 'MS_ADPCM'),
  ('RF64', 'PCM_16'), ('AIFF', 'PCM_16'), ('AIFF', 'PCM_24'), ('AIFF', 'ALAW'),
  ('AIFF', 'IMA_ADPCM'), ('AIFF', 'DWVW_16'), ('AU', 'PCM_16'), ('AU', 'FLOAT'),
  ('AU', 'G723_24'), ('CAF', 'PCM_16'), ('CAF', 'ALAC_16'), ('CAF', 'ALAC_24'),
  ('FLAC', 'PCM_16'), ('FLAC', 'PCM_24'), ('OGG', 'VORBIS'), ('OGG', 'OPUS'),
  ('MP3', 'MPEG_LAYER_III'), ('NIST', 'PCM_16'), ('VOC', 'PCM_16'),
  ('PVF', 'PCM_16'), ('PAF', 'PCM_24'), ('SDS', 'PCM_16'), ('XI', 'DPCM_16'), ('MAT4', 'PCM_16'),
  ('MAT5', 'PCM_16'), ('IRCAM', 'PCM_16'), ('AVR', 'PCM_16'), ('SVX', 'PCM_16'), ('HTK', 'PCM_16'),
  ('WVE', 'ALAW'), ('MPC2K', 'PCM_16'),
)  # fmt: skip
# Most corpora are of these; they get as many mutations as all the others.
_COMMON = ('WAV', 'FLAC', 'OGG', 'MP3', 'AIFF', 'W64')

_MONO_FORMATS = ('SDS', 'XI', 'SVX', 'HTK', 'WVE')
_MONO_CODINGS = ('GSM610', 'NMS_ADPCM_16', 'G721_32', 'G723_24', 'DWVW_16')

_EXTREMES = (
  b'\0\0\0\0', b'\xff\xff\xff\xff', b'\x7f\xff\xff\xff', b'\xff\xff\xff\x7f', b'\x80\0\0\0',
  b'\0\0\0\x80', b'\1\0\0\0', b'\0\0\0\1', b'\0\xca\x9a\x3b', b'\xff\xff\xff\xff\xff\xff\xff\x7f',
)  # fmt: skip


@functools.cache
def good_files() -> tuple[tuple[str, bytes], ...]:
  """Returns (name of the coding, file) of every coding, some with two channels."""
  made = []
  rng = np.random.default_rng(0)
  time_s = np.arange(RATE_HZ // 2) / RATE_HZ
  for i, (form, subtype) in enumerate(_CODINGS):
    channels = 1 if form in _MONO_FORMATS or subtype in _MONO_CODINGS else 1 + i % 2
    rate_hz = {'WVE': 8_000, 'XI': 44_100}.get(form, RATE_HZ)  # They know no other.
    tone = 0.4 * np.sin(2 * np.pi * (180 + 20 * i) * time_s) + 0.02 * rng.standard_normal(
      len(time_s)
    )
    samples = np.repeat(tone[:, None], channels, axis=1).astype(np.float32)
    data = wav_files.encoded(samples, format=form, subtype=subtype, sample_rate_hz=rate_hz)
    made.append((f'{form}-{subtype}'.lower(), data))
  return tuple(made)


def mutated(count: int, *, seed: int) -> Iterator[tuple[str, bytes]]:
  """Yields (file name, content) of `count` files: bombs and forged headers, then mutations."""
  rng = random.Random(seed)
  made = 0
  for name, data in hostile():
    yield f'{made:04d}-{name}', data
    made += 1
  common = [pair for pair in good_files() if pair[0].split('-')[0].upper() in _COMMON]
  while made < count:
    name, data = rng.choice(common if made % 2 else good_files())
    mutation = rng.choice(_MUTATIONS)
    yield f'{made:04d}-{name}-{mutation.__name__}', mutation(data, rng)
    made += 1


@functools.cache
def good_media_files() -> tuple[tuple[str, bytes], ...]:
  """Returns (name, file) of M4A, WebM and MP3 files, as FFmpeg and LAME write them."""
  time_s = np.arange(RATE_HZ // 4) / RATE_HZ
  tone = (0.4 * np.sin(2 * np.pi * 300 * time_s)).astype(np.float32)
  names = {'m4a': 2, 'alac': 1, 'fragments': 1, '3gp': 1, 'webm': 2, 'mka': 1, 'mp3': 2}
  made = [
    (f'{name}-{channels}', media_files.encoded(name, np.repeat(tone[:, None], channels, axis=1)))
    for name, most in names.items()
    for channels in range(1, most + 1)
  ]
  samples = np.concatenate([tone, 1e-4 * tone, tone])
  variable = wav_files.encoded(samples, format='MP3', subtype='MPEG_LAYER_III')
  return (*made, ('mp3-of-lame', variable), ('mp3-without-count', variable[144:]))


def mutated_media(count: int, *, seed: int) -> Iterator[tuple[str, bytes]]:
  """Yields (file name, content) of `count` damaged M4A, WebM and MP3 files; bombs first."""
  rng = random.Random(seed)
  bombs = list(media_bombs())
  for i in range(count):
    if i < len(bombs):
      name, data = bombs[i]
    else:
      name, good = rng.choice(good_media_files())
      mutation = rng.choice(_MUTATIONS)
      name, data = f'{name}-{mutation.__name__}', mutation(good, rng)
    yield f'{i:04d}-{name}', data


def media_bombs() -> Iterator[tuple[str, bytes]]:
  """Yields files that promise, or unpack to, far more than they hold."""
  silence = np.zeros(60 * 20 * RATE_HZ, np.float32)
  for name in ('alac', 'wavpack'):
    yield f'{name}-of-20-minutes', media_files.encoded(name, silence)
  for name, data in good_media_files():
    yield f'{name}-all-sizes-giant', _giant_sizes(data)
  yield 'boxes', b'\0\0\0\x08free' * 200_000
  yield 'deep-boxes', b''.join((1 << 30).to_bytes(4, 'big') + b'moov' for _ in range(5_000))
  yield 'ebml-of-giant-size', b'\x1a\x45\xdf\xa3\x01' + b'\xff' * 200
  yield 'syncs', b'\xff\xfb' * 100_000


def hostile() -> Iterator[tuple[str, bytes]]:
  """Yields files that promise, or unpack to, far more than they hold."""
  minute = np.zeros((60 * 48_000, 1), np.int16)
  silence = long_silence(minutes=40)
  yield 'flac-bomb', silence  # 115 million frames in some 400 kB.
  yield 'flac-bomb-of-unknown-length', flac_of_unknown_length(silence)
  yield 'flac-bomb-that-promises-more', _flac_frames(silence, (1 << 36) - 1)
  short = wav_files.encoded(minute[:4_800], format='FLAC', subtype='PCM_16')
  yield 'flac-giant', _flac_frames(short, (1 << 36) - 1)
  wide = wav_files.encoded(np.zeros((96_000, 8), np.int16), format='FLAC', subtype='PCM_16')
  yield 'flac-wide', wide
  for channels in (1_024, 1_025, 32_767):
    yield f'wav-{channels}-channels', wav_files.pcm16(np.zeros((64, channels), np.int16))
  body = np.zeros((1_000, 1_024), np.float32).tobytes()
  form = wav_files.wave_format(tag=3, channels=1_024, bits=32)
  yield (
    'wav-1024-float-channels',
    wav_files.riff(wav_files.chunk(b'fmt ', form), wav_files.chunk(b'data', body)),
  )
  samples = wav_files.int16_noise(8_000)
  for declared in (0x7FFFFFF0, 0xFFFFFFFF, 0xFFFFFFF0, 0x80000000, 0):
    yield f'wav-declares-{declared:x}', wav_files.pcm16(samples, declared=declared)
  for rate_hz in (0, 1, 999, 768_000, 768_001, 0xFFFFFFFF):
    yield f'wav-at-{rate_hz}-hz', wav_files.pcm16(samples, sample_rate_hz=rate_hz)
  for name, data in good_files():
    yield f'{name}-all-sizes-giant', _giant_sizes(data)
  many = b''.join(wav_files.chunk(b'junk', b'') for _ in range(100_000))
  yield 'wav-of-empty-chunks', wav_files.riff(many)
  yield 'zeros', bytes(1 << 16)
  yield 'one-byte', b'R'
  yield 'endless-id3', b'ID3\4\0\0\x7f\x7f\x7f\x7f' + bytes(4_096)
  yield 'utf16', 'hello world '.encode('utf-16') * 100
  yield 'ogg-pages', b'OggS\0\2' + bytes(21) + b'\xff' * 60_000


@functools.cache
def long_silence(*, minutes: int) -> bytes:
  """Returns a FLAC file of silence at 48 kHz: some 150 bytes a second."""
  minute = np.zeros(60 * 48_000, np.int16)
  file = io.BytesIO()
  with soundfile.SoundFile(file, 'w', 48_000, 1, format='FLAC', subtype='PCM_16') as writer:
    for _ in range(minutes):
      writer.write(minute)
  return file.getvalue()


def flac_of_unknown_length(data: bytes) -> bytes:
  """Returns a FLAC file whose writer could not go back to fill in how long it is."""
  return _flac_frames(data, 0)


def _flac_frames(data: bytes, num_frames: int) -> bytes:
  """Returns a FLAC file whose STREAMINFO says `num_frames`: 36 bits from byte 21.5 on."""
  start = 4 + 4 + 10
  (fields,) = struct.unpack_from('>Q', data, start)
  fields = fields & ~((1 << 36) - 1) | num_frames
  return data[:start] + struct.pack('>Q', fields) + data[start + 8 :]


def _giant_sizes(data: bytes) -> bytes:
  """Returns a file in which every plausible 32-bit size of the header is a giant one."""
  head = bytearray(data[:512])
  for i in range(4, len(head) - 4, 2):
    for order in ('<I', '>I'):
      (value,) = struct.unpack_from(order, head, i)
      if len(data) // 4 <= value <= len(data) + 64:
        struct.pack_into(order, head, i, 0x7EFFFFFE)
  return bytes(head) + data[512:]


def truncated(data: bytes, rng: random.Random) -> bytes:
  return data[: rng.randrange(len(data))]


def header_cut(data: bytes, rng: random.Random) -> bytes:
  return data[: rng.randrange(1, min(len(data), 128))]


def bit_flips(data: bytes, rng: random.Random) -> bytes:
  return _flipped(data, rng, len(data))


def header_flips(data: bytes, rng: random.Random) -> bytes:
  return _flipped(data, rng, min(len(data), rng.choice((64, 256, 4_096))))


def _flipped(data: bytes, rng: random.Random, within: int) -> bytes:
  out = bytearray(data)
  for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
    out[rng.randrange(within)] ^= 1 << rng.randrange(8)
  return bytes(out)


def extreme(data: bytes, rng: random.Random) -> bytes:
  out = bytearray(data)
  for _ in range(rng.choice((1, 1, 2, 3))):
    value = rng.choice(_EXTREMES)
    start = rng.randrange(min(len(out), rng.choice((64, 256, 1_024))))
    out[start : start + len(value)] = value
  return bytes(out)


def lost_bytes(data: bytes, rng: random.Random) -> bytes:
  start = rng.randrange(len(data))
  return data[:start] + data[start + rng.randrange(1, 1_000) :]


def added_bytes(data: bytes, rng: random.Random) -> bytes:
  start = rng.randrange(min(len(data), rng.choice((64, 1_024, len(data)))))
  return data[:start] + rng.randbytes(rng.randrange(1, 2_000)) + data[start:]


def repeated(data: bytes, rng: random.Random) -> bytes:
  start = rng.randrange(len(data))
  piece = data[start : start + rng.randrange(1, 4_000)]
  return (data[:start] + piece * rng.choice((2, 3, 20)) + data[start:])[:MAX_FILE_BYTES]


def noise_behind_header(data: bytes, rng: random.Random) -> bytes:
  keep = rng.choice((4, 12, 44, 64, 200))
  return data[:keep] + rng.randbytes(max(0, len(data) - keep))


def zeroed(data: bytes, rng: random.Random) -> bytes:
  start = rng.randrange(len(data))
  length = rng.randrange(1, 5_000)
  return data[:start] + bytes(min(length, len(data) - start)) + data[start + length :]


def spliced(data: bytes, rng: random.Random) -> bytes:
  _, other = rng.choice(good_files())
  return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


_MUTATIONS = (
  truncated, header_cut, bit_flips, header_flips, header_flips, extreme, extreme, lost_bytes,
  added_bytes, repeated, noise_behind_header, zeroed, spliced,
)  # fmt: skip
