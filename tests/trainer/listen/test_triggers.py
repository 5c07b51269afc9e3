"""Smoothing, threshold and refractory time, on posteriors that are made up; and what they count."""

import numpy as np
import pytest

from schemas import errors
from trainer.listen import detection_figures, listen_config, triggers, true_times

YES, NO, SILENCE = 0, 1, 2


def heard(posteriors, *, smoothing_s=0.0, threshold=0.7, refractory_s=1.0, hop_s=0.1):
  """The times and labels of detections, of posteriors [windows, labels]."""
  smoother = triggers.Smoother(smoothing_s)
  trigger = triggers.Trigger(
    np.array([True, True, False]), threshold=threshold, refractory_s=refractory_s
  )
  found = []
  for i, values in enumerate(np.array(posteriors, float)):
    time_s = 1 + i * hop_s
    detection = trigger.hear(time_s, smoother.mean(time_s, values))
    if detection:
      found.append((round(detection.time_s, 6), detection.label))
  return found


def of(*labels, probability=0.9):
  return [np.where(np.arange(3) == label, probability, (1 - probability) / 2) for label in labels]


def test_a_word_that_goes_on_is_heard_once():
  assert heard(of(*[SILENCE] * 5, *[YES] * 30)) == [(1.5, YES)]


def test_it_is_heard_again_when_it_was_gone_and_the_time_is_over():
  word, pause = [YES] * 3, [SILENCE] * 3
  assert heard(of(*word, *pause, *word, *pause, *word)) == [(1.0, YES), (2.2, YES)]
  assert heard(of(*word, *pause, *word), refractory_s=0) == [(1.0, YES), (1.6, YES)]


def test_another_word_waits_for_the_refractory_time():
  assert heard(of(*[YES] * 3, *[NO] * 12)) == [(1.0, YES), (2.0, NO)]


def test_silence_is_not_detected():
  assert heard(of(*[SILENCE] * 9)) == []


def test_smoothing_is_the_mean_of_the_last_moments():
  smoother = triggers.Smoother(0.3)
  values = np.random.default_rng(1).random((9, 3))
  for i, one in enumerate(values):
    np.testing.assert_allclose(
      smoother.mean(0.1 * i, one), values[max(0, i - 2) : i + 1].mean(axis=0)
    )
  # One window that is wrong is not heard.
  assert heard(of(SILENCE, SILENCE, YES, SILENCE, SILENCE), smoothing_s=0.3) == []


def test_labels_that_are_detected():
  labels = ('silence', 'unknown', 'yes', 'no, sir')
  assert listen_config.detected_labels(labels, ()) == {'yes', 'no, sir'}
  assert listen_config.detected_labels(labels, ('no, sir', 'silence,yes')) == set(labels) - {
    'unknown'
  }
  with pytest.raises(errors.ConfigError, match='knows no maybe, but silence'):
    listen_config.detected_labels(labels, ('maybe',))
  with pytest.raises(errors.ConfigError, match='--labels'):
    listen_config.detected_labels(labels[:2], ())


def events(*rows):
  return sorted(true_times.Event(start_s=a, end_s=b, label=label) for a, b, label in rows)


def test_figures_count_each_word_and_each_detection_once():
  said = events((1, 2, 'yes'), (5, 6, 'yes'), (9, 10, 'no'), (20, 21, 'no'))
  found = [(2.5, 'yes'), (2.6, 'yes'), (5.5, 'no'), (8.5, 'no'), (22.1, 'no')]
  counts = detection_figures.count(found, said, heard_s=1_800, tolerance_s=0.75)
  assert {k: (c.num_true, c.num_found, c.num_false) for k, c in counts.items()} == {
    '': (4, 2, 3), 'no': (2, 1, 2), 'yes': (2, 1, 1),
  }  # fmt: skip
  assert counts[''].recall == 0.5 and counts[''].false_an_hour == 6
  assert counts['no'].to_json()['false_alarms_an_hour'] == 4


def test_overlapping_words_leave_the_most_for_later_detections():
  said = events((0, 10, 'yes'), (0, 3, 'yes'))
  counts = detection_figures.count([(2, 'yes'), (8, 'yes')], said, heard_s=60, tolerance_s=0)
  assert counts[''].num_found == 2


def test_tables_of_times(tmp_path):
  path = tmp_path / 'times'
  wanted = events((0.5, 1.25, 'yes'), (3, 3.5, 'no, sir'))
  for text in (
    'file,label,start_s,end_s\na,yes,0.5,1.25\na,"no, sir",3,3.5\n',
    '3.0\t3.5\tno, sir\n\\\t100\t200\n0.5\t1.25\tyes\n',
    '\ufeffstart_s\tend_s\tlabel\r\n0.5\t1.25\tyes\r\n3\t3.5\tno, sir\r\n',
  ):
    path.write_text(text, encoding='utf-8', newline='')
    assert true_times.load(str(path)) == wanted


@pytest.mark.parametrize(
  ('text', 'said'),
  [
    ('', 'is empty'),
    ('start,end,label\n1,2,a\n', 'expected the columns start_s, end_s, label'),
    ('start_s,end_s,label\n1,2,a\n3,x,b\n', "line 3: expected a start and an end .* '3, x, b'"),
    ('start_s,end_s,label\n2,1,a\n', 'line 2'),
    ('1\t2\n', 'line 1'),
    ('start_s,end_s,label\nnan,1,a\n', 'line 2'),
  ],
)
def test_tables_of_something_else_are_refused(text, said, tmp_path):
  path = tmp_path / 'times'
  path.write_text(text, encoding='utf-8')
  with pytest.raises(errors.ConfigError, match=said):
    true_times.load(str(path))
