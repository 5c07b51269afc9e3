"""A damaged file has one reason, whichever program opens it."""

import io

import numpy as np
import pytest
import soundfile

from beam_jobs.exploration import sound
from features.decoding import clips
from schemas import audio
from schemas.rejects import ClipError

RATE_HZ = 16_000
SPEC = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0)
FORMATS = [
  ('WAV', 'PCM_16'), ('WAV', 'FLOAT'), ('FLAC', 'PCM_16'), ('AIFF', 'PCM_16'), ('OGG', 'VORBIS'),
  ('OGG', 'OPUS'), ('MP3', 'MPEG_LAYER_III'),
]  # fmt: skip


def damaged(data, random):
  middle, zeros = len(data) // 2, bytes(300)
  yield 'whole', data
  yield 'text', b'hello ' * 100
  for share in (0.01, 0.05, 0.5, 0.95):
    yield f'{share} of it', data[: max(40, int(share * len(data)))]
  yield 'a garbled head', random.bytes(100) + data[100:]
  yield 'a garbled middle', data[:middle] + random.bytes(300) + data[middle + 300 :]
  yield 'a hole', data[:middle] + zeros + data[middle + 300 :]
  yield 'a garbled end', data[:-300] + random.bytes(300)


def reason(decode, data):
  try:
    decode(data)
  except ClipError as error:
    return error.reason
  return ''


@pytest.mark.parametrize(('container', 'subtype'), FORMATS)
def test_explore_and_the_job_give_the_same_reason(container, subtype):
  random = np.random.default_rng(0)
  stream = io.BytesIO()
  samples = 0.1 * random.standard_normal(RATE_HZ)
  soundfile.write(stream, samples, RATE_HZ, format=container, subtype=subtype)
  found = {}
  for kind, data in damaged(stream.getvalue(), random):
    jobs = reason(lambda data: clips.decode(data, SPEC), data)
    explores = reason(lambda data: sound.decode(io.BytesIO(data), spec=SPEC), data)
    assert explores == jobs, kind
    found[kind] = jobs
  assert not found['whole'] and found['text'] and found['0.5 of it']
