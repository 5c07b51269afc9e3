"""gs:// and s3://, each through its own client: what is raised, and how often it asks."""

import gc
import io

import numpy as np
import pytest
import soundfile

pytest.importorskip('gcp_storage_emulator', reason='it is in the extra [dev]')

from apache_beam.io import filesystems
from apache_beam.options import pipeline_options

from beam_jobs import featurize
from beam_jobs.shards import reading
from beam_jobs.sources import corpus
from features.decoding import clips
from schemas import audio, command, errors, utterance
from tests.beam_jobs import corpora
from tests.engines import gcs_emulator, gcs_session, s3_emulator
from tfrecords import describe, reader, storage, verify, writer
from tfrecords.finishing import lock
from tfrecords.storage import fsspec_bucket, gcs, place, waiting

pytestmark = pytest.mark.engines

RATE_HZ = 16_000
UPLOAD_BYTES = 16 << 20  # What Beam sends at a time.


@pytest.fixture(params=['gs', 's3'])
def bucket(request, tmp_path, monkeypatch):
  """Returns a service that holds an empty bucket `voices`."""
  emulator = gcs_emulator.GcsEmulator() if request.param == 'gs' else s3_emulator.S3Emulator()
  with emulator:
    environment = (
      gcs_session.write_environment(tmp_path, emulator.url)
      if request.param == 'gs'
      else emulator.environment
    )
    for name, value in environment.items():
      monkeypatch.setenv(name, value)
    filesystems.FileSystems.set_options(pipeline_options.PipelineOptions([]))
    # They keep the address that they were made with.
    gcs._client.cache_clear()
    fsspec_bucket._filesystem.cache_clear()
    emulator.make_bucket('voices')
    emulator.root = f'{emulator.scheme}://voices'
    emulator.folder = f'{emulator.root}/data'
    yield emulator
    gcs._client.cache_clear()
    fsspec_bucket._filesystem.cache_clear()


def wav(seconds):
  samples = np.random.default_rng(0).uniform(-0.5, 0.5, int(seconds * RATE_HZ))
  stream = io.BytesIO()
  soundfile.write(stream, samples, RATE_HZ, format='WAV', subtype='PCM_16')
  return stream.getvalue()


def test_names_are_listed_over_all_pages(bucket):
  names = sorted(f'a b/{i:03}é.wav' for i in range(2 * gcs_emulator.PAGE_NAMES + 5))
  for name in names:
    bucket.put('voices', f'audio/{name}', b'x')
  bucket.put('voices', 'audio/._a.wav', b'x')
  bucket.put('voices', 'audio2/other.wav', b'x')
  assert corpus.Corpus(f'{bucket.root}/audio').entries(('.wav',)) == names


def test_whether_there_is_a_corpus_takes_one_page(bucket):
  for i in range(3 * gcs_emulator.PAGE_NAMES):
    bucket.put('voices', f'audio/{i}.wav', b'x')
  bucket.requests.clear()
  corpus.Corpus(f'{bucket.root}/audio').check()
  assert bucket.num_lists() == 1


def test_a_clip_takes_one_request(bucket):
  bucket.put('voices', 'x.wav', wav(1))
  bucket.requests.clear()
  for _ in range(3):
    assert reading.read(f'{bucket.root}/x.wav') == wav(1)
  assert bucket.num_reads() == 3


def test_a_clip_larger_than_the_first_piece_is_whole(bucket):
  data = wav(place.HEAD_BYTES / 2 / RATE_HZ + 3)
  bucket.put('voices', 'x.wav', data)
  assert reading.read(f'{bucket.root}/x.wav') == data


def test_an_excerpt_of_a_long_recording_takes_its_ranges_only(bucket, tmp_path, monkeypatch):
  data = wav(400)
  bucket.put('voices', 'long.wav', data)
  (tmp_path / 'long.wav').write_bytes(data)
  spec = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=1.0)
  excerpt = utterance.Excerpt(start_s=300.0, duration_s=1.0)
  expected = reading.load(str(tmp_path / 'long.wav'), spec, excerpt=excerpt)
  found = reading.load(f'{bucket.root}/long.wav', spec, excerpt=excerpt)
  np.testing.assert_array_equal(found.samples, expected.samples)
  assert bucket.sent_bytes < place.HEAD_BYTES + 4 * reading.RANGE_BYTES < len(data) / 5


@pytest.mark.parametrize(
  ('status', 'reason'), [(404, 'missing'), (403, 'no_permission'), (400, 'unreadable')]
)
def test_a_clip_that_is_refused_is_a_reject(bucket, status, reason):
  bucket.put('voices', 'x.wav', wav(1))
  bucket.refuse = lambda method, path: status
  with pytest.raises(clips.ClipError) as error:
    reading.read(f'{bucket.root}/x.wav')
  assert error.value.reason == reason


@pytest.mark.parametrize('status', [429, 503])
def test_a_bucket_that_is_asked_again_is_waited_for_in_a_line(bucket, status, monkeypatch):
  if bucket.scheme == 's3' and status == 429:
    pytest.skip('Amazon says 503.')
  said, left = [], [status] * 3
  monkeypatch.setattr(waiting, 'AFTER_S', 0.05)
  monkeypatch.setattr(waiting, '_watches', {})
  monkeypatch.setattr(waiting, 'listener', said.append)
  bucket.put('voices', 'x.wav', wav(1))

  def refuse(method, path):
    if left:
      return left.pop()
    return None if said else status  # Also where the thread that tells it has no turn for long.

  bucket.refuse = refuse
  assert reading.read(f'{bucket.root}/x.wav') == wav(1)
  assert not left
  (sentence,) = said
  assert sentence.startswith(f'waiting for {bucket.root}/x.wav: ')


def test_an_object_that_is_not_there_is_a_reject(bucket):
  with pytest.raises(clips.ClipError) as error:
    reading.read(f'{bucket.root}/none.wav')
  assert error.value.reason == 'missing'


def test_an_empty_object_is_a_reject(bucket):
  bucket.put('voices', 'x.wav', b'')
  with pytest.raises(clips.ClipError) as error:
    reading.read(f'{bucket.root}/x.wav')
  assert error.value.reason == 'empty'


def test_a_file_is_replaced_whole_and_nothing_else_is_left(bucket):
  there = storage.storage_of(bucket.folder)
  for content in (b'old', b'new'):
    storage.write_atomically(f'{bucket.folder}/note.json', content, there)
    assert bucket.get('voices', 'data/note.json') == content
  assert bucket.names('voices') == ['data/note.json']
  assert there.list_dir(bucket.folder) == ['note.json']
  assert there.sizes(bucket.folder) == {'note.json': 3}


def test_an_object_is_sent_once_and_never_copied(bucket):
  there = storage.storage_of(bucket.folder)
  storage.write_atomically(f'{bucket.folder}/note.json', b'old', there)
  bucket.requests.clear()
  storage.write_atomically(f'{bucket.folder}/note.json', b'new', there)
  sent = [method for method, path in bucket.requests if '/o' in path or '/data/' in path]
  assert sent == (['POST', 'PUT'] if bucket.scheme == 'gs' else ['PUT'])


def test_a_shard_appears_whole_or_not_at_all(bucket):
  there, path = storage.storage_of(bucket.folder), f'{bucket.folder}/x.tfrecord-00000-of-00001'
  piece = bytes(UPLOAD_BYTES)
  with writer.ShardWriter(path, there) as shard:
    for _ in range(3):
      shard.write([piece])
      assert not bucket.names('voices')
  assert list(reader.read_records(path, there)) == [piece] * 3
  assert bucket.names('voices') == ['data/x.tfrecord-00000-of-00001']


@pytest.mark.parametrize('size', [10, 2 * UPLOAD_BYTES], ids=['begun', 'half'])
@pytest.mark.parametrize('before', [[], [b'whole']], ids=['new', 'replaced'])
def test_an_upload_that_is_given_up_leaves_what_was_there(bucket, size, before):
  there, path = storage.storage_of(bucket.folder), f'{bucket.folder}/x.tfrecord-00000-of-00001'
  for content in before:
    bucket.put('voices', 'data/x.tfrecord-00000-of-00001', content)
  with pytest.raises(ZeroDivisionError), writer.ShardWriter(path, there) as shard:
    shard.write([bytes(size)])
    raise ZeroDivisionError
  gc.collect()
  assert [bucket.get('voices', name) for name in bucket.names('voices')] == before
  assert not bucket.unfinished('voices')


def test_an_upload_that_is_forgotten_leaves_nothing(bucket):
  upload = storage.storage_of(bucket.folder).writing(f'{bucket.folder}/x')
  upload.__enter__().write(bytes(2 * UPLOAD_BYTES))
  del upload  # As where a worker ends before its time.
  gc.collect()
  assert not bucket.names('voices')


def test_an_upload_that_is_refused_at_its_end_leaves_nothing(bucket):
  there = storage.storage_of(bucket.folder)
  bucket.refuse = lambda method, path: 403 if method == 'PUT' else None
  with pytest.raises(OSError, match='this user may not do that'):
    storage.write_atomically(f'{bucket.folder}/x', b'data', there)
  bucket.refuse = lambda method, path: None
  gc.collect()
  assert not bucket.names('voices')


def test_a_missing_file_is_a_file_not_found_error(bucket):
  with pytest.raises(FileNotFoundError):
    storage.storage_of(bucket.folder).open_read(f'{bucket.folder}/none.json')


@pytest.mark.parametrize(
  'act',
  [
    lambda there, folder: there.list_dir(folder),
    lambda there, folder: there.exists(f'{folder}/x'),
    lambda there, folder: there.remove(f'{folder}/x'),
    lambda there, folder: there.open_read(f'{folder}/x'),
    lambda there, folder: there.state(f'{folder}/x'),
    lambda there, folder: there.create(f'{folder}/y', b'data'),
    lambda there, folder: storage.write_atomically(f'{folder}/y', b'data', there),
  ],
  ids=['list_dir', 'exists', 'remove', 'open_read', 'state', 'create', 'write'],
)
def test_what_a_bucket_refuses_is_an_os_error(bucket, act):
  bucket.put('voices', 'data/x', b'data')
  bucket.refuse = lambda method, path: 403
  with pytest.raises(OSError, match='this user may not do that'):
    act(storage.storage_of(bucket.folder), bucket.folder)


def test_a_corpus_in_no_bucket_is_told_in_words(bucket):
  with pytest.raises(errors.SourceError, match='no such bucket|nothing below') as error:
    corpus.Corpus(f'{bucket.scheme}://nobodys/audio').check()
  assert 'BeamIOError' not in str(error.value)


def test_a_scheme_that_nothing_reads_is_named():
  with pytest.raises(errors.ConfigError, match='nothing installed here reads and writes gss://'):
    storage.storage_of('gss://voices/data')


def test_of_two_that_create_an_object_the_second_is_told(bucket):
  there = storage.storage_of(bucket.folder)
  there.create(f'{bucket.folder}/note', b'first')
  with pytest.raises(FileExistsError):
    there.create(f'{bucket.folder}/note', b'second')
  assert bucket.get('voices', 'data/note') == b'first'


def test_an_object_that_is_replaced_has_another_state(bucket):
  there = storage.storage_of(bucket.folder)
  states = []
  for content in (b'one', b'three'):
    storage.write_atomically(f'{bucket.folder}/x', content, there)
    states.append(there.state(f'{bucket.folder}/x'))
    # A listing says it too, so that a corpus in a bucket costs no further request.
    assert dict(there.walk(bucket.folder)) == {'x': states[-1]}
  assert states[0] != states[1]


def test_the_job_reads_from_and_writes_to_a_bucket(bucket, tmp_path, capfd):
  corpora.make_words(tmp_path / 'in', takes=2)
  here = corpora.argv(tmp_path / 'in', tmp_path / 'here')
  assert command.run(featurize.main, here) == 0
  for path in (tmp_path / 'in').rglob('*.wav'):
    bucket.put('voices', f'in/{path.relative_to(tmp_path / "in").as_posix()}', path.read_bytes())
  there = [
    word.replace(f'={tmp_path}', f'={bucket.root}').replace('/here', '/data') for word in here
  ]
  assert command.run(featurize.main, there) == 0
  shards = sorted((tmp_path / 'here').glob('*.tfrecord-*'))
  assert shards
  for shard in shards:
    assert bucket.get('voices', f'data/{shard.name}') == shard.read_bytes()
  names = bucket.names('voices', 'data/')
  assert not [name for name in names if lock.FILE in name or storage.TEMPORARY_MARK in name]
  for program in (describe, verify):
    assert command.run(program.main, [bucket.folder]) == 0
  # The same command again takes over what is there; other settings are refused.
  bucket.requests.clear()
  assert command.run(featurize.main, there) == 0
  assert not [path for method, path in bucket.requests if method == 'PUT' and shard.name in path]
  assert command.run(featurize.main, [*there, '--seed=3']) == 2
  assert 'seed was 0, now 3' in capfd.readouterr().err
  assert command.run(featurize.main, [*there, '--seed=3', '--overwrite']) == 0
  with lock.held(bucket.folder), pytest.raises(errors.ConfigError, match='Another command'):
    with lock.held(bucket.folder):
      pass
