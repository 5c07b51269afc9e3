"""The decoders of the graph against libsndfile, on files of every coding that they take."""

import contextlib
import csv
import io

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from schemas import errors
from tests.helpers import signals
from tfrecords.pipeline import batch_request
from trainer import config, predict, run
from trainer.data.raw import batches as batches_lib
from trainer.data.raw import files, graph_decoders

pytest.importorskip('tensorflow_io')

pytestmark = pytest.mark.tfio

RATE_HZ = 16_000
# Container, coding, decoder, and the greatest difference: lossy decoders differ in rounding alone.
CODINGS = [
  ('WAV', 'PCM_16', files.WAV16, 0),
  ('FLAC', 'PCM_16', files.FLAC16, 0),
  ('FLAC', 'PCM_24', files.FLAC24, 0),
  ('OGG', 'VORBIS', files.OGG, 1e-5),
  ('MP3', 'MPEG_LAYER_III', files.MP3, 1e-5),
]


def sound(num_samples=RATE_HZ, *, channels=1, hz=440, seed=0):
  rng = np.random.default_rng(seed)
  tone = signals.sine(num_samples, sample_rate_hz=RATE_HZ, hz=hz, amplitude=0.3)
  return np.stack([tone + rng.normal(0, 0.03, num_samples) for _ in range(channels)], axis=1)


def encoded(samples, container, coding, *, sample_rate_hz=RATE_HZ):
  file = io.BytesIO()
  soundfile.write(file, samples, sample_rate_hz, format=container, subtype=coding)
  return file.getvalue()


def by_libsndfile(data):
  return soundfile.read(io.BytesIO(data), dtype='float32', always_2d=True)[0]


@pytest.mark.parametrize(('container', 'coding', 'decoder', 'difference'), CODINGS)
@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize('num_samples', [1_000, 16_001])
def test_samples_are_those_of_libsndfile(
  container, coding, decoder, difference, channels, num_samples
):
  data = encoded(sound(num_samples, channels=channels), container, coding)
  wanted = by_libsndfile(data)
  for decode in (graph_decoders.DECODERS[decoder], tf.function(graph_decoders.DECODERS[decoder])):
    found = decode(tf.constant(data)).numpy()
    assert found.dtype == np.float32
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=difference)


def write_table(folder, rows):
  with open(folder / 'clips.csv', 'w', newline='', encoding='utf-8') as stream:
    csv.writer(stream).writerows(rows)
  return f'table:{folder / "clips.csv"}'


def mixed_corpus(folder, *, speakers=8):
  """Writes files of all codings and two labels; returns --data."""
  rows = [('path', 'label', 'speaker')]
  for speaker in range(speakers):
    for i, (container, coding, _, _) in enumerate(CODINGS):
      label = ('low', 'high')[(speaker + i) % 2]
      samples = sound(
        12_000 + 999 * i, channels=1 + i % 2, hz={'low': 400, 'high': 3_000}[label], seed=speaker
      )
      path = f'{speaker}_{coding}.{container.lower()}'
      (folder / path).write_bytes(encoded(samples, container, coding))
      rows.append((path, label, f's{speaker}'))
  return write_table(folder, rows)


def test_files_of_all_codings_stand_in_one_batch(tmp_path):
  data = mixed_corpus(tmp_path, speakers=5)
  loaded = files.load(data)
  asked = batch_request.BatchRequest(
    data_dir=data,
    manifest=loaded.manifest,
    split='train',
    feature_names=('waveform',),
    batch_size=7,
    shuffle=True,
    with_ids=True,
  )
  batches = batches_lib.read_batches(asked)
  count = 0
  for batch in batches:
    for name, samples in zip(batch['id'].numpy(), batch['waveform'].numpy(), strict=True):
      whole = by_libsndfile((tmp_path / name.decode()).read_bytes()).mean(axis=1)[:RATE_HZ]
      wanted = np.pad(whole, (0, RATE_HZ - len(whole)))
      np.testing.assert_allclose(samples, wanted, rtol=0, atol=1e-5)
      count += 1
  assert count == loaded.manifest.num_records('train')


def test_trains_on_them_and_predicts(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  folder = run.train(
    config.TrainConfig(
      data=mixed_corpus(tmp_path),
      model='cnn:conv_layers=1,filters=4,dense_units=8,dropout=0',
      compute='log_mel:num_mels=16',
      epochs=4,
      batch_size=8,
      learning_rate=0.01,
      run_dir='run',
    )
  )
  assert folder.read_config()['dataset'] == 'table'
  capsys.readouterr()
  predict.main(['--run_dir=run', '--top=1', '--format=csv', '1_VORBIS.ogg', '0_VORBIS.ogg'])
  first, second = capsys.readouterr().out.splitlines()[1:]
  assert ('low' in first, 'high' in second) == (True, True)


@pytest.mark.parametrize(('container', 'coding', 'decoder', 'difference'), CODINGS)
@pytest.mark.parametrize('damage', ['text', 'begin', 'half', 'most', 'flip'])
def test_damaged_files_are_refused_or_give_samples(
  container, coding, decoder, difference, damage, tmp_path
):
  """What is no audio at all must never come to tensorflow-io, whose OGG decoder crashes on it."""
  whole = encoded(sound(), container, coding)
  middle = len(whole) // 2
  damaged = {
    'text': b'no audio',
    'begin': whole[:200],
    'half': whole[:middle],
    'most': whole[:-7],
    'flip': whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :],
  }[damage]
  path = tmp_path / f'a.{container.lower()}'
  path.write_bytes(damaged)
  with contextlib.suppress(errors.DatasetError, tf.errors.OpError):
    files.load(write_table(tmp_path, [('path', 'label'), (path.name, 'x')]))
    assert damage not in ('text', 'begin') or container in ('WAV', 'FLAC')
    assert graph_decoders.DECODERS[decoder](tf.constant(damaged)).shape[0] > 0


def test_another_rate_is_refused_before_anything_is_decoded(tmp_path):
  (tmp_path / 'a.flac').write_bytes(encoded(sound(), 'FLAC', 'PCM_16'))
  fast = encoded(sound(), 'MP3', 'MPEG_LAYER_III', sample_rate_hz=44_100)
  (tmp_path / 'b.mp3').write_bytes(fast)
  rows = [('path', 'label'), ('a.flac', 'x'), ('b.mp3', 'y')]
  with pytest.raises(errors.DatasetError, match='b.mp3. has 44100 samples a second, wanted 16000'):
    files.load(write_table(tmp_path, rows))
