"""The tasks of a comparison, what they found, and what is chosen by that."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import pathlib
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.models import acts, recipes
from benchmarks.models.acts import Result
from benchmarks.models.recipes import Candidate
from schemas import splits

_START_S = 15.0  # What a run takes beside its steps.


@dataclasses.dataclass(frozen=True)
class Task:
  """What is done in one piece, and has a line of its own in the results.

  Attributes:
    key: Its name, which says all that its result depends on.
    act: A function of this module.
    words: What it is called with, beside the folder of the comparison.
    estimate_s: How long it takes, about.
  """

  key: str
  act: Callable[..., Result]
  words: Mapping[str, Any]
  estimate_s: float = 20.0


class Results:
  """The lines of results.jsonl, by the key of their task."""

  def __init__(self, folder: pathlib.Path) -> None:
    self._path = folder / 'results.jsonl'
    self._found: dict[str, Result] = {}
    if self._path.exists():
      for line in self._path.read_text('utf-8').splitlines():
        # The last line of a call that was killed may be a part.
        with contextlib.suppress(json.JSONDecodeError):
          found = json.loads(line)
          self._found[found['key']] = found

  def add(self, key: str, result: Result) -> None:
    """Keeps a result, in the file too; a refusal only here, so that it is tried again."""
    self._found[key] = {'key': key, **result}
    if 'error' in result:
      return
    begins = '\n' if self._path.exists() and not self._path.read_bytes().endswith(b'\n') else ''
    with self._path.open('a', encoding='utf-8') as file:
      file.write(f'{begins}{json.dumps(self._found[key])}\n')

  def get(self, key: str) -> Result | None:
    """Returns the result of a task; None where it has none yet."""
    return self._found.get(key)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """What is asked for: the flags of this command.

  Attributes:
    root: Folder of the comparison.
    fsdd: Folder of the Free Spoken Digit Dataset; empty: without it.
    voices: Who speaks there.
    num_clips: How many clips there are.
    has_demo: Whether the demo corpus is taken.
    models: What the tables of all models have, each as `--model` says it.
    candidates: What is chosen from for the voices.
    fold_seeds: Of the runs on the voices.
    demo_seeds: Of the runs of the best trade on the demo.
    run_s: A run that takes longer gets fewer epochs; one of fewer than MIN_EPOCHS is left out.
    measure_s: What a measurement may take.
    jobs: Processes; 0: everything in this one.
  """

  root: pathlib.Path
  fsdd: str = ''
  voices: tuple[str, ...] = ()
  num_clips: int = 0
  has_demo: bool = False
  models: tuple[str, ...] = ()
  candidates: tuple[Candidate, ...] = ()
  fold_seeds: tuple[int, ...] = ()
  demo_seeds: tuple[int, ...] = ()
  run_s: float = 120.0
  measure_s: float = 3.0
  jobs: int = 2


# What a run that takes too long is shortened to.
FEWER_EPOCHS = (24, 16, 12, 8, 6)
_DEMO_CLIPS = 1_920
# Names of data sets.
DEMO, TAKES, WHO = 'demo', 'takes', 'who'


def data_sets(plan: Plan) -> list[Task]:
  """Returns the tasks that make the data sets."""
  found: list[tuple[str, tuple[str, ...]]] = []
  if plan.has_demo:
    corpus = f'--input={plan.root / "corpus"}'
    found.append((DEMO, ('--source=synthetic', corpus, *recipes.DEMO_WORDS)))
  if plan.fsdd:
    digits = _fsdd_words(plan, '{label}_{speaker}_{take}.wav')
    takes = '--split_by=take:train=5-49,test=0-4'
    found.append((TAKES, (*digits, takes)))
    found.append((WHO, (*_fsdd_words(plan, '{digit}_{label}_{take}.wav'), takes)))
    for voice in plan.voices:
      found.append((without(voice), (*digits, f'{_trained_on(plan, voice)},test={voice}')))
    for first, second in itertools.combinations(plan.voices, 2):
      split_by = f'{_trained_on(plan, first, second)},validation={first},test={second}'
      found.append((without(first, second), (*digits, split_by)))
  return [
    Task(' '.join(['data', name, *words]), acts.featurize, {'name': name, 'words': words})
    for name, words in found
  ]


def without(*voices: str) -> str:
  """Returns the name of the data set whose train split has all voices but these."""
  return f'without-{"-".join(voices)}'


def _trained_on(plan: Plan, *left_out: str) -> str:
  voices = [voice for voice in plan.voices if voice not in left_out]
  return f'--split_by=speaker:train={"+".join(voices)}'


def _fsdd_words(plan: Plan, pattern: str) -> tuple[str, ...]:
  return (f'--source=file_names:pattern={pattern}', f'--input={plan.fsdd}', *recipes.FSDD)


def measurement(plan: Plan, model: str) -> Task:
  """Returns the task that measures a model, on the data set that all are trained on."""
  data = TAKES if plan.fsdd else DEMO
  feature = feature_of(model)
  words = {
    'data': data, 'feature': feature, 'model_text': model, 'most_s': plan.measure_s,
  }  # fmt: skip
  return Task(f'measure {model} {data} {feature}', acts.measure, words)


def run(
  plan: Plan, results: Results, data: str, candidate: Candidate, *, seed: int = 0
) -> Task | str:
  """Returns the task that trains a model, or why it cannot be had in the time that a run has."""
  measured = results.get(measurement(plan, candidate.model).key)
  if measured is None:
    return 'not measured yet'
  if 'error' in measured:
    return str(measured['error'])
  recipe = recipes.RECIPES[candidate.recipe]
  epoch_s = 1.1 * _num_clips(plan, data) / measured['train_clips_per_s']
  fitting = [
    epochs
    for epochs in (recipe.epochs, *FEWER_EPOCHS)
    if epochs <= recipe.epochs and _START_S + epochs * epoch_s <= plan.run_s
  ]
  if not fitting:
    return f'{recipe.epochs} epochs would take {minutes(recipe.epochs * epoch_s)}'
  feature = feature_of(candidate.model)
  name = candidate.model.partition(':')[0]
  rate = [f'--learning_rate={recipes.RATES[name]}'] if name in recipes.RATES else []
  flags = recipe.of_samples if feature == 'waveform' else recipe.flags
  words = (
    f'--model={candidate.model}', f'--epochs={fitting[0]}', f'--seed={seed}', '--patience=0',
    recipes.SCHEDULE, *rate, *flags,
  )  # fmt: skip
  key = ' '.join(['run', data, *words])
  return Task(
    key,
    acts.train,
    {
      'run': file_name(key),
      'data': data,
      'feature': feature,
      'words': words,
      # The end of a run: on the demo, where nothing else is judged by validation, its best epoch.
      'judged': {splits.TEST: 'best'} if data == DEMO else _judged(data),
    },
    estimate_s=_START_S + fitting[0] * epoch_s,
  )


def _judged(data: str) -> dict[str, str]:
  both = data.count('-') == 2  # Without two voices, both of which are judged.
  return {split: 'last' for split in ((splits.VALIDATION,) if both else ()) + (splits.TEST,)}


def _num_clips(plan: Plan, data: str) -> int:
  """Returns how many clips are trained on, about."""
  if data == DEMO:
    return _DEMO_CLIPS
  share = 0.9 if data in (TAKES, WHO) else 1 - data.count('-') / len(plan.voices)
  return round(share * plan.num_clips)


def minutes(seconds: float) -> str:
  """Returns a time as it is said."""
  return f'{seconds / 60:.0f} min' if seconds >= 120 else f'{seconds:.0f} s'


def feature_of(model: str) -> str:
  """Returns what a model is trained on: samples if it takes nothing else."""
  from trainer import models
  from trainer.models import model as model_lib

  takes = models.MODELS[models.parse(model)[0]].takes
  return 'log_mel' if model_lib.Takes.FRAMES in takes else 'waveform'


def all_models(plan: Plan) -> tuple[str, ...]:
  """Returns the models of the tables: those that something is chosen from come first."""
  first = [candidate.model for candidate in (recipes.DEMO, recipes.WHO, *plan.candidates)]
  return tuple(dict.fromkeys((*first, *plan.models)))


def demo_runs(plan: Plan, results: Results) -> list[Task | str]:
  """Returns the runs of the best trade on the demo."""
  seeds = plan.demo_seeds if plan.has_demo else ()
  return [run(plan, results, DEMO, recipes.DEMO, seed=seed) for seed in seeds]


def pair_runs(plan: Plan, results: Results) -> list[Task | str]:
  """Returns the runs that choose a recipe: without two voices each, and judged on these."""
  return [
    run(plan, results, without(*pair), candidate)
    for candidate in plan.candidates
    for pair in itertools.combinations(plan.voices, 2)
  ]


def inner_accuracy(plan: Plan, results: Results, candidate: Candidate, voice: str) -> float | None:
  """Returns what a candidate came to without a voice: the mean over the others, each left out."""
  found = []
  for other in plan.voices:
    if other == voice:
      continue
    pair = tuple(one for one in plan.voices if one in (voice, other))
    result = whole(results, run(plan, results, without(*pair), candidate))
    if result is None:
      return None
    found.append(accuracy(result, (splits.VALIDATION, splits.TEST)[pair.index(other)]))
  return statistics.mean(found)


def chosen(plan: Plan, results: Results, voice: str) -> Candidate | None:
  """Returns the candidate that is best in the mean without the voice; None: not all are judged."""
  judged = [inner_accuracy(plan, results, candidate, voice) for candidate in plan.candidates]
  known = [found for found in judged if found is not None]
  return plan.candidates[judged.index(max(known))] if len(known) == len(judged) else None


def fold_runs(plan: Plan, results: Results) -> list[Task | str]:
  """Returns the runs of the chosen recipes on all voices but one, judged on that."""
  return [
    run(plan, results, without(voice), candidate, seed=seed)
    for seed in plan.fold_seeds
    for voice in plan.voices
    if (candidate := chosen(plan, results, voice)) is not None
  ]


def who_runs(plan: Plan, results: Results) -> list[Task | str]:
  """Returns the run that tells who speaks."""
  return [run(plan, results, WHO, recipes.WHO)] if plan.fsdd else []


def takes_runs(plan: Plan, results: Results) -> list[Task | str]:
  """Returns a run of each model on the official takes."""
  return one_of_each(plan, results, TAKES) if plan.fsdd else []


def other_demo_runs(plan: Plan, results: Results) -> list[Task | str]:
  """Returns a run of each model on the demo."""
  return one_of_each(plan, results, DEMO) if plan.has_demo else []


def one_of_each(plan: Plan, results: Results, data: str) -> list[Task | str]:
  """Returns a run of each model on a data set."""
  return [
    run(plan, results, data, Candidate(model, recipes.OF_TABLE[data])) for model in all_models(plan)
  ]


def whole(results: Results, task: Task | str) -> Result | None:
  """Returns the result of a task that was done and not refused."""
  result = results.get(task.key) if isinstance(task, Task) else None
  return result if result and 'error' not in result else None


def accuracy(result: Result, split: str = splits.TEST) -> float:
  """Returns the share of right answers on a split."""
  judged = result['judged'][split]
  return float(judged['num_correct'] / judged['num_examples'])


def file_name(key: str) -> str:
  """Returns the name of a task's files: the beginning of its key, and a digest of the whole."""
  words = ' '.join(word.removeprefix('--model=') for word in key.split(' ')[:3])
  begin = ''.join(sign if sign.isalnum() or sign in '-.=' else '_' for sign in words[:60])
  return f'{begin}-{hashlib.sha256(key.encode()).hexdigest()[:8]}'
