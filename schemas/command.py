"""The shell of every program: what the user meets when something is wrong.

An error of this project is one sentence on stderr and exit code 2; a traceback is shown only with
--debug, and for defects of the program itself.
"""

import contextlib
import errno
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

# What a disk or the rights of the user refuse: no defect of the program, whoever forgot to say so.
_REFUSALS = frozenset(
  (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)
)

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
  _open_what_is_closed()
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
    _let_go_of_stdout()
  except OSError as error:
    if error.errno not in _REFUSALS:
      raise
    if debug:
      traceback.print_exc()
    print(f'error: {_refused(error)}', file=sys.stderr)
    _let_go_of_stdout()
    return EXIT_BAD_INPUT
  return EXIT_OK


def _open_what_is_closed() -> None:
  """Gives a process that was started without stdout or stderr (`>&-`) ones that keep nothing.

  The next file to be opened would take their numbers, and what a library prints would go into it.
  """
  for name in ('stdout', 'stderr'):
    if getattr(sys, name) is None:
      setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))


def _let_go_of_stdout() -> None:
  """Sends what is still to be written nowhere, so that Python's end has nothing to complain of."""
  with contextlib.suppress(OSError, ValueError):
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused(error: OSError) -> str:
  """Returns the sentences for what the system refused."""
  if error.filename is None:
    return (
      f'Could not write: {error.strerror}. Is there room where the output goes (standard output '
      'too), and may this user write there? Then run the same command again.'
    )
  return (
    f'Could not use {error.filename!r}: {error.strerror}. Is there room on the disk, and may this '
    'user read and write there? Then run the same command again.'
  )


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
