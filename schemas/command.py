"""The shell of every program: what the user meets when something is wrong.

An error of this project is one sentence on stderr and exit code 2; a traceback is shown only with
--debug, and for defects of the program itself.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence

from schemas import errors

EXIT_OK = 0
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def run(main: Callable[[Sequence[str]], None], argv: Sequence[str] | None = None) -> int:
  """Calls `main` with the arguments after the program's name and returns the exit code.

  Args:
    main: Takes the arguments, prints its results to stdout, raises VoxshardError for bad input.
    argv: The arguments; those of the process by default.
  """
  arguments = list(sys.argv[1:] if argv is None else argv)
  try:
    main(arguments)
    sys.stdout.flush()
  except errors.VoxshardError as error:
    if '--debug' in arguments:
      traceback.print_exc()
    print(f'error: {error}', file=sys.stderr)
    return EXIT_BAD_INPUT
  except KeyboardInterrupt:
    print('interrupted', file=sys.stderr)
    return EXIT_INTERRUPTED
  except BrokenPipeError:
    # The reader (`| head`) has had enough. Python would complain again when it closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
  return EXIT_OK
