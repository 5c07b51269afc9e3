"""The command line of the small programs: one folder, --help, --debug."""

from collections.abc import Sequence

from schemas import errors, options

_FLAGS = {
  '--help': 'Show this text.',
  '--debug': 'Show the traceback of an error.',
}


def data_dir(argv: Sequence[str], *, description: str, program: str) -> str | None:
  """Returns the folder that the arguments name; None if they ask for help, which is printed.

  Args:
    argv: The arguments after the program's name.
    description: What the program does, the first paragraph of its help.
    program: How it is called, such as `python -m tfrecords.verify`.

  Raises:
    ConfigError: for an unknown flag, no folder, or more than one.
  """
  usage = f'{program} DIR'
  if '--help' in argv or '-h' in argv:
    flags = '\n'.join(f'  {name:<8} {text}' for name, text in _FLAGS.items())
    print(f'{description.strip()}\n\nUsage: {usage}\n\n{flags}')
    return None
  unknown = [argument for argument in argv if argument[:1] == '-' and argument not in _FLAGS]
  if unknown:
    raise errors.ConfigError(
      f'There is no flag {unknown[0]}.{options.did_you_mean(unknown[0], _FLAGS)} '
      f'Usage: {usage} [{"] [".join(_FLAGS)}].'
    )
  folders = [argument for argument in argv if argument[:1] != '-']
  if len(folders) != 1 or not folders[0]:
    got = f'{len(folders)}: {" ".join(folders)}' if folders else 'none'
    raise errors.ConfigError(
      f"Expected one folder, the data job's --output; got {got}. Usage: {usage}."
    )
  return folders[0]
