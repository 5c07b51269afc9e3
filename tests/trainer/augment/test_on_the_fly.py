"""Runs whose model computes its feature, and whose examples are changed as they are read."""

import json

import keras
import numpy as np
import pytest

import features
from features import extractor, stored_form
from schemas import audio, errors
from tests.helpers import datasets, signals, wav_files
from trainer import config, predict, preflight, run
from trainer.judging import evaluation

TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'
LOG_MEL = 'log_mel:num_mels=16'
WAVEFORM = features.spec('waveform', features.parse('waveform')[1], datasets.AUDIO)
ALL = ('mixup', 'noise', 'shift:max_shift_s=0.02', 'gain', 'spec_augment')

# In batches of 9, so that two devices get parts of different size.
CHANGED = {'compute': LOG_MEL, 'augment': ALL, 'epochs': 1, 'batch_size': 9, 'seed': 1}


def tone(label, rng, num_samples=4_000):
  found = signals.sine(
    num_samples, sample_rate_hz=8_000, hz=500 * (label + 1) + rng.uniform(-40, 40), amplitude=0.2
  )
  return found + rng.normal(0, 0.02, num_samples).astype(np.float32)


def write(path, *, spec=datasets.AUDIO):
  """Writes a data set of tones, with their waveforms and the log mel that the job would store."""
  log_mel = features.spec(*features.parse(LOG_MEL), spec)
  waveform = features.spec('waveform', features.parse('waveform')[1], spec)
  job = extractor.Extractor([log_mel], spec)
  latest = []

  def arrays(wanted, label, rng):
    if wanted.name == 'waveform':
      length = int(rng.integers(1_000, 4_000)) if spec.is_variable else 4_000
      latest[:] = [stored_form.to_stored(tone(label, rng, length), 'int16')]
      return latest[0]
    return job.compute_stored(stored_form.from_stored(latest[0])[np.newaxis])['log_mel'][0]

  datasets.write_dataset(
    path, features=(waveform, log_mel), arrays=arrays, audio=spec, clips_per_speaker=9
  )
  return str(path)


@pytest.fixture(scope='module')
def tones_dir(tmp_path_factory):
  return write(tmp_path_factory.mktemp('data') / 'tones')


@pytest.fixture(scope='module')
def any_length_dir(tmp_path_factory):
  spec = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0)
  return write(tmp_path_factory.mktemp('data') / 'any_length', spec=spec)


@pytest.fixture(autouse=True)
def _own_working_directory(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)


def settings(data_dir, **more):
  defaults = {
    'data': data_dir,
    'model': TOY,
    'epochs': 5,
    'batch_size': 9,
    'learning_rate': 0.01,
    'run_dir': 'run',
    'overwrite': True,
  }
  return config.TrainConfig(**{**defaults, **more})


def train(data_dir, **more):
  return run.train(settings(data_dir, **more))


@pytest.fixture(scope='module')
def stored(tones_dir, tmp_path_factory):
  """The folder of a run on the log mel that the data job stored."""
  run_dir = tmp_path_factory.mktemp('stored') / 'run'
  return train(tones_dir, feature='log_mel', run_dir=str(run_dir))


@pytest.fixture(scope='module')
def changed(tones_dir, tmp_path_factory):
  """The folder of an epoch of computed features with all that may be done to them."""
  return train(tones_dir, run_dir=str(tmp_path_factory.mktemp('changed') / 'run'), **CHANGED)


def losses_of(folder):
  with open(folder.history_file, encoding='utf-8') as stream:
    return [epoch['train']['loss'] for epoch in json.load(stream)]


def accuracy_of(folder):
  with open(folder.judgement.report_file, encoding='utf-8') as stream:
    return json.load(stream)['accuracy']


def test_a_computed_feature_trains_as_the_stored_one(stored, tones_dir, capsys):
  losses, accuracy = losses_of(stored), accuracy_of(stored)
  capsys.readouterr()
  computed = train(tones_dir, compute=LOG_MEL)
  assert 'on log_mel, 48 rows x 16 bins, computed from waveform' in capsys.readouterr().out
  # Same seed, same statistics, same batches: only the rounding to float16 differs.
  np.testing.assert_allclose(losses_of(computed), losses, rtol=0.02)
  assert accuracy_of(computed) == pytest.approx(accuracy, abs=0.1)
  assert accuracy > 0.9


def test_evaluate_and_predict_take_samples(tones_dir, tmp_path, capsys):
  folder = train(tones_dir, compute='log_mel:num_mels=20,floor=0.0001', epochs=8)
  model = keras.models.load_model(folder.checkpoint_file('best'), compile=False)
  assert model.input_shape == (None, 4_000)
  report = evaluation.evaluate_run(folder.path, split='validation')
  assert report['accuracy'] > 0.8
  rng = np.random.default_rng(5)
  for label, name in enumerate(('no', 'yes', 'zero')):
    pcm = stored_form.to_stored(tone(label, rng), 'int16')
    (tmp_path / f'{name}.wav').write_bytes(wav_files.pcm16(pcm, sample_rate_hz=8_000))
  capsys.readouterr()
  predict.main(
    ['--run_dir=run', '--format=csv', '--top=1', *(f'{n}.wav' for n in ('no', 'yes', 'zero'))]
  )
  said = capsys.readouterr().out
  for name in ('no', 'yes', 'zero'):
    assert f'{name}.wav,{name}' in said.replace('1,', '')


def test_clips_of_any_length_are_computed_and_changed(any_length_dir):
  folder = train(any_length_dir, compute=LOG_MEL, augment=ALL, epochs=10)
  assert accuracy_of(folder) > 0.8
  assert np.isfinite(losses_of(folder)).all()


def test_the_same_flags_give_the_same_weights_and_other_seeds_do_not(changed, tones_dir):
  again, other = (losses_of(train(tones_dir, **{**CHANGED, 'seed': seed})) for seed in (1, 2))
  assert losses_of(changed) == again != other


def test_one_and_two_devices_see_the_same_changed_examples(changed, tones_dir):
  two = losses_of(train(tones_dir, strategy='mirrored', virtual_devices=2, **CHANGED))
  np.testing.assert_allclose(two, losses_of(changed), rtol=1e-4)


def test_recordings_and_lengths_are_the_same_on_two_devices(any_length_dir, tmp_path, capsys):
  noise = tmp_path / 'noise'
  noise.mkdir()
  pcm = np.random.default_rng(0).normal(0, 3_000, 9_000).astype(np.int16)
  (noise / 'hum.wav').write_bytes(wav_files.pcm16(pcm, sample_rate_hz=8_000))
  changes = ('speed', 'pitch', 'reverb:rooms=2', f'noise:folder={noise}', 'vtlp', 'cutout')
  asked = {**CHANGED, 'augment': changes, 'run_dir': 'recorded'}
  folder = train(any_length_dir, **asked)
  said = capsys.readouterr().out
  assert f'--augment=noise has 1 recording of {noise}, 0.9 s at 8000 Hz' in said
  assert '--augment=reverb has 2 simulated rooms.' in said
  two = {'strategy': 'mirrored', 'virtual_devices': 2, 'run_dir': 'on_two'}
  on_two = train(any_length_dir, **{**asked, **two})
  np.testing.assert_allclose(losses_of(on_two), losses_of(folder), rtol=1e-4)
  # To go on, the recordings must be those of before.
  longer = settings(any_length_dir, **{**asked, 'epochs': 2, 'overwrite': False})
  preflight.check(longer)
  (noise / 'hum.wav').write_bytes(wav_files.pcm16(pcm // 2 + 7, sample_rate_hz=8_000))
  (noise / 'more.wav').write_bytes(wav_files.pcm16(pcm, sample_rate_hz=8_000))
  with pytest.raises(errors.ConfigError, match='what --augment reads of its folder was something'):
    preflight.check(longer)
  with pytest.raises(errors.ConfigError, match='There are no recordings at .*missing'):
    preflight.check(settings(any_length_dir, compute=LOG_MEL, augment=('noise:folder=missing',)))


def test_stored_features_get_faster_and_slower(stored, tones_dir):
  (loss,) = losses_of(train(tones_dir, feature='log_mel', epochs=1, augment=('speed', 'vtlp')))
  assert np.isfinite(loss) and loss != losses_of(stored)[0]


def test_augmentation_of_stored_features_changes_training_alone(stored, tones_dir):
  plain = losses_of(stored)[:1]
  nothing = ('mixup:alpha=0', 'spec_augment:time_masks=0,frequency_masks=0')
  same = losses_of(train(tones_dir, feature='log_mel', epochs=1, augment=nothing))
  np.testing.assert_allclose(same, plain, rtol=1e-5)
  strong = ('mixup:alpha=1', 'spec_augment:max_frequency_bins=12')
  harder = train(tones_dir, feature='log_mel', epochs=1, augment=strong)
  assert losses_of(harder)[0] > 1.02 * plain[0]
  assert harder.read_config()['flags']['augment'] == list(strong)


@pytest.mark.parametrize(
  ('more', 'sentence'),
  [
    ({'feature': 'log_mel', 'augment': ('noise',)}, '--augment=noise changes the samples'),
    ({'feature': 'log_mel', 'augment': ('reverb',)}, '--augment=reverb changes the samples'),
    ({'feature': 'waveform', 'augment': ('vtlp',)}, "but 'waveform' has no bins"),
    ({'compute': 'mfcc', 'augment': ('vtlp',)}, "those of 'mfcc' are no frequencies"),
    ({'feature': 'waveform', 'augment': ('spec_augment',)}, "but 'waveform' has no bins"),
    ({'feature': 'log_mel', 'compute': 'stft'}, '--compute=stft computes from samples'),
    ({'compute': 'log_mel:num_mels=1000'}, 'num_mels'),
    ({'compute': 'tempogram'}, 'a model computes fft, stft'),
    ({'augment': ('gain', 'mixup')}, 'Write --augment=mixup in front'),
  ],
)
def test_contradictions_are_refused_before_anything_is_read(tones_dir, more, sentence):
  with pytest.raises(errors.VoxshardError, match=sentence):
    preflight.check(settings(tones_dir, **more))
