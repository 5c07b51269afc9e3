import os
import pickle

import pytest

from beam_jobs.sources import corpus as corpus_lib
from schemas import errors
from schemas import medium as media
from tests.beam_jobs.sources import trees
from tests.helpers import bucket

WAV = ('.wav',)


def test_entries_are_relative_and_sorted_by_code_point(tmp_path):
  corpus = trees.make(tmp_path, 'b/c.wav', 'a.wav', 'b.wav', 'b/B.wav', 'ä.wav', 'a/x/y/z.wav')
  assert corpus.entries(WAV) == ['a.wav', 'a/x/y/z.wav', 'b.wav', 'b/B.wav', 'b/c.wav', 'ä.wav']


def test_suffixes_match_in_any_case_and_nothing_else_is_listed(tmp_path):
  corpus = trees.make(tmp_path, 'a.WAV', 'b.Flac', 'c.txt', 'd', 'e.wav.bak', 'wav')
  assert corpus.entries(('.wav', '.flac')) == ['a.WAV', 'b.Flac']
  assert corpus.entries(media.AUDIO_SUFFIXES) == ['a.WAV', 'b.Flac']


def test_what_systems_leave_behind_is_skipped(tmp_path):
  corpus = trees.make(
    tmp_path,
    'a.wav',
    '._a.wav',
    '.hidden/b.wav',
    '__MACOSX/c.wav',
    'x/.git/d.wav',
    'lost+found/e.wav',
  )
  assert corpus.entries(WAV) == ['a.wav']


def test_a_hidden_folder_may_be_the_root(tmp_path):
  assert trees.make(tmp_path / '.cache', 'a.wav').entries(WAV) == ['a.wav']


def test_a_dangling_link_and_a_folder_with_such_a_name_are_listed(tmp_path):
  corpus = trees.make(tmp_path, 'folder.wav/inside.wav', 'a/b.wav')
  (tmp_path / 'dangling.wav').symlink_to(tmp_path / 'nowhere')
  (tmp_path / 'itself.wav').symlink_to(tmp_path / 'itself.wav')
  assert corpus.entries(WAV) == ['a/b.wav', 'dangling.wav', 'folder.wav', 'itself.wav']


def test_linked_folders_are_followed_but_never_in_circles(tmp_path):
  trees.make(tmp_path / 'disk', 'far.wav')
  corpus = trees.make(tmp_path / 'corpus', 'yes/a.wav', 'no/b.wav')
  root = tmp_path / 'corpus'
  (root / 'more').symlink_to(tmp_path / 'disk')
  (root / 'yes' / 'up').symlink_to(root)
  (root / 'no' / 'self').symlink_to(root / 'no')
  (root / 'itself').symlink_to(root / 'itself')
  assert corpus.entries(WAV) == ['more/far.wav', 'no/b.wav', 'yes/a.wav']


def test_two_folders_that_link_to_one_another_end(tmp_path):
  corpus = trees.make(tmp_path, 'a/1.wav', 'b/2.wav')
  (tmp_path / 'a' / 'to_b').symlink_to(tmp_path / 'b')
  (tmp_path / 'b' / 'to_a').symlink_to(tmp_path / 'a')
  assert corpus.entries(WAV) == ['a/1.wav', 'a/to_b/2.wav', 'b/2.wav', 'b/to_a/1.wav']


def test_uri_is_absolute_and_tilde_is_the_home_folder(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  monkeypatch.chdir(tmp_path)
  expected = str(tmp_path / 'corpus' / 'yes' / 'a.wav')
  for root in ('corpus', './corpus/', '~/corpus', 'other/../corpus'):
    assert corpus_lib.Corpus(root).uri('yes/a.wav') == expected


def test_a_corpus_can_be_pickled():
  corpus = corpus_lib.Corpus('gs://bucket/folder/')
  assert pickle.loads(pickle.dumps(corpus)) == corpus
  assert corpus.uri('a/b.wav') == 'gs://bucket/folder/a/b.wav'


def test_check_says_what_is_wrong_with_the_root(tmp_path):
  trees.make(tmp_path, 'speech.TAR.gz', 'file')
  trees.make(tmp_path).check()
  for name, sentence in (
    ('missing', 'There is no folder .*missing. Name the folder .* --input=FOLDER'),
    ('speech.TAR.gz', 'speech.TAR.gz is an archive.* Unpack it'),
    ('file', 'file is a file, and a folder was wanted. Name the folder of the corpus'),
  ):
    with pytest.raises(errors.SourceError, match=sentence):
      corpus_lib.Corpus(str(tmp_path / name)).check()


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
  corpus = trees.make(tmp_path, 'yes/a.wav', 'secret/b.wav')
  scandir = os.scandir

  def refusing(path):
    if str(path).endswith('secret'):
      raise PermissionError(13, 'Permission denied')
    return scandir(path)

  # By hand and not by chmod: the tests may run as root, who may read everything.
  monkeypatch.setattr(os, 'scandir', refusing)
  with pytest.raises(errors.SourceError, match='secret: Permission denied. Give the user'):
    corpus.entries(WAV)


def test_lists_are_read_as_text(tmp_path):
  corpus = trees.make(tmp_path)
  (tmp_path / 'list.txt').write_bytes(b'\xef\xbb\xbfyes/\xc3\xa4.wav\n')  # With a byte order mark.
  (tmp_path / 'latin.txt').write_bytes(b'caf\xe9')
  assert corpus.read_text('list.txt') == 'yes/ä.wav\n'
  assert corpus.read_text('none.txt') is None
  with pytest.raises(errors.SourceError, match=r'the list .*latin.txt as UTF-8'):
    corpus.read_text('latin.txt')


def test_count_by_suffix_counts_everything(tmp_path):
  corpus = trees.make(tmp_path, 'a.m4a', 'x/b.m4a', 'README', 'c.TXT')
  assert list(corpus.count_by_suffix().items()) == [('.m4a', 2), ('.txt', 1), ('no ending', 1)]


@pytest.mark.parametrize('end', ['', '/'])
def test_a_bucket_lists_and_reads_like_a_folder(tmp_path, end):
  trees.make(tmp_path, 'c/yes/b.WAV', 'c/yes/a.wav', 'c/.trash/c.wav', 'c_2/d.wav')
  (tmp_path / 'c' / 'list.txt').write_text('ä\n', encoding='utf-8')
  corpus = corpus_lib.Corpus(f'{bucket.SCHEME}:/{tmp_path}/c{end}')
  corpus.check()
  assert corpus.entries(WAV) == ['yes/a.wav', 'yes/b.WAV']
  assert corpus.uri('yes/a.wav') == f'{bucket.SCHEME}:/{tmp_path}/c/yes/a.wav'
  assert corpus.has('list.txt')
  assert not corpus.has('missing.txt')
  assert corpus.read_text('list.txt') == 'ä\n'
  assert corpus.read_text('none.txt') is None
  assert corpus.count_by_suffix() == {'.wav': 2, '.txt': 1}


@pytest.mark.parametrize(
  ('root', 'sentence'),
  [
    ('diskbucket://b/missing', 'nothing below diskbucket://b/missing/. Name the folder'),
    ('nosuch://b/corpus', r'nothing installed here reads and writes nosuch://.*voxshard\[gcp\]'),
  ],
)
def test_a_bucket_that_cannot_be_listed_is_named(root, sentence):
  corpus = corpus_lib.Corpus(root)
  for action in (corpus.check, lambda: corpus.entries(WAV)):
    with pytest.raises(errors.VoxshardError, match=sentence):
      action()
