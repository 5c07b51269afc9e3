"""Models that hear frame by frame against the whole clip; those that cannot, by name."""

import dataclasses

import numpy as np
import pytest

from schemas import audio as audio_schema
from schemas import errors
from tests.helpers import made_runs, signals, toy_models
from trainer import models
from trainer.models import model as model_lib
from trainer.streaming import step_model, stepping

RATE_HZ = 4_000
FEATURE = 'log_mel:num_mels=32,window_s=0.025,hop_s=0.01'
# Frame by frame with state; all others are refused with a reason.
WITH_STATE = {'rnn', 'gru', 'lstm', 'tcn'}
OF_FRAMES = [name for name in models.MODELS if toy_models.takes(name) == model_lib.Takes.FRAMES]
# A ring asks the network of the run as it is, whatever that is.
WITH_RING = ['bigru', 'cnn', 'kwt', 'tc_resnet']


def spec(**settings):
  return audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.35, **settings)


def whole(run, samples):
  """The logits of clips, each heard by itself from its beginning."""
  from features import extractor

  made = extractor.Extractor([run.feature], run.manifest.audio).compute(samples)
  values = made[run.feature.name].astype(run.feature.dtype).astype(np.float32)
  network = run.load_model('best')
  inputs = [values, np.full(len(values), values.shape[1], np.int32)]
  return network(inputs if run.feature.is_variable else values).numpy()


def streamed(run, kind, samples, *, window, hop_frames, block=97):
  """The scores of a recording that comes in blocks of an odd size: {end: logits}."""
  step = step_model.load(run, kind=kind, window_samples=window)
  listener = stepping.Stepping(step, hop_frames=hop_frames)
  found = {}
  for start in range(0, len(samples), block):
    found.update(listener.hear(samples[start : start + block]))
  return found


@pytest.fixture(scope='module')
def any_run(tmp_path_factory):
  return made_runs.make(
    tmp_path_factory.mktemp('any') / 'run', model='linear', feature=FEATURE, audio=spec()
  )


@pytest.mark.parametrize('name', OF_FRAMES)
def test_every_model_hears_frame_by_frame_or_is_refused_by_name(name, any_run):
  run = dataclasses.replace(any_run, model_text=toy_models.text(name))
  reason = step_model.reason_against(run, step_model.STATE)
  assert bool(reason) == (name not in WITH_STATE)
  assert not reason or f'cannot hear frame by frame: {name} ' in reason
  assert not step_model.reason_against(run, step_model.RING)


def test_a_refused_run_is_not_built(any_run):
  with pytest.raises(errors.ConfigError, match='linear takes each frame by its place'):
    step_model.load(any_run, kind=step_model.STATE, window_samples=1_400)


@pytest.mark.parametrize(
  ('name', 'kind'),
  [
    *((name, step_model.STATE) for name in sorted(WITH_STATE)),
    ('mlp:units=8,dropout=0,pool=true', step_model.STATE),
    *((name, step_model.RING) for name in WITH_RING),
  ],
)
def test_scores_are_those_of_the_whole_clip(name, kind, tmp_path):
  run = made_runs.make(tmp_path / 'run', model=name, feature=FEATURE, audio=spec())
  samples = (0.1 * signals.noise(1_800, seed=3)).astype(np.float32)
  found = streamed(run, kind, samples, window=1_400, hop_frames=4)
  assert list(found) == [1_380, 1_540, 1_700]  # 33 frames of 100 samples, 40 apart.
  starts = [0] if kind == step_model.STATE else [0, 160, 320]
  clips = np.stack([samples[start : start + 1_400] for start in starts])
  heard = np.stack([found[1_380 + start] for start in starts])
  np.testing.assert_allclose(heard, whole(run, clips), atol=1e-4)


@pytest.mark.parametrize('name', ['gru', 'tcn'])
def test_of_any_length_the_scores_are_those_of_the_recording_so_far(name, tmp_path):
  audio = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0)
  run = made_runs.make(tmp_path / 'run', model=name, feature=FEATURE, audio=audio)
  samples = (0.1 * signals.noise(1_500, seed=4)).astype(np.float32)
  found = streamed(run, step_model.STATE, samples, window=1_500, hop_frames=1)
  [(end, heard)] = found.items()
  assert end == 1_500
  np.testing.assert_allclose(heard, whole(run, samples[None])[0], atol=1e-4)


def test_a_window_forgets_what_is_before_it(tmp_path):
  run = made_runs.make(tmp_path / 'run', model='tcn', feature=FEATURE, audio=spec())
  quiet = np.zeros(8_000, np.float32)
  loud = np.concatenate([(0.5 * signals.noise(4_000)).astype(np.float32), quiet])
  one = streamed(run, step_model.STATE, loud, window=1_400, hop_frames=10)
  other = streamed(run, step_model.STATE, quiet, window=1_400, hop_frames=10)
  np.testing.assert_allclose(list(one.values())[-1], list(other.values())[-1], atol=1e-5)


def test_features_are_computed_inside_too(tmp_path):
  run = made_runs.make(
    tmp_path / 'run', model='gru', feature='waveform', audio=spec(), compute=FEATURE
  )
  samples = (0.1 * signals.noise(1_800, seed=5)).astype(np.float32)
  stored = np.round(samples[None, :1_400] * 32768) / 32768
  wanted = run.load_model('best')(stored.astype(np.float32)).numpy()[0]
  for kind in step_model.KINDS:
    found = streamed(run, kind, samples, window=1_400, hop_frames=4)
    np.testing.assert_allclose(found[1_380], wanted, atol=1e-4)


@pytest.mark.parametrize(
  ('feature', 'form', 'reason'),
  [
    ('mfcc:deltas=1,num_mels=32', {}, 'deltas=1 of its feature'),
    ('fft:num_bins=32', {}, "'fft' is of a clip as a whole"),
    (FEATURE, {'effects': ('peak',)}, '--effects=peak'),
    (FEATURE, {'trim_db': 30.0}, 'silence'),
  ],
)
def test_what_is_of_a_whole_clip_is_refused(feature, form, reason, tmp_path):
  run = made_runs.make(tmp_path / 'run', model='linear', feature=feature, audio=spec(**form))
  for kind in step_model.KINDS:
    assert reason in step_model.reason_against(run, kind)
    with pytest.raises(errors.ConfigError, match=reason):
      step_model.load(run, kind=kind, window_samples=1_400)
