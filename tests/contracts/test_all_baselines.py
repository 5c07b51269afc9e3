"""What every baseline promises, over the whole table: the run folder, the report, the file."""

import functools
import json
import os

import numpy as np
import pytest
import skops.io
import threadpoolctl
from scipy import special
from sklearn import ensemble, linear_model, metrics, pipeline, preprocessing, svm

from schemas import command, options
from tests.helpers import datasets
from tfrecords import manifest_file, reader
from tfrecords.wire import codec
from trainer import baseline, baselines, evaluate, predict
from trainer.baselines import classifier, family, gradient_boosting, skops_file
from trainer.judging import answering
from trainer.runs import saved_run

# Fast, by the settings that a user has too.
TOYS = {
  'random_forest': 'random_forest:trees=20',
  'logistic': 'logistic:c=0.5',
  'svm': 'svm:c=2',
  'gradient_boosting': 'gradient_boosting:rounds=8,min_leaf=3',
}
# The same by hand.
BY_HAND = {
  'random_forest': lambda: ensemble.RandomForestClassifier(20, random_state=3),
  'logistic': lambda: pipeline.make_pipeline(
    preprocessing.StandardScaler(), linear_model.LogisticRegression(C=0.5, max_iter=1000)
  ),
  'svm': lambda: pipeline.make_pipeline(
    preprocessing.StandardScaler(), svm.SVC(C=2, gamma='auto', break_ties=True)
  ),
  'gradient_boosting': lambda: ensemble.HistGradientBoostingClassifier(
    max_iter=8,
    max_leaf_nodes=8,
    min_samples_leaf=3,
    max_features=0.1,
    early_stopping=False,
    random_state=3,
  ),
}
NAMES = list(baselines.BASELINES)
# Six labels at such noise are not told apart without mistakes.
LABELS = ('eight', 'five', 'nine', 'one', 'six', 'two')


def noisy(spec, label, rng):
  shape = (int(rng.integers(3, 30)), *spec.row_shape)
  bump = np.exp(-np.square((np.arange(shape[-1]) - 2.5 * label) / 2))
  return (bump + rng.standard_normal(shape) * 2).astype(np.float16)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  """Clips of any length whose labels are hard to tell: 80 to train on, 20 and 40 others."""
  path = tmp_path_factory.mktemp('data') / 'noisy'
  datasets.write_dataset(
    path,
    name='noisy',
    labels=LABELS,
    clips_per_speaker=20,
    features=(datasets.VARIABLE_LOG_MEL,),
    audio=datasets.VARIABLE_AUDIO,
    arrays=noisy,
  )
  return str(path)


@pytest.fixture(scope='module')
def runs(data, tmp_path_factory):
  """The folder of a run of each."""
  made = {}
  for name, text in TOYS.items():
    made[name] = str(tmp_path_factory.mktemp('runs') / name)
    argv = [f'--data={data}', f'--model={text}', f'--run_dir={made[name]}', '--seed=3', '--jobs=2']
    assert command.run(baseline.main, argv) == 0
  return made


@functools.cache
def pooled_by_hand(data, split):
  """Returns the vectors, the labels, the speakers and the ids of a split, by NumPy alone."""
  manifest = manifest_file.load(data)
  vectors, clips = [], []
  for shard in manifest.shards_of(split):
    for encoded in reader.read_records(os.path.join(data, shard.file_name)):
      clips.append(codec.decode(encoded, manifest.features))
      rows = clips[-1].arrays['log_mel'].astype(np.float64)
      quantiles = np.quantile(rows, [0.1, 0.25, 0.5, 0.75, 0.9], axis=0)
      vectors.append(np.concatenate([rows.mean(axis=0), rows.std(axis=0), quantiles.ravel()]))
  return (
    np.array(vectors, np.float32),
    np.array([clip.label for clip in clips]),
    [clip.speaker_id for clip in clips],
    [clip.utterance_id for clip in clips],
  )


def learned_by_hand(name, vectors, labels, **more):
  found = BY_HAND[name]()
  last = found[-1] if isinstance(found, pipeline.Pipeline) else found
  last.set_params(**more)
  with threadpoolctl.threadpool_limits(1):
    return found.fit(vectors, labels)


@pytest.fixture(scope='module')
def by_hand(data):
  """Each of BY_HAND on the train split."""
  vectors, labels, _, _ = pooled_by_hand(data, 'train')
  return {name: learned_by_hand(name, vectors, labels) for name in BY_HAND}


def test_every_baseline_has_a_toy():
  assert set(TOYS) == set(BY_HAND) == set(baselines.BASELINES)


def test_settings_can_be_written_as_text():
  options.check_table(baselines.SETTINGS)


@pytest.mark.parametrize('name', NAMES)
def test_default_settings_are_found_by_the_bare_name(name):
  assert baselines.parse(name) == (name, baselines.BASELINES[name].settings())


@pytest.mark.parametrize('name', NAMES)
def test_it_is_scikit_learn_on_the_same_vectors(data, runs, by_hand, name):
  tested, truth, speakers, ids = pooled_by_hand(data, 'test')
  run = saved_run.load(runs[name])
  asked = run.request(run.manifest, 'test', data_dir=data, batch_size=7)
  answers = list(answering.load(run, 'best').of_records(asked))
  assert [one for batch in answers for one in batch.origins.ids] == ids
  logits = np.concatenate([batch.logits for batch in answers])
  assert logits.dtype == np.float32
  np.testing.assert_array_equal(logits.argmax(axis=1), by_hand[name].predict(tested))
  if name == 'svm':
    np.testing.assert_allclose(logits, by_hand[name].decision_function(tested), atol=1e-4)
  else:
    chances = by_hand[name].predict_proba(tested)
    np.testing.assert_allclose(special.softmax(logits, axis=1), chances, atol=1e-5)

  report = json.loads(open(f'{runs[name]}/report.json', encoding='utf-8').read())
  predicted = by_hand[name].predict(tested)
  assert report['confusion']['matrix'] == metrics.confusion_matrix(truth, predicted).tolist()
  assert report['accuracy'] == pytest.approx(metrics.accuracy_score(truth, predicted))
  assert 0.3 < report['accuracy'] < 1  # By chance it is 0.17.
  chances = special.softmax(logits.astype(np.float64), axis=1)
  assert report['loss'] == pytest.approx(metrics.log_loss(truth, chances), abs=1e-5)
  assert {one['speaker']: one['accuracy'] for one in report['speakers']} == {
    speaker: pytest.approx(np.mean((predicted == truth)[np.array(speakers) == speaker]))
    for speaker in speakers
  }
  wrong = {clip for clip, right in zip(ids, predicted == truth, strict=True) if not right}
  assert {one['id'] for one in report['mistakes']} == wrong
  assert report['model'] == TOYS[name].replace('c=2', 'c=2.0')


@pytest.mark.parametrize('name', NAMES)
def test_the_run_folder_is_that_of_a_run(data, runs, name):
  made = {os.path.relpath(os.path.join(folder, file), runs[name])
          for folder, _, files in os.walk(runs[name]) for file in files}  # fmt: skip
  assert made == {
    'checkpoints.json', 'checkpoints/best.skops', 'confidence.json', 'config.json',
    'confusion_matrix.png', 'history.json', 'judged/validation/predictions.parquet',
    'manifest.json', 'outcome.json', 'predictions.parquet', 'report.html', 'report.json',
  }  # fmt: skip
  run = saved_run.load(runs[name])
  assert (run.data_dir, run.feature) == (data, datasets.VARIABLE_LOG_MEL)
  history = json.loads(open(f'{runs[name]}/history.json', encoding='utf-8').read())
  assert [(one['model'], one['validation']['num_examples']) for one in history] == [
    (run.model_text, 20)
  ]


@pytest.mark.parametrize('name', NAMES)
def test_evaluate_and_predict_take_its_run(data, runs, name, capsys):
  before = open(f'{runs[name]}/report.json', encoding='utf-8').read()
  assert command.run(evaluate.main, [f'--run_dir={runs[name]}']) == 0
  accuracy = json.loads(before)['accuracy']
  assert f'accuracy  {100 * accuracy:.1f} % of 40 clips' in capsys.readouterr().out
  assert open(f'{runs[name]}/report.json', encoding='utf-8').read() == before
  argv = [f'--run_dir={runs[name]}', f'--data={data}', '--split=test', '--format=csv', '--top=1']
  assert command.run(predict.main, argv) == 0
  rows = [line.split(',') for line in capsys.readouterr().out.splitlines()[1:]]
  right = [clip.partition('/')[0] == label for clip, label, *_ in rows]
  assert len(right) == 40 and np.mean(right) == pytest.approx(accuracy)


@pytest.mark.parametrize('name', NAMES)
def test_the_file_holds_trusted_types_alone_and_opens_without_this_project(
  data, runs, by_hand, name
):
  path = f'{runs[name]}/checkpoints/best.skops'
  assert set(skops.io.get_untrusted_types(file=path)) <= set(skops_file.TRUSTED)
  found = skops.io.load(path, trusted=list(skops_file.TRUSTED))
  vectors = pooled_by_hand(data, 'test')[0]
  np.testing.assert_array_equal(found.predict(vectors), by_hand[name].predict(vectors))


@pytest.mark.parametrize('name', NAMES)
def test_the_same_seed_gives_the_same_bits_with_any_number_of_threads(name, monkeypatch):
  monkeypatch.setattr(gradient_boosting, '_VALUES_PER_THREAD', 100)
  rng = np.random.default_rng(0)
  vectors = rng.standard_normal((90, 12)).astype(np.float32)
  labels = np.digitize(vectors[:, 0] + rng.standard_normal(90), [-0.5, 0.5])
  settings = baselines.parse(TOYS[name])[1]

  def logits(**fit):
    found, notes = classifier.learn(
      name, settings, vectors, labels, num_labels=3, fit=family.Fit(**fit)
    )
    assert not notes
    return found.logits(vectors)

  first = logits(seed=1, jobs=1)
  np.testing.assert_array_equal(logits(seed=1, jobs=3), first)
  draws = name in ('random_forest', 'gradient_boosting')
  assert np.array_equal(logits(seed=2), first) != draws


@pytest.mark.parametrize('name', NAMES)
def test_class_weights_are_those_of_scikit_learn(name):
  rng = np.random.default_rng(0)
  vectors = rng.standard_normal((200, 4)).astype(np.float32)
  labels = (vectors[:, 0] + rng.standard_normal(200) > 1.5).astype(np.int64)
  weights = {i: len(labels) / (2 * count) for i, count in enumerate(np.bincount(labels))}

  def answers(weights):
    found, _ = classifier.learn(
      name, baselines.parse(TOYS[name])[1], vectors[:100], labels[:100], num_labels=2,
      fit=family.Fit(seed=3, class_weights=weights),
    )  # fmt: skip
    return found.logits(vectors)

  balanced = learned_by_hand(name, vectors[:100], labels[:100], class_weight=weights)
  np.testing.assert_array_equal(answers(weights).argmax(axis=1), balanced.predict(vectors))
  assert not np.array_equal(answers(weights), answers(None))


@pytest.mark.parametrize('name', NAMES)
def test_a_label_that_no_clip_has_is_no_answer(name):
  vectors = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
  labels = np.where(vectors[:, 0] > 0, 3, 1)
  found, _ = classifier.learn(
    name, baselines.parse(TOYS[name])[1], vectors, labels, num_labels=5, fit=family.Fit()
  )
  logits = found.logits(vectors)
  assert logits.shape == (60, 5)
  np.testing.assert_array_equal(logits.argmax(axis=1), found.estimator.predict(vectors))
  assert (logits[:, [1, 3]].min(axis=1) > logits[:, [0, 2, 4]].max(axis=1) + 10).all()
  assert np.isfinite(logits).all()
