"""Where the audio of judged clips is found again."""

import dataclasses

import numpy as np
import PIL.Image
import pytest
import soundfile

from schemas import audio
from tests.helpers import tiny_manifest
from tfrecords import manifest_file
from trainer.predictions import recordings

RATE_HZ = 8_000


def dataset(**config):
  form = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=1)
  return dataclasses.replace(tiny_manifest.of(), audio=form, config=config)


@pytest.fixture
def folder(tmp_path):
  """A second of a ramp, and a table beside it."""
  (tmp_path / 'sub').mkdir()
  soundfile.write(tmp_path / 'sub' / 'a.wav', np.linspace(0, 0.9, RATE_HZ), RATE_HZ)
  (tmp_path / 'clips.csv').write_text('path,label\n')
  return tmp_path


def heard(found, file, **changes):
  return found.heard(file, **{'start_s': 0.0, 'end_s': 0.0, 'max_s': 6.0, **changes})


@pytest.mark.parametrize(
  ('config', 'file', 'data_dir'),
  [
    ({'source': 'folders', 'input': '{}'}, 'sub/a.wav', '/data'),
    ({'source': 'table', 'input': '{}/clips.csv'}, 'sub/a.wav', '/data'),
    ({'source': 'table:label=word,root=sub', 'input': '{}/clips.csv'}, 'a.wav', '/data'),
    ({'raw_files': 'table'}, 'sub/a.wav', 'table:{}/clips.csv'),
    ({'raw_files': 'folders'}, 'sub/a.wav', 'folders:{}'),
    ({}, '{}/sub/a.wav', '/data'),
  ],
)
def test_the_file_of_a_record_is_found_as_its_source_names_it(folder, config, file, data_dir):
  config = {key: value.format(folder) for key, value in config.items()}
  found = recordings.Recordings(dataset(**config), data_dir.format(folder))
  samples, rate_hz = heard(found, file.format(folder))
  assert rate_hz == RATE_HZ
  np.testing.assert_allclose(samples, np.linspace(0, 0.9, RATE_HZ), atol=1e-4)


def test_of_a_longer_recording_the_part_is_heard_and_no_more_than_asked(folder):
  found = recordings.Recordings(dataset(input=str(folder)), '/data')
  samples, _ = heard(found, 'sub/a.wav', start_s=0.25, end_s=0.5)
  np.testing.assert_allclose(samples, np.linspace(0, 0.9, RATE_HZ)[2_000:4_000], atol=1e-4)
  assert len(heard(found, 'sub/a.wav', start_s=0.25, end_s=0.9, max_s=0.1).samples) == 800
  assert len(heard(found, 'sub/a.wav', max_s=0.1).samples) == 800


@pytest.mark.parametrize(
  ('place', 'file'),
  [
    ('{}', ''),
    ('{}', 'gone.wav'),
    ('{}', 'sub'),
    ('{}', 'clips.csv'),  # No audio.
    ('{}', 'a\0b'),
    ('gs://bucket/corpus', 'sub/a.wav'),
    ('{}', 'https://voxshard.invalid/a.wav'),
    ('', 'sub/a.wav'),
  ],
)
def test_what_is_not_on_this_machine_is_not_there_and_nothing_is_fetched(folder, place, file):
  found = recordings.Recordings(dataset(input=place.format(folder)), '/data')
  assert heard(found, file) is None
  assert found.picture(file, side=8) is None


def test_a_picture_is_found_too(tmp_path):
  PIL.Image.new('RGB', (4, 8), (200, 10, 10)).save(tmp_path / 'a.png')
  found = recordings.Recordings(dataset(input=str(tmp_path)), '/data')
  picture = found.picture('a.png', side=16)
  assert picture.shape == (16, 16, 3)
  assert picture[8, 8].tolist() == [200, 10, 10]


def test_the_data_that_was_judged_is_known_where_it_is_still_the_same(tmp_path):
  trained = dataset()
  same = {'data_dir': str(tmp_path), 'digest': 'ab'}
  assert recordings.dataset_of(trained, 'ab', **same) is trained
  assert recordings.dataset_of(trained, 'cd', **same) is None  # Gone.
  manifest_file.save(dataset(input='x'), str(tmp_path))
  assert recordings.dataset_of(trained, 'cd', **same) is None  # Made again.
  digest = manifest_file.digest(str(tmp_path))
  found = recordings.dataset_of(trained, 'cd', data_dir=str(tmp_path), digest=digest)
  assert found.config == {'input': 'x'}
