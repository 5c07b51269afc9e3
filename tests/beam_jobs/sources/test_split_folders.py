"""Folders that are named like splits are never labels, nor split anew without a word."""

import pytest

from beam_jobs.sources import split_folders
from schemas import errors, utterance
from tests.beam_jobs.sources import trees


def clips(name, corpus, **settings):
  entries = trees.read(name, corpus, **settings)
  return {e.utterance_id: e for e in entries if isinstance(e, utterance.Utterance)}


def refused(name, corpus, **settings):
  with pytest.raises(errors.SourceError) as raised:
    trees.read(name, corpus, **settings)
  return str(raised.value)


@pytest.mark.parametrize(('source', 'ending'), [('folders', 'wav'), ('images', 'png')])
def test_they_are_refused_with_the_setting_that_takes_them(tmp_path, source, ending):
  names = ('Train/yes/a', 'Train/no/b', 'test/yes/c', 'test/no/d', 'val/no/e')
  corpus = trees.make(tmp_path, *(f'{name}.{ending}' for name in names))
  said = refused(source, corpus)
  assert 'The folders Train, test, val below ' in said
  assert 'all named like splits' in said
  assert f'--source={source}:label_level=1,split_level=0 ' in said
  found = clips(source, corpus, split_level=0, label_level=1)
  assert {(clip.split, clip.label) for clip in found.values()} == {
    ('train', 'yes'), ('train', 'no'), ('test', 'yes'), ('test', 'no'), ('validation', 'no'),
  }  # fmt: skip


def test_one_class_of_such_a_name_is_a_class(tmp_path):
  corpus = trees.make(tmp_path, 'train/1.wav', 'car/1.wav', 'bus/1.wav')
  assert {clip.label for clip in clips('folders', corpus).values()} == {'train', 'car', 'bus'}
  corpus = trees.make(tmp_path / 'one', 'train/1.wav', 'train/2.wav')
  assert len(clips('folders', corpus)) == 2


def test_a_folder_above_the_label_counts_too(tmp_path):
  corpus = trees.make(tmp_path, 'train/ann/yes/1.wav', 'dev/bob/no/2.wav')
  said = refused('folders', corpus, label_level=2, speaker_level=1)
  assert '--source=folders:label_level=2,speaker_level=1,split_level=0 ' in said
  found = clips('folders', corpus, label_level=2, speaker_level=1, split_level=0)
  assert {(clip.speaker_id, clip.label, clip.split) for clip in found.values()} == {
    ('ann', 'yes', 'train'), ('bob', 'no', 'validation'),
  }  # fmt: skip


def test_the_flag_that_takes_them_is_written_as_a_shell_reads_it(tmp_path):
  corpus = trees.make(tmp_path, *(f'{s}/{w}/x_1.wav' for w in ('a', 'b') for s in ('dev', 'test')))
  pattern = r'([^_/]+)_[0-9]+\.wav'
  said = refused('folders', corpus, speaker_pattern=pattern)
  assert f"--source='folders:label_level=1,split_level=0,speaker_pattern={pattern}'" in said


def test_a_folder_in_each_label_counts_too(tmp_path):
  corpus = trees.make(
    tmp_path, *(f'{w}/{s}/1.wav' for w in ('yes', 'no') for s in ('train', 'val'))
  )
  assert '--source=folders:split_level=1 ' in refused('folders', corpus)
  found = clips('folders', corpus, split_level=1)
  assert {clip.split for clip in found.values()} == {'train', 'validation'}


def test_eval_is_the_test_where_there_is_no_other(tmp_path):
  corpus = trees.make(tmp_path, 'train/yes/1.wav', 'eval/no/2.wav')
  settings = {'split_level': 0, 'label_level': 1}
  assert clips('folders', corpus, **settings)['eval/no/2.wav'].split == 'test'
  trees.make(tmp_path, 'testing/no/3.wav')
  assert clips('folders', corpus, **settings)['eval/no/2.wav'].split == 'validation'


def test_a_folder_that_is_no_split_is_a_reject(tmp_path):
  corpus = trees.make(tmp_path, 'train/yes/1.wav', 'test/no/2.wav', 'tset/no/3.wav', '4.wav')
  _, bad = trees.listed('folders', corpus, split_level=0, label_level=1)
  assert "got 'tset'" in bad['tset/no/3.wav'].detail
  assert bad['4.wav'].reason == 'no_label'


@pytest.mark.parametrize('changes', [{'split_level': 0}, {'split_level': -2}])
def test_a_level_that_is_taken_is_refused(changes):
  settings = trees.sources.SOURCES['folders'].settings
  with pytest.raises(errors.ConfigError, match='split_level must be -1'):
    settings(**changes)


def test_names_of_files_say_the_split(tmp_path):
  corpus = trees.make(tmp_path, 'train/0_ann_1.wav', 'dev/1_bob_2.wav', 'eval/1_cyd_2.wav')
  said = refused('file_names', corpus)
  assert 'such as {split}/{label}_{speaker}_{take}.wav ' in said
  found = clips('file_names', corpus, pattern='{split}/{label}_{speaker}_{take}.wav')
  assert [(clip.speaker_id, clip.split) for clip in found.values()] == [
    ('bob', 'validation'), ('cyd', 'test'), ('ann', 'train'),
  ]  # fmt: skip
  assert found['train/0_ann_1.wav'].field('split') == 'train'


def test_in_the_only_folder_of_a_corpus_too(tmp_path):
  corpus = trees.make(tmp_path, 'data/train/0_ann_1.wav', 'data/test/1_bob_2.wav')
  assert 'such as */{split}/{label}_{speaker}_{take}.wav ' in refused('file_names', corpus)


def test_a_field_of_that_name_may_be_anything_unless_some_are_splits(tmp_path):
  corpus = trees.make(tmp_path, 'fold1/0_ann_1.wav', 'fold2/1_bob_2.wav')
  found = clips('file_names', corpus, pattern='{split}/{label}_{speaker}_{take}.wav')
  assert {clip.split for clip in found.values()} == {''}
  trees.make(tmp_path, 'train/1_bob_3.wav')
  _, bad = trees.listed('file_names', corpus, pattern='{split}/{label}_{speaker}_{take}.wav')
  assert "got 'fold1'" in bad['fold1/0_ann_1.wav'].detail


def test_folders_are_stepped_over_and_not_through():
  class Counting(list):
    looks = 0

    def __getitem__(self, place):
      self.looks += 1
      return super().__getitem__(place)

  paths = Counting(sorted(f'{word}/{n:06}.wav' for word in ('no', 'yes') for n in range(50_000)))
  assert list(split_folders.names_at(paths, 0)) == ['no', 'yes']
  assert paths.looks < 200
