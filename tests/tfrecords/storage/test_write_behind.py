"""A file that is sent to the disk while it is written: the same bytes, and no error is lost."""

import errno
import os

import pytest

from schemas import errors
from tfrecords import writer
from tfrecords.storage import write_behind


def test_what_was_written_is_there(tmp_path, monkeypatch):
  monkeypatch.setattr(write_behind, 'PART_BYTES', 1_000)
  asked = []
  monkeypatch.setattr(os, 'fdatasync', asked.append)
  pieces = [bytes([i]) * (37 * i) for i in range(200)]
  with write_behind.open_new(str(tmp_path / 'x')) as stream:
    for piece in pieces:
      assert stream.write(piece) == len(piece)
  assert (tmp_path / 'x').read_bytes() == b''.join(pieces)
  assert asked and stream.closed


def test_a_small_file_needs_no_thread(tmp_path, monkeypatch):
  monkeypatch.setattr(os, 'fdatasync', lambda descriptor: pytest.fail('asked the disk'))
  with write_behind.open_new(str(tmp_path / 'x')) as stream:
    stream.write(b'few')
  assert (tmp_path / 'x').read_bytes() == b'few'


def test_what_the_disk_says_later_fails_the_shard(tmp_path, monkeypatch):
  monkeypatch.setattr(write_behind, 'PART_BYTES', 100)

  def full(descriptor):
    raise OSError(errno.EDQUOT, 'Disk quota exceeded')

  monkeypatch.setattr(os, 'fdatasync', full)
  path = tmp_path / 'shard'
  with pytest.raises(errors.DatasetError, match='Disk quota exceeded'):
    with writer.ShardWriter(str(path)) as shard:
      shard.write([bytes(200)])
  assert list(tmp_path.iterdir()) == []
