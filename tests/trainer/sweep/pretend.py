"""Stands in for `python -m trainer`: its flags, files and signals, in 30 ms and without TensorFlow.

  python -m tests.trainer.sweep.pretend trainer --run_dir=DIR --learning_rate=0.01 ...

The accuracy grows from epoch to epoch, the more the nearer the learning rate is to 0.01. What else
happens is in the environment. PRETEND_FAIL and PRETEND_DIE are parts of the command line that do.
Before the epoch PRETEND_WAIT_AT it waits to be stopped; a part of the command line behind that
says which trial does.
"""

import json
import os
import signal
import sys
import time

from trainer.child_processes import parent_tie


def result(epoch, rate):
  """One epoch as history.json has it."""
  distance = abs(rate - 0.01) / (rate + 0.01)
  accuracy = (1 - distance) * (1 - 0.5**epoch)
  scores = {'loss': 1 - accuracy, 'accuracy': accuracy, 'num_examples': 10,
            'balanced_accuracy': None, 'macro_f1': None}  # fmt: skip
  return {'epoch': epoch, 'step': epoch, 'learning_rate': rate, 'train': scores,
          'validation': scores, 'train_s': 0.5, 'wait_s': 0.0, 'skipped_steps': None}  # fmt: skip


def write(path, value):
  with open(path + '.part', 'w', encoding='utf-8') as stream:
    json.dump(value, stream)
  os.replace(path + '.part', path)


def waits_at(epoch):
  wanted, _, part = os.environ.get('PRETEND_WAIT_AT', '').partition(' ')
  return wanted == str(epoch) and (not part or part in sys.argv)


def train(flags):
  folder = flags['run_dir']
  if os.path.exists(os.path.join(folder, 'outcome.json')) and 'notest' not in flags:
    judge(flags)
    return
  if 'folds' in flags:
    for fold in range(int(flags.pop('folds').rpartition(':')[2])):
      # Every fold is worse than the one before.
      rate = str(float(flags['learning_rate']) * (1 + fold))
      train({**flags, 'run_dir': os.path.join(folder, f'fold-{fold:02d}'), 'learning_rate': rate})
    write(os.path.join(folder, 'outcome.json'), {})
    return
  os.makedirs(folder, exist_ok=True)
  history = os.path.join(folder, 'history.json')
  epochs = []
  if os.path.exists(history):
    with open(history, encoding='utf-8') as stream:
      epochs = json.load(stream)
  stopped = []
  signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
  for epoch in range(len(epochs) + 1, int(flags['epochs']) + 1):
    time.sleep(float(os.environ.get('PRETEND_EPOCH_S', 0)))
    while waits_at(epoch) and not stopped:
      time.sleep(0.02)
    if stopped:
      print(f'stopped before epoch {epoch}')
      return
    epochs.append(result(epoch, float(flags['learning_rate'])))
    write(history, epochs)
    die = os.environ.get('PRETEND_DIE', '')
    if die and die in sys.argv and epoch == 1:
      os.kill(os.getpid(), signal.SIGKILL)
  write(os.path.join(folder, 'outcome.json'), {'epochs': len(epochs), 'steps': 1, 'stopped': ''})


def judge(flags):
  interval = {'low': 0.6, 'high': 0.8}
  report = {'accuracy': 0.7, 'loss': 1.0, 'num_examples': 22, 'accuracy_interval_95': interval}
  if 'folds' in flags:
    report['mean_over_folds'] = {'accuracy': 0.5, 'low': 0.25, 'high': 0.75}
  write(os.path.join(flags['run_dir'], 'report.json'), report)


def main():
  parent_tie.end_with_parent()
  _, module, *words = sys.argv
  flags = {'learning_rate': 0.001, 'epochs': 3}
  for word in words:
    name, _, value = word.removeprefix('--').partition('=')
    flags[name] = value
  if os.environ.get('PRETEND_FAIL', '') in words:
    print('error: The model does not fit into the memory of this machine.', file=sys.stderr)
    sys.exit(2)
  assert module == 'trainer'
  train(flags)


if __name__ == '__main__':
  main()
