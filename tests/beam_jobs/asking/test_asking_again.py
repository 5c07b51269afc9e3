"""The same command again, what is left out, and what is refused."""

import json
import os
import shutil

import pytest

from beam_jobs.asking import answer_shard, finding_model, model_place
from exports import export_file, exported
from schemas import errors
from tests.beam_jobs import corpora
from tests.helpers import bucket, made_exports
from tfrecords import storage

SMALL = ('--format=csv', '--shard_clips=6')


def contents(folder):
  """Every file of the answers by name, without the job's own notes."""
  return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def said(capfd):
  return ' '.join(capfd.readouterr().out.split())


def test_what_is_whole_is_kept(ask, tmp_path, capfd, monkeypatch):
  assert ask(*SMALL) == 0
  before = contents(tmp_path / 'answers')
  assert 'earlier run' not in said(capfd)
  monkeypatch.setattr(answer_shard, 'write', None)
  assert ask(*SMALL) == 0
  assert 'all 4 shards were whole and are kept' in said(capfd)
  assert contents(tmp_path / 'answers') == before


def test_only_what_other_files_answer_otherwise_is_made_anew(ask, corpus, tmp_path, capfd):
  assert ask(*SMALL) == 0
  corpora.write_wav(corpus / 'no' / 'ann_0.wav', seed=9)
  assert ask(*SMALL) == 0
  assert '1 was made anew because 1 file changed' in said(capfd)
  assert ask(*SMALL, output='fresh') == 0
  assert contents(tmp_path / 'answers') == contents(tmp_path / 'fresh')


def test_another_model_answers_everything_anew(ask, export, tmp_path, capfd):
  assert ask(*SMALL) == 0
  (export / 'saved_model' / 'variables' / 'variables.index').write_bytes(b'other weights')
  capfd.readouterr()
  assert ask(*SMALL) == 0
  assert '4 were made anew because the model is another one' in said(capfd)


def test_a_damaged_shard_is_made_anew(ask, tmp_path, capfd):
  assert ask(*SMALL) == 0
  before = contents(tmp_path / 'answers')
  name = 'answers-00002-of-00004.csv'
  (tmp_path / 'answers' / name).write_bytes(before[name][:-1])
  assert ask(*SMALL) == 0
  assert '1 was made anew because it was not whole any more' in said(capfd)
  assert contents(tmp_path / 'answers') == before


def test_new_clips_leave_no_shard_of_before(ask, corpus, tmp_path):
  assert ask(*SMALL) == 0
  corpora.write_wav(corpus / 'yes' / 'zoe_0.wav')
  assert ask(*SMALL) == 0
  names = [name for name in contents(tmp_path / 'answers') if name.startswith('answers-')]
  assert len(names) == 5
  assert all(name.endswith('-of-00005.csv') for name in names)


def test_a_job_that_fails_leaves_nothing_that_calls_the_answers_finished(
  ask, corpus, tmp_path, capfd
):
  assert ask(*SMALL) == 0
  for name in ('ann_0', 'bob_0', 'cyd_0'):
    (corpus / 'no' / f'{name}.wav').write_bytes(b'RIFF and then nothing')
  assert ask(*SMALL) == 2
  error = capfd.readouterr().err
  assert '3 of 24 clips were rejected, more than --max_reject_fraction=0.05 allows' in error
  assert 'the answers are not finished' in error
  assert not (tmp_path / 'answers' / 'answers.json').exists()
  assert ask(*SMALL, '--max_reject_fraction=0.2') == 0
  found = json.loads((tmp_path / 'answers' / 'answers.json').read_text())
  assert sum(found['rejects'].values()) == 3
  assert found['num_rows'] == 21
  lines = [json.loads(line) for line in (tmp_path / 'answers' / 'rejects.jsonl').open()]
  assert [line['utterance_id'] for line in lines] == [
    f'no/{n}_0.wav' for n in ('ann', 'bob', 'cyd')
  ]
  assert all(line['advice'] for line in lines)


def test_while_shards_are_made_anew_no_summary_speaks_for_them(
  ask, corpus, tmp_path, capfd, monkeypatch
):
  assert ask(*SMALL) == 0
  corpora.write_wav(corpus / 'no' / 'ann_0.wav', seed=9)

  def full(*args):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(answer_shard.answer_forms, 'write', full)
  assert ask(*SMALL) == 2
  assert 'Could not write the shard' in capfd.readouterr().err
  assert not (tmp_path / 'answers' / 'answers.json').exists()
  assert not list((tmp_path / 'answers').rglob('*.tmp-*'))


def test_a_corpus_of_which_nothing_can_be_heard_is_refused(ask, corpus, tmp_path, capfd):
  for path in corpus.rglob('*.wav'):
    path.write_bytes(b'no audio')
  assert ask(*SMALL, '--max_reject_fraction=1') == 2
  assert 'Every clip was rejected' in capfd.readouterr().err
  assert len((tmp_path / 'answers' / 'rejects.jsonl').read_text().splitlines()) == 24


def test_other_settings_are_spelled_out_and_thrown_away_if_wanted(ask, tmp_path, capfd):
  assert ask(*SMALL) == 0
  assert ask('--format=jsonl', '--shard_clips=6') == 2
  error = capfd.readouterr().err
  assert "format was 'csv', now 'jsonl'" in error
  assert '--overwrite' in error
  assert ask('--format=jsonl', '--shard_clips=6', '--overwrite') == 0
  names = {name for name in contents(tmp_path / 'answers') if name.startswith('answers-')}
  assert {name.rpartition('.')[2] for name in names} == {'jsonl'}


@pytest.mark.parametrize('of', ['file', 'notes'])
def test_what_another_program_made_is_left_alone(ask, tmp_path, capfd, of):
  folder = tmp_path / 'answers'
  (folder / '.voxshard').mkdir(parents=True)
  if of == 'file':
    (folder / 'manifest.json').write_text('{}')
  else:
    (folder / '.voxshard' / 'settings.json').write_text('{}')
  assert ask('--overwrite') == 2
  error = capfd.readouterr().err
  assert (
    "it holds 'manifest.json'" if of == 'file' else 'another program makes a data set'
  ) in error


def test_a_folder_in_which_nothing_can_be_written_is_refused(ask, tmp_path, capfd):
  (tmp_path / 'answers').write_text('a file')
  assert ask() == 2
  assert 'cannot be used as a folder' in capfd.readouterr().err


def no_export(folder):
  shutil.rmtree(folder)


def no_saved_model(folder):
  shutil.rmtree(folder / 'saved_model')


def other_format(folder):
  shutil.rmtree(folder)
  made_exports.make(folder, formats={'litert': 'model.tflite'})


def other_version(folder):
  text = (folder / export_file.FILE).read_text()
  (folder / export_file.FILE).write_text(text.replace('"export_version": 1', '"export_version": 9'))


def damaged(folder):
  (folder / export_file.FILE).write_text('{"labels": ')


def changed_model(folder):
  shutil.rmtree(folder)
  made_exports.make(folder, files={'saved_model/saved_model.pb': 64 * '0'})


def nothing(folder):
  del folder


@pytest.mark.parametrize(
  ('change', 'flags', 'wanted'),
  [
    (no_export, (), 'holds neither an export (with export.json) nor a run'),
    (no_saved_model, (), 'is not whole: there is no saved_model/saved_model.pb'),
    (other_format, (), 'has no saved_model; it has litert'),
    (other_version, (), 'has version 9, and this program reads 1'),
    (damaged, (), 'cannot be read'),
    (changed_model, (), "is not what was exported: 'saved_model/saved_model.pb' was changed"),
    (nothing, ('--model=',), '--model=MODEL, an export or a run, was not given'),
    (nothing, ('--source=',), '--source=SOURCE'),
    (nothing, ('--source=folder',), "Did you mean 'folders'?"),
    (nothing, ('--input=/nowhere/at/all',), '/nowhere/at/all'),
    (nothing, ('--source=images',), 'lists pictures, and the model takes audio'),
    (nothing, ('--runner=NoSuchRunner',), '--runner=NoSuchRunner is no runner'),
    (nothing, ('--runer=x',), "No flag is called '--runer'"),
    (nothing, ('--window_s=2',), 'the model hears 0.5 s'),
    (nothing, ('--hop_s=1',), 'has no effect without --window_s'),
    (nothing, ('--format=kaggle',), ''),
    (nothing, ('--format=kaggle', '--window_s=0.5'), 'one answer for each file'),
    (nothing, ('--format=xml',), "expected one of parquet, csv, jsonl, kaggle, got 'xml'"),
    (nothing, ('--export_flags=--calibrated',), 'are for a run'),
    (nothing, ('--export_flags=--output=x',), 'expected flags of python -m trainer.export'),
    (nothing, ('--output=https://x/y',), 'is on a web server'),
    (nothing, ('--model=gs://',), 'names no bucket'),
    (nothing, ('--top=0',), '--top: expected a whole number of at least 1'),
    (nothing, ('--max_reject_fraction=2',), '--max_reject_fraction must be in [0, 1]'),
  ],
)
def test_bad_input_is_a_sentence_and_nothing_is_written(
  ask, export, tmp_path, capfd, change, flags, wanted
):
  change(export)
  code = ask(*flags)
  error = capfd.readouterr().err
  if not wanted:  # The stub's labels are words of the challenge, and two files have one name.
    assert code == 2 and 'would call two clips' in error
    return
  assert (code, error.count('error: ')) == (2, 1)
  assert 'Traceback' not in error
  assert wanted in error
  assert not (tmp_path / 'answers').exists()


def test_without_tensorflow_it_says_what_to_install(ask, capfd, monkeypatch):
  monkeypatch.setattr(model_place.importlib.util, 'find_spec', lambda name: None)
  assert ask() == 2
  assert "pip install 'voxshard[predict]'" in capfd.readouterr().err


@pytest.fixture
def run_dir(tmp_path):
  (tmp_path / 'run').mkdir()
  (tmp_path / 'run' / 'config.json').write_text('{}')
  return tmp_path / 'run'


def test_a_run_is_exported_into_the_output_and_kept_while_it_says_the_same(
  ask, run_dir, tmp_path, capfd, monkeypatch
):
  calls = []

  def export(arguments, run):
    calls.append((arguments, run))
    folder = arguments[1].removeprefix('--output=')
    made_exports.make(folder, origin={'weights': (run_dir / 'config.json').read_text()})
    # A SavedModel has other bytes whenever it is written.
    with open(os.path.join(folder, 'saved_model', 'saved_model.pb'), 'ab') as stream:
      stream.write(os.urandom(8))

  monkeypatch.setattr(finding_model, '_run_export', export)
  assert ask(*SMALL, '--export_flags=--calibrated', model=run_dir) == 0
  assert calls[0][0][2:] == ['--calibrated']
  assert calls[0][1] == str(run_dir)
  before = contents(tmp_path / 'answers' / 'model')
  assert ask(*SMALL, model=run_dir) == 0
  assert 'all 4 shards were whole' in said(capfd)
  assert contents(tmp_path / 'answers' / 'model') == before
  (run_dir / 'config.json').write_text('{"trained": "again"}')
  assert ask(*SMALL, model=run_dir) == 0
  assert 'because the model is another one' in said(capfd)
  assert sorted(path.name for path in (tmp_path / 'answers').glob('model*')) == ['model']


def test_what_the_export_of_a_run_says_is_the_sentence(ask, run_dir, capfd, monkeypatch):
  monkeypatch.setattr(
    finding_model.sys, 'executable', _script(run_dir, 'echo "error: No weights." >&2; exit 2')
  )
  assert ask(model=run_dir) == 2
  assert 'could not be exported: No weights.' in capfd.readouterr().err


def test_without_the_trainer_a_run_is_refused(ask, run_dir, capfd, monkeypatch):
  find = finding_model.importlib.util.find_spec
  monkeypatch.setattr(
    finding_model.importlib.util,
    'find_spec',
    lambda name: None if name == 'trainer' else find(name),
  )
  assert ask(model=run_dir) == 2
  assert "pip install 'voxshard[train]'" in capfd.readouterr().err


def _script(folder, text):
  path = folder / 'program'
  path.write_text(f'#!/bin/sh\n{text}\n')
  path.chmod(0o755)
  return str(path)


def test_a_model_reaches_workers_without_the_launchers_disk(export, tmp_path, monkeypatch):
  packed = f'{bucket.SCHEME}:/{tmp_path}/output/{model_place.packed_name("ab" * 32)}'
  model_place.pack(str(export), packed, storage.storage_of(packed))
  seen = {}

  def load(folder):
    seen.update(contents_below(folder))
    return made_exports.Stub(folder)

  monkeypatch.setattr(exported, 'Exported', load)
  assert model_place._load(packed).export.labels == made_exports.LABELS
  assert seen == contents_below(export)
  model_place.fetch(f'{bucket.SCHEME}:/{export}', str(tmp_path / 'copy'))
  assert contents_below(tmp_path / 'copy') == seen
  assert model_place.digest(str(tmp_path / 'copy')) == model_place.digest(str(export))


def contents_below(folder):
  found = {}
  for where, _, names in os.walk(folder):
    for name in names:
      path = os.path.join(where, name)
      with open(path, 'rb') as stream:
        found[os.path.relpath(path, folder)] = stream.read()
  return found


def test_model_and_answers_may_lie_in_a_bucket(ask, export, tmp_path):
  remote = f'{bucket.SCHEME}:/{tmp_path}'
  assert ask(*SMALL, f'--model={remote}/export', f'--output={remote}/answers') == 0
  assert ask(*SMALL, output='local') == 0
  assert contents(tmp_path / 'answers') == contents(tmp_path / 'local')


def test_an_archive_cannot_write_beside_its_folder(tmp_path):
  import tarfile

  path = tmp_path / 'model.tar'
  (tmp_path / 'x').write_text('x')
  with tarfile.open(path, 'w') as archive:
    archive.add(tmp_path / 'x', '../beside')
  with pytest.raises((tarfile.TarError, errors.VoxshardError)):
    model_place._load(str(path))
