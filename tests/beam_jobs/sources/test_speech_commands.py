import pytest

from schemas import errors
from tests.beam_jobs.sources import trees

CLIPS = ('no/a1_nohash_0.wav', 'no/b2_nohash_0.wav', 'yes/a1_nohash_0.wav', 'yes/c3_nohash_12.wav')


def test_word_speaker_and_take_come_from_the_path(tmp_path):
  good, bad = trees.listed('speech_commands', trees.make(tmp_path, *CLIPS))
  clip = good['yes/c3_nohash_12.wav']
  assert (clip.label, clip.speaker_id, clip.split) == ('yes', 'c3', '')
  assert clip.fields == (('take', '12'),)
  assert not bad


def test_the_official_lists_say_the_split_and_all_others_train(tmp_path):
  corpus = trees.make(tmp_path, *CLIPS)
  # As they come: the one with Windows ends of line, both with clips that are not here.
  (tmp_path / 'validation_list.txt').write_bytes(b'no/b2_nohash_0.wav\r\nbed/zz_nohash_0.wav\r\n')
  (tmp_path / 'testing_list.txt').write_text('yes/c3_nohash_12.wav\n\nbed/yy_nohash_0.wav')
  good, _ = trees.listed('speech_commands', corpus)
  assert {path: clip.split for path, clip in good.items()} == {
    'no/a1_nohash_0.wav': 'train',
    'no/b2_nohash_0.wav': 'validation',
    'yes/a1_nohash_0.wav': 'train',
    'yes/c3_nohash_12.wav': 'test',
  }


def test_one_list_is_enough_and_the_test_list_wins(tmp_path):
  corpus = trees.make(tmp_path, *CLIPS)
  (tmp_path / 'testing_list.txt').write_text('no/b2_nohash_0.wav\n')
  good, _ = trees.listed('speech_commands', corpus)
  assert [clip.split for clip in good.values()] == ['train', 'test', 'train', 'train']
  (tmp_path / 'validation_list.txt').write_text('no/b2_nohash_0.wav\nno/a1_nohash_0.wav\n')
  good, _ = trees.listed('speech_commands', corpus)
  assert [clip.split for clip in good.values()] == ['validation', 'test', 'train', 'train']


def test_background_noise_is_left_out_without_a_reject(tmp_path):
  corpus = trees.make(tmp_path, *CLIPS, '_background_noise_/white_noise.wav')
  good, bad = trees.listed('speech_commands', corpus)
  assert sorted(good) == sorted(CLIPS)
  assert not bad


@pytest.mark.parametrize(
  'name',
  [
    'a1_nohash_0.wav',  # In no folder.
    'yes/deep/a1_nohash_0.wav',
    'yes/a1_hash_0.wav',
    'yes/_nohash_0.wav',
    'yes/a1_nohash_.wav',
    'yes/a1_nohash_x.wav',
    'yes/a1_nohash_1.2.wav',
  ],
)
def test_what_does_not_fit_is_a_bad_name(tmp_path, name):
  good, bad = trees.listed('speech_commands', trees.make(tmp_path, *CLIPS, name))
  assert sorted(good) == sorted(CLIPS)
  assert bad[name].reason == 'bad_name'
  assert bad[name].detail == f'Wanted <word>/<speaker>_nohash_<take>.wav, got {name!r}.'


def test_a_list_that_is_no_text_is_an_error(tmp_path):
  corpus = trees.make(tmp_path, *CLIPS)
  (tmp_path / 'testing_list.txt').write_bytes(b'\xff\xfe\x00y')
  with pytest.raises(errors.SourceError, match=r'testing_list\.txt as UTF-8 text.*Repair it'):
    trees.listed('speech_commands', corpus)
