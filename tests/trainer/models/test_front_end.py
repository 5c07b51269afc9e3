"""Features computed in the model are those that the data job stores."""

import keras
import numpy as np
import pytest

import features
from features import extractor, stored_form
from schemas import audio, errors, manifest, record
from tests.helpers import signals, tiny_manifest
from trainer import models
from trainer.data import computed_feature
from trainer.learning import computed_statistics
from trainer.models import front_end

FIXED = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0.5)
ANY = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0)
MODEL = 'cnn:conv_layers=1,filters=4,dense_units=8'
OPTIONS = [
  'log_mel:num_mels=16',
  'stft:fft_samples=256',
  'mfcc:num_mels=24,deltas=1',
  'mel',
  'chroma',
]


def waveform(spec):
  return features.spec('waveform', features.parse('waveform')[1], spec)


def clips_of(lengths):
  rng = np.random.default_rng(0)
  return [
    (
      signals.sine(n, sample_rate_hz=8_000, hz=200 + 300 * i, amplitude=0.3)
      + rng.normal(0, 0.01, n)
    ).astype(np.float32)
    for i, n in enumerate(lengths)
  ]


def stored(option, spec, clip):
  """The float32 of what the data job stores of one clip."""
  wanted = computed_feature.feature_spec(option, waveform(spec), spec)
  computed = extractor.Extractor([wanted], spec).compute_stored(clip[np.newaxis])
  return stored_form.from_stored(computed[wanted.name])[0]


def quantized(clip):
  return stored_form.from_stored(stored_form.to_stored(clip, 'int16'))


def two_models(option, spec):
  """A model on the stored feature, and one that computes it, with the same weights."""
  computed = computed_feature.feature_spec(option, waveform(spec), spec)
  statistics = manifest.FeatureStatistics(
    count=9, mean=(-3.0,) * computed.num_bins, variance=(4.0,) * computed.num_bins
  )
  keras.utils.set_random_seed(7)
  on_stored = models.network(*models.parse(MODEL), computed, statistics, num_labels=3)
  on_samples = models.build(
    *models.parse(MODEL),
    tiny_manifest.of(name='waveform', shape=waveform(spec).shape),
    'waveform',
    computed=front_end.Computed(spec=computed, statistics=statistics, audio=spec),
  )
  on_samples.set_weights(on_stored.get_weights())
  return on_stored, on_samples


@pytest.mark.parametrize('option', OPTIONS)
def test_stored_and_computed_features_give_the_same_logits(option):
  on_stored, on_samples = two_models(option, FIXED)
  clips = [quantized(clip) for clip in clips_of([4_000] * 5)]
  wanted = on_stored(np.stack([stored(option, FIXED, clip) for clip in clips])).numpy()
  found = on_samples(np.stack(clips)).numpy()
  # What is stored was rounded to float16: 11 bits.
  np.testing.assert_allclose(found, wanted, atol=2e-3 * np.abs(wanted).max())
  assert np.ptp(wanted, axis=0).max() > 0.05  # The clips differ by more than that.


@pytest.mark.parametrize('option', OPTIONS[:2])
def test_clips_of_any_length_give_the_same_logits_and_padding_does_not_count(option):
  on_stored, on_samples = two_models(option, ANY)
  clips = [quantized(clip) for clip in clips_of([4_000, 1_000, 150, 2_555, 201])]
  padded = np.stack([np.pad(clip, (0, 4_000 - len(clip))) for clip in clips])
  together = on_samples([padded, np.array([len(clip) for clip in clips], np.int32)]).numpy()
  for clip, logits in zip(clips, together, strict=True):
    array = stored(option, ANY, clip)
    wanted = on_stored([array[np.newaxis], np.array([len(array)], np.int32)]).numpy()[0]
    np.testing.assert_allclose(logits, wanted, atol=2e-3 * np.abs(wanted).max())
    alone = on_samples([clip[np.newaxis], np.array([len(clip)], np.int32)]).numpy()[0]
    np.testing.assert_allclose(logits, alone, atol=1e-4)


@pytest.mark.parametrize('spec', [FIXED, ANY], ids=['fixed', 'any'])
def test_a_saved_model_takes_samples(spec, tmp_path):
  _, model = two_models('log_mel:num_mels=16', spec)
  model.save(tmp_path / 'model.keras')
  loaded = keras.models.load_model(tmp_path / 'model.keras', compile=False)
  batch = np.stack(clips_of([4_000, 4_000]))
  inputs = [batch, np.array([4_000, 900], np.int32)] if spec.is_variable else batch
  np.testing.assert_array_equal(loaded(inputs), model(inputs))
  front, network = front_end.parts(loaded)
  np.testing.assert_array_equal(network(front(inputs)), model(inputs))
  assert front_end.parts(network) == (None, network)


def test_it_is_computed_in_float32_under_every_policy():
  before = keras.config.dtype_policy()
  try:
    keras.config.set_dtype_policy('mixed_float16')
    _, model = two_models('log_mel', FIXED)
    loud = np.stack(clips_of([4_000])) * 3
    assert np.isfinite(model(loud)).all()
    assert front_end.parts(model)[0](loud).dtype == 'float32'
  finally:
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize('spec', [FIXED, ANY], ids=['fixed', 'any'])
def test_measured_statistics_are_those_of_the_kernels(spec):
  option = 'log_mel:num_mels=16'
  computed = computed_feature.feature_spec(option, waveform(spec), spec)
  lengths = [4_000] * 6 if not spec.is_variable else [4_000, 2_000, 150, 999, 300, 4_000]
  clips = clips_of(lengths)
  padded = np.stack([np.pad(clip, (0, 4_000 - len(clip))) for clip in clips])
  rows = np.array(lengths, np.int32)
  batches = [
    [padded[part], rows[part]] if spec.is_variable else padded[part]
    for part in (slice(0, 4), slice(4, 6))
  ]
  found = computed_statistics.measured(batches, computed, spec)
  job = extractor.Extractor([computed], spec)
  wanted = np.concatenate([job.compute(clip[np.newaxis])['log_mel'][0] for clip in clips])
  assert found.count == len(wanted)
  np.testing.assert_allclose(found.mean, wanted.mean(axis=0), rtol=1e-4)
  np.testing.assert_allclose(found.variance, wanted.var(axis=0), rtol=1e-3)


def test_statistics_of_the_same_stored_feature_are_taken():
  spec = computed_feature.feature_spec('log_mel:num_mels=16', waveform(FIXED), FIXED)
  other = computed_feature.feature_spec('log_mel:num_mels=16,floor=0.1', waveform(FIXED), FIXED)
  dataset = tiny_manifest.of(shape=spec.shape, settings=dict(spec.settings), mean=(5.0,))
  assert computed_statistics.stored(dataset, spec).mean == (5.0,) * 16
  assert computed_statistics.stored(dataset, other) is None


@pytest.mark.parametrize(
  ('option', 'spec', 'read', 'sentence'),
  [
    ('log_mell', FIXED, 'waveform', "No feature is called 'log_mell'. Did you mean 'log_mel'?"),
    ('tempogram', FIXED, 'waveform', '--compute=tempogram: a model computes fft, stft, mel'),
    ('waveform', FIXED, 'waveform', '--compute=waveform: a model computes'),
    ('log_mel', FIXED, 'mel', "--compute=log_mel computes from samples, but 'mel' is read"),
    ('log_mel', None, 'image', "computes from samples, but 'image' is read"),
    ('mfcc:deltas=1', ANY, 'waveform', '--compute=mfcc: deltas at the end of a clip look behind'),
    ('log_mel:window_s=2', FIXED, 'waveform', 'shorter than one window'),
  ],
)
def test_what_cannot_be_computed_is_refused(option, spec, read, sentence):
  given = record.FeatureSpec(name=read, shape=(4_000,), dtype='int16', settings={})
  with pytest.raises((errors.ConfigError, errors.FeatureError), match=sentence):
    computed_feature.feature_spec(option, given, spec)
