"""Runs on embeddings: the trunk that made them and the head are one model of clips again."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from exports import clip_input
from features import extractor, stored_form
from schemas import audio as audio_schema
from schemas import errors, manifest
from tests.helpers import made_runs, signals
from trainer.export import exporting
from trainer.judging import answering
from trainer.runs import saved_run
from trainer.trunks import embedder

CLIPS = [(0.1 * signals.noise(size, seed=size)).astype(np.float32) for size in (2_400, 1_500)]


def head_of(trunk, folder, *, per_frame=False, origin=()):
  """Returns a run on the embeddings of a trunk, and what gives them."""
  model = trunk.load_model('best')
  embed = embedder.Embedder(model, tf.distribute.get_strategy(), per_frame=per_frame)
  digest = embedder.digest(model)
  spec = embedder.spec(embed.shape, 'float16', trunk=digest, model=trunk.model_text)
  statistics = manifest.FeatureStatistics(
    count=1, mean=(0.1,) * spec.num_bins, variance=(0.5,) * spec.num_bins
  )
  said = {
    'trunk': digest, 'of': trunk.folder.path, 'model': trunk.model_text, 'data_dir': 'nowhere',
    'data_sha256': '', 'command': f'python -m trainer.extract --run_dir={trunk.folder.path}',
  }  # fmt: skip
  dataset = dataclasses.replace(
    trunk.manifest,
    features=(spec,),
    statistics={spec.name: statistics},
    config={'extracted': {**said, **dict(origin)}},
  )
  head = 'gru' if per_frame else 'mlp'
  made = made_runs.make(folder, audio=trunk.manifest.audio, dataset=dataset, model=head, seed=3)
  return made, embed


@pytest.mark.parametrize(
  ('model', 'clip_s', 'per_frame'),
  [('cnn', 0.3, False), ('cnn', 0, False), ('tcn', 0.3, True), ('tcn', 0, True)],
)
def test_trunk_and_head_are_one_model(model, clip_s, per_frame, tmp_path):
  audio = audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=clip_s)
  trunk = made_runs.make(
    tmp_path / 'trunk', audio=audio, model=model, feature='log_mel:num_mels=20'
  )
  head, embed = head_of(trunk, tmp_path / 'head', per_frame=per_frame)
  made = exporting.make(head)
  found = made.model(list(clip_input.batch(CLIPS, made.export)), training=False).numpy()
  extract = extractor.Extractor([trunk.feature], audio)
  for clip, logits in zip(CLIPS, found, strict=True):
    size = audio.clip_samples or len(clip)
    padded = np.pad(clip, (0, size - len(clip)))[None]
    stored = stored_form.from_stored(extract.compute_stored(padded)['log_mel'])
    embedded = stored_form.to_stored(embed(list(stored))[0], 'float16')
    expected = answering.load(head, 'best').of_arrays([embedded])[0]
    np.testing.assert_allclose(logits, expected, atol=2e-3)


def test_a_trunk_that_is_gone_or_has_changed_is_refused(tmp_path):
  audio = audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=0.3)
  trunk = made_runs.make(tmp_path / 'trunk', audio=audio, model='cnn')
  head, _ = head_of(trunk, tmp_path / 'head', origin={'trunk': '0' * 64})
  with pytest.raises(errors.ConfigError, match='learned from what the trunk 000000000000 of'):
    exporting.make(head)
  config = json.loads((tmp_path / 'head' / 'config.json').read_text())
  assert config['model'].startswith('mlp')
  for of, words in ((str(tmp_path / 'gone'), 'cannot be had'), ('vgg16:weights=x', 'of a file')):
    lost = dataclasses.replace(
      saved_run.load(head.folder.path),
      manifest=dataclasses.replace(
        head.manifest, config={'extracted': {**head.manifest.config['extracted'], 'of': of}}
      ),
    )
    with pytest.raises(errors.ConfigError, match=words):
      exporting.check(lost)
