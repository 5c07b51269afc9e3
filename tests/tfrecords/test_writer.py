"""Shard files: TensorFlow reads them, and they are there whole or not at all."""

import hashlib
import os
import re
import signal
import subprocess
import sys

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from schemas import errors
from tests.tfrecords.storage import storages
from tfrecords import writer
from tfrecords.wire import framing

RECORDS = [b'', b'a', b'x' * 5_000]


@hypothesis.given(st.lists(st.lists(st.binary(max_size=50), max_size=4), max_size=4))
def test_tensorflow_reads_what_we_write(tmp_path_factory, batches):
  path = str(tmp_path_factory.mktemp('shard') / 'shard')
  with writer.ShardWriter(path) as shard:
    for batch in batches:
      shard.write(batch)
  wanted = [record for batch in batches for record in batch]
  assert [record.numpy() for record in tf.data.TFRecordDataset(path)] == wanted
  assert shard.num_records == len(wanted)


def test_the_bytes_are_those_of_tensorflows_writer(tmp_path):
  with writer.ShardWriter(str(tmp_path / 'ours')) as shard:
    shard.write(RECORDS)
  with tf.io.TFRecordWriter(str(tmp_path / 'theirs')) as theirs:
    for record in RECORDS:
      theirs.write(record)
  assert (tmp_path / 'ours').read_bytes() == (tmp_path / 'theirs').read_bytes()


def test_the_checksum_is_castagnolis_masked():
  # CRC-32C of '123456789' is 0xe3069283 (RFC 3720 and every catalogue of CRCs); masked by hand.
  rotated = 0xE3069283 >> 15 | (0xE3069283 << 17) & 0xFFFFFFFF
  assert framing.masked_crc(b'123456789') == (rotated + 0xA282EAD8) % 2**32


def test_size_digest_and_count_are_those_of_the_file(tmp_path):
  path = tmp_path / 'shard'
  with writer.ShardWriter(str(path)) as shard:
    shard.write(RECORDS)
    shard.write([])
    shard.write(RECORDS[:1])
  content = path.read_bytes()
  assert (shard.num_records, shard.num_bytes) == (4, len(content))
  assert shard.sha256 == hashlib.sha256(content).hexdigest()


def test_a_shard_without_records_is_a_file_of_no_bytes(tmp_path):
  with writer.ShardWriter(str(tmp_path / 'shard')) as shard:
    pass
  assert (tmp_path / 'shard').read_bytes() == b''
  assert shard.sha256 == hashlib.sha256().hexdigest()


def test_nothing_has_the_final_name_before_the_end(tmp_path):
  path = tmp_path / 'shard'
  with writer.ShardWriter(str(path)) as shard:
    shard.write(RECORDS)
    names = os.listdir(tmp_path)
    assert len(names) == 1
    assert re.fullmatch(r'shard\.tmp-[0-9a-f]{32}', names[0])
  assert os.listdir(tmp_path) == ['shard']


def test_an_exception_leaves_nothing_and_is_not_changed(tmp_path):
  with pytest.raises(ZeroDivisionError), writer.ShardWriter(str(tmp_path / 'shard')) as shard:
    shard.write(RECORDS)
    raise ZeroDivisionError
  assert os.listdir(tmp_path) == []


def test_an_exception_leaves_the_earlier_file_as_it_was(tmp_path):
  (tmp_path / 'shard').write_bytes(b'earlier')
  with pytest.raises(KeyboardInterrupt), writer.ShardWriter(str(tmp_path / 'shard')) as shard:
    shard.write(RECORDS)
    raise KeyboardInterrupt
  assert (tmp_path / 'shard').read_bytes() == b'earlier'
  assert os.listdir(tmp_path) == ['shard']


def test_a_retry_takes_the_place_of_the_earlier_file(tmp_path):
  (tmp_path / 'shard').write_bytes(b'earlier')
  with writer.ShardWriter(str(tmp_path / 'shard')):
    pass
  assert (tmp_path / 'shard').read_bytes() == b''


def test_two_writers_of_one_shard_do_not_mix(tmp_path):
  path = tmp_path / 'shard'
  with writer.ShardWriter(str(path)) as one, writer.ShardWriter(str(path)) as other:
    one.write([b'one'])
    other.write([b'other'])
    one.write([b'one'])
    assert len(os.listdir(tmp_path)) == 2
  # The outer one ends last.
  assert [record.numpy() for record in tf.data.TFRecordDataset(str(path))] == [b'one', b'one']
  assert os.listdir(tmp_path) == ['shard']


def test_a_killed_process_leaves_no_final_name(tmp_path):
  code = (
    'import sys, time\n'
    'from tfrecords import writer\n'
    f'with writer.ShardWriter({str(tmp_path / "shard")!r}) as shard:\n'
    '  while True:\n'
    '    shard.write([b"x" * 100_000])\n'
    '    print(shard.num_records, flush=True)\n'
  )
  process = subprocess.Popen(
    [sys.executable, '-c', code],
    stdout=subprocess.PIPE,
    env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
  )
  for _ in range(3):
    process.stdout.readline()
  process.send_signal(signal.SIGKILL)
  process.communicate(timeout=300)
  names = os.listdir(tmp_path)
  assert len(names) == 1
  assert names[0].startswith('shard.tmp-')
  assert (tmp_path / names[0]).stat().st_size > 0


def test_a_storage_that_cannot_seek_will_do():
  storage = storages.MemoryStorage()
  with writer.ShardWriter('d/shard', storage) as shard:
    shard.write(RECORDS)
    shard.write(RECORDS)
  assert list(storage.files) == ['d/shard']
  assert hashlib.sha256(storage.files['d/shard']).hexdigest() == shard.sha256
  assert storage.uploads[0].num_writes == 2  # One a batch.


def test_a_full_disk_is_said_and_leaves_nothing():
  storage = storages.MemoryStorage(fail_on_write=2)
  sentence = (
    r"Could not write the shard 'd/shard': No space left on device \(it needs.*written\)\. Is there"
  )
  with (
    pytest.raises(errors.DatasetError, match=sentence),
    writer.ShardWriter('d/shard', storage) as shard,
  ):
    shard.write(RECORDS)
    shard.write(RECORDS)
  assert storage.files == {}


def test_a_failing_rename_is_said_and_leaves_nothing():
  storage = storages.MemoryStorage(fail_at_end=True)
  with (
    pytest.raises(errors.DatasetError, match="'d/shard': Permission denied"),
    writer.ShardWriter('d/shard', storage) as shard,
  ):
    shard.write(RECORDS)
  assert storage.files == {}


def test_a_missing_folder_is_said(tmp_path):
  path = str(tmp_path / 'no' / 'shard')
  with (
    pytest.raises(errors.DatasetError, match='No such file or directory'),
    writer.ShardWriter(path),
  ):
    pass


@pytest.mark.parametrize('when', ['before', 'after'])
def test_a_writer_that_is_not_open_says_so(tmp_path, when):
  shard = writer.ShardWriter(str(tmp_path / 'shard'))
  if when == 'after':
    with shard:
      pass
  with pytest.raises(errors.DatasetError, match='is not open for writing'):
    shard.write(RECORDS)
