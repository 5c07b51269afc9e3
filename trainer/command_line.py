"""Reads absl flags from a FlagValues of the program's own, with errors that name the remedy."""

import re
import textwrap
from collections.abc import Sequence

from absl import flags

from schemas import errors, options

# `flag --batch_size=x: invalid literal for int() with base 10: 'x'`, as absl words it.
_ILLEGAL = re.compile(r'flag --(?P<name>\w+)=(?P<value>.*?): (?P<reason>.*)\Z', re.DOTALL)
_WANTED = {'int': 'a whole number', 'float': 'a number', 'bool': 'true or false'}
_SEE_HELP = 'Run with --help to see the flags.'


def define_shared(flag_values: flags.FlagValues) -> None:
  """Defines the flags that every program has: --help and --debug."""
  flags.DEFINE_bool('help', False, 'Show this text.', flag_values=flag_values)
  flags.DEFINE_bool(
    'debug', False, "Show tracebacks and TensorFlow's own messages.", flag_values=flag_values
  )


def parse(flag_values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
  """Sets `flag_values` from the arguments and returns those that are no flags.

  Raises:
    ConfigError: for an unknown flag (the text names the nearest known one) or a wrong value.
  """
  try:
    # gnu_getopt: flags may stand behind a file name too.
    flag_values.set_gnu_getopt()
    return list(flag_values(['program', *arguments])[1:])
  except flags.UnrecognizedFlagError as error:
    wrong, known = f'--{error.flagname}', [f'--{name}' for name in flag_values]
    raise errors.ConfigError(
      f'There is no flag {wrong}.{options.did_you_mean(wrong, known)} {_SEE_HELP}'
    ) from error
  except flags.Error as error:
    raise errors.ConfigError(_reworded(flag_values, str(error))) from error


def refuse_leftovers(leftovers: Sequence[str]) -> None:
  """Raises ConfigError if there is an argument that is no flag."""
  if leftovers:
    raise errors.ConfigError(
      f'{leftovers[0]!r} is no flag, and this program takes nothing else. Flags are written '
      f'--name=value. {_SEE_HELP}'
    )


def help_text(description: str, flag_values: flags.FlagValues) -> str:
  """Returns the program's description and a paragraph for each flag, in the order of definition."""
  lines = [description.strip(), '', 'Flags:']
  for name in flag_values:
    flag = flag_values[name]
    if flag.boolean:
      shown = f'--{name}' if not flag.default else f'--no{name}'
    else:
      shown = f'--{name}={"" if flag.default is None else flag.default}'
    lines += [f'  {shown}', textwrap.indent(textwrap.fill(flag.help, 90), ' ' * 6)]
  return '\n'.join(lines)


def _reworded(flag_values: flags.FlagValues, text: str) -> str:
  """Returns absl's complaint as a sentence with the type that is wanted."""
  match = _ILLEGAL.match(text)
  if not match or match['name'] not in flag_values:
    return f'{text.rstrip(".")}. {_SEE_HELP}'
  flag = flag_values[match['name']]
  choices = getattr(flag.parser, 'enum_values', None)
  wanted = f'one of {", ".join(choices)}' if choices else _WANTED.get(flag.flag_type(), 'a text')
  near = options.did_you_mean(match['value'], choices or ())
  return f'--{match["name"]}: expected {wanted}, got {match["value"]!r}.{near}'
