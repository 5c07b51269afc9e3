"""The judge: every example once on any number of devices, and the same numbers as scikit-learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from tests.trainer.devices import strategies_under_test
from tests.trainer.learning import test_steps as small
from trainer.judging import judge
from trainer.measures import counting


def make_judge(name, **settings):
  strategy = strategies_under_test.make(name)
  with strategy.scope():
    model = small.make_model(**settings)
  return judge.Judge(model, strategy, feature_name='x'), model, strategy


# 101 = 5 * 20 + 1: some replicas have no part of the last batch.
SIZES = [(101, 13), (101, 20), (101, 50), (2, 64), (1, 64), (97, 32)]


@pytest.mark.parametrize('name', strategies_under_test.REPLICAS)
def test_evaluation_counts_every_example_once(name):
  judging, model, strategy = make_judge(name, dropout=0.5)
  copy = small.make_model(dropout=0.5)
  for num_examples, batch_size in SIZES:
    data = small.examples(num_examples)
    feed = small.batches(data, strategy, batch_size=batch_size, repeat=False)
    found = counting.scores(judging.judge(feed))
    logits = np.array(copy(data['x'].astype(np.float32)), np.float64)
    log_sum = np.log(np.exp(logits).sum(axis=1))
    losses = log_sum - logits[np.arange(num_examples), data['label']]
    assert found.num_examples == num_examples
    assert found.accuracy == pytest.approx(np.mean(logits.argmax(axis=1) == data['label']))
    assert found.loss == pytest.approx(losses.mean(), rel=1e-5), (num_examples, batch_size)
  assert np.isfinite(model.get_weights()[0]).all()


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_another_number_of_batches_compiles_nothing_anew(name):
  judging, _, strategy = make_judge(name)
  assert judging.confusion is None
  for count in (29, 29, 40):
    judging.judge(small.batches(small.examples(count), strategy, repeat=False))
  assert judging._compiled_split.experimental_get_tracing_count() == 1


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_scores_by_label_are_those_of_scikit_learn(name):
  judging, model, strategy = make_judge(name)
  for count in (29, 1):
    data = small.examples(count, seed=5)
    counts = judging.judge(small.batches(data, strategy, repeat=False))
    found = counting.scores(counts)
    answers = model(data['x'].astype(np.float32)).numpy().argmax(axis=-1)
    present = np.unique(data['label'])
    assert found.num_examples == count
    assert found.accuracy == pytest.approx(metrics.accuracy_score(data['label'], answers))
    assert found.macro_f1 == pytest.approx(
      metrics.f1_score(data['label'], answers, labels=present, average='macro', zero_division=0)
    )
    recalls = metrics.recall_score(
      data['label'], answers, labels=present, average='macro', zero_division=0
    )
    assert found.balanced_accuracy == pytest.approx(recalls)
    matrix = metrics.confusion_matrix(data['label'], answers, labels=range(small.NUM_LABELS))
    np.testing.assert_array_equal(counts.confusion, matrix)
    np.testing.assert_array_equal(judging.confusion, matrix)


def test_of_very_many_labels_validation_counts_no_confusion():
  inputs = keras.Input((6, 5))
  model = keras.Model(inputs, keras.layers.Dense(100)(keras.layers.Flatten()(inputs)))
  judging = judge.Judge(model, tf.distribute.get_strategy(), feature_name='x')
  data = small.examples(29)
  feed = small.batches(data, tf.distribute.get_strategy(), repeat=False)
  counts = judging.judge(feed)
  assert counts.confusion is None
  assert judging.confusion is None
