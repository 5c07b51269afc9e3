"""The numbers of the report, against scikit-learn and by hand; its text and its picture."""

import io
import json
import math
import tempfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from sklearn import metrics

from pages import text_table
from schemas import json_form
from tests.helpers import prediction_files
from trainer.judging.report import (
  matrix_excerpt,
  page_values,
  picture,
  report_json,
  tally,
  text,
)
from trainer.measures import counting

LABELS = ('no', 'yes', 'zero', 'never')
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def arrays(pairs):
  truth, predicted = np.array(pairs).T
  return truth, predicted


def logits_for(predicted, num_labels=4):
  return (5.0 * np.eye(num_labels, dtype=np.float32))[predicted]


def batch_of(logits, truth, *, labels=LABELS, **changes):
  with tempfile.TemporaryDirectory() as folder:
    (batch,) = prediction_files.write(f'{folder}/p', labels, truth, logits, **changes).batches()
  return batch


def counts_of(pairs):
  return tallied(pairs).counts


def tallied(pairs, *, batch_size=1_000, max_mistakes=100):
  truth, predicted = arrays(pairs)
  counts = tally.Tally(prediction_files.header_of(LABELS), max_mistakes=max_mistakes)
  for start in range(0, len(truth), batch_size):
    part = slice(start, start + batch_size)
    ids = [f'clip {i}' for i in range(len(truth))][part]
    speakers = [('ann', 'bob', 'cyd')[i % 3] for i in range(len(truth))][part]
    counts.add(batch_of(logits_for(predicted[part]), truth[part], ids=ids, speakers=speakers))
  return counts


def report_of(pairs, **context):
  return report_json.make(tallied(pairs), labels=LABELS, train_counts=(3, 5, 2, 0), context=context)


@given(PAIRS)
def test_the_measures_are_those_of_scikit_learn(pairs):
  truth, predicted = arrays(pairs)
  counts = counts_of(pairs)
  matrix = metrics.confusion_matrix(truth, predicted, labels=range(4))
  assert report_json.matrix(report_of(pairs)).tolist() == matrix.tolist()
  found = counting.per_label(counts)
  precision, recall, f1, support = metrics.precision_recall_fscore_support(
    truth, predicted, labels=range(4), zero_division=0
  )
  np.testing.assert_allclose(found.precision, precision)
  np.testing.assert_allclose(found.recall, recall)
  np.testing.assert_allclose(found.f1, f1)
  assert np.array_equal(counts.by_label[1], support)


@given(
  st.integers(2, 5).flatmap(
    lambda size: st.lists(st.integers(0, 9), min_size=size * size, max_size=size * size)
  )
)
@example([5, 1, 0, 0])  # Macro F1 is 0.909: nothing is known of the second label.
def test_averages_are_those_of_scikit_learn_over_the_labels_that_examples_have(cells):
  size = math.isqrt(len(cells))
  matrix = np.array(cells).reshape(size, size)
  assume(matrix.any())
  by_label = np.stack([matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)])
  counts = counting.Counts(loss_sum=0.0, by_label=by_label, confusion=matrix)
  truth, predicted = (np.repeat(place.ravel(), cells) for place in np.indices(matrix.shape))
  found, scores = counting.averages(counts), counting.scores(counts)
  for kind in ('macro', 'weighted'):
    expected = metrics.precision_recall_fscore_support(
      truth, predicted, labels=np.unique(truth), average=kind, zero_division=0
    )[:3]
    np.testing.assert_allclose(list(found[kind].values()), expected)
  assert scores.macro_f1 == found['macro']['f1']
  assert scores.balanced_accuracy == found['macro']['recall']
  assert scores.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
  assert scores.accuracy == pytest.approx(found['weighted']['recall'])


@given(PAIRS, st.integers(1, 7))
def test_batches_add_up(pairs, batch_size):
  whole, parts = tallied(pairs), tallied(pairs, batch_size=batch_size)
  for one, other in zip(whole.pairs.counted(), parts.pairs.counted(), strict=True):
    assert np.array_equal(one, other)
  assert np.array_equal(whole.counts.by_label, parts.counts.by_label)
  assert whole.counts.loss_sum == pytest.approx(parts.counts.loss_sum)
  assert whole.speakers == parts.speakers
  assert [m.utterance_id for m in whole.mistakes] == [m.utterance_id for m in parts.mistakes]


def test_the_loss_is_the_mean_cross_entropy():
  found = counting.scores(tallied([(0, 0), (1, 0)]).counts)
  right = -np.log(np.exp(5) / (np.exp(5) + 3))
  assert found.loss == pytest.approx((right + right + 5) / 2)


def test_speakers_are_counted_apart():
  counts = tallied([(0, 0), (1, 1), (2, 0), (0, 0), (1, 0), (2, 2)])
  assert {name: (c.num_examples, c.num_correct) for name, c in counts.speakers.items()} == {
    'ann': (2, 2), 'bob': (2, 1), 'cyd': (2, 1),
  }  # fmt: skip


def test_mistakes_are_bounded_and_the_worst_come_first():
  counts = tally.Tally(prediction_files.header_of(LABELS[:2]), max_mistakes=2)
  logits = np.array([[1, 0], [3, 0], [2, 0], [0, 9]], np.float32)
  counts.add(batch_of(logits, [1, 1, 1, 1], labels=LABELS[:2], ids=list('abcd')))
  assert [mistake.utterance_id for mistake in counts.mistakes] == ['b', 'c']
  assert counts.counts.num_correct == 1


def test_the_report_holds_baseline_mixups_and_mistakes():
  report = report_of([(0, 0), (1, 1), (2, 1), (2, 1), (0, 1)], split='test')
  assert report['split'] == 'test'
  assert report['majority_baseline'] == {'label': 'yes', 'accuracy': 0.2}
  assert report['worst_mixups'][0] == {
    'label': 'zero', 'predicted': 'yes', 'count': 2, 'share_of_label': 1.0,
  }  # fmt: skip
  assert report['num_mistakes'] == len(report['mistakes']) == 3
  assert {'id', 'speaker', 'label', 'predicted', 'probability', 'loss'} == set(
    report['mistakes'][0]
  )


@given(PAIRS)
@settings(max_examples=20)
def test_the_report_is_json_and_the_same_each_time(pairs):
  once, again = (json_form.dumps(report_of(pairs)) for _ in range(2))
  assert once == again
  assert json.loads(once)['report_version'] == report_json.REPORT_VERSION


def test_the_text_says_what_matters():
  said = text.describe(report_of([(0, 0)] * 9 + [(2, 1)]))
  assert 'accuracy  90.0 % of 10 clips' in said
  assert "baseline  0.0 % by always saying 'yes'" in said
  assert "'zero' taken for 'yes': 1 time, 100.0 % of its clips" in said
  assert all(name in said for name in (*LABELS, 'ann', 'bob', 'cyd'))


def test_the_text_of_many_labels_shows_the_worst():
  labels = [f'word {i:03d}' for i in range(100)]
  counts = tally.Tally(prediction_files.header_of(labels))
  truth = np.arange(100)
  predicted = np.where(truth == 70, 71, truth)
  counts.add(batch_of(logits_for(predicted, 100), truth, labels=labels, speakers=labels))
  report = report_json.make(counts, labels=labels, train_counts=[1] * 100, context={})
  said = text.describe(report)
  assert f'the {text.MAX_LABELS} of 100 with the lowest F1' in said
  assert 'word 070' in said
  assert 'word 099' not in said


def test_columns_of_chinese_labels_line_up():
  lines = text_table.lay_out([('标签', '1'), ('ab', '22')]).splitlines()
  assert lines == ['标签   1', 'ab    22']


@pytest.mark.parametrize('num_labels', [2, 10, 100])
def test_the_picture_is_a_png_that_fits_a_screen_and_the_same_each_time(num_labels):
  rng = np.random.default_rng(0)
  counts = np.diag(rng.integers(5, 40, num_labels)) + rng.integers(0, 2, (num_labels, num_labels))
  labels = [f'label {i}' for i in range(num_labels)]
  once, again = (picture.confusion_png(counts, labels, title='title') for _ in range(2))
  assert once == again
  image = Image.open(io.BytesIO(once))
  image.load()
  assert image.format == 'PNG'
  assert 400 < image.width < 4_000 and 400 < image.height < 4_000
  # The diagonal is dark, what is beside it is light.
  grey = np.asarray(image.convert('L'))
  assert (grey < 80).mean() > 0.0005 and (grey > 200).mean() > 0.5


def voiced(num_voices, *, num_labels=4, num_clips=240, seconds=None, clip_s=0.0, **changes):
  """Returns the report on clips of so many voices, of which some are harder to understand."""
  draws = np.random.default_rng(0)
  labels = [f'word {i}' for i in range(num_labels)]
  truth = np.arange(num_clips) % num_labels
  voices = np.arange(num_clips) * num_voices // num_clips
  logits = draws.normal(size=(num_clips, num_labels)).astype(np.float32)
  logits[np.arange(num_clips), truth] += 1 + 2 * (voices % 3)
  with tempfile.TemporaryDirectory() as folder:
    reader = prediction_files.write(
      f'{folder}/p', labels, truth, logits,
      speakers=[f'voice {i}' for i in voices], seconds=seconds, **changes,
    )  # fmt: skip
    counts = tally.Tally(reader.header, clip_s=clip_s)
    for batch in reader.batches(counts.columns):
      counts.add(batch)
  context = reader.header.context()
  return report_json.make(counts, labels=labels, train_counts=[1] * num_labels, context=context)


def test_the_interval_is_over_speakers_where_there_are_enough():
  report = voiced(12)
  interval = report['accuracy_interval_95']
  assert (interval['over'], interval['num_speakers']) == ('speakers', 12)
  assert interval['low'] < report['accuracy'] < interval['high']
  assert 'speakers are drawn again' in report['interval_note']
  f1 = report['macro_f1_interval_95']
  assert f1['low'] < report['averages']['macro']['f1'] < f1['high']
  for label in report['labels']:
    ends = label['recall_interval_95']
    assert ends['low'] <= label['recall'] <= ends['high']
    assert label['num_speakers'] == 12
  said = text.describe(report)
  assert f'clips (95 % interval over 12 speakers: {100 * interval["low"]:.1f} %' in said
  assert report['interval_note'] in said
  assert 'speaker (the 10 of 12 recognised worst)' in said


def test_of_few_speakers_there_is_none_and_each_is_shown():
  report = voiced(9)
  assert report['accuracy_interval_95'] is None
  assert report['macro_f1_interval_95'] is None
  assert 'below 10 voices (here 9) none is worth its name' in report['interval_note']
  said = text.describe(report)
  assert '95 %' not in said
  assert report['interval_note'] in said
  assert all(f'voice {i}' in said for i in range(9))


def noisy(num_voices, num_noises):
  """Returns the report on clips of voices, one in four wrong, and of noises that are all right."""
  voices = [f'v{i // 8}' for i in range(8 * num_voices)]
  noises = [f'corpus/_background_noise_/n{i // 3}-test' for i in range(3 * num_noises)]
  truth = [i % 2 for i in range(len(voices))] + [2] * len(noises)
  answers = np.array(truth)
  answers[: len(voices) : 4] ^= 1
  with tempfile.TemporaryDirectory() as folder:
    reader = prediction_files.write(
      f'{folder}/p', LABELS[:3], truth, logits_for(answers, 3), speakers=voices + noises
    )
    counts = tally.Tally(reader.header)
    for batch in reader.batches(counts.columns):
      counts.add(batch)
  context = reader.header.context()
  return report_json.make(counts, labels=LABELS[:3], train_counts=[1] * 3, context=context)


def test_recordings_of_noise_are_no_voices():
  report = noisy(4, 7)
  assert (report['num_speakers'], report['num_noises']) == (4, 7)
  assert [one['speaker'] for one in report['speakers']] == ['v0', 'v1', 'v2', 'v3']
  assert len(report['noises']) == 7
  # Eleven groups, and four voices.
  assert report['accuracy_interval_95'] is None
  assert report['macro_f1_interval_95'] is None
  assert 'below 10 voices (here 4)' in report['interval_note']
  said = text.describe(report)
  assert 'noises: 100.0 % of 21 clips from 7 recordings, which count as no speakers' in said
  assert '_background_noise_' not in said


def test_noises_are_drawn_beside_voices_enough_and_count_apart():
  report = noisy(12, 10)
  interval = report['accuracy_interval_95']
  assert (interval['num_speakers'], interval['num_noises']) == (12, 10)
  assert 'over 12 speakers and 10 noises, by bootstrap' in report['interval_note']
  assert '(95 % interval over 12 speakers and 10 noises: ' in text.describe(report)
  # A label that no voice has is told by its noises; of nine there would be no interval.
  assert report['labels'][2]['recall_interval_95'] is not None
  assert [(one['num_speakers'], one['num_noises']) for one in report['labels']] == [
    (12, 0), (12, 0), (0, 10)
  ]  # fmt: skip
  assert noisy(12, 9)['labels'][2]['recall_interval_95'] is None


def test_where_each_clip_has_its_own_speaker_it_is_over_clips():
  report = voiced(240)
  interval = report['accuracy_interval_95']
  assert interval['over'] == 'examples'
  right = report['num_examples'] - report['num_mistakes']
  wilson = stats.binomtest(right, 240).proportion_ci(0.95, method='wilson')
  assert (interval['low'], interval['high']) == pytest.approx(wilson, abs=1e-6)
  assert "Wilson's, over clips" in report['interval_note']
  assert report['macro_f1_interval_95'] is None
  said = text.describe(report)
  assert '(95 % interval over clips: ' in said
  assert 'recognised worst' not in said


def test_pictures_have_no_voice():
  report = voiced(240, examples='pictures')
  assert report['interval_note'].startswith(
    "The interval is Wilson's, over pictures: each stands for itself. Where several "
  )
  assert ('loss', f'{report["loss"]:.4f} nats a picture') in page_values.averages(report)['facts']


def test_what_is_seen_of_areas_and_ranks_is_in_the_report_and_its_text():
  report = voiced(12, num_labels=6)
  for name in ('roc_auc', 'average_precision'):
    known = [label[name] for label in report['labels']]
    assert report[name]['macro'] == pytest.approx(np.mean(known), abs=1e-5)
  assert report['accuracy'] <= report['top_k']['3'] <= report['top_k']['5'] <= 1
  assert report['areas_note'] == ''
  said = text.describe(report)
  assert f'ROC-AUC   {report["roc_auc"]["macro"]:.4f} macro' in said
  assert f'AP        {report["average_precision"]["macro"]:.4f} macro' in said
  assert f'the 3 likeliest for {100 * report["top_k"]["3"]:.1f} %' in said


def test_among_as_many_labels_as_that_every_answer_is():
  report = voiced(12, num_labels=3)
  assert report['top_k'] == {'3': None, '5': None}
  assert 'likely' not in text.describe(report)


@pytest.mark.parametrize(
  ('seconds', 'clip_s', 'hours'),
  [
    ([2.0] * 240, 0.0, 180 * 2 / 3600),
    ([2.0] * 240, 1.0, 180 / 3600),  # The model hears the first second of each.
    ([0.25] * 240, 1.0, 180 / 4 / 3600),
    (None, 1.0, 180 / 3600),
    (None, 0.0, None),
  ],
)
def test_false_alarms_are_by_the_hour_of_clips_of_other_labels(seconds, clip_s, hours):
  for label in voiced(12, seconds=seconds, clip_s=clip_s)['labels']:
    found = label['detection']
    assert found['hours_of_others'] == (hours if hours is None else pytest.approx(hours, abs=1e-6))
    alarms = []
    for wanted, one in found['at_recall'].items():
      assert one['recall'] >= float(wanted)
      per_hour = one['false_alarms_per_hour']
      if hours is None:
        assert per_hour is None
      else:
        assert per_hour == pytest.approx(one['num_false_alarms'] / hours, abs=1e-4)
      alarms.append(one['num_false_alarms'])
    assert list(found['at_recall']) == ['0.5', '0.8', '0.9', '0.95']
    assert alarms == sorted(alarms)


def test_with_very_many_labels_pairs_stand_for_the_matrix_and_what_is_not_known_is_null():
  report = voiced(12, num_labels=300, num_clips=600)
  assert set(report['confusion']) == {'pairs', 'num_mistakes_left_out'}
  pairs = report['confusion']['pairs']
  assert pairs == sorted(pairs)
  assert all(truth != predicted for truth, predicted, _ in pairs)
  assert sum(count for _, _, count in pairs) == report['num_mistakes']
  assert report['roc_auc'] is report['average_precision'] is None
  assert 'they are left out' in report['areas_note']
  assert 0 < report['accuracy'] <= report['top_k']['3'] <= report['top_k']['5'] < 1
  assert all('roc_auc' not in label for label in report['labels'])
  assert report['areas_note'] in text.describe(report)
  excerpt = matrix_excerpt.of(report)
  assert excerpt.said == 'the 40 of 300 labels that are mixed up most'
  assert excerpt.counts.shape == (40, 40)
  assert (excerpt.counts.sum(axis=1) <= excerpt.examples).all()
  assert np.triu(excerpt.counts, 1).any()
  again = matrix_excerpt.Excerpt.from_json(json.loads(json_form.dumps(excerpt.to_json())))
  assert picture.excerpt_png(again, title='x') == picture.excerpt_png(excerpt, title='x')


def test_nothing_is_as_large_as_the_square_of_6000_labels():
  tracemalloc.start()
  report = voiced(2, num_labels=6_000, num_clips=40)
  excerpt = matrix_excerpt.of(report)
  _, peak_bytes = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  # A matrix has 288 MB; the logits that the test makes up have 2.
  assert peak_bytes < 40e6
  assert len(json_form.dumps(report)) < 2e6
  assert excerpt.counts.shape == (40, 40)


def test_of_very_many_speakers_the_report_names_the_worst(monkeypatch):
  monkeypatch.setattr(report_json, 'MAX_SPEAKERS', 5)
  shown = voiced(30)
  assert shown['num_speakers'] == 30
  assert len(shown['speakers']) == 5
  names = [speaker['speaker'] for speaker in shown['speakers']]
  assert names == sorted(names)
  monkeypatch.undo()
  all_accuracies = sorted(speaker['accuracy'] for speaker in voiced(30)['speakers'])
  assert sorted(s['accuracy'] for s in shown['speakers']) == all_accuracies[:5]
  assert 'of 30 recognised worst' in text.describe(shown)
