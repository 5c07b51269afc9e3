"""Prediction of whole data sets: which fit, what is printed of them, and what is refused."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from beam_jobs import explore
from schemas import command, errors, utterance
from tests.helpers import datasets
from tfrecords import describe, manifest_file, reader, verify, writer
from trainer import __main__, config, evaluate, predict, run
from trainer.data import named_data
from trainer.runs import saved_run

TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'
SETTINGS = {'num_mels': 16}
FEATURE = dataclasses.replace(datasets.LOG_MEL, settings=SETTINGS)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  path = tmp_path_factory.mktemp('data') / 'labelled'
  datasets.write_dataset(path, features=(FEATURE,), clips_per_speaker=15)
  return str(path)


@pytest.fixture(scope='module')
def run_dir(data, tmp_path_factory):
  path = str(tmp_path_factory.mktemp('run') / 'run')
  run.train(
    config.TrainConfig(
      data=data, run_dir=path, model=TOY, epochs=8, batch_size=8, learning_rate=0.01,
      deterministic=False,
    )
  )  # fmt: skip
  return path


@pytest.fixture(scope='module')
def unlabelled(tmp_path_factory):
  """A data set whose clips have no label; they sound like `no`."""
  path = str(tmp_path_factory.mktemp('unlabelled') / 'data')
  datasets.write_dataset(
    path,
    features=(FEATURE,),
    labels=(utterance.UNLABELLED,),
    speakers={'test': ('fay', 'gus')},
    arrays=lambda spec, label, rng: datasets.make_array(
      spec, label=0, num_labels=3, rng=rng, noise=0.1
    ),
  )
  return path


def said(capsys, *argv):
  assert command.run(predict.main, argv) == 0
  return capsys.readouterr().out


def rows_of(text):
  return list(csv.reader(io.StringIO(text)))


def test_every_record_is_predicted_under_its_id(data, run_dir, capsys):
  lines = said(
    capsys, f'--run_dir={run_dir}', f'--data={data}', '--format=jsonl', '--batch_size=7'
  ).splitlines()
  found = [json.loads(line) for line in lines]
  assert len(found) == manifest_file.load(data).num_records('train') + 15 + 30
  assert len({entry['id'] for entry in found}) == len(found)
  # The id of the tiny data set begins with its label.
  right = [entry['id'].startswith(entry['predictions'][0]['label'] + '/') for entry in found]
  assert sum(right) > 0.9 * len(right)


def test_one_split(data, run_dir, capsys):
  argv = (f'--run_dir={run_dir}', f'--data={data}', '--split=validation', '--format=csv')
  rows = rows_of(said(capsys, *argv, '--top=1'))
  assert rows[0] == ['id', 'label_1', 'probability_1', 'true_label']
  assert all(row[0].startswith(f'{row[3]}/') for row in rows[1:])
  assert len(rows) == 16
  assert {row[0].split('_')[0].split('/')[1] for row in rows[1:]} == {'eve'}


def test_clips_without_labels_make_a_submission(run_dir, unlabelled, capsys):
  argv = (f'--run_dir={run_dir}', f'--data={unlabelled}', '--format=submission')
  rows = rows_of(said(capsys, *argv))
  assert rows[0] == ['fname', 'label']
  # By name: the order of the shards is nobody's.
  expected = [[f'{speaker}_{take}.wav', 'no'] for speaker in ('fay', 'gus') for take in range(6)]
  assert rows[1:] == expected
  whole = rows_of(said(capsys, *argv, '--submission_names=path'))
  assert whole[1] == ['unlabelled/fay_0.wav', 'no'] or whole[1][0].endswith('/fay_0.wav')
  assert rows_of(said(capsys, *argv, '--columns=id,class'))[0] == ['id', 'class']


def test_two_clips_of_one_file_name_are_no_submission(data, run_dir, tmp_path, capsys):
  datasets.write_dataset(
    tmp_path / 'data', features=(FEATURE,), labels=('a', 'b'), speakers={'test': ('x', 'y')}
  )
  manifest = manifest_file.load(str(tmp_path / 'data'))
  manifest_file.save(
    dataclasses.replace(manifest, shards=manifest.shards * 2), str(tmp_path / 'data')
  )
  argv = [f'--run_dir={run_dir}', f'--data={tmp_path / "data"}', '--format=submission']
  assert command.run(predict.main, argv) == 2
  said = capsys.readouterr()
  assert "would call two clips 'x_0.wav'. 'a/x_0.wav' is named twice" in said.err
  assert not said.out, 'a submission comes whole or not at all'


def test_a_bucket_that_tensorflow_cannot_read_is_said_before_it_is_asked(run_dir, capsys):
  for main, argv in (
    (__main__.main, []),
    (evaluate.main, [f'--run_dir={run_dir}']),
    (predict.main, [f'--run_dir={run_dir}']),
  ):
    text = refused(capsys, main, *argv, '--data=s3://bucket/words')
    assert 'not from s3://. Copy the data set here first (aws s3 sync s3://bucket/words' in text


def test_a_run_is_no_data_set_and_a_data_set_no_run(data, run_dir, capsys):
  sentence = f"'{run_dir}' is the folder of a run of the trainer, and no data set. The run was"
  for main, argv in (
    (__main__.main, [f'--data={run_dir}']),
    (evaluate.main, [f'--run_dir={run_dir}', f'--data={run_dir}']),
    (predict.main, [f'--run_dir={run_dir}', f'--data={run_dir}']),
    (describe.main, [run_dir]),
    (verify.main, [run_dir]),
    (explore.main, [f'--data={run_dir}']),
  ):
    text = refused(capsys, main, *argv)
    assert sentence in text, main
    assert data in text
  for main in (evaluate.main, predict.main):
    argv = [f'--run_dir={data}', *(['x.wav'] if main is predict.main else [])]
    assert f'{data!r} is a data set, and no run.' in refused(capsys, main, *argv)
  text = refused(capsys, __main__.main, f'--data={data}', f'--run_dir={data}')
  assert f'--run_dir={data} is a data set' in text


def refused(capsys, main, *argv):
  assert command.run(main, argv) == 2
  text = capsys.readouterr().err
  assert 'Traceback' not in text
  return text


def test_clips_without_labels_teach_and_judge_nothing(run_dir, unlabelled, capsys):
  with pytest.raises(errors.DatasetError, match=r'no labels, so nothing can be learned.*predict'):
    run.train(config.TrainConfig(data=unlabelled))
  text = refused(capsys, evaluate.main, f'--run_dir={run_dir}', f'--data={unlabelled}')
  assert 'have no labels, so nothing can be judged' in text
  assert f'python -m trainer.predict --run_dir={run_dir} --data={unlabelled}' in text


@pytest.mark.parametrize(
  ('changes', 'sentence'),
  [
    ({'features': (dataclasses.replace(FEATURE, settings={}),)}, 'with the settings of the'),
    ({'features': (datasets.WAVEFORM,)}, "holds no feature 'log_mel'"),
    (
      {'audio': dataclasses.replace(datasets.AUDIO, effects=('peak',), trim_db=30.0)},
      "on log_mel with effects=(), trim_db=0.0; the data set in '{}' has effects=('peak',), "
      'trim_db=30.0. Run',
    ),
    (
      {'audio': None},
      'on log_mel with channel=mix, clip_s=0.5, effects=(), full_scale=1.0, position=start',
    ),
  ],
)
def test_a_data_set_of_another_kind_is_refused(run_dir, tmp_path, capsys, changes, sentence):
  path = tmp_path / 'data'
  datasets.write_dataset(path, **{'features': (FEATURE,), **changes})
  text = refused(capsys, predict.main, f'--run_dir={run_dir}', f'--data={path}')
  assert sentence.format(path) in text


def test_the_limit_of_length_makes_no_difference(run_dir, tmp_path, capsys):
  audio = dataclasses.replace(datasets.AUDIO, max_clip_s=5.0)
  datasets.write_dataset(tmp_path / 'data', features=(FEATURE,), audio=audio)
  assert said(capsys, f'--run_dir={run_dir}', f'--data={tmp_path / "data"}')


def test_no_such_split_and_no_data_set(run_dir, unlabelled, tmp_path, capsys):
  argv = (f'--run_dir={run_dir}', f'--data={unlabelled}', '--split=train')
  assert 'has no train split; it has test' in refused(capsys, predict.main, *argv)
  text = refused(capsys, predict.main, f'--run_dir={run_dir}', f'--data={tmp_path / "no"}')
  assert 'There is no folder' in text


def test_a_shard_that_lost_its_last_record_is_refused_before_the_first_step(
  run_dir, tmp_path, capsys
):
  path = tmp_path / 'data'
  made = datasets.write_dataset(path, features=(FEATURE,))
  shard = path / made.shards_of('test')[0].file_name
  with writer.ShardWriter(str(shard)) as out:
    out.write(list(reader.read_records(str(shard)))[:-1])
  flags = (f'--run_dir={run_dir}', f'--data={path}')
  sentence = f'error: The shard {shard.name!r} in {str(path)!r} has {out.num_bytes:,} bytes, the'
  for main in (predict.main, evaluate.main):
    assert refused(capsys, main, *flags).startswith(sentence)
  # Training judges on it at its end.
  assert refused(capsys, __main__.main, f'--data={path}').startswith(sentence)
  assert said(capsys, *flags, '--split=train')


def test_a_split_that_is_not_as_large_as_it_was_said_to_be(run_dir, data, monkeypatch, capsys):
  """What no listing tells: records that went away between the listing and the end."""
  monkeypatch.setattr(named_data, 'check_shards', lambda *_: None)
  read = named_data.read_batches
  monkeypatch.setattr(named_data, 'read_batches', lambda request: read(request).take(1))
  flags = (f'--run_dir={run_dir}', f'--data={data}', '--batch_size=7')
  for main in (predict.main, evaluate.main):
    text = refused(capsys, main, *flags, '--split=test')
    assert text.startswith('error: Of the test split of')
    assert 'were read, the manifest says 30. Were' in text


def test_a_damaged_shard_is_named(run_dir, tmp_path, capsys):
  datasets.write_dataset(tmp_path / 'data', features=(FEATURE,))
  shard = next((tmp_path / 'data').glob('*-test.tfrecord-*'))
  content = bytearray(shard.read_bytes())
  content[200] ^= 1
  shard.write_bytes(bytes(content))
  text = refused(capsys, predict.main, f'--run_dir={run_dir}', f'--data={tmp_path / "data"}')
  assert f'It is {shard.name}. Run `python -m tfrecords.verify' in text


def test_a_model_that_went_astray_gives_a_sentence_and_no_numbers(
  run_dir, data, monkeypatch, capsys
):
  astray = saved_run.load(run_dir).load_model('best')
  astray.get_layer('logits').bias.assign(np.full(3, np.nan))
  monkeypatch.setattr(saved_run.SavedRun, 'load_model', lambda *_: astray)
  assert command.run(predict.main, [f'--run_dir={run_dir}', f'--data={data}']) == 2
  output = capsys.readouterr()
  assert 'logits that are not numbers' in output.err
  assert not output.out
