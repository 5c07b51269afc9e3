"""The shell of every program: what the user meets when something is wrong.

An error of this project is one sentence on stderr and exit code 2; a traceback is shown only with
--debug, and for defects of the program itself.
"""

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence

from schemas import errors

EXIT_OK = 0
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

AGAIN = 'run the same command again'

# As absl reads them.
_TRUE = ('true', 't', '1')
_FALSE = ('false', 'f', '0')


def is_on(switch: str, arguments: Sequence[str]) -> bool:
  """Whether a switch is on, in any of the ways to write it; of several the last holds.

  `--debug`, `-debug`, `--debug=true` and `--debug=1` are on; `--nodebug` and `--debug=false` off.
  For what is asked before the flags are read, which refuses what no switch can be.
  """
  found = False
  for argument in arguments:
    if argument == '--':
      break
    name, equals, value = argument.partition('=')
    if name in (f'--{switch}', f'-{switch}'):
      found = not equals or value.lower() in _TRUE
    elif argument in (f'--no{switch}', f'-no{switch}'):
      found = False
  return found


def is_switch(switch: str, argument: str) -> bool:
  """Whether an argument is one of the ways to turn a switch on or off."""
  name, equals, value = argument.partition('=')
  if name in (f'--{switch}', f'-{switch}'):
    return not equals or value.lower() in (*_TRUE, *_FALSE)
  return argument in (f'--no{switch}', f'-no{switch}')


class _Terminated(KeyboardInterrupt):
  """SIGTERM came: what Ctrl-C does, with another exit code."""


def run(
  main: Callable[[Sequence[str]], None], argv: Sequence[str] | None = None, *, stopped: str = ''
) -> int:
  """Calls `main` with the arguments after the program's name and returns the exit code.

  Args:
    main: Takes the arguments, prints its results to stdout, raises VoxshardError for bad input.
    argv: The arguments; those of the process by default.
    stopped: What is said when Ctrl-C or SIGTERM ends the program, unless it raises its own words
      as a KeyboardInterrupt. Of a program that says nothing SIGTERM is left to the system.
  """
  arguments = list(sys.argv[1:] if argv is None else argv)
  debug = is_on('debug', arguments)
  try:
    with _terminating() if stopped else contextlib.nullcontext():
      main(arguments)
    sys.stdout.flush()
  except errors.VoxshardError as error:
    if debug:
      traceback.print_exc()
    print(f'error: {error}', file=sys.stderr)
    return EXIT_BAD_INPUT
  except KeyboardInterrupt as error:
    said = str(error) or stopped
    print(f'interrupted{said and f": {said}"}', file=sys.stderr)
    return EXIT_TERMINATED if isinstance(error, _Terminated) else EXIT_INTERRUPTED
  except BrokenPipeError:
    # The reader (`| head`) has had enough. Python would complain again when it closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
  return EXIT_OK


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
  """Lets SIGTERM interrupt the body."""
  if threading.current_thread() is not threading.main_thread():
    yield
    return

  def terminate(number: int, frame: object) -> None:
    raise _Terminated

  before = signal.signal(signal.SIGTERM, terminate)
  try:
    yield
  finally:
    signal.signal(signal.SIGTERM, before)


def list_programs(package: str, programs: Mapping[str, str]) -> int:
  """Says which programs a package has, where it is called like one; returns the exit code.

  Args:
    package: Its name.
    programs: Each program's module, and what it does in a sentence.
  """
  arguments = sys.argv[1:]
  is_asked = '-h' in arguments or is_on('help', arguments)
  out = sys.stdout if is_asked else sys.stderr
  if not is_asked:
    print(f'error: {package} is not a program itself. It has these:', file=out)
  width = max(map(len, programs))
  for name, text in programs.items():
    print(f'  python -m {package}.{name:{width}}  {text}', file=out)
  print('Each says with --help what it can do.', file=out)
  return EXIT_OK if is_asked else EXIT_BAD_INPUT
