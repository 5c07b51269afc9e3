"""Noise and rooms that are mixed into clips, against NumPy and SciPy."""

import dataclasses

import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from features.decoding import held_recordings
from schemas import audio, errors
from tests.helpers import wav_files
from trainer import augment
from trainer.augment import augmentation, bank, chain, reverb

RATE_HZ = 8_000
AUDIO = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.5)
CONTEXT = augmentation.Context(sample_rate_hz=RATE_HZ, reads_samples=True)
SAMPLES = 4_000


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A folder of recordings of noise; what comes behind 80 % of each is louder."""
  found = tmp_path_factory.mktemp('noise')
  for name, scale in (('a', 100), ('b', 9_000)):
    samples = np.random.default_rng(ord(name)).normal(0, scale / 3, 20_000)
    samples[16_000:] = 3 * scale
    pcm = samples.clip(-32_767, 32_767).astype(np.int16)
    (found / f'{name}.wav').write_bytes(wav_files.pcm16(pcm, sample_rate_hz=RATE_HZ))
  return found


def clips(count=6, samples=SAMPLES):
  return np.random.default_rng(0).uniform(-0.5, 0.5, (count, samples)).astype(np.float32)


def run(text, values, *, num_rows=None, seed=0):
  """Returns what the chain makes of clips, and the batch that was prepared."""
  steps = chain.Chain([text]).with_recordings(AUDIO)
  batch = {'x': tf.constant(values), 'label': tf.zeros([len(values)], tf.int64)}
  batch = steps.prepare(batch, 'x', seed=seed, step=0)
  inputs = values if num_rows is None else [values, num_rows]
  found = steps.on_samples(inputs, batch, CONTEXT)
  return (found if num_rows is None else found[0]).numpy(), batch


def test_a_folder_may_be_in_the_home_and_not_in_a_bucket(folder, monkeypatch):
  monkeypatch.setenv('HOME', str(folder.parent))
  for place in (f'~/{folder.name}', f'file://{folder}'):
    for text in (f'noise:folder={place}', f'reverb:folder={place},max_s=0.1'):
      assert '2 recordings' in next(chain.Chain([text]).with_recordings(AUDIO).notes())
  with pytest.raises(errors.ConfigError, match=r'aws s3 sync .*background_noise:folder=s3://b '):
    chain.Chain(['noise:folder=s3://b']).with_recordings(AUDIO)
  with pytest.raises(errors.ConfigError, match=r'name a folder of impulse responses: .*=FOLDER\.$'):
    chain.Chain(['reverb:folder=s3://b']).with_recordings(AUDIO)


def picked(batch):
  return batch['augment/picked/0'].numpy()


def test_recorded_noise_is_as_far_below_the_clip_as_was_drawn(folder):
  values = clips()
  values[1] *= 0.01
  values[2] = 0
  values[3, 1_000:] = 0  # Padding does not make a clip quieter.
  found, batch = run(f'noise:folder={folder},min_snr_db=20,max_snr_db=20', values)
  noise = found - values
  for i, clip in enumerate(values):
    if i == 2:
      assert not noise[i].any()
      continue
    heard = clip[:1_000] if i == 3 else clip
    measured = 10 * np.log10(np.mean(heard**2) / np.mean(noise[i] ** 2))
    assert measured == pytest.approx(20, abs=0.05)
    piece = picked(batch)[i]
    assert np.corrcoef(noise[i], piece)[0, 1] > 0.999
    assert not (piece == piece.max()).all()


def test_each_clip_gets_a_piece_of_one_recording_from_its_first_80_percent(folder):
  held = augment.AUGMENTATIONS['noise'].recordings(
    augment.parse(f'noise:folder={folder}')[1], RATE_HZ
  )
  assert held.lengths.tolist() == [16_000, 16_000]
  _, batch = run(f'noise:folder={folder}', clips(200, 500))
  begins = []
  for piece in picked(batch):
    windows = np.lib.stride_tricks.sliding_window_view(held.samples, 8)
    (place,) = np.flatnonzero((windows == piece[:8]).all(axis=1))
    np.testing.assert_array_equal(held.samples[place : place + 500], piece)
    assert place // 16_000 == (place + 499) // 16_000  # Not over the end of one.
    begins.append(place)
  of_first = sum(place < 16_000 for place in begins)
  assert 70 < of_first < 130
  assert len(set(begins)) > 190


def test_a_short_recording_is_repeated(tmp_path):
  pcm = np.arange(1, 101, dtype=np.int16)
  (tmp_path / 'short.wav').write_bytes(wav_files.pcm16(pcm, sample_rate_hz=RATE_HZ))
  _, batch = run(f'noise:folder={tmp_path}', clips(20, 1_000))
  for piece in picked(batch):
    np.testing.assert_array_equal(piece[80:], piece[:-80])  # 80 of its 100 samples.


def test_clips_that_got_longer_hear_the_noise_again(folder):
  steps = chain.Chain(['speed:min_rate=0.5,max_rate=0.5', f'noise:folder={folder}'])
  steps = steps.with_recordings(AUDIO)
  values = clips(2, 1_000)
  batch = {'x': tf.constant(values), 'label': tf.zeros([2], tf.int64)}
  batch = steps.prepare(batch, 'x', seed=0, step=0)
  inputs = [batch['x'], tf.constant([1_000, 500])]
  found, rows = steps.on_samples(inputs, batch, CONTEXT)
  assert rows.numpy().tolist() == [2_000, 1_000]
  assert found.shape == (2, 2_000)
  assert found.numpy()[0, 1_500:].any() and not found.numpy()[1, 1_000:].any()


def test_reverb_is_the_convolution_with_the_direct_sound_in_place():
  values = clips(4)
  rows = tf.constant([4_000, 1_000, 4_000, 1])
  values *= np.arange(SAMPLES) < rows.numpy()[:, None]
  found, batch = run('reverb:rooms=5', values, num_rows=rows)
  before = reverb.before_samples(RATE_HZ)
  for clip, response, mine, length in zip(values, picked(batch), found, rows.numpy(), strict=True):
    wanted = scipy.signal.fftconvolve(clip, response.astype(np.float64))[before:][:SAMPLES]
    wanted[length:] = 0
    wanted *= np.sqrt(np.sum(clip.astype(float) ** 2) / np.sum(wanted**2))  # As loud as before.
    np.testing.assert_allclose(mine, wanted, atol=1e-5)
    assert response.argmax() == before


def test_a_click_stays_where_it_was():
  values = np.zeros((5, SAMPLES), np.float32)
  places = [0, 10, 500, 2_000, 3_999]
  values[np.arange(5), places] = 0.5
  found, _ = run('reverb:rooms=5', values)
  assert np.abs(found).argmax(axis=1).tolist() == places
  np.testing.assert_allclose(np.sum(found**2, axis=1), 0.25, rtol=1e-4)


def test_silence_stays_silent_in_a_room():
  found, _ = run('reverb:rooms=2', np.zeros((2, SAMPLES), np.float32))
  assert not found.any()


def test_recorded_responses_begin_at_their_direct_sound(tmp_path):
  """A response with a long way before the sound, and one without, are put in line."""
  for name, delay in (('far', 3_000), ('near', 4)):
    response = np.zeros(12_000)
    response[delay:] = 20_000 * np.exp(-np.arange(12_000 - delay) / 800)
    response[max(0, delay - 4) : delay] = 500
    pcm = wav_files.pcm16(response.astype(np.int16), sample_rate_hz=RATE_HZ)
    (tmp_path / f'{name}.wav').write_bytes(pcm)
  _, settings = augment.parse(f'reverb:folder={tmp_path},max_s=0.25')
  held = reverb.recordings(settings, RATE_HZ)
  before = reverb.before_samples(RATE_HZ)
  assert held.lengths.tolist() == [before + 2_000] * 2
  far, near = held.samples.reshape(2, -1)
  np.testing.assert_array_equal(far, near)
  assert far.argmax() == before


def test_rooms_are_drawn_once_and_are_the_same_again():
  _, settings = augment.parse('reverb:rooms=4')
  first = reverb.recordings(settings, RATE_HZ)
  assert reverb.recordings(dataclasses.replace(settings, probability=0.5), RATE_HZ) is first
  reverb._made.cache_clear()
  assert reverb.recordings(settings, RATE_HZ).digest() == first.digest()
  other = dataclasses.replace(settings, seed=1)
  assert reverb.recordings(other, RATE_HZ).digest() != first.digest()


def test_recordings_stay_out_of_the_graph_of_tf_data():
  held = held_recordings.packed([np.random.default_rng(0).normal(size=200_000)])
  recorded = bank.Bank(held)

  def pick(number):
    return recorded.pieces(number[tf.newaxis], number[tf.newaxis], tf.constant(10))

  dataset = tf.data.Dataset.from_tensor_slices(tf.constant([0.1, 0.9])).map(pick)
  assert [piece.shape for piece in dataset] == [(1, 10), (1, 10)]
  function = tf.function(pick).get_concrete_function(tf.TensorSpec([], tf.float32))
  assert len(function.graph.as_graph_def().SerializeToString()) < 50_000


def test_it_is_said_what_is_held(folder):
  steps = chain.Chain(['gain', f'noise:folder={folder}', 'reverb:rooms=3']).with_recordings(AUDIO)
  first, second = steps.notes()
  assert first.startswith(f'--augment=noise has 2 recordings of {folder}, 4.0 s at 8000 Hz, 0.1 MB')
  assert second == '--augment=reverb has 3 simulated rooms.'
  assert steps.held_bytes > 2 * 32_000
  assert steps.picked_bytes(1_000) == 2 * 2 * 1_000
  assert len(steps.digest) == 2 * 64 + 1
  assert not chain.Chain(['gain']).with_recordings(AUDIO).digest
