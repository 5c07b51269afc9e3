"""Runs with --unknown_labels: what they learn, and how they are judged by what they do not know."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from schemas import command
from tests.helpers import datasets
from tests.trainer.devices import strategies_under_test
from tfrecords import examples, held_out, manifest_file
from trainer import assembly, baseline, config, evaluate, predict, run
from trainer.confidence import fitted, none_scores
from trainer.data import datasets as data_sets
from trainer.devices import workers
from trainer.predictions import parquet_reader
from trainer.runs import saved_run

LABELS = ('eight', 'nine', 'seven', 'six')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  path = tmp_path_factory.mktemp('data') / 'words'
  datasets.write_dataset(path, labels=LABELS, clips_per_speaker=20)
  return str(path)


@pytest.fixture(scope='module')
def by_baseline(data, tmp_path_factory):
  path = str(tmp_path_factory.mktemp('runs') / 'svm')
  argv = [f'--data={data}', '--model=svm', f'--run_dir={path}', '--unknown_labels=six,nine']
  assert command.run(baseline.main, argv) == 0
  return path


@pytest.fixture(scope='module')
def by_network(data, tmp_path_factory):
  path = str(tmp_path_factory.mktemp('runs') / 'linear')
  run.train(
    config.TrainConfig(
      data=data, model='linear', run_dir=path, unknown_labels='2', epochs=2, batch_size=8,
      learning_rate=0.01, deterministic=False,
    )
  )  # fmt: skip
  return path


def read(path):
  return parquet_reader.Reader(path)


@pytest.mark.parametrize('kind', ['by_baseline', 'by_network'])
def test_they_know_the_others_and_are_judged_by_those_left_out(kind, data, request, capsys):
  path = request.getfixturevalue(kind)
  whole = manifest_file.load(data)
  unknown = ('nine', 'six') if kind == 'by_baseline' else held_out.chosen(LABELS, '2', seed=0)
  known = tuple(label for label in LABELS if label not in unknown)
  saved = saved_run.load(path)
  assert saved.manifest.labels == known
  counts = dict(zip(LABELS, whole.label_counts('test'), strict=True))
  found = read(f'{path}/predictions.parquet')
  (mine,) = found.batches()
  assert found.header.labels == known
  assert len(mine) == sum(counts[label] for label in known)
  assert {one.partition('/')[0] for one in mine.ids} == set(known)
  (theirs,) = read(f'{path}/unknown.parquet').batches()
  assert read(f'{path}/unknown.parquet').header.unknown_labels == unknown
  assert theirs.texts('label') == [one.partition('/')[0] for one in theirs.ids]
  assert len(theirs) == sum(counts[label] for label in unknown)
  assert set(theirs.texts('predicted')) <= set(known)
  (validation,) = read(f'{path}/judged/validation/predictions.parquet').batches()
  assert {one.partition('/')[0] for one in validation.ids} == set(known)
  report = json.loads(pathlib.Path(path, 'report.json').read_text())
  said = report['none_of_these']['unknown']
  assert (said['labels'], said['num_examples']) == (list(unknown), len(theirs))
  for name in none_scores.SCORES:
    scores = none_scores.of_batch(mine)[name], none_scores.of_batch(theirs)[name]
    assert said['scores'][name]['auroc'] == pytest.approx(none_scores.auroc(*scores), abs=1e-6)
    threshold = report['none_of_these']['scores'][name]['threshold']
    rejected = said['scores'][name]['rejected']
    assert rejected == pytest.approx(float(np.mean(scores[1] < threshold)), abs=0.02)
  before = pathlib.Path(path, 'report.json').read_bytes()
  assert command.run(evaluate.main, [f'--run_dir={path}']) == 0
  text = capsys.readouterr().out
  assert f'unknown      {len(theirs)} clips of {", ".join(unknown)}' in text
  assert '  softmax    AUROC ' in text
  assert pathlib.Path(path, 'report.json').read_bytes() == before


def known_statistics(data, known, name):
  """Returns mean and variance of a feature, as of a data set that has no other labels."""
  clips = [clip for clip in examples.read(data, 'train') if clip.label in known]
  rows = np.concatenate([clip.arrays[name] for clip in clips]).astype(float)
  return len(rows), rows.mean(axis=0), rows.var(axis=0)


def check_statistics(found, wanted):
  count, mean, variance = wanted
  assert found.count == count
  np.testing.assert_allclose(found.mean, mean, atol=1e-6)
  np.testing.assert_allclose(found.variance, variance, rtol=1e-5)


def test_normalised_by_the_mean_and_variance_of_the_known_labels_alone(by_network, data):
  saved = saved_run.load(by_network)
  wanted = known_statistics(data, saved.manifest.labels, 'log_mel')
  check_statistics(saved.manifest.statistics['log_mel'], wanted)
  whole = manifest_file.load(data).statistics['log_mel']
  assert np.abs(np.subtract(whole.mean, wanted[1])).max() > 0.01
  # The model's own, in its file.
  model = saved.load_model('best')
  zeros = np.zeros((1, *saved.feature.shape), np.float32)
  means = zeros + np.asarray(wanted[1], np.float32)
  layer = model.get_layer('trunk').get_layer('normalization')
  np.testing.assert_allclose(layer(means), zeros, atol=1e-4)


def test_a_run_goes_on_with_the_mean_and_variance_that_it_began_with(data, tmp_path):
  asked = config.TrainConfig(
    data=data, model='linear', run_dir=str(tmp_path), unknown_labels='2', feature='log_mel'
  )
  loaded = data_sets.load(data, unknown_labels='2')
  alone = workers.Workers(strategies_under_test.make('none'))
  whole = manifest_file.load(data)
  manifest_file.save(loaded.manifest, str(tmp_path))  # As a run of before has it.
  began = assembly.with_own_statistics(asked, loaded, alone, goes_on=True)
  assert began.manifest.statistics == whole.statistics
  anew = assembly.with_own_statistics(asked, loaded, alone)
  check_statistics(
    anew.manifest.statistics['log_mel'], known_statistics(data, anew.manifest.labels, 'log_mel')
  )
  assert dataclasses.replace(anew.manifest, statistics={}) == dataclasses.replace(
    loaded.manifest, statistics={}
  )
  for config_, data_ in (
    (dataclasses.replace(asked, random_data=True), loaded),  # It reads no records.
    (asked, data_sets.load(data)),
  ):
    assert assembly.with_own_statistics(config_, data_, alone) is data_


def test_a_data_set_of_the_known_labels_alone_judges_them(by_baseline, tmp_path, capsys):
  datasets.write_dataset(tmp_path / 'other', labels=('eight', 'seven'), clips_per_speaker=6)
  argv = [f'--run_dir={by_baseline}', f'--data={tmp_path / "other"}']
  assert command.run(evaluate.main, argv) == 0
  assert 'unknown  ' not in capsys.readouterr().out


def test_all_clips_of_the_data_set_are_predicted(by_baseline, data, capsys):
  argv = [f'--run_dir={by_baseline}', f'--data={data}', '--split=test', '--format=jsonl']
  assert command.run(predict.main, argv) == 0
  lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  assert len(lines) == manifest_file.load(data).num_records('test')
  assert {one['label'] for line in lines for one in line['predictions']} == {'eight', 'seven'}


def test_predict_is_cautious_with_a_network(by_network, data, capsys):
  kept = fitted.load(f'{by_network}/confidence.json')
  (batch,) = read(f'{by_network}/predictions.parquet').batches()
  rejected = dict(zip(batch.ids, batch.confidences < kept.threshold('softmax', 0.3), strict=True))
  assert 0 < sum(rejected.values()) < len(rejected)
  asked = [f'--run_dir={by_network}', f'--data={data}', '--split=test', '--none_of_these']
  asked += ['--calibrated', '--false_rejections=0.3', '--format=jsonl']
  assert command.run(predict.main, asked) == 0
  lines = map(json.loads, capsys.readouterr().out.splitlines())
  found = {line['id']: line['none_of_these'] for line in lines}
  assert {name: found[name] for name in rejected} == rejected
  assert len(found) > len(rejected)  # Those of the labels that it does not know, too.


def test_the_same_command_again_is_finished_and_another_refused(by_baseline, data, capsys):
  asked = [f'--data={data}', '--model=svm', f'--run_dir={by_baseline}']
  assert command.run(baseline.main, [*asked, '--unknown_labels=six,nine']) == 0
  assert command.run(baseline.main, asked) == 2
  assert '--unknown_labels=six,nine (here )' in capsys.readouterr().err


def test_where_the_test_split_has_none_of_them_it_is_said(tmp_path, capsys):
  # Speakers say the labels in turn, and do not come to the last.
  speakers = {'train': ('ada', 'bob'), 'test': ('eve',)}
  datasets.write_dataset(tmp_path / 'data', labels=LABELS, clips_per_speaker=3, speakers=speakers)
  argv = [f'--data={tmp_path / "data"}', '--model=logistic', f'--run_dir={tmp_path / "run"}']
  assert command.run(baseline.main, [*argv, '--unknown_labels=six']) == 0
  said = capsys.readouterr().out
  assert (
    'unknown  six: left out of training and validation; the test split has none of them' in said
  )
  assert not (tmp_path / 'run' / 'unknown.parquet').exists()


def test_wrong_labels_are_a_sentence(data, tmp_path, capsys):
  asked = [f'--data={data}', f'--run_dir={tmp_path / "run"}']
  assert command.run(baseline.main, [*asked, '--unknown_labels=ten']) == 2
  assert "the data set has no label 'ten'" in capsys.readouterr().err
  assert not (tmp_path / 'run').exists()
