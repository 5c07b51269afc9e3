"""The command line of `python -m beam_jobs.explore`; nothing below it sees a flag."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from beam_jobs import sources
from schemas import errors
from tfrecords import command_line, paths, storage

flag = command_line.flag

DEFAULT_OUTPUT = 'report.html'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """What is to be looked at: the flags, with what --help says of them.

  Attributes:
    source: Without its settings: the name alone.
    source_settings: The source's settings.
    debug: Read by what runs the program.
  """

  data: str = flag(
    '', 'Folder of a finished data set (the --output of the data job).', is_path=True
  )
  source: str = flag('', 'Or a corpus as it is: name:key=value,... as for the data job.')
  source_settings: Any = None
  input: str = flag('', "Where that corpus is. The source's own folder where it has one.")
  output: str = flag(DEFAULT_OUTPUT, 'The page to write.', is_path=True)
  all_files: bool = flag(
    False,
    'Take every file for audio that is not named like text, pictures or archives.',
    needs=('source',),
  )
  max_clips: int = flag(
    2_000,
    'So many clips, picked by a hash, are opened and measured; each takes about 50 kB of memory.',
    lower_bound=1,
  )
  max_examples: int = flag(
    2, 'So many clips of each label are drawn and can be heard.', lower_bound=0
  )
  debug: bool = flag(False, 'Show tracebacks.')


def help_text(description: str) -> str:
  """Returns what the program does, and the description of every flag."""
  flag_values = absl_flags.FlagValues()
  command_line.define(Request, flag_values)
  return command_line.help_text(description, flag_values)


def parse(argv: Sequence[str]) -> Request:
  """Reads a command line.

  Raises:
    ConfigError: for an unknown flag, a wrong value, and where not exactly one thing is named.
  """
  flag_values = absl_flags.FlagValues()
  command_line.define(Request, flag_values)
  try:
    left_over = flag_values(['explore', *argv])[1:]
  except absl_flags.Error as error:
    # Absl ends its suggestions with ` ?`.
    said = str(error).replace(' ?', '?').rstrip('.')
    raise errors.ConfigError(f'{said}{"" if said.endswith("?") else "."} See --help.') from error
  if left_over:
    raise errors.ConfigError(
      f'Expected flags such as --data=FOLDER, got {left_over[0]!r}. See --help.'
    )
  wanted = command_line.read(Request, flag_values)
  _check_one_thing(wanted)
  command_line.check_idle(wanted)
  _check_output(wanted.output)
  if wanted.data:
    return dataclasses.replace(wanted, data=paths.folder(wanted.data))
  name, settings = sources.parse(wanted.source)
  sources.check_of_audio(name, wanted, ['all_files'])
  place = sources.input_of(name, wanted.input)
  return dataclasses.replace(wanted, source=name, source_settings=settings, input=place)


def _check_one_thing(wanted: Request) -> None:
  if wanted.data and (wanted.source or wanted.input):
    raise errors.ConfigError(
      '--data looks at a finished data set, --source and --input at a corpus. Give one of the two.'
    )
  if not (wanted.data or wanted.source):
    raise errors.ConfigError(
      'What is to be looked at? Give --data=FOLDER for a finished data set, or --source=NAME '
      'with --input=FOLDER for a corpus.'
    )


def _check_output(path: str) -> None:
  """Refuses, before the work, what could not be written after it."""
  if not path:
    raise errors.ConfigError('--output=FILE, the page to write, is empty.')
  storage.check_output(path)
  if '://' in path:
    return
  folder = os.path.dirname(os.path.abspath(path))
  if os.path.isdir(path):
    raise errors.ConfigError(
      f'--output={path!r} is a folder; a file was wanted, such as '
      f'{os.path.join(path, DEFAULT_OUTPUT)!r}.'
    )
  if not os.path.isdir(folder):
    raise errors.ConfigError(f'--output={path!r}: there is no folder {folder!r}. Make it first.')
