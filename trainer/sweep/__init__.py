r"""Trains with many settings and says which did best: over any flags of the trainer.

  python -m trainer.sweep --output=runs/rates --data=/data/words --trials=30 \
      --over=learning_rate=log:1e-4..1e-2 --over='model=cnn|tc_resnet:width=1.5' \
      --over=model.dropout=0..0.5 -- --epochs=10 --schedule=cosine
  python -m trainer.sweep --output=runs/grid --data=/data/words --search=grid --jobs=2 \
      --over='model=cnn|mlp|linear' --over='augment=|cutout+spec_augment'

What stands behind `--` goes to the trainer as it is, for all trials. A trial is a process of its
own, and its folder, OUTPUT/trial-0007, that of a run as any other. Trials are compared by the
validation split (--monitor of the trainer); the test split is looked at once, at the end.

  NAME=A|B|C            a list; nothing before or behind a | stands for nothing
  NAME=LOW..HIGH        a range of numbers; log:LOW..HIGH by their logarithm
  NAME=LOW..HIGH:STEP   in steps
  model.NAME=...        a setting inside a flag: of those models that have it; also optimizer.NAME
                        and schedule.NAME

The same command goes on with a sweep that was stopped. Several of it, on one machine or on several
that share the folder, work side by side.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from schemas import errors, limits
from tfrecords import command_line, storage
from trainer import config as config_lib
from trainer import resume
from trainer.child_processes import gpu_places
from trainer.data import datasets
from trainer.sweep import (
  asked_space,
  final_judging,
  left_out,
  looked_up,
  objective,
  search_space,
  standings,
  sweeping,
)
from trainer.sweep import journal as journal_lib

DEFAULT_TRIALS = 20

flag = command_line.flag


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepConfig:
  """One field per flag."""

  output: str = flag(
    '', 'Folder for the trials and the table, which machines may share.', is_path=True
  )
  data: str = flag('', "The trainer's --data, for all trials.", is_path=True)
  over: tuple[str, ...] = flag(
    (), 'A flag of the trainer with the values that it may have; one --over for each flag.'
  )
  search: str = flag(
    journal_lib.TPE,
    'How values are found. tpe: where the trials so far promise most (Bergstra et al. 2011), the '
    'first ten at random; random; grid: all combinations.',
    choices=journal_lib.SEARCHES,
  )
  trials: int = flag(
    0,
    f'How many trials; 0: {DEFAULT_TRIALS}, and for a grid as many as it has. More may be asked '
    'for later.',
    limits=limits.NATURAL,
    idle_with=('search=grid',),
  )
  seed: int = flag(
    0, 'Where what is drawn comes from.', limits=limits.NATURAL, idle_with=('search=grid',)
  )
  prune: str = flag(
    journal_lib.AUTO,
    'Which trials are ended early. median: from the third epoch on those that are below the median '
    'of at least five finished ones; hyperband: by halves, in brackets (Li et al. 2018); auto: '
    'median, and for a grid none.',
    choices=journal_lib.PRUNINGS,
  )
  jobs: int = flag(
    1,
    'Trials at a time, on this machine. Where it has several GPUs each trial gets one.',
    limits=limits.within(1, 1024),
  )
  judge: str = flag(
    final_judging.WINNER,
    'Who is put before the test split when all trials are done. all: every finished one, for a '
    'comparison that chooses nothing.',
    choices=final_judging.JUDGED,
  )
  retry_failed: bool = flag(False, 'Do trials that failed once more, by new numbers.')
  format: str = flag(standings.TEXT, 'Of the table that is printed.', choices=standings.FORMATS)

  def __post_init__(self) -> None:
    command_line.check(self)
    if not self.output:
      raise errors.ConfigError('Name --output=FOLDER for the trials and the table.')

  @property
  def pruning(self) -> str:
    """One of journal.PRUNINGS, but AUTO."""
    if self.prune != journal_lib.AUTO:
      return self.prune
    is_grid = self.search == journal_lib.GRID
    return journal_lib.NO_PRUNING if is_grid else journal_lib.MEDIAN


def parse(arguments: Sequence[str]) -> tuple[SweepConfig, tuple[str, ...]] | None:
  """Returns what is asked, and the flags of the trainer; None if that is help, which is printed.

  Raises:
    ConfigError: for an unknown flag or a wrong value.
  """
  own, passed = _parted(arguments)
  trainers = {field.name for field in dataclasses.fields(config_lib.TrainConfig)}
  mine = {field.name for field in dataclasses.fields(SweepConfig)}
  for argument in own:
    name = argument.lstrip('-').partition('=')[0]
    name = name if name in trainers else name.removeprefix('no')
    if argument.startswith('-') and name in trainers - mine:
      raise errors.ConfigError(
        f'--{name} is a flag of the trainer: write it behind all others and `--`, as in '
        f'python -m trainer.sweep --output=FOLDER --over=... -- {argument}'
      )
  config = command_line.parse(SweepConfig, own, description=__doc__ or '')
  if config is None:
    return None
  if '://' in config.output:
    raise errors.ConfigError(
      f'--output={config.output}: a sweep wants a folder of this machine, or one that machines '
      'share by a network file system.'
    )
  if config.data:
    if 'data' in command_line.given(config_lib.TrainConfig, passed):
      raise errors.ConfigError('--data is given before and behind `--`. Leave one of them away.')
    passed = [f'--data={config.data}', *passed]
  return config, tuple(passed)


def _parted(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
  arguments = list(arguments)
  if '--' not in arguments:
    return arguments, []
  place = arguments.index('--')
  return arguments[:place], arguments[place + 1 :]


def main(arguments: Sequence[str]) -> None:
  """Sweeps over what the arguments ask for."""
  parsed = parse(arguments)
  if parsed is None:
    return
  config, passed = parsed
  space = asked_space.make(config.over, passed)
  if config.search == journal_lib.GRID:
    space.trainings()
  space, data = looked_up.look(space)
  _check_output(config.output)
  if space.base.folds and config.prune == journal_lib.HYPERBAND:
    raise errors.ConfigError(
      '--prune=hyperband counts epochs, and with --folds a trial is compared fold by fold. Write '
      '--prune=median, or none.'
    )
  sweep(config, space, data)


def sweep(
  config: SweepConfig,
  space: search_space.Space,
  data: datasets.Data,
  **replaced: Any,
) -> standings.Standings:
  """Does what is left of a sweep, prints the table and returns it.

  Args:
    config: What is asked.
    space: What trials may be.
    data: The data set.
    **replaced: Of what Sweeping takes: `start`.

  Raises:
    ConfigError: if the folder holds another sweep, or trials fail one after the other.
  """
  journal_lib.library()  # Before anything is written.
  with storage.naming_failures(f'the sweep in {config.output!r}', path=config.output):
    os.makedirs(config.output, exist_ok=True)
  journal = journal_lib.Journal(
    config.output,
    space,
    search=config.search,
    seed=config.seed,
    prune=config.pruning,
    is_loss=space.base.monitor in objective.LOSSES,
  )
  work = sweeping.Sweeping(
    config.output,
    space,
    journal,
    num_trials=config.trials or DEFAULT_TRIALS,
    jobs=config.jobs,
    devices=_devices(config, space),
    say=lambda line: print(line, flush=True),
    **replaced,
  )
  with work.leases.locked():
    journal.hold_to(_asked(config, space, data))
    if config.retry_failed:
      journal.try_again(
        [
          one
          for one in journal.trials()
          if one.state.name == sweeping.FAIL and not journal_lib.is_undone(one)
        ]
      )
  count = journal.num_wanted(config.trials or DEFAULT_TRIALS)
  names = ', '.join(axis.name for axis in space.axes)
  trials = errors.counted(count, 'trial')
  print(f'sweep    {config.output}: {trials} by {config.search} over {names}'
        f', judged by validation {space.base.monitor}', flush=True)  # fmt: skip
  for line in _left_out(config, space, count):
    print(f'note: {line}', flush=True)

  def written() -> standings.Standings:
    found = _standings(config, space, journal, work)
    standings.write(found, config.output)
    return found

  work.run(written)
  found = written()
  has_test = data.has_test or bool(space.base.folds)
  if has_test:
    final_judging.judge(config.judge, found, work)
    found = written()
  _say(config, space, found, has_test=has_test)
  return found


def _left_out(config: SweepConfig, space: search_space.Space, num_trials: int) -> Iterator[str]:
  """Yields what is to be known of combinations that are no trainings of their own."""
  is_grid = config.search == journal_lib.GRID
  yield from left_out.lines(space, is_grid=is_grid)
  if is_grid or not space.has_few:
    return
  try:
    num_trainings = len(space.grid())
  except errors.ConfigError:  # A range has no end of values, and so many are enough.
    return
  if num_trainings < num_trials:
    yield (
      f'--over has {errors.counted(num_trainings, "training")} for '
      f'{errors.counted(num_trials, "trial")}: those that are drawn again are not done twice. '
      '--search=grid does each.'
    )


def _devices(config: SweepConfig, space: search_space.Space) -> tuple[str, ...]:
  """Returns the GPUs that trials take in turn, where there are several at a time."""
  if config.jobs == 1 or space.base.folds:  # These share GPUs out themselves.
    return ()
  takes_all = space.base.strategy.partition(':')[0] != 'none'
  where = gpu_places.places(parallel=config.jobs, takes_all_devices=takes_all)
  return tuple(gpu for gpu in where.gpus if gpu)


def _check_output(output: str) -> None:
  """Refuses a folder with something else in it."""
  if not os.path.lexists(output):
    return
  if not os.path.isdir(output):
    raise errors.ConfigError(f'--output={output} is a file. Name a folder.')
  names = sorted(os.listdir(output))
  if names and journal_lib.FILE not in names and names != [sweeping.PROCESSES]:
    raise errors.ConfigError(
      f'--output={output} holds {names[0]!r}, and no sweep ({journal_lib.FILE}). Name a new or '
      'empty folder.'
    )


def _asked(config: SweepConfig, space: search_space.Space, data: datasets.Data) -> dict[str, Any]:
  """Returns what has to be the same whenever a sweep goes on, by how it is said."""
  values = dict(map(_halves, config.over))
  flags = resume.binding_flags(space.base)
  flags |= {axis.flag: axis.only for axis in space.axes if axis.only and axis.flag in flags}
  return {
    '--search': config.search,
    '--seed': config.seed,
    '--prune': config.pruning,
    '--over of': ', '.join(axis.name for axis in space.axes if axis.name in values),
    **{f'--over={axis.name}': values[axis.name] for axis in space.axes if axis.name in values},
    # JSON has lists for tuples.
    **{f'-- --{name}': list(v) if isinstance(v, tuple) else v for name, v in flags.items()},
    'a data set of digest': data.digest,
  }


def _halves(over: str) -> tuple[str, str]:
  name, _, values = over.partition('=')
  return name.strip().removeprefix('--'), values.strip()


def _standings(
  config: SweepConfig,
  space: search_space.Space,
  journal: journal_lib.Journal,
  work: sweeping.Sweeping,
) -> standings.Standings:
  retried = journal.retried()
  rows = [
    standings.row(
      one,
      journal.chosen(one.params),
      work.folder(one.number),
      one.value if one.state.name == sweeping.COMPLETE else _latest(one),
      test_file=final_judging.report_file(work.folder(one.number)),
    )
    for one in journal.trials()
    if one.number not in retried
  ]
  found = standings.Standings(
    rows=standings.ordered(rows),
    monitor=space.base.monitor,
    names=tuple(axis.name for axis in space.axes),
    context={
      'over': list(config.over),
      'search': config.search,
      'seed': config.seed,
      'prune': config.pruning,
      'passed': [*space.passed, *(f'--{one.flag}={one.only}' for one in space.axes if one.only)],
      'left_out': left_out.lines(space, is_grid=config.search == journal_lib.GRID),
      'refused': left_out.refused(space, is_grid=config.search == journal_lib.GRID),
    },
  )
  if found.winner is None:
    return found
  command = winners_command(space, found.winner)
  return dataclasses.replace(found, context={**found.context, 'winners_command': command})


def _latest(trial: Any) -> float | None:
  """Returns the value of the last epoch that a trial came to."""
  values = trial.intermediate_values
  return values[max(values)] if values else None


def winners_command(space: search_space.Space, winner: standings.Row) -> str:
  """Returns the command that makes the winner's run again, as one line for a shell."""
  return command_line.text_of(
    space.config(winner.chosen), 'python -m trainer', without=asked_space.FORBIDDEN
  )


def _refused_draws(config: SweepConfig, found: standings.Standings) -> Iterator[str]:
  """Yields how many draws were no trials."""
  if not found.refused:
    return
  yield (
    f'{errors.counted(len(found.refused), "draw", "was", "were")} refused by the trainer and '
    'trained nothing; others were drawn instead.'
  )
  wanted, num_begun = config.trials or DEFAULT_TRIALS, len(found.rows) - len(found.refused)
  if num_begun < wanted:
    yield (
      f'only {num_begun:,} of {errors.counted(wanted, "trial")} were begun, as '
      f'{journal_lib.MOST_REFUSED} draws for each trial are the most that may be refused. Leave '
      'values away that seldom go together.'
    )


def _say(
  config: SweepConfig, space: search_space.Space, found: standings.Standings, *, has_test: bool
) -> None:
  print()
  print(standings.table(found, config.format))
  print()
  for line in found.context['left_out']:
    print(f'note: {line}')
  for line in _refused_draws(config, found):
    print(f'note: {line}')
  for line in final_judging.notes(config.judge, found, has_test=has_test):
    print(f'note: {line}')
  print(f'table    {os.path.join(config.output, standings.CSV_FILE)}, '
        f'{os.path.join(config.output, standings.JSON_FILE)}')  # fmt: skip
  print(f'curves   python -m tensorboard.main --logdir={shlex.quote(config.output)}')
  if found.winner is None:
    print('winner   none: no trial came to its end')
    return
  print(f'winner   {found.winner.folder}: {search_space.describe(found.winner.chosen)}')
  print(f'again    {winners_command(space, found.winner)}', flush=True)
