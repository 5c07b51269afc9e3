"""Noise that is silent, damaged or not where it was said to be."""

import numpy as np
import pytest
import soundfile

from beam_jobs import featurize
from beam_jobs.shards import noise_recordings
from beam_jobs.sources import corpus as corpus_lib
from schemas import command, errors
from tests.beam_jobs import corpora
from tfrecords import manifest_file

RATE_HZ = 8_000
HISS = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE_HZ)


def write(path, samples, **options):
  path.parent.mkdir(parents=True, exist_ok=True)
  soundfile.write(path, samples, RATE_HZ, **options)
  return str(path)


def drawn(*uris, num_samples=RATE_HZ, seed=0):
  noise = noise_recordings.Noise(uris, RATE_HZ)
  return noise, noise(np.random.default_rng(seed), num_samples)


def test_a_part_that_sounds_is_drawn_of_a_recording_that_mostly_does_not(tmp_path):
  # 1 s of sound in 45; what lies behind four fifths is not for train clips.
  samples = np.zeros(60 * RATE_HZ)
  samples[23 * RATE_HZ : 24 * RATE_HZ] = HISS[:RATE_HZ]
  samples[50 * RATE_HZ :] = 1.0
  uri = write(tmp_path / 'n.wav', samples)
  found = [drawn(uri, seed=seed)[1] for seed in range(20)]
  assert all(part.any() and part.max() < 0.9 for part in found)
  assert len({part.tobytes() for part in found}) == 20
  np.testing.assert_array_equal(drawn(uri, seed=3)[1], found[3])
  # Shorter than what is wanted: all of its window, repeated.
  _, part = drawn(uri, num_samples=50 * RATE_HZ)
  assert np.count_nonzero(part) == pytest.approx(RATE_HZ, abs=10)


def test_another_recording_is_drawn_for_one_that_is_silent_or_damaged(tmp_path):
  silent = write(tmp_path / 'a.wav', np.zeros(3 * RATE_HZ))
  whole = write(tmp_path / 'b.flac', HISS)
  cut = tmp_path / 'c.flac'
  cut.write_bytes((tmp_path / 'b.flac').read_bytes()[:9_000])
  damaged = []
  for seed in range(10):
    noise, part = drawn(silent, whole, str(cut), seed=seed)
    assert part.any()
    damaged.append(noise.take_damaged())
    assert not noise.take_damaged()
  assert {(), (str(cut),)} <= set(damaged)
  assert not drawn(silent)[1].any()
  # What is drawn first and good is what it was before there were bad ones to step over.
  good = [write(tmp_path / f'{i}.wav', HISS * (i + 1) / 4) for i in range(3)]
  generator = np.random.default_rng(7)
  first, position = good[int(generator.integers(3))], generator.random()
  start = round(position * (2.4 - 1) * RATE_HZ)
  expected, _ = soundfile.read(first, start=start, frames=RATE_HZ, dtype='float32')
  np.testing.assert_array_equal(drawn(*good, seed=7)[1], expected)


def test_recordings_that_cannot_be_decoded_are_left_out_and_named(tmp_path):
  good = write(tmp_path / 'good.wav', HISS)
  empty = tmp_path / 'empty.wav'
  empty.touch()
  usable, (note,) = noise_recordings.usable((str(empty), good), RATE_HZ)
  assert usable == (good,)
  assert (note.reason, note.count, note.names) == ('noise_unusable', 1, (str(empty),))
  with pytest.raises(
    errors.SourceError, match=r'None of 1 recording of noise.*empty\.wav: .*0 bytes'
  ):
    noise_recordings.usable((str(empty),), RATE_HZ)


@pytest.mark.parametrize(
  ('name', 'sentence'),
  [
    ('nowhere', r'There is no folder .*nowhere\. Name a folder of recordings with --augment=back'),
    ('some.txt', r'some\.txt is a file, and a folder was wanted\. Name a folder of .*--augment='),
    ('noise.zip', r'is an archive, and a folder was wanted\. Unpack it and name .*--augment='),
    ('bare', r'There is no audio file below .*bare, and noise was wanted\. Name .*--augment='),
  ],
)
def test_what_is_no_folder_of_noise_is_said_of_its_setting(tmp_path, name, sentence):
  (tmp_path / 'bare').mkdir()
  (tmp_path / 'some.txt').touch()
  (tmp_path / 'noise.zip').touch()
  asked = (f'background_noise:folder={tmp_path / name}',)
  with pytest.raises(errors.SourceError, match=sentence) as caught:
    noise_recordings.find(asked, None, corpus_lib.Corpus('unused'), None)
  assert '--input' not in str(caught.value)


def test_one_file_is_taken_in_place_of_a_folder(tmp_path):
  uri = write(tmp_path / 'n.WAV', HISS)
  asked = (f'background_noise:folder={uri}',)
  assert noise_recordings.find(asked, None, corpus_lib.Corpus('unused'), None) == (uri,)


def test_the_job_says_what_became_of_noise(tmp_path, capsys):
  corpus = corpora.make_words(tmp_path / 'corpus', takes=1)
  write(tmp_path / 'noise' / 'silent.wav', np.zeros(3 * RATE_HZ))
  (tmp_path / 'noise' / 'broken.wav').write_bytes(b'RIFF')
  more = (f'--augment=background_noise:folder={tmp_path / "noise"}',)
  argv = corpora.argv(corpus, tmp_path / 'data', *more)
  assert command.run(featurize.main, [*argv, '--plan']) == 0
  assert 'noise_unusable' in capsys.readouterr().out
  assert command.run(featurize.main, argv) == 0
  assert 'noise_unusable' in capsys.readouterr().out
  manifest = manifest_file.load(str(tmp_path / 'data'))
  notes = {note.reason: note for note in manifest.noted}
  assert notes['noise_unusable'].names == (str(tmp_path / 'noise' / 'broken.wav'),)
  assert notes['noise_silent'].count == manifest.num_records('train') / 2
