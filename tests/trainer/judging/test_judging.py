"""evaluate and predict on a run that was trained on real audio files, as a user meets them."""

import csv
import io
import json
import os
import shutil
import types

import keras
import numpy as np
import pytest
import soundfile
from scipy import special
from sklearn import metrics

from beam_jobs import featurize
from features import stored_form as feature_storage
from schemas import command, errors
from tests.beam_jobs import corpora
from tests.helpers import prediction_files, signals
from tfrecords import manifest_file, reader
from tfrecords.wire import codec
from trainer import config, evaluate, predict, run
from trainer.judging import answering, compatibility, evaluation, prediction
from trainer.predictions import clip_answers, parquet_reader
from trainer.runs import saved_run

TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'
FEATURES = ('--feature=log_mel:num_mels=20', '--feature=mel:num_mels=16')


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return corpora.make_words(tmp_path_factory.mktemp('corpus'))


@pytest.fixture(scope='module')
def data(corpus, tmp_path_factory):
  output = tmp_path_factory.mktemp('data')
  assert command.run(featurize.main, corpora.argv(corpus, output, *FEATURES[1:])) == 0
  return output


def trained(data, run_dir, **settings):
  run.train(
    config.TrainConfig(
      data=str(data), run_dir=str(run_dir), model=TOY, epochs=3, batch_size=8, learning_rate=0.01,
      deterministic=False, **settings,
    )
  )  # fmt: skip
  return str(run_dir)


@pytest.fixture(scope='module')
def run_dir(data, tmp_path_factory):
  return trained(data, tmp_path_factory.mktemp('runs') / 'log_mel', feature='log_mel')


def records_of(data, split):
  manifest = manifest_file.load(str(data))
  for shard in manifest.shards_of(split):
    for encoded in reader.read_records(str(data / shard.file_name)):
      yield codec.decode(encoded, manifest.features)


def test_the_report_is_what_scikit_learn_says_of_the_records(data, run_dir):
  report = evaluation.evaluate_run(run_dir, batch_size=5)
  found = list(records_of(data, 'test'))
  model = keras.saving.load_model(f'{run_dir}/checkpoints/best.keras', compile=False)
  logits = np.asarray(
    model(np.stack([r.arrays['log_mel'] for r in found]).astype(np.float32), training=False)
  )
  truth, predicted = [r.label for r in found], logits.argmax(axis=1)
  assert report['num_examples'] == len(found) == 8
  assert report['accuracy'] == pytest.approx(metrics.accuracy_score(truth, predicted))
  matrix = metrics.confusion_matrix(truth, predicted, labels=range(2))
  assert report['confusion']['matrix'] == matrix.tolist()
  loss = metrics.log_loss(truth, special.softmax(logits, axis=1), labels=[0, 1])
  assert report['loss'] == pytest.approx(loss, abs=1e-5)
  assert {entry['speaker'] for entry in report['speakers']} == {r.speaker_id for r in found}
  assert report['same_data_as_training']


def test_the_report_does_not_depend_on_the_batch_size(run_dir):
  first, second = (evaluation.evaluate_run(run_dir, batch_size=size) for size in (3, 256))
  assert first.pop('loss') == pytest.approx(second.pop('loss'), abs=1e-5)
  assert first['confusion']['matrix'] == second['confusion']['matrix']


def test_the_report_and_the_picture_are_written(run_dir, tmp_path):
  copy = shutil.copytree(run_dir, tmp_path / 'run')
  others = sorted(os.listdir(copy / 'judged'))  # Of the training, and of tests before this one.
  before = (copy / 'report.json').read_bytes()
  assert json.loads(before) == evaluation.evaluate_run(str(copy))
  report = evaluation.evaluate_run(str(copy), split='validation', checkpoint='last')
  assert (copy / 'report.json').read_bytes() == before  # Other judgements lie apart.
  folder = copy / 'judged' / 'validation-last'
  assert json.loads((folder / 'report.json').read_text()) == report
  assert (report['split'], report['checkpoint']) == ('validation', 'last')
  assert (folder / 'confusion_matrix.png').read_bytes().startswith(b'\x89PNG')
  assert 'validation' in others
  assert sorted(os.listdir(copy / 'judged')) == sorted([*others, 'validation-last'])


def test_the_predictions_of_a_run_are_what_its_model_says_of_the_records(data, run_dir):
  for split, folder in (('test', run_dir), ('validation', f'{run_dir}/judged/validation')):
    found = parquet_reader.Reader(f'{folder}/predictions.parquet')
    (batch,) = found.batches()
    answers = prediction_files.answers_of(batch)
    expected = list(records_of(data, split))
    assert found.header.split == split
    assert answers.origins == clip_answers.Origins(
      ids=[r.utterance_id for r in expected],
      speakers=[r.speaker_id for r in expected],
      files=[r.file for r in expected],
      start_us=[r.start_us for r in expected],
      end_us=[r.end_us for r in expected],
      fields=[codec.fields_text(r.fields) for r in expected],
      augmentations=[''] * len(expected),
    )
    assert answers.labels.tolist() == [r.label for r in expected]


def test_another_data_set_of_the_same_kind_can_be_judged(corpus, run_dir, tmp_path, capsys):
  other = tmp_path / 'other'
  argv = corpora.argv(corpus, other, FEATURES[1], '--seed=5')
  assert command.run(featurize.main, argv) == 0
  assert command.run(evaluate.main, [f'--run_dir={run_dir}', f'--data={other}']) == 0
  assert 'this is not the data set of the training' in capsys.readouterr().out


def refused(capsys, main, *argv):
  assert command.run(main, argv) == 2
  said = capsys.readouterr().err
  assert 'Traceback' not in said
  return said


@pytest.mark.parametrize(
  ('more', 'sentence'),
  [
    (('--sample_rate_hz=16000',), 'trained on log_mel with sample_rate_hz=8000; the data'),
    (('--clip_seconds=0.3',), 'trained on log_mel with clip_s=0.5, shape=[48, 20]; the data'),
    (('--feature=mel:num_mels=16',), "holds no feature 'log_mel'"),
    (('--split_by=speaker:test=ann', '--validation_fraction=0'), 'has no validation split'),
  ],
)
def test_a_data_set_that_does_not_fit_is_refused(corpus, run_dir, tmp_path, capsys, more, sentence):
  other = tmp_path / 'other'
  argv = corpora.argv(corpus, other)
  if more[0].startswith('--feature'):
    argv = [word for word in argv if not word.startswith('--feature')]
  assert command.run(featurize.main, [*argv, *more]) == 0
  argv = [f'--run_dir={run_dir}', f'--data={other}', '--split=validation']
  said = refused(capsys, evaluate.main, *argv)
  assert sentence in said


def test_other_labels_are_refused(tmp_path, run_dir, capsys):
  for speaker in corpora.SPEAKERS:
    for word in ('no', 'perhaps'):
      corpora.write_wav(tmp_path / 'in' / word / f'{speaker}_0.wav')
  argv = corpora.argv(tmp_path / 'in', tmp_path / 'out')
  assert command.run(featurize.main, argv) == 0
  said = refused(capsys, evaluate.main, f'--run_dir={run_dir}', f'--data={tmp_path / "out"}')
  assert 'it has unknown ones: perhaps' in said


def test_labels_that_differ_in_their_letters_form_only_are_shown_so_that_it_is_seen():
  before = types.SimpleNamespace(labels=('Cafe\u0301', 'no'), num_labels=2)
  now = types.SimpleNamespace(labels=('Caf\xe9', 'no'), num_labels=2, is_labelled=True)
  trained = types.SimpleNamespace(manifest=before)
  with pytest.raises(errors.DatasetError) as caught:
    compatibility.check_labels(trained, now, data_dir='x')
  assert r"the form of their letters only ('Cafe\u0301' and 'Caf\xe9')" in str(caught.value)


def test_a_damaged_shard_is_named(data, run_dir, tmp_path, capsys):
  copy = shutil.copytree(data, tmp_path / 'data')
  shard = next(copy.glob('*-test.tfrecord-*'))
  content = bytearray(shard.read_bytes())
  content[200] ^= 1
  shard.write_bytes(bytes(content))
  said = refused(capsys, evaluate.main, f'--run_dir={run_dir}', f'--data={copy}')
  assert 'tfrecords.verify' in said


@pytest.mark.parametrize(
  ('damage', 'sentence'),
  [
    (lambda run: (run / 'checkpoints' / 'best.keras').unlink(), 'There is no checkpoint'),
    (lambda run: (run / 'checkpoints' / 'best.keras').write_bytes(b'x'), 'not what the run wrote'),
    (
      lambda run: (
        (run / 'checkpoints' / 'best.keras').write_bytes(b'x'),
        (run / 'checkpoints.json').unlink(),
      ),
      'cannot be read',
    ),
    (lambda run: (run / 'config.json').unlink(), 'holds no run'),
    (lambda run: (run / 'config.json').write_text('{}'), 'holds no whole run'),
    (lambda run: (run / 'manifest.json').unlink(), 'holds no whole run'),
  ],
)
@pytest.mark.parametrize('program', [evaluate, predict])
def test_a_run_that_is_not_whole_is_refused(run_dir, tmp_path, capsys, damage, sentence, program):
  copy = shutil.copytree(run_dir, tmp_path / 'run')
  damage(copy)
  files = ['x.wav'] if program is predict else []
  assert sentence in refused(capsys, program.main, f'--run_dir={copy}', *files)


@pytest.mark.parametrize(
  ('program', 'argv', 'sentence'),
  [
    (evaluate, ['--slpit=test'], "There is no flag --slpit. Did you mean '--split'"),
    (evaluate, ['--split=tset'], "Did you mean 'test'"),
    (evaluate, ['--batch_size=0'], '--batch_size must be at least 1 and below 2**31, got 0'),
    (evaluate, ['x'], "'x' is no flag"),
    (evaluate, ['--run_dir=nowhere'], "'nowhere' holds no run"),
    (evaluate, [], 'There is no demo run'),
    (predict, [], 'Expected files, got none'),
    (predict, ['x.wav'], 'There is no demo run'),
    (predict, ['--top=0', 'x.wav'], '--top must be at least 1 and below 2**31, got 0'),
    (predict, ['--batch_size=0', 'x.wav'], '--batch_size must be at least 1 and below 2**31'),
    (predict, ['--data=d', 'x.wav'], "Expected files or --data, got both: 'x.wav' and --data=d"),
    (predict, ['--split=test', 'x.wav'], '--split=test has no effect without --data'),
    (
      predict,
      ['--columns=a', '--format=submission', 'x.wav'],
      "expected two different names such as fname,label, got 'a'",
    ),
    (predict, ['--columns=a,', '--format=submission', 'x.wav'], 'expected two different names'),
    (
      predict,
      ['--format=xml', 'x.wav'],
      "expected one of text, jsonl, csv, submission, kaggle, parquet, audacity, got 'xml'",
    ),
  ],
)
def test_a_wrong_command_line_is_a_sentence(capsys, monkeypatch, tmp_path, program, argv, sentence):
  monkeypatch.chdir(tmp_path)
  assert sentence in refused(capsys, program.main, *argv)


@pytest.mark.parametrize('program', [evaluate, predict])
def test_help_goes_to_stdout(capsys, program):
  assert command.run(program.main, ['--help']) == 0
  assert '--run_dir' in capsys.readouterr().out


# Prediction.


@pytest.mark.parametrize('feature', ['log_mel', 'mel'])
def test_a_file_is_predicted_as_its_record_is(corpus, data, run_dir, tmp_path, feature):
  """No skew between training and serving: the same audio gives the same logits."""
  folder = run_dir if feature == 'log_mel' else trained(data, tmp_path / 'run', feature=feature)
  saved = saved_run.load(folder)
  model = saved.load_model('best')
  found = list(records_of(data, 'test'))
  predictions = list(
    prediction.predict_files(
      saved, answering.Network(saved, model), [str(corpus / r.utterance_id) for r in found]
    )
  )
  stored = np.stack([feature_storage.from_stored(r.arrays[feature]) for r in found])
  expected = np.asarray(model(stored, training=False))
  assert np.array_equal(np.stack([p.logits for p in predictions]), expected)


def test_many_files_are_predicted_as_few(corpus, run_dir):
  saved = saved_run.load(run_dir)
  model = answering.load(saved, 'best')
  files = [str(path) for path in sorted(corpus.rglob('*.wav'))[:7]]
  whole = [p.logits for p in prediction.predict_files(saved, model, files)]
  parts = list(prediction.predict_files(saved, model, files, batch_size=2))
  assert [p.name for p in parts] == files
  np.testing.assert_allclose([p.logits for p in parts], whole, atol=1e-5)


def test_what_ffmpeg_decodes_is_predicted_as_the_same_in_wav(corpus, run_dir, tmp_path):
  media_files = pytest.importorskip('tests.helpers.media_files')
  good = corpus / 'yes' / 'ann_0.wav'
  samples, rate_hz = soundfile.read(good, dtype='float32')
  copy = tmp_path / 'copy.m4a'
  copy.write_bytes(media_files.encoded('alac', samples, rate_hz=rate_hz))
  saved = saved_run.load(run_dir)
  files = [str(good), str(copy)]
  one, other = prediction.predict_files(saved, answering.load(saved, 'best'), files)
  assert not other.error
  np.testing.assert_allclose(other.logits, one.logits, atol=1e-3)


@pytest.fixture
def mixed(corpus, tmp_path):
  """A good file, then bad ones, then a good one with an awkward name."""
  good = corpus / 'yes' / 'ann_0.wav'
  samples, rate_hz = soundfile.read(good)
  (tmp_path / 'empty.wav').write_bytes(b'')
  (tmp_path / 'text.wav').write_text('no audio at all')
  (tmp_path / 'folder').mkdir()
  soundfile.write(tmp_path / 'a "b", c.flac', samples, rate_hz)
  names = ('empty.wav', 'text.wav', 'folder', 'missing.wav', 'a "b", c.flac')
  return [str(good), *(str(tmp_path / name) for name in names)]


def test_bad_files_are_named_and_the_others_predicted(run_dir, mixed, capsys):
  assert command.run(predict.main, [f'--run_dir={run_dir}', *mixed]) == 2
  said = capsys.readouterr()
  lines = said.out.splitlines()
  assert [line.partition(': ')[0] for line in lines] == [mixed[0], mixed[5]]
  # FLAC loses nothing: the same audio, the same answer.
  assert lines[0].partition(': ')[2] == lines[1].partition(': ')[2]
  for path, word in zip(
    mixed[1:5], ('0 bytes', 'knows a format', 'folder', 'nothing'), strict=True
  ):
    assert any(line.startswith(path) and word in line for line in said.err.splitlines())
  assert 'error: 4 of 6 files could not be used' in said.err


def test_lines_of_json(run_dir, mixed, capsys):
  command.run(predict.main, [f'--run_dir={run_dir}', '--format=jsonl', '--top=5', *mixed])
  found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  assert [entry['file'] for entry in found] == mixed
  assert [sorted(set(entry) - {'file'}) for entry in found] == (
    [['predictions']] + [['error']] * 4 + [['predictions']]
  )
  # Two labels are all there are.
  assert len(found[0]['predictions']) == 2
  assert sum(item['probability'] for item in found[0]['predictions']) == pytest.approx(1, abs=1e-5)


def test_csv(run_dir, mixed, capsys):
  command.run(predict.main, [f'--run_dir={run_dir}', '--format=csv', '--top=1', *mixed])
  rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
  assert rows[0] == ['file', 'label_1', 'probability_1']
  assert [row[0] for row in rows[1:]] == [mixed[0], mixed[5]]
  assert rows[1][1] in corpora.WORDS and 0.5 <= float(rows[1][2]) <= 1


def test_a_lossy_copy_at_another_rate_is_predicted(corpus, run_dir, tmp_path, capsys):
  samples, _ = soundfile.read(corpus / 'no' / 'bob_1.wav')
  stereo = np.repeat(np.repeat(samples, 2), 2).reshape(-1, 2)
  soundfile.write(tmp_path / 'x.ogg', stereo, 16_000)
  assert command.run(predict.main, [f'--run_dir={run_dir}', str(tmp_path / 'x.ogg')]) == 0
  assert capsys.readouterr().out.startswith(f'{tmp_path / "x.ogg"}: ')


def test_it_is_said_of_which_files_only_a_part_was_heard(corpus, run_dir, tmp_path, capsys):
  corpora.write_wav(tmp_path / 'long.wav', seconds=6)
  files = [str(corpus / 'yes' / 'ann_0.wav'), str(tmp_path / 'long.wav')]
  assert command.run(predict.main, [f'--run_dir={run_dir}', *files]) == 0
  said = capsys.readouterr()
  assert len(said.out.splitlines()) == 2
  heard = (
    f'The model heard only 0.5 s, the start, of 1 of 2 files, as it was trained ({files[1]}: 6 s)'
  )
  assert heard in said.err
  assert command.run(predict.main, [f'--run_dir={run_dir}', files[0]]) == 0
  assert not capsys.readouterr().err


def _rows(text):
  return list(csv.reader(io.StringIO(text)))


def test_a_submission_of_files_keeps_their_order_and_refuses_two_of_one_name(
  run_dir, tmp_path, capsys
):
  def submission(*argv):
    assert command.run(predict.main, [f'--run_dir={run_dir}', '--format=submission', *argv]) == 0
    return _rows(capsys.readouterr().out)

  def refused(*argv):
    assert command.run(predict.main, [f'--run_dir={run_dir}', *argv]) == 2
    return capsys.readouterr().err

  for name in ('b/2.wav', 'a/1.wav', 'a/c/3.WAV'):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(tmp_path / name, signals.sine(8_000, sample_rate_hz=16_000, hz=400), 16_000)
  (tmp_path / 'a' / 'notes.txt').write_text('')
  (tmp_path / 'a' / '.hidden.wav').write_text('')
  (tmp_path / 'a' / 'loop').symlink_to(tmp_path / 'a')
  b = str(tmp_path / 'b/2.wav')
  assert [row[0] for row in submission(b, str(tmp_path / 'a'))[1:]] == ['2.wav', '1.wav', '3.WAV']
  # Folders are looked into, and what is passed by is said.
  argv = [f'--run_dir={run_dir}', '--format=csv', str(tmp_path / 'a')]
  assert command.run(predict.main, argv) == 0
  out, err = capsys.readouterr()
  assert [row[0] for row in _rows(out)[1:]] == [
    str(tmp_path / 'a/1.wav'),
    str(tmp_path / 'a/c/3.WAV'),
  ]
  assert '2 files are read, and passed by for their endings: 1 .txt (notes.txt).' in err
  (tmp_path / 'a/c/3.WAV').rename(tmp_path / 'b/1.wav')
  refusal = refused('--format=submission', str(tmp_path))
  assert "two clips '1.wav'" in refusal
  assert '--submission_names=path' in refusal
  rows = submission('--submission_names=path', str(tmp_path))
  assert [row[0] for row in rows[1:]] == [
    str(tmp_path / name) for name in ('a/1.wav', 'b/1.wav', 'b/2.wav')
  ]
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'empty' / 'x.txt').write_text('')
  text = refused(str(tmp_path / 'empty'))
  assert 'holds nothing to predict: no name ends in one of .wav, ' in text
  assert 'There are: 1 .txt (x.txt).' in text
  (tmp_path / 'empty' / 'x.txt').unlink()
  assert 'holds nothing to predict: there is no file in it.' in refused(str(tmp_path / 'empty'))
