"""python -m trainer.models: what each model costs, before any is trained."""

import json

import pytest

from schemas import errors
from tests.helpers import tiny_manifest
from trainer import model_table, models

keras = pytest.importorskip('keras')
tf = pytest.importorskip('tensorflow')

LABELS = tuple('abcdefghijkl')


def row(text, shape=(49, 40), **kwargs):
  dataset = tiny_manifest.of(shape=shape, labels=LABELS, **kwargs)
  return model_table.row(text, dataset, dataset.features[0].name)


def test_multiply_adds_are_those_counted_by_hand():
  """49 x 40 -> 47 x 38 -> 23 x 19 -> 21 x 17 -> 10 x 8, with 32 filters."""
  found = row('cnn')
  convolutions = 47 * 38 * 32 * 9 + 21 * 17 * 32 * 32 * 9
  assert found.multiply_adds == convolutions + 10 * 8 * 32 * 64 + 64 * 12
  assert found.embedding == 64
  made = models.build(*models.parse('cnn'), tiny_manifest.of(shape=(49, 40), labels=LABELS))
  assert found.parameters == made.count_params()


@pytest.mark.parametrize('shape', [(49, 40), (None, 40)])
def test_a_loop_over_rows_counts_every_row(shape):
  found = row('gru:units=8', shape, counts={'train': (1, *[0] * 11)})
  num_rows = 98 if shape[0] is None else 49  # One clip of a second, at 10 ms hops.
  assert found.multiply_adds == num_rows * 3 * 8 * (40 + 8) + 8 * 12


@pytest.mark.parametrize('name', [name for name in models.MODELS if name != 'saved_model'])
def test_every_model_has_a_line(name):
  kind = models.MODELS[name].takes
  shape, feature = ((8_000,), 'waveform') if len(kind) == 1 else ((16, 32), 'log_mel')
  found = row(name, shape, name=feature)
  assert found.multiply_adds > 0
  assert found.parameters > 0


def test_what_cannot_be_made_says_what_it_takes():
  assert row('conv1d').reason == 'takes [samples], of one length'


def test_the_program_prints_lines(data_dir, capsys):
  model_table.main([f'--data={data_dir}', 'cnn', 'tc_resnet:width=1.5'])
  lines = capsys.readouterr().out.splitlines()
  assert lines[2].split() == [
    'model',
    'parameters',
    'multiply-adds',
    'embedding',
    'clips',
    'source',
  ]
  assert [line.split()[0] for line in lines[3:]] == ['cnn', 'tc_resnet:width=1.5']
  model_table.main([f'--data={data_dir}', 'conv1d:filters=8,dense_units=128', 'cnn:dropout=0.25'])
  refused = capsys.readouterr().out.splitlines()[3]
  assert refused.startswith('conv1d:filters=8,dense_units=128  takes [samples]')
  model_table.main([f'--data={data_dir}', 'cnn', '--format=jsonl'])
  assert json.loads(capsys.readouterr().out)['model'] == 'cnn'
  with pytest.raises(errors.ConfigError, match="No model is called 'nope'"):
    model_table.main(['nope'])
