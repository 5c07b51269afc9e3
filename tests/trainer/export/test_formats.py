"""The formats beside the SavedModel: what they give, what is refused and with which words."""

import errno
import os

import numpy as np
import pytest

import features
from exports import clip_input, export_file, runtimes
from features import extractor
from schemas import audio as audio_schema
from schemas import errors
from tests.helpers import datasets, made_runs, signals
from trainer.confidence import caution
from trainer.export import exporting, formats, tflite_parts
from trainer.judging import answering
from trainer.learning import precision

# Other runtimes take their time.
pytestmark = pytest.mark.engines

RATE_HZ = 8_000
CLIP = (0.1 * signals.noise(2_800, seed=2)).astype(np.float32)
SHORT = (0.1 * signals.noise(900, seed=3)).astype(np.float32)
FORM = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.35)
# The front is float32 in all; of 8 bits are the weights, or all of a network of random weights.
CLOSE = {
  export_file.SAVED_MODEL: 1e-4,
  export_file.KERAS: 1e-4,
  export_file.LITERT: 1e-3,
  export_file.LITERT_DYNAMIC: 0.05,
  export_file.LITERT_INT8: 0.1,
  export_file.ONNX: 1e-3,
}

# Another one hears frame by frame.
OF_CLIPS = [name for name in formats.FORMATS if name != export_file.LITERT_STREAMING]


def asked(made, folder, names):
  """Returns the functions that ask an export by the names of its formats."""
  exporting.write(made, str(folder), names, overwrite=True)
  return {name: runtimes.load(str(folder), name) for name in names}


@pytest.fixture(scope='module')
def with_data(tmp_path_factory):
  """A run whose data set is there, with the feature of datasets, and its folder."""
  folder = tmp_path_factory.mktemp('run')
  spec = features.spec(*features.parse('log_mel:num_mels=16'), datasets.AUDIO)

  def of_noise(spec, label, rng):
    samples = 10 ** rng.uniform(-2, -0.5) * rng.standard_normal((1, datasets.AUDIO.clip_samples))
    extract = extractor.Extractor([spec], datasets.AUDIO)
    return extract.compute_stored(samples.astype(np.float32))[spec.name][0]

  dataset = datasets.write_dataset(
    folder / 'data', features=[spec], clips_per_speaker=2, arrays=of_noise
  )
  return made_runs.make(
    folder / 'run', audio=datasets.AUDIO, dataset=dataset, data_dir=folder / 'data'
  )


def said_by_run(run, clip, how):
  audio = run.manifest.audio
  if audio is None:
    stored = clip
  else:
    extract = extractor.Extractor([run.feature], audio)
    size = audio.clip_samples or max(len(clip), extract.min_samples)
    padded = np.pad(clip, (0, size - len(clip)))
    stored = extract.compute_stored(padded[None])[run.feature.name][0]
  return how.probabilities(answering.load(run, 'best').of_arrays([stored]))[0]


def test_all_formats_of_one_run(with_data, tmp_path):
  how = caution.Caution(temperature=1.7)
  made = exporting.make(with_data, caution=how, clips=exporting.calibration_clips(with_data))
  assert len(made.calibration) == 8
  size = datasets.AUDIO.clip_samples
  clips = [0.1 * signals.noise(size, seed=4).astype(np.float32)]
  found = asked(made, tmp_path / 'x', OF_CLIPS)
  for clip in clips:
    expected = said_by_run(with_data, clip, how)
    for name, ask in found.items():
      np.testing.assert_allclose(ask(clip), expected, atol=CLOSE[name], err_msg=name)
  sizes = {name: os.path.getsize(tmp_path / 'x' / file)
           for name, file in export_file.load(str(tmp_path / 'x')).formats.items()}  # fmt: skip
  assert sizes['litert_int8'] < sizes['litert_dynamic'] <= sizes['litert']
  # The network is of 8 bits, what computes the feature is not.
  model = (tmp_path / 'x' / 'model_int8.tflite').read_bytes()
  assert {'QUANTIZE', 'LOG'} <= set(tflite_parts.operations(model))
  assert (tmp_path / 'x' / 'labels.txt').read_text().split() == list(with_data.manifest.labels)


@pytest.mark.parametrize(
  ('form', 'model', 'compute'),
  [
    ({'clip_s': 0}, 'gru', ''),
    ({'effects': ('rms',), 'position': 'end'}, 'linear', ''),
    ({}, 'linear', 'log_mel:num_mels=20'),
  ],
  ids=['any length', 'effects', 'computed'],
)
def test_clips_that_are_shorter(form, model, compute, tmp_path):
  audio = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, **{'clip_s': 0.35, **form})
  feature = 'waveform' if compute else 'log_mel:num_mels=20'
  run = made_runs.make(tmp_path / 'r', model=model, audio=audio, feature=feature, compute=compute)
  made = exporting.make(run)
  names = [export_file.KERAS, export_file.LITERT, export_file.ONNX]
  found = asked(made, tmp_path / 'x', names)
  how = caution.Caution()
  for clip in (SHORT, CLIP):
    logits = made.model(list(clip_input.batch([clip], made.export)), training=False)
    expected = how.probabilities(np.asarray(logits))[0]
    for name in names:
      np.testing.assert_allclose(found[name](clip), expected, atol=1e-3, err_msg=name)


def test_pictures_in_every_format(tmp_path):
  dataset = datasets.write_dataset(
    tmp_path / 'data', features=[datasets.PICTURE], audio=None, clips_per_speaker=1
  )
  spec = features.spec(*features.parse('image:height=16,width=16'), None)
  assert spec.shape == datasets.PICTURE.shape
  run = made_runs.make(
    tmp_path / 'run', audio=None, dataset=dataset, data_dir=tmp_path / 'data', model='linear'
  )
  made = exporting.make(run, clips=exporting.calibration_clips(run))
  pixels = made.calibration[3][0][0].astype(np.uint8)
  expected = said_by_run(run, pixels, caution.Caution())
  for name, ask in asked(made, tmp_path / 'x', OF_CLIPS).items():
    np.testing.assert_allclose(ask(pixels), expected, atol=CLOSE[name], err_msg=name)


def refused(run, folder, name, match, **settings):
  """Expects a refusal, and nothing written."""
  with pytest.raises(errors.ConfigError, match=match):
    made = exporting.make(run, **settings)
    exporting.write(made, str(folder), [name], overwrite=False)
  assert not os.path.exists(folder) and os.listdir(folder.parent) == ['run']


def test_what_litert_and_onnx_cannot_is_named_and_nothing_is_written(tmp_path):
  audio = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.35, effects=('high_pass:hz=60',))
  run = made_runs.make(tmp_path / 'run', audio=audio, model='linear')
  refused(run, tmp_path / 'x', export_file.LITERT, 'LiteRT has no .*IRFFT')
  refused(run, tmp_path / 'x', export_file.ONNX, 'ONNX has no .*IRFFT')


def test_8_bits_in_loops_are_refused(tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=FORM, model='gru', feature='log_mel:num_mels=16')
  refused(run, tmp_path / 'x', export_file.LITERT_INT8, r'has a loop \(WHILE\)')


def test_8_bits_without_a_data_set_are_refused(with_data, tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=FORM)
  with pytest.raises(errors.ConfigError, match='litert_int8 needs clips of the train split.*nowh'):
    exporting.calibration_clips(run)
  # Another data set stands in for it, where it is of the same feature.
  with pytest.raises(errors.ConfigError, match='the model was trained on|The model was trained on'):
    exporting.calibration_clips(run, with_data.data_dir)


def test_a_saved_model_as_trunk_has_no_keras_file(tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=FORM)
  os.makedirs(os.path.join(run.folder.graphs_dir, 'block1_saved_model'))
  with pytest.raises(errors.ConfigError, match='holds a TensorFlow SavedModel'):
    exporting.check(run, [export_file.KERAS])


def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch):
  run = made_runs.make(tmp_path / 'run', audio=FORM)
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  with pytest.raises(errors.ConfigError, match='needs tf2onnx, which is not installed'):
    exporting.check(run, [export_file.ONNX])


def test_a_disk_that_is_full_leaves_what_was_there(with_data, tmp_path, monkeypatch):
  folder = tmp_path / 'x'
  made = exporting.make(with_data)
  exporting.write(made, str(folder), [export_file.KERAS], overwrite=False)
  before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}

  def full(made, path):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  form = formats.Format(write=full)
  monkeypatch.setattr(formats, 'FORMATS', {**formats.FORMATS, export_file.LITERT: form})
  with pytest.raises(errors.VoxshardError, match='No space left'):
    exporting.write(made, str(folder), [export_file.KERAS, export_file.LITERT], overwrite=True)
  assert {name: (folder / name).read_bytes() for name in os.listdir(folder)} == before
  assert os.listdir(tmp_path) == ['x']


def test_transforms_whose_length_has_small_factors_are_for_litert(tmp_path):
  def made_with(samples):
    feature = f'fft:fft_samples={samples},num_bins=16'
    return exporting.make(
      made_runs.make(tmp_path / f'{samples}', audio=FORM, feature=feature, model='linear')
    )

  made = made_with(2_000)
  ask = asked(made, tmp_path / 'x', [export_file.LITERT])[export_file.LITERT]
  expected = said_by_run(made.run, CLIP, caution.Caution())
  np.testing.assert_allclose(ask(CLIP), expected, atol=1e-3)
  with pytest.raises(errors.FeatureError, match='2,063 samples has no factors'):
    exporting.write(made_with(2_063), str(tmp_path / 'y'), [export_file.LITERT], overwrite=False)
  assert not os.path.exists(tmp_path / 'y')


@pytest.mark.parametrize('model', ['cnn', 'kwt'])
def test_a_run_in_16_bits_is_one_of_float32_for_litert(model, tmp_path):
  with precision.policy('mixed_float16'):
    run = made_runs.make(tmp_path / 'run', audio=FORM, model=model, feature='log_mel:num_mels=16')
  ask = asked(exporting.make(run), tmp_path / 'x', [export_file.LITERT])[export_file.LITERT]
  np.testing.assert_allclose(ask(CLIP), said_by_run(run, CLIP, caution.Caution()), atol=0.01)


@pytest.mark.parametrize(
  ('model', 'policy'), [('gru', 'float32'), ('lstm', 'mixed_float16'), ('bigru', 'float32')]
)
def test_what_is_written_beside_a_gpu_runs_without(model, policy, tmp_path, monkeypatch):
  with precision.policy(policy):
    run = made_runs.make(tmp_path / 'run', audio=FORM, model=model, feature='log_mel:num_mels=16')
  expected = said_by_run(run, CLIP, caution.Caution())
  made_runs.see_gpu(monkeypatch)
  names = [export_file.SAVED_MODEL, export_file.LITERT, export_file.ONNX]
  if model != 'bigru':
    exporting.write(
      exporting.make(run), str(tmp_path / 'y'), [export_file.LITERT_STREAMING], overwrite=False
    )
  for name, ask in asked(exporting.make(run), tmp_path / 'x', names).items():
    np.testing.assert_allclose(ask(CLIP), expected, atol=0.01, err_msg=name)
