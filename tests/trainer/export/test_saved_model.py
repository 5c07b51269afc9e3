"""The exported SavedModel against trainer.predict on the same files, and alone in a process."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from exports import clip_input, export_file, exported
from features.decoding import clips
from schemas import audio as audio_schema
from schemas import command, errors
from tests.helpers import made_runs, signals
from trainer.confidence import caution, caution_flags
from trainer.export import exporting, opened
from trainer.judging import answering, prediction

RATE_HZ = 8_000
# Louder, fainter, shorter and longer than a clip, and silence.
CLIPS = [
  0.5 * signals.noise(6_000, seed=1),
  1e-3 * signals.noise(8_000, seed=2),
  0.1 * signals.noise(900, seed=3),
  0.2 * signals.noise(11_000, seed=4),
  np.zeros(8_000, np.float32),
]


def spec(**settings):
  return audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, **settings)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
  folder = tmp_path_factory.mktemp('clips')
  for i, samples in enumerate(CLIPS):
    soundfile.write(folder / f'{i}.wav', samples, RATE_HZ, subtype='FLOAT')
  return [str(folder / f'{i}.wav') for i in range(len(CLIPS))]


def export(run, folder, **settings):
  made = exporting.make(run, **settings)
  exporting.write(made, str(folder), [export_file.SAVED_MODEL], overwrite=False)
  return exported.Exported(str(folder))


def predicted(run, files, how=None):
  found = prediction.predict_files(run, answering.load(run, 'best'), files)
  how = how or caution.Caution()
  return np.stack([how.probabilities(one.logits) for one in found])


@pytest.mark.parametrize('model', ['gru:units=4', 'bilstm:units=4', 'crnn'])
def test_what_is_written_beside_a_gpu_has_none_of_its_operations(model, tmp_path, monkeypatch):
  run = made_runs.make(tmp_path / 'run', model=model, audio=spec(clip_s=0.3))
  made_runs.see_gpu(monkeypatch)
  export(run, tmp_path / 'export')
  graph = (tmp_path / 'export' / export_file.SAVED_MODEL / 'saved_model.pb').read_bytes()
  assert b'CudnnRNN' not in graph


RUNS = {
  'the default': (made_runs.features.DEFAULT, {}, 'cnn'),
  'samples': ('waveform', {'clip_s': 0.25}, 'conv1d'),
  'in the middle': ('log_mel:num_mels=20', {'position': 'centre'}, 'cnn'),
  'at the end, float32': ('mfcc:dtype=float32', {'position': 'end'}, 'cnn'),
  'effects': (
    'log_mel:num_mels=20',
    {'effects': ('pre_emphasis', 'rms:level_db=-25'), 'position': 'end'},
    'cnn',
  ),
  'loudest sample': ('stft:window_s=0.032,hop_s=0.016', {'effects': ('peak',)}, 'cnn'),
  'filters': ('log_mel:num_mels=20', {'effects': ('high_pass:hz=60', 'low_pass:hz=3000')}, 'cnn'),
  'any length': ('log_mel:num_mels=20', {'clip_s': 0}, 'cnn'),
  'any length, effects': ('log_mel:num_mels=20', {'clip_s': 0, 'effects': ('rms',)}, 'gru'),
  'computed': ('waveform', {'clip_s': 0.5}, 'cnn', 'log_mel:num_mels=20'),
  'computed, any length': ('waveform', {'clip_s': 0}, 'cnn', 'log_mel:num_mels=20'),
  'whole spectrum': ('fft:num_bins=64', {}, 'mlp'),
  'chroma': ('chroma', {'trim_db': 30.0}, 'cnn'),
}


@pytest.mark.parametrize('name', RUNS)
def test_probabilities_are_those_of_prediction(name, files, tmp_path):
  feature, form, model, *compute = RUNS[name]
  run = made_runs.make(
    tmp_path / 'run',
    model=model,
    feature=feature,
    audio=spec(**form),
    compute=''.join(compute),
  )
  how = caution.Caution(temperature=1.7, score='softmax', threshold=0.4)
  model = export(run, tmp_path / 'export', caution=how)
  heard = [clip_input.decode(clips.read_bytes(file), model.export).samples for file in files]
  found = model.of_clips(heard)
  np.testing.assert_allclose(found.probabilities, predicted(run, files, how), atol=1e-4)
  np.testing.assert_array_equal(found.is_none, how.rejects(found.logits))


def test_a_clip_alone_is_what_it_is_in_a_batch(files, tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=spec(clip_s=0), feature='log_mel:num_mels=20')
  model = export(run, tmp_path / 'export')
  together = model.of_clips(CLIPS[:3]).probabilities
  served = tf.saved_model.load(str(tmp_path / 'export' / 'saved_model')).signatures
  for clip, probabilities in zip(CLIPS, together, strict=False):
    alone = served['serving_default'](samples=tf.constant(clip[None]))
    np.testing.assert_allclose(alone['probabilities'][0], probabilities, atol=1e-5)


def test_longer_clips_are_refused(tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=spec())
  model = export(run, tmp_path / 'export')
  with pytest.raises(errors.FeatureError, match='up to 8,000 samples, got 11,000'):
    model.of_clips([CLIPS[3]])
  served = tf.saved_model.load(str(tmp_path / 'export' / 'saved_model')).signatures
  with pytest.raises(tf.errors.InvalidArgumentError, match='up to 8000 samples, got more'):
    served['serving_default'](samples=tf.constant(CLIPS[3][None]))


def test_pictures_are_taken_as_pixels(tmp_path):
  run = made_runs.make(
    tmp_path / 'run', feature='image:height=32,width=40', audio=None, model='cnn'
  )
  model = export(run, tmp_path / 'export')
  pixels = np.random.default_rng(1).integers(0, 256, (3, 32, 40, 3), np.uint8)
  logits = answering.load(run, 'best').of_arrays(list(pixels))
  found = model.of_pictures(pixels)
  np.testing.assert_allclose(
    found.probabilities, caution.Caution().probabilities(logits), atol=1e-4
  )


ALONE = """
import json, sys
import numpy as np
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures
samples = np.load(sys.argv[2])
sizes = np.full(len(samples), samples.shape[1], np.int32)
found = served['serving_default'](samples=tf.constant(samples))
import keras
in_keras = keras.models.load_model(sys.argv[3])({'samples': samples, 'num_samples': sizes})
ours = {'exports', 'features', 'schemas', 'tfrecords', 'trainer'} & set(sys.modules)
print(json.dumps({
  'ours': sorted(ours), 'in_keras': np.asarray(in_keras['probabilities']).tolist(),
  'probabilities': found['probabilities'].numpy().tolist(),
  'labels': [x.decode() for x in served['labels']()['labels'].numpy()],
  'label': [x.decode() for x in found['label'].numpy()],
}))
"""


def test_it_loads_with_tensorflow_and_with_keras_alone(tmp_path):
  labels = ('ja', 'nein', 'vielleicht ähm')
  run = made_runs.make(tmp_path / 'run', audio=spec(effects=('peak',)), labels=labels)
  names = [export_file.SAVED_MODEL, export_file.KERAS]
  exporting.write(exporting.make(run), str(tmp_path / 'export'), names, overwrite=False)
  model = exported.Exported(str(tmp_path / 'export'))
  batch = np.stack([CLIPS[1], CLIPS[4]])
  np.save(tmp_path / 'batch.npy', batch)
  files = [str(tmp_path / 'export' / name) for name in ('saved_model', 'model.keras')]
  # -I: neither the folder of the project nor the user's packages.
  done = subprocess.run(
    [sys.executable, '-I', '-c', ALONE, files[0], str(tmp_path / 'batch.npy'), files[1]],
    cwd=tmp_path, capture_output=True, text=True, check=True,
    env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'},
  )  # fmt: skip
  found = json.loads(done.stdout)
  assert not found['ours']
  expected = model.of_clips(list(batch)).probabilities
  np.testing.assert_allclose(found['probabilities'], expected, atol=1e-6)
  np.testing.assert_allclose(found['in_keras'], expected, atol=1e-5)
  assert found['labels'] == list(labels)
  assert found['label'] == [labels[i] for i in expected.argmax(1)]
  written = (tmp_path / 'export' / 'saved_model' / 'assets' / 'labels.txt').read_text('utf-8')
  assert written.splitlines() == list(labels)


def test_labels_that_are_no_utf8_survive_and_others_labels_are_refused(tmp_path):
  labels = ('a\udcff', 'b\nc', 'd')
  run = made_runs.make(tmp_path / 'run', audio=spec(), labels=labels)
  model = export(run, tmp_path / 'export')
  assert model.export.labels == labels
  assert model.of_clips([CLIPS[0]]).probabilities.shape == (1, 3)
  file = tmp_path / 'export' / export_file.FILE
  # As where the SavedModel of another export was copied over it.
  value = json.loads(file.read_bytes().decode('utf-8', 'surrogateescape'))
  for other in (list(labels[::-1]), ['d']):
    file.write_text(json.dumps({**value, 'labels': other}), encoding='utf-8')
    with pytest.raises(errors.ConfigError, match='of another export'):
      exported.Exported(str(tmp_path / 'export'))


def test_the_checkpoint_of_a_run_with_other_labels_is_refused(tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=spec(), model='linear')
  made_runs.make(tmp_path / 'other', audio=spec(), model='linear', labels=('a', 'b'))
  shutil.copytree(
    tmp_path / 'other' / 'checkpoints', run.folder.checkpoints_dir, dirs_exist_ok=True
  )
  with pytest.raises(errors.ConfigError, match='gives 2 logits, but the run has 3 labels'):
    exporting.make(run)


def test_what_cannot_be_exported_is_named(tmp_path):
  run = made_runs.make(tmp_path / 'run', feature='tempogram', audio=spec(clip_s=2))
  with pytest.raises(errors.ConfigError, match="computes the feature 'tempogram'"):
    exporting.make(run)
  other = made_runs.make(tmp_path / 'other', audio=spec(clip_s=0, effects=('high_pass:hz=60',)))
  with pytest.raises(errors.ConfigError, match="computes the effect 'high_pass' of clips of any"):
    exporting.make(other)


def test_a_run_and_an_export_are_opened_alike(tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=spec())
  export(run, tmp_path / 'export')
  with opened.opened(run.folder.path) as one, opened.opened(str(tmp_path / 'export')) as other:
    ours, theirs = one.of_clips(CLIPS[:3]), other.of_clips(CLIPS[:3])
  np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)
  with pytest.raises(errors.ConfigError, match='no run'):
    with opened.opened(str(tmp_path / 'nothing')):
      pass


@pytest.mark.parametrize(
  ('argv', 'sentence'),
  [
    (['--none_score=energy'], '--none_score=energy has no effect without --none_of_these'),
    (['--false_rejections=2', '--none_of_these'], '--false_rejections must be in [0, 1], got 2'),
    (['--calibrated', '--checkpoint=last'], 'are those of the best checkpoint'),
  ],
)
def test_flags_of_careful_answers_are_checked_as_those_of_predict(argv, sentence, capsys):
  assert command.run(exporting.main, ['--run_dir=nowhere', '--output=x', *argv]) == 2
  assert sentence in capsys.readouterr().err


def test_who_opens_either_is_told_that_an_export_answers_as_it_was_made(tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=spec())
  export(run, tmp_path / 'export')
  flags = caution_flags.CautionFlags(none_of_these=True)
  with pytest.raises(errors.ConfigError, match='answers as it was made. Leave the flag away'):
    opened.caution_of(str(tmp_path / 'export'), flags)
  with pytest.raises(errors.ConfigError, match='no confidence.json'):
    opened.caution_of(run.folder.path, flags)
  assert opened.caution_of(run.folder.path, caution_flags.CautionFlags()) == caution.Caution()
