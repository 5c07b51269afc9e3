"""Text that Parquet cannot hold stands there as its escape, whoever writes it."""

import io

import numpy as np
import pytest
from pyarrow import parquet

from exports import answer_rows, answer_tables, table_texts
from tests.helpers import prediction_files
from trainer.predictions import clip_answers, parquet_writer

# A byte that is no UTF-8, the ends of the range, and a pair that is a character.
ODD = ['a\udcff', '\ud800', '\udfff', '\udbff/\udc00', '\ue000', '😀\\']
ESCAPED = ['a\\udcff', '\\ud800', '\\udfff', '\\udbff/\\udc00', '\ue000', '😀\\']


def test_halves_of_pairs_are_escaped_and_nothing_else_is():
  assert [table_texts.escaped(text) for text in ODD] == ESCAPED
  assert table_texts.column([*ODD, None]).to_pylist() == [*ESCAPED, None]
  assert table_texts.column(['b', None]).to_pylist() == ['b', None]


@pytest.mark.parametrize('odd', range(len(ODD)))
def test_answers_and_predictions_say_a_name_alike(odd, tmp_path):
  name = ODD[odd]
  stream, path = io.BytesIO(), tmp_path / 'predictions.parquet'
  row = answer_rows.Row(name=name, probabilities=np.array([0.5, 0.25, 0.25]))
  answer_tables.write([row], answer_rows.Columns(labels=('no', 'stop', 'yes')), stream)
  origins = clip_answers.Origins(
    ids=['b'], speakers=[''], files=[name], start_us=[0], end_us=[1], fields=['{}'],
    augmentations=[''],
  )  # fmt: skip
  answers = clip_answers.Answers(origins, np.array([0]), np.zeros((1, 3), np.float32))
  with parquet_writer.writing(str(path), prediction_files.header_of('abc')) as writer:
    writer.add(answers)
  said = [parquet.read_table(file).column('file').to_pylist() for file in (stream, path)]
  assert said == [[ESCAPED[odd]], [ESCAPED[odd]]]
