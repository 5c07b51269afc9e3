"""A checkpoint that the run did not write is noticed, whoever asks the model."""

import os
import shutil

import pytest

from schemas import audio as audio_schema
from schemas import errors
from tests.helpers import made_runs
from tfrecords.storage import local
from trainer.export import exporting, opened
from trainer.judging import answering
from trainer.runs import origin, run_folder, saved_run, written_checkpoints
from trainer.streaming import step_model
from trainer.trunks import weights

AUDIO = audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=0.5)


def write(folder, content, name='best'):
  with (
    written_checkpoints.writing(folder, folder.checkpoint_file(name)) as path,
    open(path, 'wb') as stream,
  ):
    stream.write(content)


@pytest.fixture
def folder(tmp_path):
  made = run_folder.RunFolder(str(tmp_path / 'run'))
  made.create(overwrite=False)
  return made


def put(folder, content, name='best'):
  with open(folder.checkpoint_file(name), 'wb') as stream:
    stream.write(content)


def test_what_the_run_wrote_is_known_and_nothing_else(folder):
  path = folder.checkpoint_file('best')
  put(folder, b'of before')
  assert not written_checkpoints.why_foreign(folder, path)  # Nobody knows.
  for content in (b'one', b'two', b'three'):
    write(folder, content)
    assert not written_checkpoints.why_foreign(folder, path)
  put(folder, b'two')  # As a process leaves it that is killed before the rename.
  written_checkpoints.check(folder, path)
  put(folder, b'one')
  with pytest.raises(errors.ConfigError, match=r"best\.keras' is not what the run wrote: its SHA"):
    written_checkpoints.check(folder, path)
  os.remove(path)
  assert not written_checkpoints.why_foreign(folder, path)
  write(folder, b'one', 'last')
  assert not written_checkpoints.why_foreign(folder, folder.checkpoint_file('last'))


@pytest.mark.parametrize('is_of_before', [False, True])
def test_who_is_killed_between_digest_and_name_twice_keeps_what_is_there(folder, is_of_before):
  path = folder.checkpoint_file('best')
  if is_of_before:
    put(folder, b'there')
  else:
    write(folder, b'there')
  for content in (b'never came', b'nor did this'):
    write(folder, content)
    put(folder, b'there')  # As if it had been killed.
    written_checkpoints.check(folder, path)
  put(folder, b'other')
  write(folder, b'never came')
  put(folder, b'other')
  assert written_checkpoints.why_foreign(folder, path)


@pytest.mark.parametrize('content', ['', '[', '[]', '{"best.keras": 3}', '{"best.keras": [3]}'])
def test_digests_that_cannot_be_read_say_nothing(folder, content):
  write(folder, b'one')
  with open(folder.digests_file, 'w', encoding='utf-8') as stream:
    stream.write(content)
  put(folder, b'two')
  written_checkpoints.check(folder, folder.checkpoint_file('best'))
  write(folder, b'three')
  put(folder, b'four')
  assert written_checkpoints.why_foreign(folder, folder.checkpoint_file('best'))


def test_a_run_that_begins_anew_knows_nothing_of_the_one_before(folder):
  write(folder, b'one')
  folder.write_json(folder.config_file, {})
  folder.create(overwrite=True)
  assert not os.path.exists(folder.digests_file)


def put_graph(folder, name, content):
  path = os.path.join(folder.graphs_dir, *name.split('/'))
  os.makedirs(os.path.dirname(path), exist_ok=True)
  with open(path, 'wb') as stream:
    stream.write(content)
  return path


def test_every_file_of_a_saved_model_in_a_run_is_known(folder):
  files = 'file/saved_model.pb', 'file/variables/variables.index', 'other.keras'
  paths = [put_graph(folder, name, name.encode()) for name in files]
  written_checkpoints.check_below(folder, folder.graphs_dir)  # Nobody knows.
  written_checkpoints.note(folder, os.path.join(folder.graphs_dir, 'file'), paths[2])
  write(folder, b'one')  # Whatever is noted besides.
  written_checkpoints.check_below(folder, folder.graphs_dir)
  put_graph(folder, 'file/assets/new', b'')  # Nothing is read of it.
  written_checkpoints.check_below(folder, folder.graphs_dir)
  for name, path in zip(files, paths, strict=True):
    put_graph(folder, name, b'another')
    with pytest.raises(errors.ConfigError, match=f'The file .*{name}.* is not what the run wrote'):
      written_checkpoints.check_below(folder, folder.graphs_dir)
    os.remove(path)
    with pytest.raises(errors.ConfigError, match=f'{name}.*, which the run wrote, is not there'):
      written_checkpoints.check_below(folder, folder.graphs_dir)
    put_graph(folder, name, name.encode())
  shutil.rmtree(folder.graphs_dir)
  written_checkpoints.check_below(folder, folder.graphs_dir)  # Who needs it says so.


def test_the_manifest_of_other_data_is_noticed_and_that_of_its_own_may_be_put_back(tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=AUDIO, feature='log_mel:num_mels=20', model='gru')
  written_checkpoints.note(run.folder, run.folder.manifest_file)
  saved_run.load(run.folder.path)
  other = made_runs.make(
    tmp_path / 'other', audio=AUDIO, feature='log_mel:num_mels=20', model='gru', labels=('a', 'b')
  )
  shutil.copy(other.folder.manifest_file, run.folder.manifest_file)
  with pytest.raises(errors.ConfigError, match=r"manifest\.json' is not what the run wrote"):
    saved_run.load(run.folder.path)
  config = run.folder.read_config()
  config['manifest_sha256'] = run_folder.digest_of(run.folder.manifest_file)
  run.folder.write_json(run.folder.config_file, config)
  saved_run.load(run.folder.path)  # It is that of the data set.


def test_a_large_checkpoint_is_read_once_as_long_as_nobody_writes_it(folder, monkeypatch):
  read = []

  def sha256(path):
    read.append(path)
    return local_sha256(path)

  local_sha256 = local.sha256
  write(folder, b'one')
  path = folder.checkpoint_file('best')
  monkeypatch.setattr(run_folder, '_KNOWN_BYTES', 3)
  monkeypatch.setattr(local, 'sha256', sha256)
  written_checkpoints.check(folder, path)
  known = folder.model_digest('best')
  written_checkpoints.check(folder, path)
  assert read == [path]
  put(folder, b'another')
  assert folder.model_digest('best') != known
  assert written_checkpoints.why_foreign(folder, path)
  assert read == [path, path]


def test_a_trunk_that_is_taken_is_hashed_once(swapped, monkeypatch):
  read = []
  monkeypatch.setattr(run_folder, '_KNOWN_BYTES', 3)
  run_folder._digest_of.cache_clear()
  local_sha256 = local.sha256
  monkeypatch.setattr(local, 'sha256', lambda path: (read.append(path), local_sha256(path))[1])
  other = run_folder.RunFolder(f'{os.path.dirname(swapped)}/other')
  written_checkpoints.note(other, other.checkpoint_file('best'))
  read.clear()
  run_folder._digest_of.cache_clear()
  weights._read(origin.find(other.path))
  assert read.count(other.checkpoint_file('best')) == 1


@pytest.fixture(scope='module')
def swapped(tmp_path_factory):
  """A run with as many labels whose best checkpoint is that of another run."""
  top = tmp_path_factory.mktemp('swapped')
  runs = [
    made_runs.make(top / name, audio=AUDIO, seed=seed, feature='log_mel:num_mels=20', model='gru')
    for seed, name in enumerate(('mine', 'other'))
  ]
  mine, other = (run.folder for run in runs)
  kept = f'{mine.path}.keras'
  shutil.move(mine.checkpoint_file('best'), kept)
  with written_checkpoints.writing(mine, mine.checkpoint_file('best')) as path:
    shutil.copy(kept, path)
  answering.load(runs[0], 'best')
  shutil.copy(other.checkpoint_file('best'), mine.checkpoint_file('best'))
  return mine.path


ASKED = {
  'predict, evaluate': lambda run: answering.load(run, 'best'),
  'export': exporting.make,
  'serve, app': lambda run: opened.opened(run.folder.path).__enter__(),
  'listen': lambda run: step_model.load(run, kind=step_model.RING, window_samples=4_000),
  'init_from': lambda run: weights._read(origin.find(run.folder.path)),
}


@pytest.mark.parametrize('who', ASKED)
def test_who_asks_a_model_that_was_swapped_is_told(swapped, who):
  with pytest.raises(errors.ConfigError, match='is not what the run wrote.*Put back the file'):
    ASKED[who](saved_run.load(swapped))
