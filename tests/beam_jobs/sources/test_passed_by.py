import pytest

from beam_jobs.sources import passed_by
from tests.beam_jobs.sources import trees
from tests.helpers import bucket


def test_files_of_other_endings_are_counted_and_the_first_named(tmp_path):
  corpus = trees.make(
    tmp_path,
    'yes/1.wav',
    'yes/a.XYZ',
    'no/2.wav',
    *(f'no/{number}.xyz' for number in range(6)),
    'no/page.webarchive',
    'no/take',
  )
  assert trees.noted('folders', corpus) == {
    ('not_read', '.webarchive'): (1, ('no/page.webarchive',)),
    ('not_read', '.xyz'): (7, tuple(f'no/{number}.xyz' for number in range(5))),
    ('not_read', 'no ending'): (1, ('no/take',)),
  }


def test_a_label_without_a_clip_is_named_though_its_files_are(tmp_path):
  corpus = trees.make(tmp_path, 'third/1.wav', 'yes/1.wav', 'yes/1.xyz', 'no/1.xyz', 'no/2.xyz')
  assert trees.noted('folders', corpus) == {
    ('not_read', '.xyz'): (3, ('no/1.xyz', 'no/2.xyz', 'yes/1.xyz')),
    ('no_clip_in', ''): (1, ('no',)),
  }


@pytest.mark.parametrize(
  'name',
  ['README', 'readme.md', 'LICENSE', 'clips.csv', 'yes/1.txt', 'yes/1.TextGrid', 'meta/all.json'],
)
def test_what_usually_lies_beside_recordings_is_not_counted(tmp_path, name):
  corpus = trees.make(tmp_path, 'yes/1.wav', 'no/1.wav', name)
  noted = trees.noted('folders', corpus)
  assert noted == ({('no_clip_in', ''): (1, ('meta',))} if name.startswith('meta') else {})


def test_only_the_highest_folder_without_a_clip_is_named(tmp_path):
  corpus = trees.make(
    tmp_path, 'a/x/y/z/1.wav', 'a/x/w/1.xyz', 'a/x-1/1.xyz', 'b/c/d/1.xyz', 'b/c/e/f/g/2.xyz'
  )
  (tmp_path / 'a/x/y/empty').mkdir()
  assert trees.noted('unlabelled', corpus)['no_clip_in', ''] == (3, ('a/x-1', 'a/x/w', 'b'))


def test_a_bucket_is_looked_at_like_a_folder(tmp_path):
  trees.make(tmp_path, 'c/yes/1.wav', 'c/yes/2.wav', 'c/no/1.xyz')
  corpus = trees.corpus_lib.Corpus(f'{bucket.SCHEME}:/{tmp_path}/c')
  assert trees.noted('folders', corpus) == {
    ('not_read', '.xyz'): (1, ('no/1.xyz',)),
    ('no_clip_in', ''): (1, ('no',)),
  }


def test_memory_does_not_grow_with_the_files_that_are_passed_by():
  passed = passed_by.PassedBy()
  for number in range(3_000):
    passed.file(f'{number % 7}/{number}.e{number}')
    passed.file(f'{number % 7}/{number}.xyz')
  notes = {note.what: note for note in passed.notes(['8/1.wav'])}
  assert len(notes) <= 1_002
  assert notes['.xyz'].count == 3_000
  assert sum(note.count for note in notes.values()) == 6_000 + 7


def test_the_names_do_not_depend_on_the_order_of_the_listing():
  paths = [f'{number}/{number}.xyz' for number in range(40)]
  notes = []
  for order in (paths, paths[::-1]):
    passed = passed_by.PassedBy()
    for path in order:
      passed.file(path)
    notes.append(list(passed.notes([])))
  assert notes[0] == notes[1]
