"""Paths of a table that are written otherwise than the disk has them."""

import unicodedata

import fsspec
import pytest

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import table
from beam_jobs.sources.tables import places
from schemas import rejects

NFC, NFD = (unicodedata.normalize(form, 'café') for form in ('NFC', 'NFD'))


def listed(folder, rows):
  path = folder / 'clips.csv'
  path.write_text('path,label\n' + ''.join(f'{row},a\n' for row in rows), encoding='utf-8')
  return list(table.list_utterances(corpus_lib.Corpus(str(path)), table.Table()))


def touched(folder, *names):
  for name in names:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()


@pytest.mark.parametrize(('on_disk', 'written'), [(NFD, NFC), (NFC, NFD)])
def test_the_other_normal_form_is_found_and_said(tmp_path, on_disk, written):
  touched(tmp_path, f'{on_disk}/1.wav', f'{on_disk}/ü/{written}.wav', 'b/1.wav')
  rows = [f'{written}/1.wav', f'{written}/ü/{written}.wav', 'b/1.wav', f'{written}/gone.wav']
  *clips, note = listed(tmp_path, rows)
  assert [clip.utterance_id for clip in clips] == rows
  assert [clip.uri for clip in clips] == [
    f'{tmp_path}/{on_disk}/1.wav',
    f'{tmp_path}/{on_disk}/ü/{written}.wav',
    f'{tmp_path}/b/1.wav',
    f'{tmp_path}/{written}/gone.wav',
  ]
  assert (note.reason, note.count, note.names) == ('other_form', 2, tuple(sorted(rows[:2])))


def test_backslashes_are_read_as_slashes_and_said(tmp_path):
  touched(tmp_path, 'yes/1.wav', f'{NFD}/2.wav', 'od\\d.wav')
  rows = ['yes\\1.wav', f'{NFC}\\2.wav', 'od\\d.wav', '..\\x.wav', 'yes\\gone.wav', 'C:\\d\\1.wav']
  *entries, slashes, forms = listed(tmp_path, rows)
  assert [entry.uri for entry in entries[:3]] == [
    f'{tmp_path}/yes/1.wav',
    f'{tmp_path}/{NFD}/2.wav',
    f'{tmp_path}/od\\d.wav',
  ]
  assert [entry.utterance_id for entry in entries[:2]] == ['yes/1.wav', f'{NFC}/2.wav']
  assert entries[3].reason == entries[5].reason == 'outside'
  assert 'on a disk of Windows' in entries[5].detail
  assert entries[4].uri == f'{tmp_path}/yes\\gone.wav'  # Missing, as it is written.
  assert (slashes.reason, slashes.count) == ('backslashes', 2)
  assert (forms.reason, forms.count) == ('other_form', 1)


def test_the_same_file_by_two_spellings_stands_twice(tmp_path):
  touched(tmp_path, 'yes/1.wav')
  _, again, _ = listed(tmp_path, ['yes/1.wav', 'yes\\1.wav'])
  assert again.reason == 'duplicate'


def test_in_a_bucket_backslashes_are_slashes():
  assert places.Places('s3://b/d').find('yes\\1.wav') == ('yes/1.wav', 's3://b/d/yes/1.wav')


@pytest.mark.parametrize('uri', ['file://{}/a%20b.wav', 'FILE://localhost{}/a%20b.wav'])
def test_a_file_uri_is_a_path_of_this_machine(tmp_path, uri):
  (clip,) = listed(tmp_path, [uri.format(tmp_path)])
  assert (clip.utterance_id, clip.uri) == ('a b.wav', f'{tmp_path}/a b.wav')


@pytest.mark.parametrize(
  ('uri', 'reason'),
  [
    ('file:///etc/passwd', 'outside'),
    ('file://{}/../x.wav', 'outside'),
    ('file://server/x.wav', 'bad_uri'),
    ('xyz://a/b.wav', 'bad_uri'),
    ('ftp://a/b.wav', 'bad_uri'),
    ('memory://a/b.wav', 'bad_uri'),
    ('s3://', 'bad_uri'),
  ],
)
def test_what_nothing_reads_is_a_reject_of_its_row(tmp_path, uri, reason):
  _, entry = listed(tmp_path, ['good.wav', uri.format(tmp_path)])
  assert isinstance(entry, rejects.Reject)
  assert (entry.reason, entry.utterance_id) == (reason, uri.format(tmp_path))


def test_the_library_of_a_bucket_is_named(tmp_path, monkeypatch):
  def missing(scheme):
    raise ImportError('Install s3fs to access S3')

  monkeypatch.setattr(fsspec, 'get_filesystem_class', missing)
  _, entry = listed(tmp_path, ['good.wav', 's3://b/x.wav'])
  assert entry.reason == 'bad_uri' and "pip install 'voxshard[aws]'" in entry.detail
