"""manifest.json in its folder: found, written, and every way in which it can be missing."""

import hashlib
import os
import pathlib
import re

import pytest

from schemas import errors
from tests.helpers import datasets, tiny_manifest
from tests.tfrecords.storage import storages
from tfrecords import manifest_file


def refusal(data_dir):
  with pytest.raises(errors.VoxshardError) as caught:
    manifest_file.load(str(data_dir))
  return str(caught.value)


def test_load_reads_what_save_wrote(tmp_path):
  manifest = datasets.write_dataset(tmp_path)
  assert manifest_file.load(str(tmp_path)) == manifest


def test_labels_that_are_no_utf_8_survive(tmp_path):
  manifest = tiny_manifest.of(labels=('no\udcff', 'ja'))
  manifest_file.save(manifest, str(tmp_path))
  assert manifest_file.load(str(tmp_path)) == manifest


def test_the_digest_is_that_of_the_file(tmp_path):
  datasets.write_dataset(tmp_path)
  content = (tmp_path / 'manifest.json').read_bytes()
  assert manifest_file.digest(str(tmp_path)) == hashlib.sha256(content).hexdigest()


def test_another_storage_will_do():
  storage = storages.MemoryStorage()
  manifest = tiny_manifest.of()
  manifest_file.save(manifest, 'd', storage)
  assert manifest_file.load('d', storage) == manifest
  assert len(manifest_file.digest('d', storage)) == 64


def test_a_missing_folder_is_said(tmp_path):
  assert refusal(tmp_path / 'no') == (
    f'There is no folder {str(tmp_path / "no")!r}. Name the folder that the data job wrote (its '
    '--output).'
  )


def test_a_file_in_place_of_the_folder_is_said(tmp_path):
  datasets.write_dataset(tmp_path)
  path = tmp_path / 'manifest.json'
  assert refusal(path).startswith(f'{str(path)!r} is a file. Name the folder that')


def test_shards_without_a_manifest_are_an_unfinished_job(tmp_path):
  datasets.write_dataset(tmp_path)
  (tmp_path / 'manifest.json').unlink()
  assert refusal(tmp_path) == (
    f'{str(tmp_path)!r} holds 4 shard files but no manifest.json: the data job did not finish. Run '
    'it again with the same flags (whole shards are kept).'
  )


def test_a_killed_jobs_folder_is_an_unfinished_job(tmp_path):
  (tmp_path / 'a-train.tfrecord-00000-of-00002.tmp-12ab').write_bytes(b'x')
  assert 'the data job did not finish' in refusal(tmp_path)


def test_a_folder_of_other_things_is_said(tmp_path):
  (tmp_path / 'notes.txt').write_text('x')
  text = refusal(tmp_path)
  assert re.match(r'.* holds no data set: there is no manifest\.json\. Either the data job', text)


def test_a_damaged_manifest_names_the_file(tmp_path):
  (tmp_path / 'manifest.json').write_text('{"record_version": 1')
  assert refusal(tmp_path).startswith(f'{tmp_path}/manifest.json is not JSON')


def test_a_manifest_of_random_bytes_is_refused(tmp_path):
  (tmp_path / 'manifest.json').write_bytes(bytes(range(256)))
  assert 'is not JSON' in refusal(tmp_path)


def test_a_folder_called_manifest_is_said(tmp_path):
  (tmp_path / 'manifest.json').mkdir()
  assert refusal(tmp_path) == f"Could not read '{tmp_path}/manifest.json': Is a directory."


def test_a_manifest_that_may_not_be_read_is_said(tmp_path, monkeypatch):
  datasets.write_dataset(tmp_path)

  def refuse(self, path):
    raise PermissionError(13, 'Permission denied', path)

  monkeypatch.setattr(type(manifest_file.storage_lib.LOCAL), 'open_read', refuse)
  assert refusal(tmp_path) == f"Could not read '{tmp_path}/manifest.json': Permission denied."


def test_a_failed_save_is_said_and_leaves_the_earlier_one(tmp_path, monkeypatch):
  manifest = datasets.write_dataset(tmp_path)
  before = sorted(os.listdir(tmp_path))

  def refuse(*paths):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(os, 'replace', refuse)
  with pytest.raises(errors.DatasetError, match=r"manifest\.json': No space left on device \("):
    manifest_file.save(manifest, str(tmp_path))
  monkeypatch.undo()
  assert sorted(os.listdir(tmp_path)) == before
  assert manifest_file.load(str(tmp_path)) == manifest


def test_paths_of_pathlib_will_do(tmp_path):
  manifest = datasets.write_dataset(pathlib.Path(tmp_path))
  assert manifest_file.load(tmp_path) == manifest
