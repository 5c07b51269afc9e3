"""predict with --calibrated and --none_of_these in every form of output, and what reports say."""

import csv
import io
import json
import pathlib
import shutil

import numpy as np
import pytest
import soundfile
from scipy import special

import features
from schemas import command
from tests.helpers import datasets, signals
from trainer import baseline, evaluate, predict
from trainer.confidence import fitted
from trainer.predictions import parquet_reader


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  """Noisy clips, so that a model is not always right."""
  path = tmp_path_factory.mktemp('data') / 'noisy'
  speakers = {'train': ('ada', 'bob'), 'validation': ('eve',), 'test': ('fay', 'gus')}
  noisy = lambda spec, label, random: datasets.make_array(  # noqa: E731
    spec, label=label, num_labels=3, rng=random, noise=3
  )
  datasets.write_dataset(path, clips_per_speaker=60, speakers=speakers, arrays=noisy)
  return str(path)


@pytest.fixture(scope='module')
def run_dir(data, tmp_path_factory):
  """A run whose logits are margins: energies differ."""
  path = str(tmp_path_factory.mktemp('runs') / 'svm')
  assert command.run(baseline.main, [f'--data={data}', '--model=svm', f'--run_dir={path}']) == 0
  return path


def said(capsys, run_dir, data, *more, top='--top=2'):
  argv = [f'--run_dir={run_dir}', f'--data={data}', '--split=test', *filter(None, [top]), *more]
  assert command.run(predict.main, argv) == 0
  return capsys.readouterr().out


def refused(capsys, main, *argv):
  assert command.run(main, argv) == 2
  found = capsys.readouterr()
  assert not found.out and 'Traceback' not in found.err
  return found.err


def predictions_of(run_dir):
  (batch,) = parquet_reader.Reader(f'{run_dir}/predictions.parquet').batches()
  return batch


def test_the_end_of_a_run_keeps_temperature_and_thresholds_and_reports_on_them(run_dir):
  found = fitted.load(f'{run_dir}/confidence.json')
  assert (found.split, found.num_examples, found.checkpoint) == ('validation', 60, 'best')
  report = json.loads(pathlib.Path(run_dir, 'report.json').read_text())
  calibration, none = report['calibration'], report['none_of_these']
  assert calibration['temperature'] == pytest.approx(found.temperature, abs=1e-6)
  assert found.calibrated_loss < found.loss
  assert len(calibration['bins']) == len(calibration['calibrated']['bins']) == 15
  assert calibration['loss'] == pytest.approx(report['loss'], abs=1e-5)
  batch = predictions_of(run_dir)
  for name, score in (('softmax', batch.confidences), ('energy', batch.log_sum_exps)):
    assert none['scores'][name]['threshold'] == pytest.approx(found.threshold(name), abs=1e-6)
    share = float((score < found.threshold(name)).mean())
    assert none['scores'][name]['falsely_rejected'] == pytest.approx(share, abs=1e-6)
  assert none['missing_labels'] == ['unknown', 'silence']


@pytest.mark.parametrize('score', ['softmax', 'energy'])
def test_every_form_says_none_of_these_of_the_same_clips(run_dir, data, capsys, score):
  batch, found = predictions_of(run_dir), fitted.load(f'{run_dir}/confidence.json')
  scores = {'softmax': batch.confidences, 'energy': batch.log_sum_exps}[score]
  rejected = {
    name for name, one in zip(batch.ids, scores, strict=True) if one < found.threshold(score, 0.3)
  }
  assert 0 < len(rejected) < len(batch)
  asked = ('--none_of_these', f'--none_score={score}', '--false_rejections=0.3')
  text = dict(line.split(': ', 1) for line in said(capsys, run_dir, data, *asked).splitlines())
  assert {name for name, line in text.items() if line.startswith('none of these (')} == rejected
  lines = map(json.loads, said(capsys, run_dir, data, *asked, '--format=jsonl').splitlines())
  by_id = {line['id']: line for line in lines}
  assert {name for name, line in by_id.items() if line['none_of_these']} == rejected
  assert all(len(line['predictions']) == 2 for line in by_id.values())
  rows = list(csv.DictReader(io.StringIO(said(capsys, run_dir, data, *asked, '--format=csv'))))
  assert list(rows[0])[:3] == ['id', 'answer', 'label_1']
  assert {row['id'] for row in rows if row['answer'] == 'none of these'} == rejected
  assert all(row['answer'] == row['label_1'] for row in rows if row['id'] not in rejected)
  form = ('--format=submission', '--submission_names=path')
  submission = said(capsys, run_dir, data, *asked, *form, top='')
  rows = list(csv.DictReader(io.StringIO(submission)))
  assert {row['fname'] for row in rows if row['label'] == 'none of these'} == rejected
  assert len(rows) == len(batch)


def test_calibrated_probabilities_are_those_at_the_temperature(run_dir, data, capsys):
  batch, found = predictions_of(run_dir), fitted.load(f'{run_dir}/confidence.json')
  lines = said(capsys, run_dir, data, '--calibrated', '--format=jsonl').splitlines()
  logits = batch.logits.astype(np.float64)
  expected = special.softmax(logits / found.temperature, axis=1).max(axis=1)
  by_id = dict(zip(batch.ids, expected, strict=True))
  for line in map(json.loads, lines):
    assert set(line) == {'id', 'predictions', 'true_label'}
    assert line['predictions'][0]['probability'] == pytest.approx(by_id[line['id']], abs=2e-6)


@pytest.mark.parametrize(
  ('argv', 'sentence'),
  [
    (['--none_score=energy'], '--none_score=energy has no effect without --none_of_these'),
    (['--false_rejections=0.1'], '--false_rejections=0.1 has no effect without --none_of_these'),
    (['--none_of_these', '--none_score=odds'], "expected one of softmax, energy, got 'odds'"),
    (['--none_of_these', '--false_rejections=2'], '--false_rejections must be in [0, 1], got 2'),
    (['--none_of_these', '--false_rejections=nan'], 'must be in [0, 1], got nan'),
    (['--calibrated', '--checkpoint=last'], 'are those of the best checkpoint'),
  ],
)
def test_wrong_flags_are_a_sentence(run_dir, data, capsys, argv, sentence):
  assert sentence in refused(capsys, predict.main, f'--run_dir={run_dir}', f'--data={data}', *argv)


def test_a_run_of_before_gets_its_temperature_by_evaluate(run_dir, data, tmp_path, capsys):
  copy = shutil.copytree(run_dir, tmp_path / 'run')
  kept = (copy / 'confidence.json').read_bytes()
  (copy / 'confidence.json').unlink()
  shutil.rmtree(copy / 'judged')
  asked = (f'--run_dir={copy}', f'--data={data}', '--split=test')
  for flag in ('--calibrated', '--none_of_these'):
    error = refused(capsys, predict.main, *asked, flag)
    assert f'{flag} needs what the validation split says' in error
    assert f'`python -m trainer.evaluate --run_dir={copy}` writes it' in error
  assert command.run(evaluate.main, [f'--run_dir={copy}']) == 0
  text = capsys.readouterr().out
  assert 'calibration  ECE ' in text and 'falsely rejected: ' in text
  assert 'note: no label stands for what is none of the others' in text
  assert (copy / 'confidence.json').read_bytes() == kept
  assert command.run(predict.main, [*asked, '--calibrated']) == 0


def test_a_temperature_of_another_model_is_refused_and_made_again(run_dir, data, tmp_path, capsys):
  copy, other = shutil.copytree(run_dir, tmp_path / 'run'), tmp_path / 'other'
  argv = [f'--data={data}', '--model=logistic', f'--run_dir={other}']
  assert command.run(baseline.main, argv) == 0
  ours = (copy / 'confidence.json').read_bytes()
  foreign = (other / 'confidence.json').read_bytes()
  (copy / 'confidence.json').write_bytes(foreign)
  capsys.readouterr()
  asked = (f'--run_dir={copy}', f'--data={data}', '--split=test')
  for main, *more in (
    (predict.main, *asked, '--calibrated'),
    (predict.main, *asked, '--none_of_these'),
    (evaluate.main, f'--run_dir={copy}'),
  ):
    assert command.run(main, more) == 2
    error = capsys.readouterr().err
    assert 'is of another model than that of the run: its temperature and thresholds' in error
    assert f'Remove it and write it again: python -m trainer.evaluate --run_dir={copy}.' in error
  assert command.run(predict.main, list(asked)) == 0  # Which needs none of it.
  (copy / 'confidence.json').unlink()
  assert command.run(evaluate.main, [f'--run_dir={copy}']) == 0
  assert (copy / 'confidence.json').read_bytes() == ours
  # A file of before does not say of which model it is, and is believed.
  fields = json.loads(foreign)
  del fields['checkpoint_sha256']
  (copy / 'confidence.json').write_text(json.dumps({**fields, 'confidence_version': 1}))
  assert command.run(predict.main, [*asked, '--calibrated']) == 0


def test_without_a_validation_split_it_is_said(tmp_path, capsys):
  speakers = {'train': ('ada', 'bob'), 'test': ('gus',)}
  datasets.write_dataset(tmp_path / 'data', speakers=speakers)
  argv = [f'--data={tmp_path / "data"}', '--model=logistic', f'--run_dir={tmp_path / "run"}']
  assert command.run(baseline.main, argv) == 0
  assert not (tmp_path / 'run' / 'confidence.json').exists()
  assert command.run(evaluate.main, [f'--run_dir={tmp_path / "run"}']) == 0
  assert 'note: There is no validation split' in capsys.readouterr().out


def test_thresholds_of_data_that_is_no_more_are_not_made_of_other_data(
  run_dir, data, tmp_path, capsys
):
  copy = shutil.copytree(run_dir, tmp_path / 'run')
  (copy / 'confidence.json').unlink()
  config = json.loads((copy / 'config.json').read_text())
  (copy / 'config.json').write_text(json.dumps({**config, 'manifest_sha256': 'ab' * 32}))
  assert command.run(evaluate.main, [f'--run_dir={copy}']) == 0
  assert 'is not that of the training any more' in capsys.readouterr().out
  assert not (copy / 'confidence.json').exists()


def test_a_long_recording_is_heard_in_windows_by_a_baseline_too(tmp_path, capsys):
  made = features.spec(*features.parse('log_mel:num_mels=16'), datasets.AUDIO)
  datasets.write_dataset(tmp_path / 'data', features=(made,), clips_per_speaker=6)
  run_dir, rate_hz = tmp_path / 'run', datasets.AUDIO.sample_rate_hz
  argv = [f'--data={tmp_path / "data"}', '--model=svm', f'--run_dir={run_dir}']
  assert command.run(baseline.main, argv) == 0
  capsys.readouterr()
  soundfile.write(tmp_path / 'x.wav', signals.noise(2 * rate_hz), rate_hz)
  asked = ('--window_s=0.5', '--none_of_these', '--calibrated', '--false_rejections=1')
  argv = [f'--run_dir={run_dir}', *asked, str(tmp_path / 'x.wav')]
  assert command.run(predict.main, [*argv, '--format=csv', '--top=1']) == 0
  rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
  assert [row['start_s'] for row in rows] == ['0.0', '0.5', '1.0', '1.5']
  assert {row['answer'] for row in rows} <= {'none of these', *(row['label_1'] for row in rows)}
  assert command.run(predict.main, [*argv, '--format=audacity']) == 0
  spoken = [row for row in rows if row['answer'] != 'none of these']
  assert bool(capsys.readouterr().out) == bool(spoken)
