import pytest

from beam_jobs import sources
from schemas import errors, utterance
from tests.beam_jobs.sources import trees


def test_every_audio_file_at_any_depth_is_a_test_clip_without_label(tmp_path):
  corpus = trees.make(tmp_path, 'b.wav', 'a/clip 1.flac', 'a/b/c/d.MP3', 'notes.txt', 'x.png')
  good, bad = trees.listed('unlabelled', corpus)
  assert list(good) == ['a/b/c/d.MP3', 'a/clip 1.flac', 'b.wav']
  assert {(clip.label, clip.split) for clip in good.values()} == {(utterance.UNLABELLED, 'test')}
  assert [clip.speaker_id for clip in good.values()] == list(good)
  assert not bad
  assert not sources.SOURCES['unlabelled'].is_labelled


def test_the_test_folder_of_the_challenge_is_read(tmp_path):
  corpus = trees.make(
    tmp_path / 'test' / 'audio', *(f'clip_{i:09x}.wav' for i in (0x44442, 0xA9D21, 0xADC3F))
  )
  assert len(trees.listed('unlabelled', corpus)[0]) == 3


def test_a_folder_without_audio_says_what_there_is(tmp_path):
  with pytest.raises(errors.SourceError, match=r'no audio file below .*It holds: 1 \.xyz'):
    trees.read('unlabelled', trees.make(tmp_path, 'a.xyz'))
