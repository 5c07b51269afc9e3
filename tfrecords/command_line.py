"""Command lines: the fields of a program's config class are its flags.

  @dataclasses.dataclass(frozen=True, kw_only=True)
  class Config:
    data: str = command_line.flag('demo/data', 'Folder of a data set.', is_path=True)
    batch_size: int = command_line.flag(64, 'Examples.', limits=limits.COUNT)

    def __post_init__(self) -> None:
      command_line.check(self)

Flags are read into a config once, each program's from a FlagValues of its own; nothing below sees a
flag. Errors name the remedy.
"""

import dataclasses
import re
import shlex
import textwrap
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from absl import flags

from schemas import command, errors, options
from schemas import limits as limits_lib
from tfrecords import paths

_DEFINE: Mapping[Any, Callable[..., Any]] = {
  bool: flags.DEFINE_boolean,
  int: flags.DEFINE_integer,
  int | None: flags.DEFINE_integer,
  float: flags.DEFINE_float,
  float | None: flags.DEFINE_float,
  str: flags.DEFINE_string,
  str | None: flags.DEFINE_string,
  tuple[str, ...]: flags.DEFINE_multi_string,
}

# `flag --batch_size=x: invalid literal for int() with base 10: 'x'`, as absl words it.
_ILLEGAL = re.compile(r'flag --(?P<name>\w+)=(?P<value>.*?): (?P<reason>.*)\Z', re.DOTALL)
_WANTED = {'int': 'a whole number', 'float': 'a number', 'bool': 'true or false'}
# `8k`, `8kHz`, `22.05 kHz`: what people write for 8000.
_THOUSANDS = re.compile(r'\s*(?P<number>\d+(\.\d+)?)\s*k(hz)?\s*\Z', re.IGNORECASE)
_SEE_HELP = 'Run with --help to see the flags.'
_FOLDER_FLAGS = {'--help': 'Show this text.', '--debug': 'Show the traceback of an error.'}

_Config = TypeVar('_Config')


def flag(
  default: Any,
  text: str,
  *,
  choices: Collection[str] = (),
  limits: limits_lib.Limits | None = None,
  lower_bound: float | None = None,
  is_path: bool = False,
  needs: Sequence[str] = (),
  idle_with: Sequence[str] = (),
) -> Any:
  """Returns a field of a config class that is a flag too, of the type of the field.

  Args:
    default: Its value where it is not given.
    text: What --help says.
    choices: The texts that it takes; nothing: any. `check` holds the config to them.
    limits: The numbers that it takes, to which `check` holds the config.
    lower_bound: The least number, in absl's words, of which --help speaks.
    is_path: Whether `~` stands for the user's home.
    needs: Without one of these it has no effect, and `check` refuses it: other flags as `window_s`,
      or what they say as `format=submission`.
    idle_with: The same: with any of these it has no effect.
  """
  bounds = {} if lower_bound is None else {'lower_bound': lower_bound}
  metadata = {'help': text, 'choices': list(choices), 'limits': limits, 'bounds': bounds,
              'is_path': is_path, 'needs': tuple(needs), 'idle_with': tuple(idle_with)}  # fmt: skip
  return dataclasses.field(default=default, metadata=metadata)


def define(config_class: type, flag_values: flags.FlagValues) -> None:
  """Defines the flags of a config class on `flag_values`, in the order of its fields."""
  kinds = typing.get_type_hints(config_class)
  for field in _fields(config_class):
    keywords = {**field.metadata['bounds'], 'module_name': config_class.__module__}
    define_one = _DEFINE[kinds[field.name]]
    if field.metadata['choices']:
      define_one, keywords['enum_values'] = flags.DEFINE_enum, field.metadata['choices']
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    define_one(
      name=field.name, default=default, help=field.metadata['help'], flag_values=flag_values,
      **keywords,
    )  # fmt: skip


def read(config_class: type[_Config], flag_values: flags.FlagValues, **others: Any) -> _Config:
  """Returns the config that parsed flags ask for.

  Args:
    config_class: What `define` was given.
    flag_values: The flags.
    **others: Fields that are no flags.
  """
  return config_class(**others, **_values(config_class, flag_values))


def unchecked(config_class: type[_Config], arguments: Sequence[str]) -> _Config:
  """Returns what the arguments say, also where the config class would refuse it.

  Raises:
    ConfigError: for an unknown flag, or what is no value of its type.
  """
  config = object.__new__(config_class)
  vars(config).update(_values(config_class, _read_flags(config_class, arguments)))
  return config


def _values(config_class: type, flag_values: flags.FlagValues) -> dict[str, Any]:
  found = {}
  for field in _fields(config_class):
    value: Any = flag_values[field.name].value
    value = tuple(value) if isinstance(value, list) else value
    found[field.name] = paths.expand(value) if field.metadata['is_path'] else value
  return found


def arguments(config: Any) -> list[str]:
  """Returns the arguments that `parse` makes a config of: every flag, also those left alone."""
  found = []
  for field in _fields(type(config)):
    value = getattr(config, field.name)
    if isinstance(value, bool):
      found.append(f'--{field.name}' if value else f'--no{field.name}')
    elif isinstance(value, tuple):
      found += [f'--{field.name}={one}' for one in value]
    elif value is not None:
      found.append(f'--{field.name}={value}')
  return found


def check(config: Any) -> None:
  """Raises ConfigError for a field that is none of its choices, outside of its limits, or idle."""
  for field in _fields(type(config)):
    value, choices = getattr(config, field.name), field.metadata['choices']
    if choices and value not in choices:
      raise _no_choice(field.name, value, choices)
    limits = field.metadata['limits']
    if limits and value is not None and not limits.hold(value):
      raise errors.ConfigError(f'--{field.name} must be {limits.wanted}, got {value}{limits.hint}.')
  check_idle(config)


def check_idle(config: Any) -> None:
  """Raises ConfigError for a flag that was given, and has no effect beside the others.

  A flag that says what it says by default is taken for one that was not given.
  """
  for field in _fields(type(config)):
    if getattr(config, field.name) == field.default:
      continue
    why = why_idle(config, field)
    if why:
      raise errors.ConfigError(f'{written(config, field)} {why}')


def why_idle(config: Any, field: dataclasses.Field[Any]) -> str:
  """Returns what is to be said of a flag that has no effect beside the others, whatever it is.

  Args:
    config: What the others say; of its own value nothing is asked.
    field: The flag.

  Returns:
    Such as `has no effect without --teacher. ...`; '' where it has one.
  """
  needs = field.metadata['needs']
  if needs and not any(_holds(config, condition) for condition in needs):
    wanted = ' or '.join(f'--{condition}' for condition in needs)
    return f'has no effect without {wanted}. Write both, or leave it away.'
  for condition in field.metadata['idle_with']:
    if _holds(config, condition):
      other = next(one for one in _fields(type(config)) if one.name == condition.split('=')[0])
      return f'has no effect with {written(config, other)}. Leave one of them away.'
  return ''


def conditions(field: dataclasses.Field[Any]) -> set[str]:
  """Returns the names of the flags on which it depends whether a flag has an effect."""
  told = (*field.metadata['needs'], *field.metadata['idle_with'])
  return {condition.partition('=')[0] for condition in told}


def _holds(config: Any, condition: str) -> bool:
  """Whether a flag was given, or says something: of `mirrored:num_devices=2` the name counts."""
  name, equals, wanted = condition.partition('=')
  value = getattr(config, name, None)  # A base of several programs names what some of them have.
  if not equals:
    default = next(field.default for field in _fields(type(config)) if field.name == name)
    return bool(value != default)
  values = value if isinstance(value, tuple) else (value,)
  said = [part.partition(':')[0].strip() for one in values for part in f'{one}'.split(',')]
  try:
    return wanted in said or float(wanted) == value
  except ValueError:
    return wanted in said


def written(config: Any, field: dataclasses.Field[Any]) -> str:
  """Returns the flag of a field as it is written."""
  value = getattr(config, field.name)
  if isinstance(value, bool):
    return f'--{"" if value else "no"}{field.name}'
  if isinstance(value, tuple):
    return f'--{field.name}={",".join(value)}'
  return f'--{field.name}={value:g}' if isinstance(value, float) else f'--{field.name}={value}'


def text_of(config: Any, program: str, *, without: Collection[str] = ()) -> str:
  """Returns the command that asks for a config: the flags that are not as they are by default.

  Args:
    config: What `read` returned.
    program: Such as `python -m trainer`.
    without: Flags that are left away.
  """
  words = []
  for field in _fields(type(config)):
    value = getattr(config, field.name)
    if field.name in without or value is None or value == field.default:
      continue
    if isinstance(value, bool):
      words.append(f'--{"" if value else "no"}{field.name}')
    else:
      values = value if isinstance(value, tuple) else (value,)
      words += [f'--{field.name}={one}' for one in values]
  return ' '.join([program, *map(shlex.quote, words)])


def parse(
  config_class: type[_Config], arguments: Sequence[str], *, description: str, files: str = ''
) -> _Config | None:
  """Returns what the arguments ask for; None if that is help, which is printed.

  Args:
    config_class: Its fields, --help and --debug are the flags.
    arguments: Those after the program's name.
    description: What the program does, the beginning of its help.
    files: The field that takes the arguments that are no flags; '': there may be none.

  Raises:
    ConfigError: for an unknown flag (the text names the nearest known one) or a wrong value.
  """
  flag_values = flags.FlagValues()  # type: ignore[no-untyped-call]
  define(config_class, flag_values)
  flags.DEFINE_bool('help', False, 'Show this text.', flag_values=flag_values)
  flags.DEFINE_bool(
    'debug', False, "Show tracebacks and TensorFlow's own messages.", flag_values=flag_values
  )
  if '-h' in arguments or command.is_on('help', arguments):
    print(help_text(description, flag_values))
    return None
  left_over = _parsed(flag_values, arguments)
  if files:
    return read(config_class, flag_values, **{files: tuple(map(paths.expand, left_over))})
  if left_over:
    raise errors.ConfigError(
      f'{left_over[0]!r} is no flag, and this program takes nothing else. Flags are written '
      f'--name=value. {_SEE_HELP}'
    )
  return read(config_class, flag_values)


def given(config_class: type, arguments: Sequence[str]) -> tuple[str, ...]:
  """Returns which flags of a config class the arguments set, in the order of its fields.

  Raises:
    ConfigError: as `parse`, but for what the config class itself refuses.
  """
  flag_values = _read_flags(config_class, arguments)
  names = (field.name for field in dataclasses.fields(config_class))
  return tuple(name for name in names if name in flag_values and flag_values[name].present)


def _read_flags(config_class: type, arguments: Sequence[str]) -> flags.FlagValues:
  flag_values = flags.FlagValues()  # type: ignore[no-untyped-call]
  define(config_class, flag_values)
  flags.DEFINE_bool('help', False, '', flag_values=flag_values)
  flags.DEFINE_bool('debug', False, '', flag_values=flag_values)
  _parsed(flag_values, arguments)
  return flag_values


def taken_out(
  config_class: type, arguments: Sequence[str], names: Collection[str]
) -> tuple[tuple[str, ...], dict[str, Any]]:
  """Returns the arguments without some flags, and the values that these were given.

  Args:
    config_class: Whose flags they are.
    arguments: Flags and no files, which `given` has read.
    names: The flags to be taken out.
  """
  flag_values = _read_flags(config_class, arguments)
  kept: list[str] = []
  rest = iter(arguments)
  for argument in rest:
    name, equals, _ = argument.lstrip('-').partition('=')
    name = name if name in flag_values else name.removeprefix('no')
    is_flag = argument.startswith('-') and name in flag_values
    is_alone = equals or not is_flag or flag_values[name].boolean
    words = [argument] if is_alone else [argument, next(rest)]
    kept += [] if is_flag and name in names else words
  return tuple(kept), {n: flag_values[n].value for n in names if flag_values[n].present}


def parse_folder(argv: Sequence[str], *, description: str, program: str) -> str | None:
  """Returns the folder that the arguments name; None if they ask for help, which is printed.

  Args:
    argv: The arguments after the program's name: a folder, --help, --debug.
    description: What the program does, the first paragraph of its help.
    program: How it is called, such as `python -m tfrecords.verify`.

  Raises:
    ConfigError: for an unknown flag, no folder, or more than one.
  """
  usage = f'{program} DIR'
  if '-h' in argv or command.is_on('help', argv):
    lines = '\n'.join(f'  {name:<8} {text}' for name, text in _FOLDER_FLAGS.items())
    print(f'{description.strip()}\n\nUsage: {usage}\n\n{lines}')
    return None
  unknown = [
    argument
    for argument in argv
    if argument[:1] == '-'
    and not any(command.is_switch(name[2:], argument) for name in _FOLDER_FLAGS)
  ]
  if unknown:
    raise errors.ConfigError(
      f'There is no flag {unknown[0]}.{options.did_you_mean(unknown[0], _FOLDER_FLAGS)} '
      f'Usage: {usage} [{"] [".join(_FOLDER_FLAGS)}].'
    )
  folders = [argument for argument in argv if argument[:1] != '-']
  if len(folders) != 1 or not folders[0]:
    got = f'{len(folders)}: {" ".join(folders)}' if folders else 'none'
    raise errors.ConfigError(
      f"Expected one folder, the data job's --output; got {got}. Usage: {usage}."
    )
  return paths.expand(folders[0])


def _fields(config_class: type) -> Iterator[dataclasses.Field[Any]]:
  """Yields the fields that are flags: those of the class, then those of its bases."""
  own = vars(config_class).get('__annotations__', {})
  for field in sorted(dataclasses.fields(config_class), key=lambda field: field.name not in own):
    if 'help' in field.metadata:
      yield field


def _parsed(flag_values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
  """Sets `flag_values` from the arguments and returns those that are no flags."""
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
    raise reworded(flag_values, str(error)) from error


def help_text(
  description: str,
  flag_values: flags.FlagValues,
  groups: Mapping[str, Sequence[str]] = types.MappingProxyType({}),
) -> str:
  """Returns the program's description and a paragraph for each flag.

  Args:
    description: What the program does.
    flag_values: The flags, in the order in which they are shown.
    groups: Headings, and the flags below each; the others come last.
  """
  lines = [description.strip()]
  grouped = {name for names in groups.values() for name in names}
  others = [name for name in flag_values if name not in grouped]
  for heading, names in {**groups, 'Flags' if not groups else 'Others': others}.items():
    lines += ['', f'{heading}:'] if names else []
    for name in names:
      lines += _flag_lines(flag_values[name])
  return '\n'.join(lines)


def _flag_lines(one: flags.Flag[Any]) -> tuple[str, str]:
  """Returns how a flag is written, with its default, and what it does."""
  # To what can be repeated absl adds how.
  text = one.help.partition(';\n    repeat this option')[0]
  if one.boolean:
    shown = f'--[no]{one.name}' if one.default else f'--{one.name}'
    text += ' It is so by default.' if one.default else ''
  else:
    default = '' if one.default in (None, []) else one.default
    shown = f'--{one.name}={default}'
  return f'  {shown}', textwrap.indent(textwrap.fill(text, 90), ' ' * 6)


def reworded(flag_values: flags.FlagValues, text: str) -> errors.ConfigError:
  """Returns absl's complaint as a sentence with the type that is wanted."""
  match = _ILLEGAL.match(text)
  if not match or match['name'] not in flag_values:
    return errors.ConfigError(f'{text.rstrip(".")}. {_SEE_HELP}')
  one = flag_values[match['name']]
  choices = getattr(one.parser, 'enum_values', None)
  if choices:
    return _no_choice(match['name'], match['value'], choices)
  wanted = _WANTED.get(one.flag_type(), 'a text') + _least(one, match['value'])
  thousands = _THOUSANDS.match(match['value'])
  meant = float(thousands['number']) * 1000 if thousands else 0.0
  write = f' Write {meant:.0f}.' if meant and wanted != 'true or false' else ''
  return errors.ConfigError(f'--{match["name"]}: expected {wanted}, got {match["value"]!r}.{write}')


def _least(one: flags.Flag[Any], value: str) -> str:
  """Returns the least number that a flag takes, where `value` is one and too small."""
  least = getattr(one.parser, 'lower_bound', None)
  try:
    return f' of at least {least}' if least is not None and float(value) < least else ''
  except ValueError:
    return ''


def _no_choice(name: str, value: str, choices: Collection[str]) -> errors.ConfigError:
  return errors.ConfigError(
    f'--{name}: expected one of {", ".join(filter(None, choices))}, got {value!r}.'
    f'{options.did_you_mean(value, choices)}'
  )
