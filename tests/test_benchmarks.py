"""The rulers measure what they say: every contender computes what the job computes."""

import pathlib
import subprocess

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from beam_jobs import featurize as job
from benchmarks import featurize, running_sound
from schemas import command
from tfrecords import manifest_file, reader
from tfrecords.wire import codec
from trainer.listen import true_times

ROOT = pathlib.Path(__file__).parent.parent
NUM_CLIPS = 48


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  folder = tmp_path_factory.mktemp('benchmark')
  featurize.make_corpus(folder, NUM_CLIPS)
  return folder


@pytest.fixture(scope='module')
def ours(corpus, tmp_path_factory):
  """What the job stores, by the clip's path."""
  contender = featurize.contenders(workers=0)[0]
  output = tmp_path_factory.mktemp('ours')
  assert command.run(job.main, contender.command(corpus, output)[3:]) == 0
  manifest = manifest_file.load(str(output))
  records = [
    codec.decode(data, manifest.features)
    for shard in manifest.shards
    for data in reader.read_records(str(output / shard.file_name))
  ]
  return {record.utterance_id: record.arrays['log_mel'] for record in records}


def shards(corpus, output, contender):
  """Runs a contender and yields (path of a clip, its record)."""
  subprocess.run(contender.command(corpus, output), cwd=ROOT, check=True, capture_output=True)
  paths = sorted(str(path) for path in corpus.rglob('*.wav'))
  for index in range(16):
    records = list(reader.read_records(str(output / f'{index:05d}')))
    assert len(records) == len(paths[index::16])
    yield from zip(paths[index::16], records, strict=True)


def test_the_bare_loop_computes_the_same_feature(corpus, ours, tmp_path):
  contender = featurize.contenders(workers=2)[1]
  assert 'bare' in contender.name
  found = list(shards(corpus, tmp_path / 'out', contender))
  assert len(found) == len(ours) == NUM_CLIPS
  for path, data in found:
    theirs = np.frombuffer(data, '<f2').reshape(98, 80)
    mine = ours[pathlib.Path(path).relative_to(corpus).as_posix()]
    np.testing.assert_allclose(mine.astype('f4'), theirs.astype('f4'), atol=0.02)


def test_the_librosa_script_computes_as_much(corpus, tmp_path):
  contender = featurize.contenders(workers=1)[2]
  assert 'librosa' in contender.name
  found = list(shards(corpus, tmp_path / 'out', contender))
  assert len(found) == NUM_CLIPS
  example = tf.train.Example.FromString(found[0][1])
  # librosa's frames are as long as the transform, so one less fits.
  assert len(example.features.feature['log_mel'].float_list.value) == 97 * 80


def test_running_sound_is_where_its_table_says(tmp_path):
  rate_hz, corpus = 8_000, tmp_path / 'corpus'
  names = [f'{word}/v_{take}.wav' for word in ('up', 'bird') for take in range(3)]
  time = np.arange(rate_hz // 4) / rate_hz
  clip = np.concatenate([np.zeros(900), 0.5 * np.sin(2 * np.pi * 440 * time), np.zeros(900)])
  for name in names:
    (corpus / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(corpus / name, clip, rate_hz)
  (corpus / '_background_noise_').mkdir()
  noise = np.random.default_rng(1).standard_normal(4 * rate_hz)
  soundfile.write(corpus / '_background_noise_' / 'hiss.wav', noise / 10, rate_hz)
  (corpus / 'testing_list.txt').write_text('\n'.join(names))
  found = []
  for out in (tmp_path / 'one', tmp_path / 'two'):
    running_sound.main([f'--corpus={corpus}', f'--output={out}'])
    found.append((out.with_suffix('.flac').read_bytes(), out.with_suffix('.csv').read_bytes()))
  assert found[0] == found[1]
  events = true_times.load(str(tmp_path / 'one.csv'))
  assert sorted(one.label for one in events) == ['bird'] * 3 + ['up'] * 3
  samples, _ = soundfile.read(tmp_path / 'one.flac')
  is_said = np.zeros(len(samples), bool)
  for one in events:
    is_said[round(one.start_s * rate_hz) : round(one.end_s * rate_hz)] = True
  # The tone is 0.35 of root mean square, the noise at most -35 dB.
  assert np.sqrt(np.mean(samples[is_said] ** 2)) > 0.3
  assert 1e-3 <= np.sqrt(np.mean(samples[~is_said] ** 2)) < 0.03
