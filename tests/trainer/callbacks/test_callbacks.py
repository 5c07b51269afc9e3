import dataclasses
import io
import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from schemas import errors
from trainer.callbacks import (
  best,
  callback,
  checkpoints,
  early_stopping,
  history,
  tensorboard,
  terminal,
)
from trainer.data import datasets, input_pipeline, sample_pictures
from trainer.judging.report import picture
from trainer.measures import scores
from trainer.runs import run_folder, written_checkpoints


def result(epoch, *, accuracy=0.5, loss=1.0, validated=True):
  found = scores.Scores(loss=loss, accuracy=accuracy, num_examples=20)
  return scores.EpochResult(
    epoch=epoch,
    step=10 * epoch,
    learning_rate=0.001,
    train=scores.Scores(loss=2.0, accuracy=0.25, num_examples=640),
    validation=found if validated else None,
    train_s=2.0,
    wait_s=0.5,
  )


def best_epochs(monitored, *validations):
  tracker = best.Best(monitored)
  found = []
  for epoch, (accuracy, loss) in enumerate(validations, start=1):
    tracker.on_epoch(result(epoch, accuracy=accuracy, loss=loss))
    found.append(tracker.epoch)
  return found


@pytest.mark.parametrize(
  ('monitored', 'expected'), [('accuracy', [1, 2, 2, 4, 4]), ('loss', [1, 1, 3, 3, 3])]
)
def test_best_epoch_is_by_the_monitored_score_and_ties_by_the_other(monitored, expected):
  found = best_epochs(monitored, (0.5, 1.0), (0.6, 2.0), (0.5, 0.5), (0.6, 0.6), (0.6, 0.6))
  assert found == expected


def test_without_validation_the_last_epoch_is_the_best():
  tracker = best.Best('accuracy')
  for epoch in (1, 2, 3):
    tracker.on_epoch(result(epoch, validated=False))
    assert tracker.epoch == epoch
  assert tracker.validation is None


@pytest.mark.parametrize(('patience', 'stops_after'), [(1, 3), (2, 4), (3, None), (0, None)])
def test_stops_after_so_many_epochs_without_a_better_one(patience, stops_after):
  tracker = best.Best('accuracy')
  stopping = early_stopping.EarlyStopping(tracker, patience=patience)
  stopped = None
  for epoch, accuracy in enumerate([0.5, 0.6, 0.6, 0.4, 0.7, 0.8], start=1):
    tracker.on_epoch(result(epoch, accuracy=accuracy))
    reason = stopping.on_epoch(result(epoch, accuracy=accuracy))
    if reason:
      assert f'--patience={patience}' in reason
      assert 'epoch 2' in reason
      stopped = epoch
      break
  assert stopped == stops_after


@pytest.fixture
def model():
  """One weight, to tell checkpoints apart."""
  return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])


def weight_in(path):
  return float(keras.saving.load_model(path, compile=False).get_weights()[0][0, 0])


def test_best_and_last_checkpoints(model, tmp_path):
  folder = run_folder.RunFolder(str(tmp_path))
  folder.create(overwrite=False)
  tracker = best.Best('accuracy')
  saving = checkpoints.Checkpoints(model, folder, tracker)
  for epoch, accuracy in enumerate([0.5, 0.9, 0.7], start=1):
    model.set_weights([np.full((1, 1), epoch, np.float32)])
    tracker.on_epoch(result(epoch, accuracy=accuracy))
    saving.on_epoch(result(epoch, accuracy=accuracy))
    assert weight_in(folder.checkpoint_file('last')) == epoch
    assert weight_in(folder.checkpoint_file('best')) == min(epoch, 2)
  assert sorted(os.listdir(folder.checkpoints_dir)) == ['best.keras', 'last.keras']


def test_failed_checkpoint_leaves_the_old_one(model, tmp_path, monkeypatch):
  folder = run_folder.RunFolder(str(tmp_path))
  folder.create(overwrite=False)
  path = folder.checkpoint_file('best')
  model.set_weights([np.full((1, 1), 7, np.float32)])
  checkpoints.save(model, folder, 'best')

  def full(self, target, **_):
    with open(target, 'wb') as stream:
      stream.write(b'half')
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(type(model), 'save', full)
  with pytest.raises(errors.ConfigError, match=r"best\.keras': No space left.*another folder"):
    checkpoints.save(model, folder, 'best')
  assert os.listdir(folder.checkpoints_dir) == ['best.keras']
  written_checkpoints.check(folder, path)
  assert weight_in(path) == 7


def test_history_is_whole_after_every_epoch(tmp_path):
  folder = run_folder.RunFolder(str(tmp_path))
  listener = history.History(folder)
  for epoch in (1, 2):
    listener.on_epoch(result(epoch, validated=epoch == 1))
    with open(folder.history_file, encoding='utf-8') as stream:
      epochs = json.load(stream)
    assert [entry['epoch'] for entry in epochs] == list(range(1, epoch + 1))
  assert epochs[0]['validation'] == {
    'accuracy': 0.5,
    'balanced_accuracy': None,
    'loss': 1.0,
    'macro_f1': None,
    'num_examples': 20,
  }
  assert epochs[1]['validation'] is None
  assert epochs[1]['examples_per_s'] == 320


def of_steps():
  """A compiled graph of one operation, and a confusion."""
  with tf.Graph().as_default() as graph:
    tf.constant(1.0, name='the_step')
  return {'graph': lambda: graph, 'confusion': lambda: np.array([[3, 1], [0, 0]])}


def steps_done(step, *losses, epoch_s=1.0):
  return callback.StepsDone(
    epoch=1,
    step=step,
    step_in_epoch=step,
    losses=losses,
    examples_per_s=321.0,
    epoch_s=epoch_s,
    wait_share=0.25,
    learning_rate=0.5,
  )


def logged(logs_dir, split):
  """What TensorBoard itself reads: {tag: [(step, value)]} and the graph's operations."""
  reader = event_accumulator.EventAccumulator(
    os.path.join(logs_dir, split), size_guidance={'tensors': 0}
  )
  reader.Reload()
  found = {
    tag: [(event.step, tf.make_ndarray(event.tensor_proto).item()) for event in reader.Tensors(tag)]
    for tag in reader.Tags()['tensors']
    if tag not in ('confusion', 'samples')
  }
  graph = reader.Graph() if reader.Tags()['graph'] else None
  return found, graph


def test_tensorboard_reads_curves_and_graph(tmp_path):
  listener = tensorboard.TensorBoard(str(tmp_path), **of_steps())
  listener.on_steps(steps_done(5, 1.0, 3.0))
  listener.on_steps(steps_done(10, 0.5))
  listener.on_epoch(result(1))
  listener.on_epoch(result(2, accuracy=0.75))
  listener.on_end()
  train, graph = logged(tmp_path, 'train')
  assert train['step_loss'] == [(5, 2.0), (10, 0.5)]
  assert train['loss'] == [(10, 2.0), (20, 2.0)]
  assert train['accuracy'] == [(10, 0.25), (20, 0.25)]
  assert train['learning_rate'] == [(5, 0.5), (10, 0.5)]
  assert train['examples_per_s'] == [(5, 321.0), (10, 321.0)]
  assert train['input_wait_share'] == [(5, 0.25), (10, 0.25)]
  assert [node.name for node in graph.node] == ['the_step']
  validation, _ = logged(tmp_path, 'validation')
  assert validation['accuracy'] == [(10, 0.5), (20, 0.75)]
  assert set(validation) == {'loss', 'accuracy'}


def test_tensorboard_has_no_validation_curve_where_there_is_no_such_split(tmp_path):
  listener = tensorboard.TensorBoard(str(tmp_path), **of_steps())
  listener.on_epoch(result(1, validated=False))
  listener.on_end()
  assert os.listdir(tmp_path) == ['train']


def test_a_long_epoch_gives_signs_of_life():
  stream = io.StringIO()
  listener = terminal.Progress(best.Best('accuracy'), **PLAN, stream=stream)
  for step in range(1, 41):
    listener.on_steps(steps_done(step, 0.5, epoch_s=10.0 * step))
  lines = stream.getvalue().splitlines()
  assert len(lines) == 13  # 400 seconds, a line every 30.
  assert lines[0] == (
    'epoch  1/12  step 3/40  loss 0.5000  321 examples/s  6 min left in the epoch  '
    'waits for input 25 %'
  )


def test_logs_that_cannot_be_written_are_said(tmp_path):
  (tmp_path / 'logs').write_text('no folder')
  listener = tensorboard.TensorBoard(str(tmp_path / 'logs'), **of_steps())
  with pytest.raises(errors.ConfigError, match=r"TensorBoard logs in '.*logs': .*--run_dir"):
    listener.on_epoch(result(1))


class Terminal(io.StringIO):
  def isatty(self):
    return True


PLAN = {'epochs': 12, 'steps_per_epoch': 40}


def shown(stream):
  tracker = best.Best('accuracy')
  listener = terminal.Progress(tracker, **PLAN, stream=stream)
  for epoch, accuracy in ((1, 0.5), (2, 0.25)):
    tracker.on_epoch(result(epoch, accuracy=accuracy))
    listener.on_steps(steps_done(8, 1.25))
    listener.on_epoch(result(epoch, accuracy=accuracy))
  listener.on_end()
  return stream.getvalue()


def test_a_line_per_epoch():
  first, second = shown(io.StringIO()).splitlines()
  assert first == (
    'epoch  1/12  train loss 2.0000 accuracy  25.0 %  validation loss 1.0000 accuracy  50.0 %  '
    '320 examples/s  waits 25 %  best'
  )
  assert second.startswith('epoch  2/12')
  assert not second.endswith('best')


def test_skipped_steps_are_in_the_line_of_the_epoch_and_in_a_curve(tmp_path):
  found = dataclasses.replace(result(1), skipped_steps=2)
  assert scores.EpochResult.from_json(found.to_json()) == found
  stream = io.StringIO()
  terminal.Progress(best.Best('loss'), epochs=1, steps_per_epoch=3, stream=stream).on_epoch(found)
  assert '  2 steps skipped  320 examples/s' in stream.getvalue()
  listener = tensorboard.TensorBoard(str(tmp_path), **of_steps())
  listener.on_steps(steps_done(1))
  listener.on_epoch(found)
  listener.on_end()
  assert logged(tmp_path, 'train')[0]['skipped_steps'] == [(10, 2.0)]
  assert 'step_loss' not in logged(tmp_path, 'train')[0]


def test_a_terminal_also_gets_a_moving_line():
  text = shown(Terminal())
  assert (
    '\r\x1b[Kepoch  1/12  step 8/40  loss 1.2500  321 examples/s  4 s left in the epoch  waits'
    in text
  )
  # What stays on the screen are the lines of the epochs alone.
  stays = [line.rpartition('\x1b[K')[2] for line in text.split('\n')]
  assert [line[:11] for line in stays] == ['epoch  1/12', 'epoch  2/12', '']


def test_tensorboard_shows_weights_confusion_flags_and_a_profile(model, tmp_path):
  listener = tensorboard.TensorBoard(
    str(tmp_path),
    **of_steps(),
    labels=('no', 'yes'),
    flags={'batch_size': 7, 'augment': ('gain',), 'ema': 0.5},
    weights=model.trainable_variables,
    profiled=(4, 6),
    draw_samples=lambda: np.zeros((3, 8, 9, 1), np.float32),
  )
  for step in (2, 4, 6, 8):
    listener.on_steps(steps_done(step, 1.0))
    assert listener._is_profiling == (step == 4)
  for epoch in (1, 2, 3):  # The next pictures wait; the last one is drawn at the end.
    listener.on_epoch(result(epoch))
  listener.on_end()
  train = tensors(tmp_path, 'train')
  assert train['samples'][0].string_val[:2] == [b'9', b'8']
  assert len(train['samples'][0].string_val) == 2 + 3
  assert [tag for tag in train if tag.startswith('weights/') and tag.endswith('/kernel')]
  drawn = tensors(tmp_path, 'validation')['confusion']
  assert len(drawn) == 2
  expected = picture.confusion_png(
    np.array([[3, 1], [0, 0]]), ['no', 'yes'], title='validation after epoch 1'
  )
  np.testing.assert_array_equal(
    tf.io.decode_png(drawn[0].string_val[2]), tf.io.decode_png(expected, channels=3)
  )
  reader = event_accumulator.EventAccumulator(str(tmp_path))
  reader.Reload()
  stored = reader.SummaryMetadata('_hparams_/session_start_info').plugin_data.content
  assert b'batch_size' in stored
  assert list(tmp_path.glob('plugins/profile/*/*'))


def tensors(logs_dir, split):
  reader = event_accumulator.EventAccumulator(
    os.path.join(logs_dir, split), size_guidance={'tensors': 0}
  )
  reader.Reload()
  return {
    tag: [event.tensor_proto for event in reader.Tensors(tag)] for tag in reader.Tags()['tensors']
  }


def test_samples_are_drawn_with_low_frequencies_below(untested_dir):
  data = datasets.load(untested_dir)
  source = input_pipeline.Source(
    data_dir=untested_dir, manifest=data.manifest, feature_name='log_mel', batch_size=8
  )
  pictures = sample_pictures.draw(source)
  assert pictures.shape == (6, 16, 20, 1)
  assert pictures.min() == 0
  assert pictures.max() == 1
  # The first clip says the first label, which is loud in the lowest third.
  rows = pictures[0, :, :, 0].mean(axis=1)
  assert rows[11:].mean() > rows[:8].mean()
