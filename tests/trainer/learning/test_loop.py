"""The order of things in a run; the arithmetic is in test_steps.py."""

import contextlib
import dataclasses
import os
import signal

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from trainer.callbacks import callback
from trainer.devices import workers
from trainer.learning import loop, steps
from trainer.measures import counting, scores

ALONE = workers.Workers(tf.distribute.get_strategy())


@dataclasses.dataclass
class FakeSteps:
  """Stands for compiled steps on one device: losses from a list, batches counted."""

  losses: list
  validation_loss: float = 0.5
  learning_rate: float = 0.125
  trunk_learning_rate: float | None = None
  is_scaled: bool = False  # Then steps whose loss is no number are skipped.

  def train(self, batches, num_steps):
    losses = [self.losses.pop(0) for _ in range(num_steps)]
    counts = [next(batches) for _ in range(num_steps)]
    return steps.StepScores(
      losses=np.array(losses, np.float32),
      num_correct=np.array(counts) // 2,
      counts=np.array(counts),
      skipped=~np.isfinite(losses) if self.is_scaled else None,
    )

  def averaged_weights(self):
    return contextlib.nullcontext()

  def judge(self, batches):
    """Stands for the judge: of ten examples with two labels three are right."""
    assert sum(batches) == 10
    by_label = np.array([[1, 2], [4, 6], [5, 5]])
    return counting.Counts(loss_sum=self.validation_loss * 10, by_label=by_label, confusion=None)


class Diary(callback.Callback):
  def __init__(self, stop_at=0):
    self.events = []
    self._stop_at = stop_at

  def on_steps(self, done):
    self.events.append(('steps', done.epoch, done.step, done.step_in_epoch, done.losses))

  def on_epoch(self, result):
    self.events.append(('epoch', result.epoch, result.step))
    return 'tired' if result.epoch == self._stop_at else ''

  def on_end(self):
    self.events.append('end')


def run(
  losses,
  *,
  epochs=2,
  steps_per_epoch=3,
  diaries=(),
  validation=(10,),
  num_validation=None,
  **settings,
):
  plan = loop.Plan(
    epochs=epochs,
    steps_per_epoch=steps_per_epoch,
    steps_per_execution=2,
    num_validation=num_validation,
  )
  fake = FakeSteps(list(losses), **settings)
  return loop.Loop(fake, fake, ALONE, plan=plan, callbacks=diaries).run([4] * 1000, validation)


class Asking(callback.Callback):
  """Gets a signal when an epoch is judged, behind its last steps."""

  def __init__(self, epoch, number):
    self._epoch, self._number = epoch, number

  def on_epoch(self, result):
    if result.epoch == self._epoch:
      os.kill(os.getpid(), self._number)
    return ''


@pytest.mark.parametrize(('epoch', 'num_epochs'), [(1, 1), (2, 2)])
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_behind_the_last_steps_is_heard_too(epoch, num_epochs, number):
  outcome = run([1] * 6, epochs=num_epochs, diaries=[Asking(epoch, number)])
  assert outcome.interrupted == number.name and outcome.stopped == ''
  assert len(outcome.epochs) == num_epochs


def test_a_signal_behind_the_first_epoch_ends_it_behind_the_next_steps():
  diary = Diary()
  outcome = run([1] * 6, diaries=[Asking(1, signal.SIGTERM), diary])
  assert outcome.interrupted == 'SIGTERM' and len(outcome.epochs) == 1
  assert [event[2] for event in diary.events if event[0] == 'steps'] == [1, 3, 5]


@given(st.integers(1, 100), st.integers(1, 60), st.floats(0, 100))
def test_executions_become_as_long_as_the_steps_are_quick(most, latest, seconds):
  plan = loop.Plan(epochs=1, steps_per_epoch=1000, steps_per_execution=most)
  following = plan.next_execution(min(most, latest), seconds=seconds)
  assert 1 <= following <= most
  if seconds > 5:
    assert following <= max(1, latest // 2)
  if seconds < 0.5:
    assert following == min(most, 2 * min(most, latest))


@given(st.integers(1, 10**7), st.integers(1, 4096))
def test_an_epoch_is_the_nearest_to_one_pass(num_examples, batch_size):
  count = loop.steps_per_epoch(num_examples, batch_size=batch_size)
  assert count >= 1
  if num_examples >= batch_size:
    assert abs(count * batch_size - num_examples) <= batch_size / 2


def test_callbacks_hear_everything_in_order():
  diary = Diary()
  outcome = run([1, 2, 3, 4, 5, 6], diaries=[diary])
  assert diary.events == [
    ('steps', 1, 1, 1, (1.0,)),  # The first call is short: nobody knows yet how long steps take.
    ('steps', 1, 3, 3, (2.0, 3.0)),
    ('epoch', 1, 3),
    ('steps', 2, 5, 2, (4.0, 5.0)),
    ('steps', 2, 6, 3, (6.0,)),
    ('epoch', 2, 6),
    'end',
  ]
  assert outcome.stopped == ''
  assert [result.epoch for result in outcome.epochs] == [1, 2]


def test_scores_are_means_over_examples():
  first, second = run([1, 2, 6, 0, 0, 0]).epochs
  assert first.train == scores.Scores(loss=3.0, accuracy=0.5, num_examples=12)
  assert second.train.loss == 0
  assert (first.validation.loss, first.validation.accuracy) == (0.5, 0.3)
  assert first.learning_rate == 0.125
  assert first.examples_per_s == pytest.approx(12 / first.train_s)


def test_without_validation_there_are_no_scores_of_it():
  assert run([1] * 6, validation=None).epochs[0].validation is None


def test_any_callback_may_stop_the_run_and_all_hear_of_the_epoch():
  first, second = Diary(stop_at=2), Diary()
  outcome = run([1] * 30, epochs=10, diaries=[first, second])
  assert outcome.stopped == 'tired'
  assert len(outcome.epochs) == 2
  assert first.events == second.events
  assert second.events[-2:] == [('epoch', 2, 6), 'end']


def test_a_reason_to_stop_after_the_last_epoch_is_no_early_stop():
  assert run([1] * 6, epochs=2, diaries=[Diary(stop_at=2)]).stopped == ''


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_a_loss_that_is_no_number_stops_with_its_step(bad):
  diary = Diary()
  with pytest.raises(errors.ConfigError, match=rf'became {bad} in step 5 \(epoch 2\).*--learning_'):
    run([1, 1, 1, 1, bad, 1], diaries=[diary])
  assert diary.events[-1] == 'end'


def test_steps_that_loss_scaling_skips_are_counted_and_not_learned_from():
  nan = float('nan')
  diary = Diary()
  first, second = run(
    [nan, nan, 1, nan, 2, 3, 4, 5, 6, 7], steps_per_epoch=5, is_scaled=True, diaries=[diary]
  ).epochs
  assert first.train == scores.Scores(loss=1.5, accuracy=0.5, num_examples=8)
  assert (first.skipped_steps, second.skipped_steps) == (3, 0)
  assert diary.events[:2] == [('steps', 1, 1, 1, ()), ('steps', 1, 3, 3, (1.0,))]
  assert run([1] * 6).epochs[0].skipped_steps is None


def test_a_hundred_skipped_steps_in_a_row_are_a_runaway(monkeypatch):
  nan = float('nan')
  monkeypatch.setattr(loop, 'MOST_SKIPPED', 5)
  # Over the end of an epoch too, and not if there was another between them.
  good = [1, nan, nan, nan, nan, 2, nan, nan, nan, 3]
  assert run(good, steps_per_epoch=5, is_scaled=True).epochs[0].skipped_steps == 4
  sentence = r'The last 5 steps, up to step 7 \(epoch 2\), were skipped: .* have run away'
  with pytest.raises(errors.ConfigError, match=sentence):
    run([1, 1, *[nan] * 6, 1, 1], steps_per_epoch=5, is_scaled=True)
  with pytest.raises(
    errors.ConfigError, match='last 3 steps, up to step 3 .epoch 1., were skipped'
  ):
    run([nan] * 6, is_scaled=True)


def test_a_validation_split_that_is_not_as_large_as_it_was_said_to_be():
  assert run([1] * 6, num_validation=10)
  with pytest.raises(errors.DatasetError, match='10 examples were read, the manifest says 11'):
    run([1] * 6, num_validation=11)


def test_a_validation_loss_that_is_no_number_stops():
  with pytest.raises(errors.ConfigError, match='validation loss is nan after epoch 1'):
    run([1] * 6, validation_loss=float('nan'))
