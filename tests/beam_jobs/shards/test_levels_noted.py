"""What is to be said of channels and levels reaches the manifest, and refusals the rejects."""

import json

import numpy as np
import pytest
import soundfile

from beam_jobs import featurize
from schemas import command
from tests.beam_jobs import corpora
from tfrecords import manifest_file

RATE_HZ = 8_000
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(4_000) / RATE_HZ)).astype(np.float32)


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  root = corpora.make_words(tmp_path_factory.mktemp('corpus'), takes=2)
  rng = np.random.default_rng(0)
  noisy = {take: TONE + 0.01 * rng.standard_normal(4_000).astype(np.float32) for take in range(5)}
  for take, samples in {
    '50': np.stack([noisy[0], -noisy[0]], axis=1),
    '51': 4 * noisy[1],
    '52': np.clip(9 * noisy[2], -1, 1),
    '53': np.zeros(4_000),
    '54': 32_768 * noisy[4],
  }.items():
    soundfile.write(root / 'yes' / f'ann_{take}.wav', samples, RATE_HZ, subtype='FLOAT')
  return root


def featurized(corpus, output, *more):
  assert command.run(featurize.main, corpora.argv(corpus, output, *more)) == 0
  return manifest_file.load(str(output))


def test_they_are_counted_and_named(corpus, tmp_path):
  manifest = featurized(corpus, tmp_path / 'out', '--augment=gain')
  found = {note.reason: (note.count, note.names) for note in manifest.noted}
  assert found['cancelled'] == (1, ('yes/ann_50.wav',))
  assert 'yes/ann_51.wav' in found['beyond_one'][1]
  assert 'yes/ann_52.wav' in found['clipped'][1]
  assert found['silent'] == (1, ('yes/ann_53.wav',))
  assert manifest.rejects == {'not_in_one': 1}
  (line,) = (tmp_path / 'out' / 'rejects.jsonl').read_text().splitlines()
  assert json.loads(line)['utterance_id'] == 'yes/ann_54.wav'
  assert '--full_scale=32768' in json.loads(line)['advice']


def test_the_flags_mend_it_and_are_kept_for_prediction(corpus, tmp_path):
  manifest = featurized(corpus, tmp_path / 'out', '--channel=loudest', '--full_scale=32768')
  assert 'cancelled' not in {note.reason for note in manifest.noted}
  assert not manifest.rejects
  assert (manifest.audio.channel, manifest.audio.full_scale) == ('loudest', 32_768.0)


@pytest.mark.parametrize(
  ('flag', 'said'),
  [
    ('--channel=top', 'channel must be mix, loudest, left, right, or a number from 1 (left) to'),
    ('--full_scale=0', 'full_scale must be positive, such as 32768, got 0.0.'),
  ],
)
def test_a_wrong_value_is_a_sentence(corpus, tmp_path, capsys, flag, said):
  assert command.run(featurize.main, corpora.argv(corpus, tmp_path / 'out', flag)) == 2
  assert said in capsys.readouterr().err
