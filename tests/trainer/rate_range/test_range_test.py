"""A range test as it is asked for on the command line, in this process."""

import os

import numpy as np
import pytest

from trainer import __main__, config, preflight
from trainer.rate_range import loss_curve, range_test

TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'


@pytest.fixture(autouse=True)
def _own_working_directory(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)


def test_it_names_a_rate_draws_a_picture_and_leaves_no_run(untested_dir, capsys):
  arguments = [f'--data={untested_dir}', f'--model={TOY}', '--batch_size=4', '--accumulate=2']
  arguments += ['--find_learning_rate', '--schedule=cosine', '--scale_learning_rate=linear']
  __main__.main(arguments)
  said = capsys.readouterr().out
  assert 'range    cnn:' in said
  assert 'up to 200 steps of 8 examples, learning rates from 1e-06 to 10' in said
  assert 'note: --schedule=cosine has no part in it.' in said
  rate = float(said.partition('rate     ')[2].partition(',')[0])
  flag = float(said.partition('--learning_rate=')[2].split()[0])
  assert flag == pytest.approx(rate * 64 / 8, rel=0.05)  # Of batches of 64, as the flag is then.
  assert 1e-4 < rate < 1
  assert os.listdir('.') == ['runs']
  assert os.listdir('runs') == ['tiny-cnn-learning_rate.png']
  assert 'picture  runs/tiny-cnn-learning_rate.png' in said


def test_a_run_in_the_folder_is_left_alone(untested_dir, monkeypatch):
  monkeypatch.setattr(loss_curve, 'MOST_STEPS', 2)
  os.makedirs('runs/mine')
  for name, text in (('config.json', '{"flags": {}}'), ('mine-learning_rate.png', 'kept')):
    with open(os.path.join('runs', 'mine' if name[0] == 'c' else '', name), 'w') as stream:
      stream.write(text)
  asked = config.TrainConfig(
    data=untested_dir, model=TOY, run_name='mine', find_learning_rate=True, batch_size=8
  )
  curve = range_test.find(asked, preflight.check(asked)[0])
  assert len(curve.losses) == 2
  assert os.listdir('runs/mine') == ['config.json']
  assert sorted(os.listdir('runs')) == [
    'mine', 'mine-learning_rate-2.png', 'mine-learning_rate.png'
  ]  # fmt: skip


def test_the_rate_grows_by_the_same_factor_in_each_step():
  rate = range_test.growing_rate()
  steps = np.array([0, 1, 50, loss_curve.MOST_STEPS - 1])
  np.testing.assert_allclose(
    [float(rate(step)) for step in steps],
    loss_curve.LOWEST_RATE * loss_curve.GROWTH**steps,
    rtol=1e-4,
  )
