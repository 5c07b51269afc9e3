"""A run on tones, each label a pitch, whose network is written down and not trained."""

import csv
import json

import numpy as np
import pytest
import soundfile

from beam_jobs import featurize
from exports import export_file
from features import stored_form
from schemas import command
from tests.helpers import signals
from tfrecords import manifest_file
from trainer.predictions import clip_answers, header, parquet_writer
from trainer.runs import library_versions, run_folder, saved_run
from trainer.suspects import stored_clips

RATE_HZ = 8_000
PITCHES_HZ = {'low': 300.0, 'mid': 900.0, '<i>high</i>': 2_400.0}
SPEAKERS = ('ann', 'bob', 'cyd', 'dan', 'eve')


def tone(label, seconds, *, seed=0):
  count = round(RATE_HZ * seconds)
  hz = PITCHES_HZ[label] * (1 + 0.01 * seed)
  clean = signals.sine(count, sample_rate_hz=RATE_HZ, hz=hz, amplitude=0.4)
  return clean + signals.noise(count, seed=seed, amplitude=0.01)


@pytest.fixture(scope='session')
def tones(tmp_path_factory):
  """A folder with a corpus, the data set that was made of it, and the run that was judged by it."""
  folder = tmp_path_factory.mktemp('tones')
  (folder / 'corpus').mkdir()
  rows = [['path', 'label', 'speaker']]
  for i, label in enumerate(PITCHES_HZ):
    for j, speaker in enumerate(SPEAKERS):
      name = f'{i}_{speaker}.wav'
      soundfile.write(folder / 'corpus' / name, tone(label, 0.8, seed=j), RATE_HZ)
      rows.append([name, label, speaker])
  with open(folder / 'corpus' / 'clips.csv', 'w', encoding='utf-8') as stream:
    csv.writer(stream).writerows(rows)
  argv = [
    '--source=table', f'--input={folder / "corpus" / "clips.csv"}', f'--output={folder / "data"}',
    '--workers=0', f'--sample_rate_hz={RATE_HZ}', '--notfds_metadata', '--min_train_shards=1',
    '--feature=log_mel:num_mels=20', '--feature=waveform',
  ]  # fmt: skip
  assert command.run(featurize.main, argv) == 0
  _write_run(folder / 'run', str(folder / 'data'))
  return folder


def _write_run(path, data_dir):
  """Writes all of a run but its network: the first clip of its test is wrong."""
  dataset = manifest_file.load(data_dir)
  digest = manifest_file.digest(data_dir)
  made = run_folder.RunFolder(str(path))
  path.mkdir()
  manifest_file.save(dataset, made.path)
  config = {
    'data_dir': data_dir,
    'manifest_sha256': digest,
    'feature': dataset.features[0].to_json(),
    'model': 'tones',
    'versions': library_versions.here(),
  }
  (path / 'config.json').write_text(json.dumps(config))
  found = list(stored_clips.records(data_dir, dataset, ['test']))
  truth = np.array([clip.label for clip in found])
  logits = 4.0 * np.eye(len(dataset.labels))[truth]
  logits[0] = np.roll(logits[0], 1)
  said = header.Header(
    labels=dataset.labels, split='test', checkpoint='best', model='tones', feature='log_mel',
    data_dir=data_dir, dataset=dataset.name, manifest_sha256=digest,
  )  # fmt: skip
  with parquet_writer.writing(made.judgement.predictions_file, said) as writer:
    origins = clip_answers.Origins(
      ids=[clip.utterance_id for clip in found],
      speakers=[clip.speaker_id for clip in found],
      files=[clip.file for clip in found],
      start_us=[0] * len(found),
      end_us=[800_000] * len(found),
      fields=['{}'] * len(found),
      augmentations=[''] * len(found),
    )
    writer.add(clip_answers.Answers(origins, truth, logits.astype(np.float32)))


@pytest.fixture(scope='session')
def talking(tones):
  """The same with a network: linear in the mean of the log mel spectrogram, by least squares."""
  import keras  # noqa: PLC0415 - those who need no network do not wait for it.

  run = saved_run.load(str(tones / 'run'))
  means, truth = [], []
  for clip in stored_clips.records(run.data_dir, run.manifest, ['train', 'validation', 'test']):
    means.append(stored_form.from_stored(clip.arrays['log_mel']).mean(axis=0))
    truth.append(clip.label)
  rows = np.column_stack([np.array(means, np.float64), np.ones(len(means))])
  # Ridge: what lies far from these tones is answered mildly.
  square = rows.T @ rows + 0.1 * np.eye(rows.shape[1])
  weights = np.linalg.solve(square, rows.T @ (8.0 * np.eye(3)[truth]))
  shape = run.feature.shape
  dense = keras.layers.Dense(3)
  network = keras.Sequential(
    [keras.Input(shape), keras.layers.GlobalAveragePooling1D(), dense], name='tones'
  )
  dense.set_weights([weights[:-1].astype(np.float32), weights[-1].astype(np.float32)])
  (tones / 'run' / 'checkpoints').mkdir()
  network.save(run.folder.checkpoint_file('best'))
  return tones


class Hearing:
  """Stands for exports.exported.Exported: the label whose pitch is the nearest to the loudest."""

  def __init__(self, run, **changes):
    fields = {
      'model': 'tones', 'labels': run.manifest.labels, 'audio': run.manifest.audio,
      'feature': run.feature, 'min_samples': 1, 'temperature': 1.0, 'none_score': '',
      'none_threshold': 0.0, 'formats': {}, 'origin': {}, **changes,
    }  # fmt: skip
    most_samples = fields['audio'].clip_samples if fields['audio'] else 0
    self.export = export_file.Export(**fields, most_samples=most_samples)

  def of_clips(self, clips):
    from exports import exported  # noqa: PLC0415

    logits = np.zeros((len(clips), len(self.export.labels)), np.float32)
    for row, samples in zip(logits, clips, strict=True):
      hz = np.argmax(np.abs(np.fft.rfft(samples))) * RATE_HZ / len(samples)
      pitches = [PITCHES_HZ[label] for label in self.export.labels]
      row[np.argmin(np.abs(np.log(pitches) - np.log(max(hz, 1.0))))] = 3
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return exported.Answers(probabilities=shares, logits=logits, is_none=np.zeros(len(clips), bool))
