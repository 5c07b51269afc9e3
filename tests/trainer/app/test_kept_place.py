"""What visitors keep is mixed with nothing else."""

import dataclasses
import os

import pytest

from schemas import command, errors
from tests.helpers import made_exports, tiny_manifest
from tfrecords import manifest_file
from trainer import app
from trainer.app import kept_clips, kept_place
from trainer.runs import run_folder


@pytest.fixture(scope='module')
def places(tmp_path_factory):
  """A folder of things that hold no kept clips, and the run whose corpus is among them."""
  folder = tmp_path_factory.mktemp('places')
  for name in ('run', 'data'):
    (folder / name).mkdir()
  learned = dataclasses.replace(tiny_manifest.of(), config={'input': str(folder / 'corpus')})
  for name in ('run', 'data'):
    manifest_file.save(learned, str(folder / name))
  (folder / 'data' / 'tiny-train.tfrecord-00000-of-00001').touch()
  (folder / 'run' / 'checkpoints').mkdir()
  (spec,) = learned.features
  config = {'data_dir': 'x', 'manifest_sha256': 'x', 'feature': spec.to_json(), 'model': 'cnn'}
  run_folder.RunFolder(str(folder / 'run')).write_json(str(folder / 'run' / 'config.json'), config)
  made_exports.make(folder / 'export')
  (folder / 'export' / 'labels.txt').touch()
  (folder / 'corpus' / 'yes').mkdir(parents=True)
  (folder / 'corpus' / 'yes' / 'a.wav').touch()
  (folder / 'other').mkdir()
  (folder / 'other' / 'mine.txt').touch()
  os.symlink('run', folder / 'link')
  return folder


@pytest.mark.parametrize(
  ('name', 'said'),
  [
    ('run', 'is a run'),
    ('link', 'is a run'),
    ('run/logs/x', "lies in a run, '"),
    ('data', 'is a data set'),
    ('data/kept', "lies in a data set, '"),
    ('export', 'is an export'),
    ('export/saved_model', "lies in an export, '"),
    ('corpus', 'is the corpus of the training'),
    ('corpus/yes', "lies in the corpus of the training, '"),
    ('corpus/new', "lies in the corpus of the training, '"),
    ('other', r"holds something else \('mine\.txt', \.\.\.\) and no kept\.csv"),
  ],
)
def test_another_thing_is_refused_by_its_name(places, name, said):
  with pytest.raises(errors.ConfigError, match=f'--keep=.*{name} {said}.*Name a new or empty'):
    kept_place.check(str(places / name), [str(places / 'run'), str(places / 'export')])


def test_a_new_folder_an_empty_one_and_one_of_before_are_taken(places, tmp_path):
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'before' / 'yes').mkdir(parents=True)
  (tmp_path / 'before' / kept_clips.TABLE).touch()
  for name in ('new', 'empty', 'before', 'before/inside'):
    kept_place.check(str(tmp_path / name), [str(places / 'run')])
  assert sorted(os.listdir(tmp_path)) == ['before', 'empty']


def test_the_program_says_it_and_touches_nothing(places, capsys):
  run = str(places / 'run')
  before = sorted(os.listdir(run))
  assert command.run(app.main, [f'--run_dir={run}', f'--keep={run}', '--port=0']) == 2
  assert f'--keep={run} is a run' in capsys.readouterr().err
  assert sorted(os.listdir(run)) == before
