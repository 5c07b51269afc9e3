"""tfrecords.verify finds every flipped bit, and names the file and the record."""

import random
import re
import shutil

import pytest

from beam_jobs import featurize
from schemas import command, errors
from tests.beam_jobs import corpora
from tfrecords import manifest_file, verify
from tfrecords.wire import framing

pytestmark = pytest.mark.faults

NUM_FLIPS = 1_000


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  root = corpora.make_words(tmp_path_factory.mktemp('small'), takes=2)
  folder = tmp_path_factory.mktemp('flips') / 'data'
  assert command.run(featurize.main, corpora.argv(root, folder)) == 0
  shutil.rmtree(folder / '.voxshard')
  return folder


def found(folder):
  """Returns all that verify says; the program does the same with its exit code."""
  try:
    return verify.find_problems(str(folder), manifest_file.load(str(folder)))
  except errors.VoxshardError as error:
    return [str(error)]


def flip(path, bit):
  with open(path, 'r+b') as stream:
    stream.seek(bit // 8)
    (byte,) = stream.read(1)
    stream.seek(bit // 8)
    stream.write(bytes([byte ^ 1 << bit % 8]))


def record_at(content, position):
  """Returns (index, first byte) of the record in which a byte of a shard lies."""
  index = offset = 0
  while True:
    length, _, _ = framing.split_header(content[offset : offset + framing.HEADER_BYTES])
    end = offset + framing.OVERHEAD_BYTES + length
    if position < end:
      return index, offset
    index, offset = index + 1, end


def test_a_whole_data_set_has_no_problems(data):
  assert found(data) == []


def test_every_flipped_bit_is_found_and_its_file_and_record_named(data):
  rng = random.Random(20)
  shards = sorted(path for path in data.glob('*.tfrecord-*') if path.stat().st_size)
  manifest = data / 'manifest.json'
  missed = []
  for i in range(NUM_FLIPS):
    # A fifth in the manifest: by size it would hardly be hit.
    path = manifest if i % 5 == 0 else rng.choices(shards, [p.stat().st_size for p in shards])[0]
    content = path.read_bytes()
    bit = rng.randrange(8 * len(content))
    flip(path, bit)
    problems = found(data)
    flip(path, bit)
    if path == manifest:
      is_named = len(problems) == 1 and str(manifest) in problems[0]
    else:
      index, offset = record_at(content, bit // 8)
      place = rf'{re.escape(path.name)}, record {index} at byte {offset}: '
      is_named = any(re.match(place, problem) for problem in problems)
      # And nothing is said of shards that are whole.
      is_named &= not any(
        problem.startswith(other.name) for problem in problems for other in shards if other != path
      )
    if not is_named:
      missed.append((path.name, bit, problems))
  assert missed == []
  assert found(data) == []


def test_every_bit_of_the_manifest_counts(data):
  manifest = data / 'manifest.json'
  text = manifest.read_bytes()
  missed = []
  for bit in range(0, 8 * len(text), 7):  # Every bit of a byte in turn.
    flip(manifest, bit)
    if not found_in_manifest(data):
      missed.append((bit, text[max(0, bit // 8 - 20) : bit // 8 + 20]))
    flip(manifest, bit)
  assert missed == []


def found_in_manifest(folder):
  try:
    manifest_file.load(str(folder))
  except errors.VoxshardError:
    return True
  return False


def test_the_program_says_it_and_exits_with_2(data, capsys):
  shard = max(data.glob('*-train.tfrecord-*'), key=lambda path: path.stat().st_size)
  flip(shard, 8 * 50)
  assert command.run(verify.main, [str(data)]) == 2
  flip(shard, 8 * 50)
  assert f'{shard.name}, record 0 at byte 0: the checksum of its' in capsys.readouterr().err
  flip(data / 'manifest.json', 100)
  assert command.run(verify.main, [str(data)]) == 2
  flip(data / 'manifest.json', 100)
  assert 'manifest.json' in capsys.readouterr().err
  assert command.run(verify.main, [str(data)]) == 0
