"""--recipe=transfer, and the page that compares its runs."""

import html.parser
import json
import os

import numpy as np
import pytest

from pages import curves
from schemas import errors
from tests.helpers import datasets, prediction_files
from trainer import __main__, config, models, run, transfer_recipe
from trainer.trunks import comparison

TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'
SPEAKERS = {'train': ('ada', 'bob'), 'validation': ('eve',), 'test': ('fay', 'gus', 'hal')}


def small(path, **settings):
  datasets.write_dataset(path, clips_per_speaker=4, **{'speakers': SPEAKERS, **settings})
  return str(path)


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  path = tmp_path_factory.mktemp('source')
  data = small(path / 'data', speakers={'train': ('ada', 'bob'), 'validation': ('eve',)})
  asked = config.TrainConfig(
    data=data, model=TOY, run_dir=str(path / 'run'), epochs=1, batch_size=8
  )
  return run.train(asked).path


def call(**flags):
  __main__.main([f'--{name}={value}' for name, value in flags.items()])


def test_both_phases_and_a_run_from_scratch_are_compared(source, tmp_path, capsys):
  flags = {
    'recipe': 'transfer',
    'init_from': source,
    'model': TOY,
    'data': small(tmp_path / 'data', labels=('a', 'b'), seed=3),
    'run_dir': tmp_path / 'runs',
    'epochs': 2,
    'batch_size': 8,
  }
  call(**flags)
  said = capsys.readouterr().out
  assert said.index('phase    head') < said.index('fine-tuned (2 of 3)') < said.index('scratch (3')
  assert 'frozen   the trunk' in said
  assert 'learning rate 0.001 for the whole batch of 8, 0.0001 for the trunk' in said
  found = json.loads((tmp_path / 'runs' / 'comparison.json').read_text('utf-8'))
  assert list(found['runs']) == ['fine-tuned', 'head', 'scratch']  # JSON is sorted.
  for name, one in found['runs'].items():
    report = json.loads((tmp_path / 'runs' / name / 'report.json').read_text('utf-8'))
    assert one['accuracy'] == report['accuracy']
    assert one['interval_95'] == report['accuracy_interval_95']
    assert len(one['curves']['validation_loss']) == one['epochs'] == 2
  page = (tmp_path / 'runs' / 'comparison.html').read_text('utf-8')
  parser = html.parser.HTMLParser()
  parser.feed(page)
  assert 'http' not in page.replace('http://www.w3.org', ''), 'nothing comes from outside'
  assert page.count('<polyline') == 4 * 3
  assert page.count('confusion matrix of') == 3
  config_file = tmp_path / 'runs' / 'fine-tuned' / 'config.json'
  assert json.loads(config_file.read_text('utf-8'))['init_from']['path'].endswith('head')
  os.remove(tmp_path / 'runs' / 'comparison.html')
  call(**flags)
  assert capsys.readouterr().out.count('finished ') == 3
  assert (tmp_path / 'runs' / 'comparison.html').read_text('utf-8') == page


def test_a_phase_that_sigterm_ended_is_the_last_one(source, tmp_path, monkeypatch, capsys):
  trained = []
  monkeypatch.setattr(run, 'train', lambda one, checked: trained.append(one.run_dir))  # Saved.
  folder = tmp_path / 'runs'
  data = small(tmp_path / 'data', labels=('a', 'b'), seed=3)
  call(recipe='transfer', init_from=source, model=TOY, data=data, run_dir=folder, epochs=2)
  assert trained == [f'{folder}/head'] and not folder.exists()
  assert 'fine-tuned' not in capsys.readouterr().out


@pytest.mark.parametrize(
  ('model', 'from_random_numbers'),
  [('vgg16:blocks=2,weights=mine.h5', 'vgg16:blocks=2'), ('cnn:filters=4', 'cnn:filters=4')],
)
def test_a_run_from_scratch_has_no_weights_of_a_file(model, from_random_numbers, tmp_path):
  asked = config.TrainConfig(
    recipe='transfer', init_from='a.keras', run_dir=str(tmp_path), model=model
  )
  found = transfer_recipe.phases(asked)
  names = models.parse(found['scratch'].model), models.parse(from_random_numbers)
  assert names[0] == names[1]
  assert found['head'].model == found['fine-tuned'].model == model


def test_what_a_file_is_has_no_run_from_scratch(tmp_path):
  asked = config.TrainConfig(
    recipe='transfer', init_from='a.keras', run_dir=str(tmp_path), model='saved_model:path=x'
  )
  with pytest.raises(errors.ConfigError, match='path=x is what its file says.* from random numb'):
    transfer_recipe.phases(asked)


@pytest.mark.parametrize('num_speakers', [12, 3])
def test_differences_are_paired_over_speakers(tmp_path, num_speakers):
  truth = np.arange(120) % 2
  speakers = [f's{i // 2 % num_speakers}' for i in range(120)]
  paths = {}
  for name, num_wrong in (('head', 24), ('scratch', 48)):
    logits = np.eye(2)[np.where(np.arange(120) < num_wrong, 1 - truth, truth)]
    (tmp_path / name).mkdir()
    file = tmp_path / name / 'predictions.parquet'
    prediction_files.write(file, 'ab', truth, logits, speakers=speakers)
    paths[name] = str(tmp_path / name)
  gain = comparison._differences(paths)['head']
  assert gain['difference'] == pytest.approx(0.2)
  assert gain['p_value'] == pytest.approx(2**-23)
  # Every speaker gains the same: whoever is drawn, the difference is it.
  ends = {'low': pytest.approx(0.2), 'high': pytest.approx(0.2)}
  assert gain['interval_95'] == (ends if num_speakers == 12 else None)


def test_a_report_of_an_earlier_version_is_made_again(tmp_path):
  (tmp_path / 'history.json').write_text('[]')
  (tmp_path / 'report.json').write_text('{"report_version": 1}')
  with pytest.raises(errors.ConfigError, match=r'trainer\.evaluate --run_dir='):
    comparison.gather({'one': str(tmp_path)}, {'one': ''})


def test_curves_are_drawn_in_the_field():
  drawn = curves.by_epoch({'one': [0.5, float('nan'), 2.0], 'two': [1.0]}, noun='loss')
  places = np.array([place for line in drawn.lines for place in line.points])
  assert ((places >= 0) & (places <= 1)).all()
  assert [len(line.points) for line in drawn.lines] == [2, 1]
  assert drawn.lines[0].last == '2'


@pytest.mark.parametrize(
  ('flags', 'sentence'),
  [
    ({}, 'name --init_from and --run_dir'),
    ({'init_from': 'a', 'run_dir': 'b', 'freeze': 'trunk'}, 'not go together with --freeze'),
    ({'init_from': 'a', 'run_dir': 'b', 'strategy': 'multi_worker'}, '--strategy=multi_worker'),
  ],
)
def test_wrong_flags_are_refused(flags, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    config.TrainConfig(recipe='transfer', **flags)


def test_a_folder_of_something_else_and_data_without_a_test_are_refused(source, tmp_path):
  (tmp_path / 'runs').mkdir()
  (tmp_path / 'runs' / 'mine.txt').touch()
  flags = {'recipe': 'transfer', 'init_from': source, 'data': f'{os.path.dirname(source)}/data'}
  with pytest.raises(errors.ConfigError, match=r"holds 'mine.txt', which is no part"):
    call(**flags, run_dir=tmp_path / 'runs')
  with pytest.raises(errors.ConfigError, match='compares on the test split'):
    call(**flags, run_dir=tmp_path / 'other', overwrite=True)
