"""Reading shards: what TensorFlow wrote, and every damage named with its place."""

import errno
import gzip
import os
import re
import resource
import struct

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from schemas import errors
from tests.tfrecords.storage import storages
from tfrecords import reader, writer
from tfrecords.storage import passing_faults
from tfrecords.wire import framing

RECORDS = [b'first', b'', b'third' * 100]
# Where each record's frame begins: 16 bytes of frame around 5, 0 and 500 bytes.
OFFSETS = [0, 21, 37]


@pytest.fixture
def shard(tmp_path):
  path = tmp_path / 'tiny-train.tfrecord-00000-of-00001'
  with tf.io.TFRecordWriter(str(path)) as out:
    for record in RECORDS:
      out.write(record)
  return path


def read(path):
  return list(reader.read_records(str(path)))


def refusal(path):
  with pytest.raises(errors.RecordError) as caught:
    read(path)
  return str(caught.value)


def test_we_read_what_tensorflow_writes(shard):
  assert read(shard) == RECORDS


@hypothesis.given(st.lists(st.binary(max_size=100), max_size=8))
def test_we_read_what_we_write_from_a_stream_that_delivers_little(records):
  storage = storages.MemoryStorage()
  with writer.ShardWriter('shard', storage) as out:
    out.write(records)
  assert list(reader.read_records('shard', storage)) == records


def test_an_empty_file_has_no_records(tmp_path):
  (tmp_path / 'empty').write_bytes(b'')
  assert read(tmp_path / 'empty') == []


def test_a_missing_file_is_said(tmp_path):
  sentence = re.escape(f'There is no shard file {str(tmp_path / "no")!r}. Copy it again, or run')
  assert re.match(sentence, refusal(tmp_path / 'no'))


def test_a_folder_is_said(tmp_path):
  assert 'Could not open the shard file' in refusal(tmp_path)
  assert 'Is a directory' in refusal(tmp_path)


@pytest.mark.parametrize('index', [0, 2])
def test_damaged_data_is_named_with_file_record_and_place(shard, index):
  content = bytearray(shard.read_bytes())
  content[OFFSETS[index] + framing.HEADER_BYTES] ^= 1
  shard.write_bytes(content)
  text = refusal(shard)
  where = f'{shard}, record {index} at byte {OFFSETS[index]}: the checksum of its data is 0x'
  assert text.startswith(where)
  assert re.search(r'is 0x[0-9a-f]{8}, the file says 0x[0-9a-f]{8}\. The file is damaged', text)
  assert text.endswith('run the data job again with the same flags (whole shards are kept).')


def test_records_before_the_damage_are_read(shard):
  content = bytearray(shard.read_bytes())
  content[-5] ^= 1
  shard.write_bytes(content)
  records = reader.read_records(str(shard))
  assert [next(records), next(records)] == RECORDS[:2]
  with pytest.raises(errors.RecordError, match='record 2 at byte 37'):
    next(records)


def test_a_damaged_length_is_named(shard):
  content = bytearray(shard.read_bytes())
  content[OFFSETS[1] + 3] ^= 1
  shard.write_bytes(content)
  assert 'record 1 at byte 21: the checksum of its length is 0x' in refusal(shard)


@pytest.mark.parametrize(
  ('keep_bytes', 'sentence'),
  [
    (1, 'record 0 at byte 0: expected 12 bytes, the file ends after 1 of them.'),
    (11, 'record 0 at byte 0: expected 12 bytes, the file ends after 11 of them.'),
    (12, 'record 0 at byte 0: expected 21 bytes, the file ends after 12 of them.'),
    (20, 'record 0 at byte 0: expected 21 bytes, the file ends after 20 of them.'),
    (36, 'record 1 at byte 21: expected 16 bytes, the file ends after 15 of them.'),
    (552, 'record 2 at byte 37: expected 516 bytes, the file ends after 515 of them.'),
  ],
)
def test_a_cut_off_file_is_named_with_what_is_missing(shard, keep_bytes, sentence):
  shard.write_bytes(shard.read_bytes()[:keep_bytes])
  assert sentence in refusal(shard)


@hypothesis.given(cut=st.integers(0, 552))
def test_every_cut_is_found_unless_it_is_between_records(cut):
  storage = storages.MemoryStorage()
  with writer.ShardWriter('shard', storage) as out:
    out.write(RECORDS)
  storage.files['shard'] = storage.files['shard'][:cut]
  if cut in OFFSETS:
    assert list(reader.read_records('shard', storage)) == RECORDS[: OFFSETS.index(cut)]
  else:
    with pytest.raises(errors.RecordError, match='the file ends after'):
      list(reader.read_records('shard', storage))


@hypothesis.given(bit=st.integers(0, 553 * 8 - 1))
def test_every_flipped_bit_is_found(bit):
  storage = storages.MemoryStorage()
  with writer.ShardWriter('shard', storage) as out:
    out.write(RECORDS)
  content = bytearray(storage.files['shard'])
  content[bit // 8] ^= 1 << bit % 8
  storage.files['shard'] = bytes(content)
  with pytest.raises(errors.RecordError, match=r'shard, record [012] at byte (0|21|37): the check'):
    list(reader.read_records('shard', storage))


@pytest.mark.parametrize(
  ('number', 'error', 'sentence'),
  [
    (errno.EINVAL, errors.RecordError, "Could not read the shard file 'shard' to its end: Invalid"),
    (errno.EIO, errors.StorageError, r'Could not read shard: Input/output error \(5 tries'),
  ],
)
def test_a_failing_disk_is_named_with_the_file(monkeypatch, number, error, sentence):
  monkeypatch.setattr(passing_faults, 'sleep', lambda seconds: None)

  class Failing(storages.MemoryStorage):
    def open_read(self, path):
      stream = super().open_read(path)

      def fail(size):
        raise OSError(number, os.strerror(number))

      stream.read = fail
      return stream

  storage = Failing()
  storage.files['shard'] = b'x' * 100
  with pytest.raises(error, match=sentence):
    list(reader.read_records('shard', storage))


def test_a_giant_length_allocates_nothing(tmp_path):
  length = struct.pack('<Q', 1 << 60)
  path = tmp_path / 'giant'
  path.write_bytes(length + struct.pack('<I', framing.masked_crc(length)) + b'few bytes')
  before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  sentence = f'record 0 at byte 0: expected {(1 << 60) + 16} bytes, the file ends after 21 of them.'
  assert sentence in refusal(path)
  grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
  assert grown_kib < 100 << 10


def test_a_file_of_another_kind_is_refused(shard):
  shard.write_bytes(gzip.compress(shard.read_bytes()))
  assert 'record 0 at byte 0: the checksum of its length' in refusal(shard)


def test_a_scan_goes_on_after_damaged_data(shard):
  content = bytearray(shard.read_bytes())
  content[OFFSETS[0] + framing.HEADER_BYTES] ^= 1
  shard.write_bytes(content)
  with reader.open_shard(str(shard)) as stream:
    scanned = list(reader.scan(stream))
  assert [bool(item.problem) for item in scanned] == [True, False, False]
  assert [item.offset_bytes for item in scanned] == OFFSETS
  assert [item.data for item in scanned[1:]] == RECORDS[1:]
