"""Effects inside a model against those of the data job, clip by clip."""

import numpy as np
import pytest

from features import effect_twins, effects
from schemas import audio as audio_schema
from tests.helpers import signals

SPEC = audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=0.5)
SIZE = SPEC.clip_samples
# An offset, a faint clip, a short one and silence.
CLIPS = [
  0.3 * signals.noise(SIZE, seed=1) + 0.5,
  1e-3 * signals.noise(SIZE, seed=2),
  0.1 * signals.noise(700, seed=3) - 0.2,
  np.zeros(SIZE),
]


def test_every_effect_has_a_twin():
  assert set(effect_twins.TWINS) == set(effects.EFFECTS)


@pytest.mark.parametrize(
  'text',
  ['peak', 'rms:level_db=-25', 'pre_emphasis', 'high_pass:hz=60', 'high_pass:hz=30,order=8',
   'low_pass:hz=1000', 'low_pass:hz=100,order=7'],
)  # fmt: skip
def test_it_is_what_the_data_job_does(text):
  name, settings = effects.parse(text)
  lengths = np.array([len(clip) for clip in CLIPS], np.int32)
  batch = np.stack([np.pad(clip, (0, SIZE - len(clip))) for clip in CLIPS]).astype(np.float32)
  is_real = (np.arange(SIZE)[None] < lengths[:, None]).astype(np.float32)
  found = np.asarray(effect_twins.TWINS[name](settings, SPEC)(batch, lengths, is_real))
  for row, clip in zip(found, CLIPS, strict=True):
    expected = effects.apply(clip.astype(np.float32), [text], SPEC.sample_rate_hz)
    np.testing.assert_allclose(row[: len(clip)], expected, atol=1e-5)
