"""What a sweep is asked: --over and the trainer's flags, made into a space that can be trained."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence

from schemas import errors
from tfrecords import command_line
from trainer import config as config_lib
from trainer.sweep import axes as axes_lib
from trainer.sweep import search_space

# From a flag to why no sweep may be given it.
_OWN = 'every trial has a folder of its own below --output'
FORBIDDEN: Mapping[str, str] = {
  'run_dir': _OWN,
  'run_name': _OWN,
  'overwrite': 'the same command goes on with what is in --output; for a new sweep name another',
  'resume': 'a trial goes on where it was stopped',
  'test': 'no trial sees the test split; --judge says who does at the end',
  'find_learning_rate': 'it trains nothing',
  'random_data': 'it has no validation split to choose by',
  'recipe': 'it makes several runs',
  'fold': 'a trial is all folds',
}
# Flags that say what better means, or how it is found out.
_SAME_FOR_ALL = ('folds', 'monitor')


def make(over: Sequence[str], passed: Sequence[str]) -> search_space.Space:
  """Returns the space of --over and the trainer's flags, checked as far as flags tell.

  Raises:
    ConfigError: if it is none, in the trainer's own words where a trial's flags are wrong.
  """
  if not over:
    raise errors.ConfigError(
      'Name what the sweep goes over, once for each flag: '
      "--over='batch_size=32|64' --over=learning_rate=log:1e-4..1e-2."
    )
  axes = [axes_lib.parse(text) for text in over]
  names = [axis.name for axis in axes]
  twice = next((name for name in names if names.count(name) > 1), None)
  if twice:
    raise errors.ConfigError(f'--over={twice}=... is given twice. Put all values into one.')
  given = command_line.given(config_lib.TrainConfig, passed)
  for name in [*given, *(axis.flag for axis in axes)]:
    if name in FORBIDDEN:
      raise errors.ConfigError(f'A sweep takes no --{name}: {FORBIDDEN[name]}. Leave it away.')
  for axis in axes:
    if axis.flag in _SAME_FOR_ALL:
      raise errors.ConfigError(
        f'--over={axis.name}: trials are compared by it, so it is the same for all. Write '
        f'--{axis.flag}=... behind `--`.'
      )
    if not axis.key and axis.flag in given:
      raise errors.ConfigError(
        f'--{axis.flag} is given for all trials, and --over goes over it. Leave one of them away.'
      )
  # Settings behind the flags that they are settings of.
  axes = sorted(axes, key=lambda axis: bool(axis.key))
  space = _with_hanging(axes, tuple(passed), given)
  check(space)
  return space


def _with_hanging(
  axes: Sequence[axes_lib.Axis], passed: tuple[str, ...], given: Sequence[str]
) -> search_space.Space:
  """Returns a space in which a flag that only some trials can use is an axis of one value."""
  names = [axis.flag for axis in axes]
  while more := [
    name
    for name in given
    if name not in names and command_line.conditions(search_space.FIELDS[name]) & set(names)
  ]:
    names += more
  hanging = names[len(axes) :]
  while True:
    kept, values = command_line.taken_out(config_lib.TrainConfig, passed, hanging)
    fixed = [axes_lib.fixed(name, values[name]) for name in hanging]
    space = search_space.Space((*axes, *fixed), kept, _base(kept))
    always = {
      axis.flag
      for axis in fixed
      if all(axis.name in chosen for chosen in space.samples())
    }  # fmt: skip
    if not always:
      return space
    hanging = [name for name in hanging if name not in always]


def _base(kept: Sequence[str]) -> config_lib.TrainConfig:
  """Returns what all trials have; wrong for itself it may be right beside what each has."""
  try:
    return search_space.read(kept)
  except errors.ConfigError:
    return command_line.unchecked(config_lib.TrainConfig, kept)


def check(space: search_space.Space) -> None:
  """Refuses what no trial can use, and values that no trial can have.

  A value that the trainer takes beside some values of the others is right: of what it refuses the
  combination is left out.

  Raises:
    VoxshardError: in the trainer's words.
  """
  samples = space.samples()
  refused = [refusal for refusal in map(space.refusal, samples) if refusal]
  if space.has_few and len(refused) == len(samples):
    raise _commonest(refused)
  _check_use(space, samples)
  for (name, text), found in _refused_values(space, samples).items():
    for other in () if space.has_few else space.drawn(name, text):
      refusal = space.refusal(other)
      if refusal is None:
        break
      found.append(refusal)
    else:
      raise _commonest(found)
  for chosen in samples:
    if space.refusal(chosen):
      continue
    if space.config(chosen).strategy.partition(':')[0] == 'multi_worker':
      raise errors.ConfigError(
        '--strategy=multi_worker: a trial is one process. Run the same sweep on several machines '
        'that share --output instead: each takes trials.'
      )


def _check_use(space: search_space.Space, samples: Sequence[Mapping[str, str]]) -> None:
  """Refuses a flag or a setting that makes a difference in no trial."""
  for axis in space.axes:
    if any(axis.name in chosen for chosen in samples):
      continue
    if why := space.why_idle(axis, samples[0]):
      text = f'--{axis.flag}={axis.only}' if axis.only else f'--over={axis.name}'
      raise errors.ConfigError(f'{text}: in every trial it {why}')
    text = getattr(space.base, axis.flag)
    raise errors.ConfigError(
      f'--over={axis.name}: no --{axis.flag} of this sweep has such a setting, or it is fixed in '
      f'the text already (--{axis.flag}={text}).'
    )


def _refused_values(
  space: search_space.Space, samples: Sequence[Mapping[str, str]]
) -> dict[tuple[str, str], list[errors.VoxshardError]]:
  """Returns the values that stand in no sample that the trainer takes, and what it says of them."""
  taken = set[tuple[str, str]]()
  refused: dict[tuple[str, str], list[errors.VoxshardError]] = {}
  for chosen in samples:
    refusal = space.refusal(chosen)
    if refusal is None:
      taken |= {*chosen.items()}
      continue
    for pair in chosen.items():
      refused.setdefault(pair, []).append(refusal)
  return {pair: found for pair, found in refused.items() if pair not in taken}


def _commonest(found: Sequence[errors.VoxshardError]) -> errors.VoxshardError:
  """Returns what is said of most trials: of a value, not of what stands beside it in some."""
  ((text, _),) = collections.Counter(map(str, found)).most_common(1)
  return next(one for one in found if str(one) == text)
