"""What tells the same audio under another name."""

import io

import numpy as np
import soundfile

from features.decoding import clips, sample_digest
from schemas import audio

RNG = np.random.default_rng(0)
NOISE = (RNG.integers(-3_000, 3_000, 16_000) / 32_768).astype(np.float32)


def test_equal_samples_have_equal_digests():
  assert sample_digest.of(NOISE) == sample_digest.of(NOISE.copy())
  assert 0 < sample_digest.of(NOISE) < 1 << 64


def test_one_sample_or_one_zero_more_makes_another():
  seen = {sample_digest.of(NOISE)}
  for place in (0, 1, 15, 16, 7_777, 15_999):
    changed = NOISE.copy()
    changed[place] += 1 / 32_768
    seen.add(sample_digest.of(changed))
  seen.add(sample_digest.of(np.append(NOISE, np.float32(0))))
  assert len(seen) == 8


def test_what_has_no_content_is_the_same_as_nothing():
  for value in (0.0, 0.25):
    assert sample_digest.of(np.full(100, value, np.float32)) == sample_digest.NOTHING


def test_pictures_have_digests_too():
  pixels = RNG.integers(0, 256, (8, 6, 3)).astype(np.float32)
  assert sample_digest.of(pixels) == sample_digest.of(np.asfortranarray(pixels))
  assert sample_digest.of(pixels) != sample_digest.of(pixels[:, ::-1])


def test_lossless_formats_have_the_same():
  digests = set()
  for form in ('WAV', 'FLAC', 'AIFF', 'W64'):
    stream = io.BytesIO()
    soundfile.write(stream, NOISE, 16_000, format=form, subtype='PCM_16')
    decoded = clips.decode(stream.getvalue(), audio.AudioSpec(clip_s=0.5))
    digests.add(sample_digest.of(decoded.samples))
  assert len(digests) == 1
