"""The memory of a sweep: Optuna's study in a file that several processes and machines share."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from schemas import errors
from trainer.runs import run_folder
from trainer.sweep import axes as axes_lib
from trainer.sweep import search_space

FILE = 'journal.jsonl'
GRID, RANDOM, TPE = 'grid', 'random', 'tpe'
SEARCHES = (TPE, RANDOM, GRID)
AUTO, NO_PRUNING, MEDIAN, HYPERBAND = 'auto', 'none', 'median', 'hyperband'
PRUNINGS = (AUTO, NO_PRUNING, MEDIAN, HYPERBAND)
# The median of fewer finished trials says little, and of epochs that are the first ones too.
_FINISHED_FIRST, _EPOCHS_FIRST = 5, 3

_STUDY, _ASKED, _AGAIN = 'sweep', 'asked', 'again'
SAME = 'same_as'  # Of a trial that would be the training of another.
REFUSED = 'refused'  # Of one that the trainer does not take.
# So many draws may be refused for each trial that is asked for; what is drawn then counts as one.
MOST_REFUSED = 10
_FIXED = 'fixed_params'  # Optuna's, of a trial that is done again.


def library() -> ModuleType:
  """Returns Optuna, which is imported where it is needed first; that takes half a second.

  Raises:
    ConfigError: if it is not installed.
  """
  try:
    import optuna
  except ImportError as error:
    raise errors.ConfigError(
      f"A sweep needs Optuna, which is not installed ({error}). Run pip install 'voxshard[sweep]', "
      "or pip install 'optuna>=4.0'."
    ) from error
  optuna.logging.set_verbosity(optuna.logging.ERROR)
  return optuna


class Journal:
  """Which trials there are, what each has, and what came of it."""

  def __init__(
    self,
    output: str,
    space: search_space.Space,
    *,
    search: str,
    seed: int,
    prune: str,
    is_loss: bool,
  ) -> None:
    """Opens the journal in a folder, or begins one.

    Args:
      output: The folder.
      space: What is gone over.
      search: One of SEARCHES.
      seed: Where what is drawn comes from.
      prune: One of PRUNINGS, but AUTO.
      is_loss: Whether less is better.

    Raises:
      ConfigError: if the journal is damaged, or cannot be written.
    """
    self._optuna = library()
    self._space = space
    self._search, self._seed = search, seed
    self._grid = space.grid() if search == GRID else []
    self._path = os.path.join(output, FILE)
    with self._explained(), run_folder.writing(self._path):
      self._study = self._optuna.create_study(
        storage=self._storage(),
        study_name=_STUDY,
        sampler=self._optuna.samplers.RandomSampler(seed=seed),
        pruner=self._pruner(prune),
        direction='minimize' if is_loss else 'maximize',
        load_if_exists=True,
      )

  def _storage(self) -> Any:
    journal = self._optuna.storages.journal
    path = self._path

    class MendingLock(journal.JournalFileSymlinkLock):  # type: ignore[misc]
      """Who may write finds a file that ends with a whole line, and only he may mend it."""

      def acquire(self) -> bool:
        """Waits until nobody else writes."""
        found = bool(super().acquire())
        mend(path)
        return found

    backend = journal.JournalFileBackend(path, lock_obj=MendingLock(path))
    return self._optuna.storages.JournalStorage(backend)

  def _pruner(self, prune: str) -> Any:
    pruners = self._optuna.pruners
    if prune == MEDIAN:
      return pruners.MedianPruner(n_startup_trials=_FINISHED_FIRST, n_warmup_steps=_EPOCHS_FIRST)
    if prune == HYPERBAND:
      return pruners.HyperbandPruner(min_resource=1, max_resource=self._space.base.epochs)
    return pruners.NopPruner()

  @contextlib.contextmanager
  def _explained(self) -> Iterator[None]:
    """Says of a damaged file what it is; Optuna raises whatever its reading happens to raise."""
    try:
      with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Some of its parts are new.
        yield
    except errors.VoxshardError:
      raise  # Is a ValueError too, and says it better.
    except (ValueError, KeyError, TypeError, IndexError, AssertionError, AttributeError) as error:
      raise errors.ConfigError(
        f'{self._path!r} is damaged ({type(error).__name__}: {error}). Put back a copy of it, or '
        'name another --output; the runs in the folders beside it are whole.'
      ) from error

  def hold_to(self, asked: Mapping[str, Any]) -> None:
    """Notes what is asked of a new sweep; of another one refuses what is not the same.

    Raises:
      ConfigError: with what differs.
    """
    with self._explained():
      stored = self._study.user_attrs.get(_ASKED)
      if stored is None:
        self._study.set_user_attr(_ASKED, dict(asked))
        return
    differing = [
      f'{name} {_shown(stored[name])} (here {_shown(value)})'
      for name, value in asked.items()
      # An older version of the trainer may have had fewer flags.
      if name in stored and stored[name] != value
    ]
    if differing:
      raise errors.ConfigError(
        f'{os.path.dirname(self._path)!r} holds another sweep, with {"; ".join(differing)}. Go on '
        'with it by its own flags, or name another --output.'
      )

  def trials(self) -> list[Any]:
    """Returns Optuna's notes of all trials, by their number."""
    with self._explained():
      return list(self._study.get_trials(deepcopy=False))

  def num_asked(self, wanted: int) -> int:
    """Returns how many numbers there are to be: draws that were refused have one too."""
    refused = sum(REFUSED in one.user_attrs for one in self.trials())
    return self.num_wanted(wanted) + (0 if self._grid else min(refused, MOST_REFUSED * wanted))

  def num_wanted(self, wanted: int) -> int:
    """Returns how many trials there are to be, those that are done again included."""
    again = len(self._study.user_attrs.get(_AGAIN, []))
    if not self._grid:
      return wanted + again
    # Of a grid each has its combination; those of an older version may be the same by other words.
    places = self._places()
    ours = sum(one.number in places for one in self.trials())
    return len(self._grid) + len(self.trials()) - ours

  def _places(self) -> dict[int, int]:
    """Returns which combination of the grid each trial is, by its number.

    None of those that are done again; of one that was not yet filled the first that is free.
    """
    free = {tuple(combination.items()): place for place, combination in enumerate(self._grid)}
    found = {}
    for one in self.trials():
      if _FIXED in one.system_attrs:
        continue
      chosen = self.chosen(one.params)
      items = tuple(chosen.items())
      if items not in free:
        items = next((other for other in free if chosen.items() <= dict(other).items()), ())
      if items in free:
        found[one.number] = free.pop(items)
    return found

  def twin(self, trial: Any) -> int | None:
    """Returns the number of an earlier trial that is the same training; None where none is."""
    trials = self.trials()
    if self._grid or _FIXED in trials[trial.number].system_attrs:
      return None
    training = self._space.training(self.chosen(trials[trial.number].params))
    for one in trials[: trial.number]:
      if SAME not in one.user_attrs and self._space.training(self.chosen(one.params)) == training:
        return int(one.number)
    return None

  def ask(self) -> Any:
    """Begins a new trial and returns it."""
    with self._explained():
      self._study.sampler = self._sampler()
      trial = self._study.ask()
      self._fill(trial)
      return trial

  def resume(self, number: int) -> Any:
    """Returns a trial that somebody else began."""
    with self._explained():
      self._study.sampler = self._sampler(number)
      trial = self._optuna.trial.Trial(self._study, self.trials()[number]._trial_id)
      self._fill(trial)
      return trial

  def _fill(self, trial: Any) -> None:
    """Draws what a trial has not got yet."""
    chosen: dict[str, str] = {}
    for axis in self._space.applicable(chosen):
      chosen[axis.name] = axis.values.text(_suggest(trial, axis))

  def chosen(self, params: Mapping[str, Any]) -> dict[str, str]:
    """Returns what a trial has, as texts, in the order of the axes."""
    return {
      axis.name: axis.values.text(params[axis.name])
      for axis in self._space.axes
      if axis.name in params
    }

  def _sampler(self, number: int | None = None) -> Any:
    """Returns what draws a trial. It begins anew for each, so that a kill in between is no matter.

    What is drawn follows from the seed, the number of the trial, and for TPE from those that have
    come to an end.
    """
    samplers = self._optuna.samplers
    number = len(self.trials()) if number is None else number
    if self._search == GRID:
      return _grid_sampler(samplers, lambda number: self._grid[self._places()[number]])
    digest = hashlib.sha256(f'{self._seed}:{number}'.encode()).digest()
    seed = int.from_bytes(digest[:4], 'big')
    if self._search == RANDOM:
      return samplers.RandomSampler(seed=seed)
    # Trials that run elsewhere count as bad ones, so that none is tried twice at a time.
    return samplers.TPESampler(seed=seed, constant_liar=True)

  def report(self, trial: Any, epoch: int, value: float) -> bool:
    """Notes the value of an epoch; returns whether the trial is to be ended."""
    with self._explained():
      if epoch not in self.trials()[trial.number].intermediate_values:
        trial.report(value, epoch)
      return bool(trial.should_prune())

  def note(self, trial: Any, **values: Any) -> None:
    """Writes what else is known of a trial that runs."""
    with self._explained():
      for name, value in values.items():
        if trial.user_attrs.get(name) != value:
          trial.set_user_attr(name, value)

  def tell(self, trial: Any, state: str, value: float | None = None) -> None:
    """Ends a trial: COMPLETE with its value, PRUNED or FAIL."""
    with self._explained():
      self._study.tell(trial, value, state=self._optuna.trial.TrialState[state])

  def try_again(self, failed: Sequence[Any]) -> None:
    """Puts trials that failed into the queue once more, by new numbers."""
    again = list(self._study.user_attrs.get(_AGAIN, []))
    for trial in failed:
      if trial.number not in again:
        self._study.enqueue_trial(trial.params)
        again.append(trial.number)
    self._study.set_user_attr(_AGAIN, again)

  def retried(self) -> set[int]:
    """Returns the numbers of trials that are done again by another number."""
    return set(self._study.user_attrs.get(_AGAIN, []))


def is_undone(trial: Any) -> bool:
  """Whether a trial ended before it began: the training of another, or one that is refused."""
  return SAME in trial.user_attrs or REFUSED in trial.user_attrs


def _suggest(trial: Any, axis: axes_lib.Axis) -> Any:
  values = axis.values
  if isinstance(values, axes_lib.Choices):
    return trial.suggest_categorical(axis.name, values.texts)
  if values.is_integer:
    step = 1 if values.is_log else int(values.step or 1)
    return trial.suggest_int(
      axis.name, int(values.low), int(values.high), step=step, log=values.is_log
    )
  return trial.suggest_float(
    axis.name, values.low, values.high, step=values.step, log=values.is_log
  )


def _grid_sampler(samplers: Any, combination: Callable[[int], Mapping[str, str]]) -> Any:
  """Returns what gives each trial the combination that is told for its number.

  Optuna's own deals them at random, twice where several processes ask, and knows no settings that
  only some have.
  """

  class Listed(samplers.BaseSampler):  # type: ignore[misc]
    """Draws nothing."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
      """Returns that nothing is drawn together."""
      del study, trial
      return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
      """Returns nothing."""
      del study, trial, search_space
      return {}

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
      """Returns what the combination has."""
      del study
      text = combination(trial.number)[name]
      if hasattr(distribution, 'choices'):
        return text
      return distribution.to_external_repr(float(text))

  return Listed()


def mend(path: str) -> None:
  """Cuts off a last line that is not whole: its writer died, and nobody has read it.

  To be called by who may write.
  """
  if not os.path.exists(path) or not os.path.getsize(path):
    return
  with open(path, 'rb+') as stream:
    stream.seek(-1, os.SEEK_END)
    if stream.read(1) == b'\n':
      return
    size = stream.tell()
    stream.seek(max(0, size - 2**20))
    tail = stream.read()
    stream.truncate(size - len(tail) + tail.rfind(b'\n') + 1)


def _shown(value: Any) -> str:
  return f'{value}' if isinstance(value, str | int | float) and value != '' else repr(value)
