"""Rows of an answer in each of their forms."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from exports import answer_rows, answer_tables, submissions
from schemas import errors

LABELS = ('no', 'yes', 'a "b",\tc\nd')
ROWS = [
  answer_rows.Row(name='a.wav', probabilities=np.array([0.2, 0.7, 0.1]), label='no'),
  answer_rows.Row(name='b\n.wav', probabilities=np.array([0.2, 0.2, 0.6]), label='yes'),
  answer_rows.Row(name='bad\udcff.wav', error='Wanted audio, got none.'),
]
WINDOWS = [
  answer_rows.Row(
    name='a.wav',
    probabilities=np.array(p),
    is_none=p[0] == 0.4,
    start_s=i / 2,
    end_s=i / 2 + 1,
  )
  for i, p in enumerate([[0.1, 0.9, 0.0], [0.2, 0.8, 0.0], [0.9, 0.1, 0.0], [0.4, 0.3, 0.3]])
]


def columns(**settings):
  return answer_rows.Columns(**{'labels': LABELS, 'top': 2} | settings)


def lines(form, rows=ROWS, **settings):
  return list(answer_rows.LINES[form](rows, columns(**settings)))


def test_text_stays_on_its_line():
  assert lines('text') == [
    'a.wav: yes 70.0 %, no 20.0 % [true: no]',
    'b\\n.wav: a "b",\\tc\\nd 60.0 %, no 20.0 % [true: yes]',
  ]
  assert lines('text', WINDOWS, top=1) == [
    'a.wav 0.00-1.00 s: yes 90.0 %',
    'a.wav 0.50-1.50 s: yes 80.0 %',
    'a.wav 1.00-2.00 s: no 90.0 %',
    'a.wav 1.50-2.50 s: none of these (no 40.0 %)',
  ]


def test_csv_holds_any_label():
  found = list(csv.DictReader(io.StringIO('\n'.join(lines('csv', has_label=True)))))
  assert list(found[0]) == [
    'file', 'label_1', 'probability_1', 'label_2', 'probability_2', 'true_label',
  ]  # fmt: skip
  assert [row['label_1'] for row in found] == ['yes', LABELS[2]]
  assert [row['file'] for row in found] == ['a.wav', 'b\n.wav']
  text = '\n'.join(
    lines('csv', WINDOWS, probabilities='all', has_windows=True, has_none=True, key='id')
  )
  found = list(csv.DictReader(io.StringIO(text)))
  assert list(found[0]) == [
    'id', 'start_s', 'end_s', 'answer', *(f'probability_{label}' for label in LABELS),
  ]  # fmt: skip
  assert [row['answer'] for row in found] == ['yes', 'yes', 'no', 'none of these']
  assert found[1]['start_s'] == '0.5' and found[1]['probability_yes'] == '0.800000'


def test_json_lines_name_what_cannot_be_used():
  found = [json.loads(answer_rows.to_bytes(line)) for line in lines('jsonl')]
  assert found[0] == {
    'file': 'a.wav',
    'predictions': [{'label': 'yes', 'probability': 0.7}, {'label': 'no', 'probability': 0.2}],
    'true_label': 'no',
  }
  assert found[2] == {'file': 'bad\udcff.wav', 'error': 'Wanted audio, got none.'}
  said = json.loads(lines('jsonl', WINDOWS, probabilities='all')[3])
  assert (said['start_s'], said['end_s'], said['none_of_these']) == (1.5, 2.5, True)
  assert [one['label'] for one in said['predictions']] == ['no', 'yes', LABELS[2]]


def test_neighbouring_windows_of_one_answer_are_one_label_of_audacity():
  # The border of 0.5-1.5 and 1-2 lies in the middle of what they share.
  assert lines('audacity', WINDOWS) == [
    '0.000000\t1.250000\tyes',
    '1.250000\t2.000000\tno',
  ]
  apart = [WINDOWS[0], WINDOWS[3], WINDOWS[1]]
  apart[2] = answer_rows.Row(
    name='a.wav', probabilities=np.array([0, 0, 1.0]), start_s=3.0, end_s=4.0
  )
  assert lines('audacity', apart) == [
    '0.000000\t1.000000\tyes',
    '3.000000\t4.000000\ta "b",\\tc\\nd',
  ]


def table(rows, **settings):
  stream = io.BytesIO()
  answer_tables.write(rows, columns(**settings), stream)
  return parquet.read_table(pa.BufferReader(stream.getvalue()))


def test_a_table_has_a_row_for_each_even_where_there_is_no_answer(monkeypatch):
  monkeypatch.setattr(answer_tables, '_MOST_ROWS', 2)
  found = table(ROWS)
  assert found.column('file').to_pylist() == ['a.wav', 'b\n.wav', 'bad\\udcff.wav']
  assert found.column('answer').to_pylist() == ['yes', LABELS[2], None]
  assert found.column('true_label').to_pylist() == ['no', 'yes', None]
  assert found.column('top_labels').to_pylist() == [['yes', 'no'], [LABELS[2], 'no'], None]
  assert found.column('error').to_pylist() == [None, None, 'Wanted audio, got none.']
  found = table([*WINDOWS, ROWS[2]], probabilities='all')
  assert found.column('none_of_these').to_pylist() == [False, False, False, True, None]
  assert found.column('probabilities').to_pylist()[0] == pytest.approx([0.1, 0.9, 0])
  assert found.column('probabilities').to_pylist()[4] is None
  assert found.column('start_s').to_pylist() == [0, 0.5, 1, 1.5, None]
  said = json.loads(found.schema.metadata[answer_tables.METADATA_KEY])
  assert said == {'answers_version': 1, 'labels': list(LABELS)}
  assert table([]).num_rows == 0


def test_the_best_of_a_table_are_those_of_each_row(monkeypatch):
  monkeypatch.setattr(answer_tables, '_MOST_SORTED', 200)  # Four rows at once.
  names = tuple(f'label {i}' for i in range(50))
  values = np.random.default_rng(0).integers(0, 3, (42, 50)).astype(np.float32)  # Many are equal.
  rows = [
    answer_rows.Row(name=str(i), probabilities=row, is_none=i % 5 == 0, error='x' * (i % 4 == 3))
    for i, row in enumerate(values)
  ]
  found = table(rows, labels=names).to_pylist()
  for row, said in zip(rows, found, strict=True):
    if row.error:
      assert said['answer'] is said['top_labels'] is said['none_of_these'] is None
      continue
    best = columns(labels=names).best(row)
    assert list(zip(said['top_labels'], said['top_probabilities'], strict=True)) == best
    assert said['answer'] == columns(labels=names).answer(row)


def challenge_of(*labels):
  return submissions.challenge(labels)


def test_the_challenge_knows_twelve_labels():
  found = challenge_of('yes', 'Go', '_silence_', 'marvin', 'unknown', 'zero')
  assert found.names == {
    'yes': 'yes', 'Go': 'go', '_silence_': 'silence', 'marvin': 'unknown', 'unknown': 'unknown',
    'zero': 'unknown',
  }  # fmt: skip
  assert found.name('none of these') == 'unknown'
  assert found.sentences == (
    '2 labels of the model that the challenge lacks are called unknown: marvin, zero.',
    'The model lacks no, up, down, left, right, on, off, stop of the challenge: no clip is called '
    'so.',
  )
  assert challenge_of(*submissions.CHALLENGE_LABELS).sentences == ()
  with pytest.raises(errors.ConfigError, match='the model knows none of them. Its labels are'):
    challenge_of('zero', 'unknown', 'silence')


def test_answers_to_the_challenge_are_sorted_and_each_is_there_once():
  rows = [
    answer_rows.Row(name='audio/clip_b.wav', probabilities=np.array([0.0, 1.0])),
    answer_rows.Row(name='other/clip_a.wav', probabilities=np.array([1.0, 0.0])),
    answer_rows.Row(name='audio/clip_c.wav', error='Wanted audio, got none.'),
  ]
  found = challenge_of('yes', 'bed')
  shown = answer_rows.Columns(labels=('yes', 'bed'))
  said = list(submissions.challenge_answers(rows, shown.answer, found))
  assert list(submissions.challenge_lines(said)) == [
    'fname,label', 'clip_a.wav,yes', 'clip_b.wav,unknown', 'clip_c.wav,unknown',
  ]  # fmt: skip
  with pytest.raises(errors.ConfigError, match="call two clips 'clip_a.wav'"):
    list(submissions.challenge_lines([*said, ('third/clip_a.wav', 'yes')]))
