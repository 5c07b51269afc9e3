"""What a user meets when a program ends: exit codes, one sentence, a traceback on demand."""

import ast
import errno
import importlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from schemas import command, errors


def refuse(argv):
  raise errors.ConfigError('Wanted 1, got 2. Write 1.')


def test_success_is_zero_and_gets_the_arguments(capsys):
  assert command.run(lambda argv: print(argv), ['--a=1', 'b']) == 0
  assert capsys.readouterr().out == "['--a=1', 'b']\n"


def test_the_arguments_of_the_process_are_the_default(capsys, monkeypatch):
  monkeypatch.setattr(sys, 'argv', ['program', 'x'])
  assert command.run(print) == 0
  assert capsys.readouterr().out == "['x']\n"


def test_bad_input_is_one_sentence_and_exit_code_2(capsys):
  assert command.run(refuse, []) == 2
  captured = capsys.readouterr()
  assert captured.out == ''
  assert captured.err == 'error: Wanted 1, got 2. Write 1.\n'


@pytest.mark.parametrize('debug', ['--debug', '-debug', '--debug=true', '--debug=1', '--debug=T'])
def test_debug_shows_the_traceback_too(capsys, debug):
  assert command.run(refuse, ['--data=x', debug]) == 2
  err = capsys.readouterr().err
  assert 'Traceback' in err
  assert 'in refuse' in err
  assert err.endswith('error: Wanted 1, got 2. Write 1.\n')


@pytest.mark.parametrize(
  'arguments',
  [['--nodebug'], ['--debug', '-nodebug'], ['--debug=0'], ['--debug=false'], ['--', '--debug']],
)
def test_without_debug_there_is_no_traceback(capsys, arguments):
  assert command.run(refuse, arguments) == 2
  assert 'Traceback' not in capsys.readouterr().err


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_to_do_is_said_when_a_signal_ends_the_program(capsys, number, code):
  before = signal.getsignal(signal.SIGTERM)

  def main(argv):
    os.kill(os.getpid(), number)
    time.sleep(10)

  assert command.run(main, [], stopped='run it again.') == code
  assert capsys.readouterr().err == 'interrupted: run it again.\n'
  assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
  ('error', 'sentence'),
  [
    (OSError(errno.ENOSPC, 'No space left on device'), 'Could not write: No space left on device.'),
    (OSError(errno.EIO, 'Input/output error', 'a b'), "Could not use 'a b': Input/output error."),
    (PermissionError(errno.EACCES, 'Permission denied', 'x'), "Could not use 'x': Permission deni"),
  ],
)
def test_what_the_disk_or_the_rights_refuse_is_a_sentence(capfd, error, sentence):
  def main(argv):
    raise error

  kept = os.dup(1)  # It is let go of.
  try:
    assert command.run(main, []) == 2
  finally:
    os.dup2(kept, 1)
    os.close(kept)
  err = capfd.readouterr().err
  assert err.startswith(f'error: {sentence}') and 'Traceback' not in err


def test_other_errors_of_the_system_are_defects_and_keep_their_traceback():
  def main(argv):
    raise FileNotFoundError(errno.ENOENT, 'No such file or directory', 'x')

  with pytest.raises(FileNotFoundError):
    command.run(main, [])


@pytest.mark.parametrize(('where', 'code', 'said'), [('>/dev/full', 2, 'error: Could not write: '),
                                                     ('>&-', 0, '')])  # fmt: skip
def test_a_full_or_closed_stdout_is_no_traceback(where, code, said):
  program = (
    'import sys; from schemas import command; '
    'sys.exit(command.run(lambda argv: (print("x"), sys.stdout.flush())))'
  )
  done = subprocess.run(
    ['sh', '-c', f'"$0" -c \'{program}\' {where}', sys.executable],
    capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == code, done.stderr
  assert done.stderr.startswith(said) and 'Traceback' not in done.stderr
  assert 'Exception ignored' not in done.stderr


def test_a_program_may_have_its_own_words_for_an_interrupt(capsys):
  def told(argv):
    raise KeyboardInterrupt('run it with --run_dir=x')

  assert command.run(told, [], stopped='run it again.') == 130
  assert capsys.readouterr().err == 'interrupted: run it with --run_dir=x\n'


def test_a_defect_of_the_program_is_not_hidden():
  with pytest.raises(ZeroDivisionError):
    command.run(lambda argv: 1 / 0, [])


def test_a_reader_that_has_had_enough_is_no_error():
  code = (
    'import sys\n'
    'from schemas import command\n'
    'def main(argv):\n'
    '  for i in range(100_000): print("line", i)\n'
    'sys.exit(command.run(main, []))\n'
  )
  read, write = os.pipe()
  process = subprocess.Popen(
    [sys.executable, '-c', code],
    stdout=write,
    stderr=subprocess.PIPE,
    env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
  )
  os.close(write)
  assert os.read(read, 4) == b'line'
  os.close(read)
  _, err = process.communicate(timeout=300)
  assert (process.returncode, err) == (0, b'')


@pytest.mark.parametrize('package', ['beam_jobs', 'tfrecords'])
def test_a_package_says_which_programs_it_has(package, capsys, monkeypatch):
  programs = importlib.import_module(f'{package}.__main__').PROGRAMS
  # Those that a person calls; others are called by a runner.
  found = {
    path.stem
    for path in (pathlib.Path(__file__).parents[2] / package).glob('*.py')
    if 'command.run(' in path.read_text(encoding='utf-8') and path.stem != '__main__'
  }
  assert set(programs) == found
  monkeypatch.setattr(sys, 'argv', [package])
  assert command.list_programs(package, programs) == 2
  said = capsys.readouterr()
  assert said.err.startswith(f'error: {package} is not a program itself.') and not said.out
  for name, text in programs.items():
    module = (pathlib.Path(__file__).parents[2] / package / f'{name}.py').read_text('utf-8')
    assert f'python -m {package}.{name} ' in said.err and text in said.err
    assert ast.get_docstring(ast.parse(module))
  monkeypatch.setattr(sys, 'argv', [package, '--help'])
  assert command.list_programs(package, programs) == 0
