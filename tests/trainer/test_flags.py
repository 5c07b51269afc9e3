import dataclasses
import os
import subprocess
import sys

import pytest

from schemas import errors
from tfrecords import command_line
from trainer import __main__, config

EVERY_FLAG = {
  'data': 'table:some/clips.csv',
  'run_dir': 'some/run',
  'overwrite': True,
  'run_name': '',
  'resume': 'never',
  'histograms': True,
  'profile_steps': '3-5',
  'checkpoint_steps': 12,
  'checkpoint_minutes': 0.5,
  'keep_checkpoints': 4,
  'model': 'vgg16:dropout=0.3',
  'init_from': '',
  'freeze': 'blocks:2',
  'recipe': 'none',
  'feature': 'waveform',
  'unknown_labels': '2',
  'sample_rate_hz': 8_000,
  'clip_seconds': 0.5,
  'compute': 'log_mel:num_mels=40',
  'augment': ('mixup:alpha=0.5', 'noise', 'spec_augment'),
  'cache': 'disk',
  'cache_dir': 'some/copies',
  'random_data': False,
  'data_service': '',
  'strategy': 'mirrored:num_devices=2',
  'virtual_devices': 3,
  'precision': 'mixed_bfloat16',
  'tf32': False,
  'jit_compile': True,
  'optimizer': 'sgd:momentum=0.5',
  'learning_rate': 0.25,
  'find_learning_rate': True,
  'trunk_learning_rate': 0.02,
  'scale_learning_rate': 'linear',
  'schedule': 'cosine:warmup_epochs=1.5',
  'test': False,
  'folds': '',
  'parallel_folds': 0,
  'label_smoothing': 0.1,
  'class_weights': 'none',
  'balance_batches': True,
  'teacher': 'some/teacher',
  'teacher_weight': 0.5,
  'teacher_temperature': 2.0,
  'clip_norm': 1.5,
  'ema': 0.99,
  'batch_size': 7,
  'accumulate': 2,
  'epochs': 8,
  'patience': 9,
  'monitor': 'loss',
  'seed': 10,
  'steps_per_execution': 11,
  'deterministic': False,
}


def parse(*arguments):
  return command_line.parse(config.TrainConfig, arguments, description='')


def test_no_flags_mean_the_defaults_of_the_config():
  assert parse() == config.TrainConfig()


def test_every_field_has_its_flag():
  fields = {field.name for field in dataclasses.fields(config.TrainConfig)}
  assert set(EVERY_FLAG) == fields - {'fold'}  # A number, or nothing.
  assert parse('--folds=speaker:2', '--fold=1').fold == 1
  arguments = []
  for name, value in EVERY_FLAG.items():
    repeated = value if isinstance(value, tuple) else [value]
    arguments += [f'--{name}={one}' for one in repeated]
  wanted = config.TrainConfig(**EVERY_FLAG)
  assert parse(*arguments) == wanted
  assert parse(*command_line.arguments(wanted)) == wanted


def test_two_command_lines_live_side_by_side():
  assert parse('--batch_size=3').batch_size == 3
  assert parse('--batch_size=4').batch_size == 4


@pytest.mark.parametrize(
  ('argument', 'sentence'),
  [
    ('--batchsize=3', r"There is no flag --batchsize\. Did you mean '--batch_size'\? .*--help"),
    ('--qqqqqqqqq', r'There is no flag --qqqqqqqqq\. Run with --help'),
    ('some/data', r"'some/data' is no flag"),
    ('--batch_size=many', r"--batch_size: expected a whole number, got 'many'"),
    ('--batch_size', r'Missing value for flag --batch_size'),
    ('--batch_size=0', r'--batch_size must be at least 1 .*got 0'),
    ('--batch_size=-64', r'--batch_size must be at least 1 .*got -64'),
    ('--epochs=0', r'--epochs must be at least 1 .*got 0'),
    ('--steps_per_execution=0', r'--steps_per_execution must be at least 1'),
    ('--patience=-1', r'--patience must be at least 0'),
    ('--seed=4294967296', r'--seed must be at least 0 and below 2\*\*31, got 4294967296'),
    ('--learning_rate=fast', r"--learning_rate: expected a number, got 'fast'"),
    ('--learning_rate=0', r'--learning_rate must be positive, got 0'),
    ('--learning_rate=nan', r'--learning_rate must be positive, got nan'),
    ('--learning_rate=inf', r'--learning_rate must be positive, got inf'),
    ('--overwrite=perhaps', r"--overwrite: expected true or false, got 'perhaps'"),
    ('--precision=float16', r'--precision: expected one of float32, mixed_float16.*Did you mean'),
    ('--optimizer=adma', r"No optimizer is called 'adma'\. Did you mean 'adam'.*rmsprop, sgd"),
    ('--optimizer=sgd:momentum=1', r'momentum must be in \[0, 1\), got 1'),
    ('--learning_rate=1e300', r'--learning_rate must be positive, got 1e\+300; .* at most 1e\+30'),
    (
      '--trunk_learning_rate=1e-300',
      r'--trunk_learning_rate must be positive, got 1e-300; at least',
    ),
    ('--clip_norm=1e300', r'--clip_norm must be 0 \(off\) or more, got 1e\+300; at most 1e\+30'),
    (
      '--teacher_temperature=1e300',
      r'--teacher_temperature must be in \[0.01, 1000\], got 1e\+300',
    ),
    ('--optimizer=adam:epsilon=1e300', r'epsilon must be 0 or more, got 1e\+300; at most 1e\+30'),
    ('--optimizer=adamw:weight_decay=-1', r'weight_decay must be 0 or more, got -1'),
    ('--optimizer=adam:weight_decay=1', r"has no setting 'weight_decay'"),
    ('--schedule=cos', r"No schedule is called 'cos'.*Known: constant, cosine, step"),
    ('--schedule=cosine:final=2', r'final must be in \[0, 1\], got 2'),
    ('--schedule=step:factor=0', r'factor must be in \(0, 1\], got 0'),
    ('--schedule=step:every_epochs=0', r'every_epochs must be positive, got 0'),
    ('--schedule=constant:warmup_epochs=nan', r'warmup_epochs must be 0 or more, got nan'),
    ('--schedule=cosine:warmup_epochs=30', r'warms up for 30 epochs, of --epochs=30\. Ask'),
    ('--scale_learning_rate=log', r'expected one of none, linear, sqrt'),
    ('--label_smoothing=1', r'--label_smoothing must be in \[0, 1\), got 1'),
    ('--ema=nan', r'--ema must be in \[0, 1\), got nan; 0 is off'),
    ('--clip_norm=-1', r'--clip_norm must be 0 \(off\) or more, got -1'),
    ('--class_weights=equal', r'--class_weights: expected one of none, balanced'),
    ('--monitor=f1', r'--monitor: expected one of accuracy, balanced_accuracy, loss, macro_f1'),
    ('--model=vgg61', r"No model is called 'vgg61'\. Did you mean 'vgg16'\? Known: .*cnn"),
    ('--model=cnn:filter=3', r"has no setting 'filter'\. Did you mean 'filters'"),
    ('--model=cnn:dropout=2', r'dropout must be in \[0, 1\), got 2'),
    ('--strategy=mirored', r"No strategy is called 'mirored'\. Did you mean 'mirrored'"),
    ('--strategy=mirrored:num_devices=-1', r'num_devices must be 0 \(all\) or more'),
    ('--virtual_devices=2', r'no effect without --strategy=mirrored\. Write both'),
    ('--run_name=a/b', r"--run_name must be the name of a folder, got 'a/b'"),
    ('--profile_steps=5', r"--profile_steps: expected two steps as in 10-20, got '5'"),
    ('--profile_steps=5-3', r'--profile_steps: expected two steps'),
    ('--jit_compile', r'--jit_compile cannot keep the promise.*Add --nodeterministic'),
    ('--resume=perhaps', r'--resume: expected one of auto, must, never'),
    ('--resume=must', r'--resume=must goes on with the run in --run_dir: name one'),
    ('--checkpoint_steps=-1', r'--checkpoint_steps must be at least 0'),
    ('--checkpoint_minutes=nan', r'--checkpoint_minutes must be 0 \(off\) or more, got nan'),
    ('--keep_checkpoints=0', r'--keep_checkpoints must be at least 1'),
    ('--data=', r'--data must name the folder'),
    ('--cache=ram', r"--cache: expected one of none, memory, disk, got 'ram'"),
    ('--cache=disk', r'--cache=disk copies shards: name the folder for the copies by --cache_dir='),
    ('--accumulate=0', r'--accumulate must be at least 1'),
    ('--teacher_weight=0', r'--teacher_weight must be in \(0, 1\], got 0'),
    ('--teacher_temperature=2', r'--teacher_temperature=2 has no effect without --teacher'),
    ('--teacher=a/b --run_dir=a/./b', r'--teacher=a/b is the --run_dir too'),
    ('--balance_batches --random_data', r'--random_data makes labels up\. Leave one'),
    ('--balance_batches --class_weights=balanced', r'--class_weights=balanced lets them count'),
    ('--random_data --cache=memory', r'--random_data reads no records, so --cache'),
    (
      '--data_service=localhost:5050',
      r'must be such as grpc://localhost:5050, got .localhost:5050',
    ),
    ('--data_service=grpc://h:99999', r'must be such as grpc://localhost:5050'),
    ('--data_service=grpc://h:5050', r'bit for bit\. Write --nodeterministic beside it'),
    ('--data_service=grpc://h:5 --nodeterministic --cache=memory', r'others read them\. Leave one'),
  ],
)
def test_wrong_argument_is_refused_with_a_sentence(argument, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    parse(*argument.split())


def test_help_shows_the_examples_and_every_flag(capsys):
  __main__.main(['--help'])
  shown = capsys.readouterr().out
  assert 'python -m trainer --strategy=mirrored' in shown
  for field in dataclasses.fields(config.TrainConfig):
    assert f'--{field.name}' in shown or f'--no{field.name}' in shown
  assert max(len(line) for line in shown.splitlines()) <= 100


def test_help_and_wrong_flags_answer_without_tensorflow():
  code = (
    'import sys\n'
    'from trainer import __main__\n'
    "__main__.main(['--help'])\n"
    "sys.argv[1:] = ['--modell=cnn']\n"
    'assert __main__.run() == 2\n'
    "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)\n"
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
  assert done.returncode == 0
  assert done.stderr == (
    "error: There is no flag --modell. Did you mean '--model'? Run with --help to see the flags.\n"
  )


def test_a_run_name_is_a_folder_among_runs():
  named = config.TrainConfig(run_name='loud')
  assert named.run_dir == os.path.join('runs', 'loud')
  assert config.TrainConfig(**named.to_json()) == named
  with pytest.raises(errors.ConfigError, match=r'stands for --run_dir=runs.loud: give one of'):
    config.TrainConfig(run_name='loud', run_dir='elsewhere')
