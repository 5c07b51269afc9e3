"""A tf.data service of a dispatcher and two workers on this machine."""

import collections
import contextlib
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from schemas import errors
from tests.helpers import datasets
from tests.trainer.devices import strategies_under_test
from tfrecords import manifest_file
from tfrecords.pipeline import batch_request, dataset
from trainer import config, data_server, run
from trainer.data import data_service, input_pipeline, service_address

# Which batches come is tf.data's, whatever the stack.
pytestmark = pytest.mark.one_stack

ROOT = pathlib.Path(__file__).parents[3]
SPEAKERS = {
  'train': tuple(f't{i:02d}' for i in range(20)),
  'validation': tuple(f'v{i:02d}' for i in range(7)),
}


def start(*arguments):
  command = [sys.executable, '-m', 'trainer.data_server', *arguments]
  return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope='module')
def cluster():
  """Yields the address of a dispatcher, a program as is one worker; the other worker is here."""
  with contextlib.ExitStack() as stack:
    dispatcher = stack.enter_context(start('--role=dispatcher', '--host=localhost'))
    address = dispatcher.stdout.readline().split()[-1]
    worker = stack.enter_context(
      start('--role=worker', f'--dispatcher={address}', '--host=localhost')
    )
    _here, _ = data_server.start(
      data_server.ServerConfig(role='worker', dispatcher=address, host='localhost')
    )
    try:
      assert worker.stdout.readline() == f'worker serves {address}\n'
      yield address
    finally:
      for server in (worker, dispatcher):
        server.send_signal(signal.SIGTERM)
      codes = [server.wait(timeout=300) for server in (worker, dispatcher)]
    assert codes == [0, 0]


def write(path, **more):
  """Writes 140 clips in 20 shards, which are two groups; 7 * 7 clips for validation."""
  counts = {'train': 20, 'validation': 4}
  datasets.write_dataset(path, speakers=SPEAKERS, clips_per_speaker=7, num_shards=counts, **more)
  return str(path)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  return write(tmp_path_factory.mktemp('served'))


def source_of(data_dir, address, **more):
  return input_pipeline.Source(
    data_dir=data_dir,
    manifest=manifest_file.load(data_dir),
    feature_name='log_mel',
    batch_size=8,
    deterministic=False,
    data_service=address,
    **more,
  )


@pytest.mark.parametrize('name', ['none', 'mirrored_3'])
def test_evaluation_meets_every_example_once(cluster, data_dir, name):
  strategy = strategies_under_test.make(name)
  source = source_of(data_dir, cluster)
  labels = []
  for batch in input_pipeline.evaluation_batches(source, 'validation', strategy):
    for part in strategy.experimental_local_results(batch['label']):
      labels += part.numpy().tolist()
  assert len(labels) == 49
  counts = source.manifest.label_counts('validation')
  assert collections.Counter(labels) == dict(enumerate(counts))


def read(data_dir, **more):
  asked = batch_request.BatchRequest(
    data_dir=data_dir, manifest=manifest_file.load(data_dir), split='train',
    feature_names=['log_mel'], batch_size=8, seed=2, with_ids=True, deterministic=False, **more,
  )  # fmt: skip
  return dataset.read_batches(asked)


@pytest.mark.parametrize('shuffle', [False, True])
@pytest.mark.parametrize('is_variable', [False, True])
def test_a_pass_meets_every_clip_once(cluster, tmp_path, shuffle, is_variable):
  more = {'features': (datasets.VARIABLE_LOG_MEL,), 'audio': datasets.VARIABLE_AUDIO}
  path = write(tmp_path, **(more if is_variable else {}))
  batches = data_service.distributed(read(path, shuffle=shuffle, repeat=False), cluster)
  ids = [name for batch in batches for name in batch['id'].numpy().tolist()]
  assert len(ids) == len(set(ids)) == 140


def test_training_meets_clips_about_equally_often(cluster, data_dir):
  batches = data_service.distributed(read(data_dir, shuffle=True, repeat=True), cluster)
  found = collections.Counter()
  for batch in batches.take(140 * 6 // 8):
    assert len(batch['id']) == 8
    found.update(batch['id'].numpy().tolist())
  assert len(found) == 140
  assert max(found.values()) <= 12


def test_two_trainers_share_the_batches(cluster, data_dir):
  batches = read(data_dir, shuffle=False, repeat=False)
  iterators = [
    iter(data_service.distributed(batches, cluster, name=f'shared {data_dir}')) for _ in range(2)
  ]
  ids = []
  while iterators:
    for iterator in list(iterators):
      batch = next(iterator, None)
      if batch is None:
        iterators.remove(iterator)
      else:
        ids += batch['id'].numpy().tolist()
  assert len(ids) == len(set(ids)) == 140


def test_training_learns_from_a_service(cluster, data_dir, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  folder = run.train(
    config.TrainConfig(
      data=data_dir,
      model='cnn:conv_layers=1,filters=4,dense_units=16,dropout=0',
      epochs=4,
      learning_rate=0.01,
      batch_size=16,
      deterministic=False,
      data_service=cluster,
      strategy='mirrored',
      virtual_devices=2,
    )
  )
  text = pathlib.Path(folder.history_file).read_text(encoding='utf-8')
  assert '"num_examples": 49' in text
  assert '"accuracy": 1.0' in text


def test_no_dispatcher_is_said():
  with socket.socket() as taken:
    taken.bind(('localhost', 0))
    address = f'grpc://localhost:{taken.getsockname()[1]}'
    with pytest.raises(errors.ConfigError, match='Nothing answers at --data_service=grpc://local'):
      service_address.check_answers(address)


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({}, r'--role must be dispatcher or worker, got None'),
    ({'role': 'boss'}, r"--role must be dispatcher or worker, got 'boss'"),
    ({'role': 'dispatcher', 'port': 70_000}, r'--port must be 0 \(any\) to 65535, got 70000'),
    (
      {'role': 'dispatcher', 'dispatcher': 'grpc://h:1'},
      r'--dispatcher=grpc://h:1 has no effect without --role=worker',
    ),
    ({'role': 'worker'}, r"--dispatcher must be such as grpc://localhost:5050, got ''"),
    (
      {'role': 'worker', 'dispatcher': 'grpc://h:1', 'work_dir': 'x'},
      r'--work_dir=\S+ has no effect without --role=dispatcher',
    ),
  ],
)
def test_wrong_flags_of_a_server_are_refused(settings, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    data_server.ServerConfig(**settings)


def test_a_port_that_is_taken_is_said():
  with socket.socket() as taken:
    taken.bind(('', 0))
    taken.listen()
    asked = data_server.ServerConfig(role='dispatcher', port=taken.getsockname()[1])
    with pytest.raises(errors.ConfigError, match=r'Could not listen at port .*--port=0 takes'):
      data_server.start(asked)
