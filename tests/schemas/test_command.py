"""What a user meets when a program ends: exit codes, one sentence, a traceback on demand."""

import os
import subprocess
import sys

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


def test_debug_shows_the_traceback_too(capsys):
  assert command.run(refuse, ['--debug']) == 2
  err = capsys.readouterr().err
  assert 'Traceback' in err
  assert 'in refuse' in err
  assert err.endswith('error: Wanted 1, got 2. Write 1.\n')


def test_an_interrupt_is_no_traceback(capsys):
  def interrupted(argv):
    raise KeyboardInterrupt

  assert command.run(interrupted, []) == 130
  assert capsys.readouterr().err == 'interrupted\n'


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
  _, err = process.communicate(timeout=60)
  assert (process.returncode, err) == (0, b'')
