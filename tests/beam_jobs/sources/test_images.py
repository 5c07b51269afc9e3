import pytest

from beam_jobs import sources
from beam_jobs.sources import folders, images
from schemas import errors, medium
from tests.beam_jobs.sources import trees


def read(tmp_path, *paths, **settings):
  good, bad = trees.listed('images', trees.make(tmp_path, *paths), **settings)
  return {path: (clip.label, clip.speaker_id) for path, clip in good.items()}, bad


def test_every_kind_of_picture_is_listed_and_nothing_else(tmp_path):
  names = ('1.png', '2.JPG', '3.jpeg', '4.bmp', '5.GIF', '6.webp')
  good, bad = read(
    tmp_path, *(f'cat/{name}' for name in names), 'cat/7.wav', 'cat/8.txt', 'cat/Thumbs.db'
  )
  assert list(good) == [f'cat/{name}' for name in names]
  assert not bad
  assert sources.SOURCES['images'].medium == medium.PICTURES


def test_a_picture_is_its_own_speaker_unless_the_path_says_more(tmp_path):
  paths = ('cat/anna/1.png', 'dog/anna/2.png', 'dog/ben/deep/3.png')
  assert read(tmp_path, *paths)[0] == {path: (path[:3], path) for path in paths}
  by_level, _ = read(tmp_path, *paths, speaker_level=1)
  assert [speaker for _, speaker in by_level.values()] == ['anna', 'anna', 'ben']
  by_name, bad = read(tmp_path, *paths, speaker_pattern='/([12])')
  assert [speaker for _, speaker in by_name.values()] == ['1', '2']
  assert [reject.reason for reject in bad.values()] == ['no_speaker']


def test_the_settings_are_those_of_folders():
  assert images.SOURCE.settings is folders.Folders


def test_no_picture_says_what_there_is_instead(tmp_path):
  corpus = trees.make(tmp_path, 'cat/1.tif', 'cat/2.tif', 'cat/3.wav')
  with pytest.raises(
    errors.SourceError, match=r'no picture below .*It holds: 2 \.tif, 1 \.wav.*convert .* to PNG'
  ):
    trees.read('images', corpus)


def test_a_picture_in_no_folder_has_no_label(tmp_path):
  good, bad = read(tmp_path, 'cat/1.png', 'stray.png')
  assert list(good) == ['cat/1.png']
  assert bad['stray.png'].reason == 'no_label'
