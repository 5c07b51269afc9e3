"""The command line of `python -m beam_jobs.explore`; nothing below it sees a flag."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from absl import flags

from beam_jobs import sources
from schemas import errors, options

DEFAULT_OUTPUT = 'report.html'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """What is to be looked at.

  Attributes:
    data: Folder of a finished data set; '' where a corpus is looked at.
    source: Name of the corpus's source; '' where a data set is looked at.
    source_settings: The source's settings.
    input: Where the corpus is.
    output: The page to write.
    max_clips: So many clips are opened and measured at most.
    max_examples: So many clips of a label are drawn at most.
  """

  data: str = ''
  source: str = ''
  source_settings: Any = None
  input: str = ''
  output: str = DEFAULT_OUTPUT
  max_clips: int = 2_000
  max_examples: int = 2


def define(flag_values: flags.FlagValues) -> None:
  """Defines the flags."""

  def text(name: str, default: str, description: str) -> None:
    flags.DEFINE_string(name, default, description, flag_values=flag_values)

  def integer(name: str, default: int, lowest: int, description: str) -> None:
    flags.DEFINE_integer(name, default, description, lower_bound=lowest, flag_values=flag_values)

  text('data', '', 'Folder of a finished data set (the --output of the data job).')
  text('source', '', 'Or a corpus as it is: name:key=value,... as for the data job.')
  text('input', '', "Where that corpus is. The source's own folder where it has one.")
  text('output', DEFAULT_OUTPUT, 'The page to write.')
  integer(
    'max_clips', 2_000, 1,
    'So many clips, picked by a hash, are opened and measured; each takes about 50 kB of memory.',
  )  # fmt: skip
  integer('max_examples', 2, 0, 'So many clips of each label are drawn and can be heard.')
  flags.DEFINE_boolean('debug', False, 'Show tracebacks.', flag_values=flag_values)


def help_text() -> str:
  """Returns the description of every flag."""
  flag_values = flags.FlagValues()
  define(flag_values)
  return str(flag_values.get_help())


def parse(argv: Sequence[str]) -> Request:
  """Reads a command line.

  Raises:
    ConfigError: for an unknown flag, a wrong value, and where not exactly one thing is named.
  """
  flag_values = flags.FlagValues()
  define(flag_values)
  try:
    left_over = flag_values(['explore', *argv])[1:]
  except flags.Error as error:
    # Absl ends its suggestions with ` ?`.
    said = str(error).replace(' ?', '?').rstrip('.')
    raise errors.ConfigError(f'{said}{"" if said.endswith("?") else "."} See --help.') from error
  if left_over:
    raise errors.ConfigError(
      f'Expected flags such as --data=FOLDER, got {left_over[0]!r}. See --help.'
    )
  values = {name: flag_values[name].value for name in flag_values if name != 'debug'}
  _check_one_thing(values)
  _check_output(values['output'])
  if values['data']:
    return Request(**{**values, 'data': values['data'].rstrip('/') or '/'})
  settings_by_name = {name: source.settings for name, source in sources.SOURCES.items()}
  values['source'], settings = options.parse(values['source'], settings_by_name, family='source')
  default = sources.SOURCES[values['source']].default_input
  if not (values['input'] or default):
    raise errors.ConfigError(
      f'--source={values["source"]} needs --input=FOLDER, the folder of the corpus; none was given.'
    )
  values['input'] = (values['input'] or default).rstrip('/') or '/'
  return Request(**values, source_settings=settings)


def _check_one_thing(values: dict[str, Any]) -> None:
  if values['data'] and (values['source'] or values['input']):
    raise errors.ConfigError(
      '--data looks at a finished data set, --source and --input at a corpus. Give one of the two.'
    )
  if not (values['data'] or values['source']):
    raise errors.ConfigError(
      'What is to be looked at? Give --data=FOLDER for a finished data set, or --source=NAME '
      'with --input=FOLDER for a corpus.'
    )


def _check_output(path: str) -> None:
  """Refuses, before the work, what could not be written after it."""
  if not path:
    raise errors.ConfigError('--output=FILE, the page to write, is empty.')
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
