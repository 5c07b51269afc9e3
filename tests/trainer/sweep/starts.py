"""What is called in place of a trial's process."""

import pathlib

from trainer.child_processes import child

ROOT = pathlib.Path(__file__).parent.parent.parent.parent


def pretend(arguments, **others):
  option, module, *flags = arguments
  return child.Child([option, 'tests.trainer.sweep.pretend', module, *flags], **others)


def forbidden(*_, **__):
  raise AssertionError('a process was started')


def interrupting(nth):
  """Starts processes; in place of the nth comes Ctrl-C."""
  started = []

  def start(*arguments, **others):
    started.append(arguments)
    if len(started) == nth:
      raise KeyboardInterrupt
    return pretend(*arguments, **others)

  return start
