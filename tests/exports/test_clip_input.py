"""Clips come together in memory that is used again, and none hears another's rest."""

import numpy as np
import pytest

from exports import clip_input
from schemas import audio, errors
from tests.helpers import made_exports, signals, wav_files

FIXED = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0.1)
VARIABLE = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0, max_clip_s=1)


@pytest.mark.parametrize(('form', 'size'), [(FIXED, 800), (VARIABLE, 500)])
def test_a_batch_says_nothing_of_that_before_it(tmp_path, form, size):
  export = made_exports.make(tmp_path, audio=form, min_samples=500)
  gathered = clip_input.Batch(export, 3)
  for lengths in ([800, 800, 800], [1, 300], [7, 0, 200], []):
    clips = [1 + signals.noise(800)[:length] for length in lengths]
    for clip in clips:
      gathered.add(clip)
    padded, found = gathered.taken()
    assert found.tolist() == lengths
    assert padded.shape == (len(lengths), max([size, *lengths]))
    for row, clip in zip(padded, clips, strict=True):
      np.testing.assert_array_equal(row[: len(clip)], clip.astype(np.float32))
      assert not row[len(clip) :].any()


@pytest.mark.parametrize('form', [FIXED, VARIABLE])
def test_a_batch_takes_the_memory_of_that_before_it(tmp_path, form):
  gathered = clip_input.Batch(made_exports.make(tmp_path, audio=form), 2)
  rooms = []
  for length in (800, 700):
    gathered.add(np.ones(length, np.float32))
    rooms.append(gathered.taken()[0])
  assert np.shares_memory(*rooms)


def test_a_clip_that_is_too_long_is_refused(tmp_path):
  export = made_exports.make(tmp_path, audio=VARIABLE, most_samples=100)
  with pytest.raises(errors.FeatureError, match=r'up to 100 samples, got 101\. Cut them\.'):
    clip_input.batch([np.zeros(101, np.float32)], export)


def encoded(num_samples):
  samples = signals.noise(num_samples)
  return wav_files.encoded(samples, format='WAV', subtype='PCM_16', sample_rate_hz=8_000)


def test_a_clip_without_padding_is_taken_as_it_is(tmp_path):
  export = made_exports.make(tmp_path, audio=FIXED)
  whole = clip_input.decode(encoded(800), export)
  assert clip_input.taken(whole, export) is whole
  part = clip_input.decode(encoded(300), export)
  assert len(part.samples) == part.num_samples == 300
