import pytest

from schemas import errors
from tests.beam_jobs.sources import trees


def test_no_audio_says_what_there_is_instead(tmp_path):
  corpus = trees.make(tmp_path, 'a.xyz', 'b.xyz', 'notes.txt')
  with pytest.raises(
    errors.SourceError, match=r'It holds: 2 \.xyz, 1 \.txt\. .*--all_files, convert others'
  ):
    trees.listed('folders', corpus)


def test_nothing_that_fits_says_what_was_wanted_and_shows_the_first(tmp_path):
  corpus = trees.make(tmp_path, 'x/1.wav', 'x/2.wav')
  with pytest.raises(
    errors.SourceError,
    match=r"None of the 2 audio files .* The first is 'x/1\.wav': Wanted <word>/.*--source",
  ):
    trees.listed('speech_commands', corpus)


def test_rejects_before_the_first_clip_are_kept(tmp_path):
  corpus = trees.make(tmp_path, '0.wav', '1.wav', 'a_b_1.wav', 'z.wav')
  good, bad = trees.listed('file_names', corpus)
  assert list(good) == ['a_b_1.wav']
  assert list(bad) == ['0.wav', '1.wav', 'z.wav']
