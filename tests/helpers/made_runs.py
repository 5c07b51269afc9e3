"""Run folders with a model of random weights: for what does not care how it was trained."""

import json
import os
import sys

import features
from features import extractor
from schemas import audio as audio_schema
from schemas import manifest
from tests.helpers import signals, toy_models
from tfrecords import manifest_file
from trainer import models
from trainer.models import front_end
from trainer.runs import library_versions, run_folder, saved_run


def make(
  folder,
  *,
  model: str = 'cnn:filters=4,dense_units=8,dropout=0',
  feature: str = features.DEFAULT,
  audio: audio_schema.AudioSpec | None,
  labels: tuple[str, ...] = ('no', 'stop', 'yes'),
  compute: str = '',
  seed: int = 1,
  dataset: manifest.DatasetManifest | None = None,
  data_dir: str = 'nowhere',
) -> saved_run.SavedRun:
  """Writes a run of a model, as a toy where toy_models has one of that name, and returns it.

  Args:
    folder: Where to.
    model: As --model takes it.
    feature: As the data job's --feature takes it.
    audio: The form of the clips; None for pictures.
    labels: Their names.
    compute: As --compute takes it.
    seed: Of the weights.
    dataset: That of the training, of one feature, in place of one that is made up.
    data_dir: Where it lies.
  """
  import keras

  if dataset is None:
    dataset = _dataset(features.spec(*features.parse(feature), audio), audio, labels)
  spec = dataset.features[0]
  text = toy_models.text(model)
  keras.utils.set_random_seed(seed)
  computed = None
  if compute and audio:
    made_of = features.spec(*features.parse(compute), audio)
    computed = front_end.Computed(spec=made_of, statistics=_statistics(made_of, audio), audio=audio)
  network = models.build(*models.parse(text), dataset, computed=computed)
  made = run_folder.RunFolder(str(folder))
  os.makedirs(made.checkpoints_dir)
  network.save(made.checkpoint_file(run_folder.BEST))
  manifest_file.save(dataset, made.path)
  config = {
    'data_dir': str(data_dir),
    'manifest_sha256': '0' * 64,
    'feature': spec.to_json(),
    'model': text,
    'computed': computed.spec.to_json() if computed else None,
    'versions': library_versions.here(),
  }
  with open(made.config_file, 'w', encoding='utf-8') as stream:
    json.dump(config, stream)
  return saved_run.load(made.path)


def see_gpu(monkeypatch) -> None:
  """Lets Keras write the graphs of a machine with a GPU; they do not run on one without."""
  import keras

  # The module: its package has a function of the same name.
  rnn = sys.modules[keras.src.backend.tensorflow.__name__ + '.rnn']
  monkeypatch.setattr(rnn, '_is_gpu_available', lambda: True)


def _dataset(spec, audio, labels):
  return manifest.DatasetManifest(
    name='made',
    audio=audio,
    features=(spec,),
    labels=labels,
    shards=(),
    statistics={spec.name: _statistics(spec, audio)},
    num_speakers={},
    speakers={},
    rejects={},
    config={},
    versions={},
  )


def _statistics(spec, audio):
  """Mean and variance of what is stored of noise; of a picture any."""
  if audio is None:
    return manifest.FeatureStatistics(
      count=1, mean=(120.0,) * spec.num_bins, variance=(900.0,) * spec.num_bins
    )
  num_samples = audio.clip_samples or audio.sample_rate_hz
  batch = 0.1 * signals.noise(4 * num_samples).reshape(4, num_samples)
  values = extractor.Extractor([spec], audio).compute(batch)[spec.name].reshape(-1, spec.num_bins)
  return manifest.FeatureStatistics(
    count=len(values),
    mean=tuple(values.mean(0).tolist()),
    variance=tuple((values.var(0) + 1e-6).tolist()),
  )
