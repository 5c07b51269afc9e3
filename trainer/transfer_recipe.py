"""--recipe=transfer: a head on a frozen trunk, then both, and beside them a run from scratch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping

import keras

from pages import words
from schemas import errors, options
from tfrecords import storage
from trainer import assembly, models, preflight, resume, run
from trainer import config as config_lib
from trainer.models import freezing
from trainer.runs import run_folder
from trainer.trunks import comparison

# The rate of the trunk where nobody names one, as a share of the head's.
_TRUNK_SHARE = 0.1
HEAD, FINE_TUNED, SCRATCH = 'head', 'fine-tuned', 'scratch'


def phases(config: config_lib.TrainConfig) -> dict[str, config_lib.TrainConfig]:
  """Returns the runs of the recipe, by name, in their order.

  Raises:
    ConfigError: if the model has weights of a file and cannot do without.
  """
  folders = {name: os.path.join(config.run_dir, name) for name in (HEAD, FINE_TUNED, SCRATCH)}
  common = {'recipe': config_lib.NO_RECIPE, 'run_name': ''}
  rate = config.trunk_learning_rate or _TRUNK_SHARE * assembly.base_rate(config)
  return {
    HEAD: dataclasses.replace(
      config,
      **common,
      run_dir=folders[HEAD],
      freeze=freezing.TRUNK,
      trunk_learning_rate=None,
    ),
    FINE_TUNED: dataclasses.replace(
      config,
      **common,
      run_dir=folders[FINE_TUNED],
      init_from=folders[HEAD],
      freeze=freezing.NONE,
      trunk_learning_rate=rate,
    ),
    SCRATCH: dataclasses.replace(
      config,
      **common,
      run_dir=folders[SCRATCH],
      init_from='',
      trunk_learning_rate=None,
      model=_from_random_numbers(config.model),
    ),
  }


def _from_random_numbers(model_text: str) -> str:
  name, settings = models.parse(model_text)
  scratch = models.MODELS[name].scratch(settings)
  return model_text if scratch == settings else options.format_option(name, scratch)


def train(config: config_lib.TrainConfig) -> str:
  """Trains the runs that are not finished yet, and writes the comparison; returns its page.

  SIGTERM ends it with the run that it came in, and without a page: '' then.

  Raises:
    DatasetError, ConfigError: as run.train; and if there is no test split to compare on.
  """
  check_folder(config)
  asked = phases(config)
  for name, one in asked.items():
    if name == HEAD:
      data, _ = preflight.check(one)
      if not data.has_test:
        raise errors.ConfigError(
          f'--recipe=transfer compares on the test split, but {config.data!r} has none. Run the '
          'data job again with one (--test_fraction, --split_by).'
        )
    print(f'\nphase    {name} ({list(asked).index(name) + 1} of {len(asked)})', flush=True)
    keras.backend.clear_session()
    checked = preflight.check(one)
    if checked[1] == resume.Start.FINISHED:
      print(resume.finished_sentence(one.run_dir), flush=True)
    else:
      run.train(one, checked)
      if preflight.check(one)[1] != resume.Start.FINISHED:
        return ''  # SIGTERM came: its state is saved, and how to go on was said.
  found = comparison.gather(
    {name: one.run_dir for name, one in asked.items()},
    {
      HEAD: 'the head, on the frozen trunk of the run',
      FINE_TUNED: f'both, the trunk at {asked[FINE_TUNED].trunk_learning_rate:g}',
      SCRATCH: 'both, from random numbers',
    },
  )
  page = comparison.write(
    config.run_dir,
    found,
    title=f'Transfer from {os.path.basename(os.path.normpath(config.init_from))}',
    facts=[('data', config.data), ('trunk of', config.init_from), ('model', config.model)],
  )
  _say(found, page)
  return page


def _between(interval: Mapping[str, float] | None, shown: Callable[[float], str]) -> str:
  """Returns such as ` (81.2 % to 92.0 %)`; nothing without an interval."""
  return f' ({shown(interval["low"])} to {shown(interval["high"])})' if interval else ''


def _say(found: dict, page: str) -> None:
  print()
  for name, one in found['runs'].items():
    print(f'{name:<12} {words.share(one["accuracy"])}{_between(one["interval_95"], words.share)}')
  for name, gain in found['differences'].items():
    said = _between(gain['interval_95'], words.gain)
    print(f'{name} over {found["compared_with"]}: {words.gain(gain["difference"])}{said}')
  print(found['runs'][found['compared_with']]['interval_note'])
  print(f'page     {page}', flush=True)


def check_folder(config: config_lib.TrainConfig) -> None:
  """Raises ConfigError if --run_dir holds something that is no work of the recipe."""
  folder = run_folder.RunFolder(config.run_dir)
  names = set(os.listdir(folder.path)) if os.path.isdir(folder.path) else set()
  ours = {HEAD, FINE_TUNED, SCRATCH, 'comparison.json', 'comparison.html'}
  others = sorted(name for name in names - ours if storage.TEMPORARY_MARK not in name)
  if others or (os.path.lexists(folder.path) and not os.path.isdir(folder.path)):
    what = f'holds {others[0]!r}' if others else 'is a file'
    raise errors.ConfigError(
      f'--run_dir={folder.path} {what}, which is no part of --recipe=transfer. Name a new or empty '
      'folder.'
    )
