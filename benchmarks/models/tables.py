"""The tables of docs/models.md."""

import statistics
from collections.abc import Mapping, Sequence

from scipy import stats

from benchmarks.models import recipes, tasks
from benchmarks.models.recipes import Candidate
from benchmarks.models.tasks import DEMO, TAKES, Plan, Results, Task
from pages import words
from schemas import errors, splits

_MARKS = ('<!-- tables: python -m benchmarks.models -->', '<!-- end of the tables -->')


def of(plan: Plan, results: Results) -> str:
  """Returns what was found as Markdown."""
  parts = ['### The targets', _targets(plan, results)]
  if plan.fsdd:
    parts += ['### Voices that training never heard', _voices_table(plan, results)]
  parts += ['### All models', _models_table(plan, results)]
  return '\n\n'.join(parts) + '\n'


def _models_table(plan: Plan, results: Results) -> str:
  there = [name for name, is_there in ((TAKES, plan.fsdd), (DEMO, plan.has_demo)) if is_there]
  rows = [
    f'| model | {" | ".join(f"{name} | epochs" for name in there)} | parameters | multiply-adds | '
    'training clips/s | ms a clip |',
    f'|{"---|" * (5 + 2 * len(there))}',
  ]
  for model in tasks.all_models(plan):
    measured = results.get(tasks.measurement(plan, model).key)
    if measured is None or 'error' in measured:
      why = measured['error'] if measured else 'not measured: no time'
      rows.append(f'| `{model}` | {why} |{" |" * (3 + 2 * len(there))}')
      continue
    cells = []
    for data in there:
      task = tasks.run(plan, results, data, Candidate(model, recipes.OF_TABLE[data]))
      cells.append(f'{_cell(results, task)} | {_epochs(task)}')
    rows.append(
      f'| `{model}` | {" | ".join(cells)} | {measured["parameters"]:,} | '
      f'{_millions(measured["multiply_adds"])} | {measured["train_clips_per_s"]:,.0f} | '
      f'{measured["ms_a_clip"]:.2f} |'
    )
  return '\n'.join(rows)


def _millions(number: int | None) -> str:
  return f'{number / 1e6:,.1f} M' if number is not None else 'unknown'


def _cell(results: Results, task: Task | str) -> str:
  """Returns what a run came to with its interval, or why there is nothing."""
  if isinstance(task, str):
    return f'does not fit: {task}'
  result = results.get(task.key)
  if result is None:
    return f'no time was left: about {tasks.minutes(task.estimate_s)}'
  if 'error' in result:
    return str(result['error'])
  judged = result['judged'][splits.TEST]
  return f'{_percent(tasks.accuracy(result))} ({_interval(judged)})'


def _interval(judged: Mapping[str, int]) -> str:
  """Returns Wilson's 95 % interval, as the report of a run has it."""
  test = stats.binomtest(judged['num_correct'], judged['num_examples'])
  found = test.proportion_ci(0.95, method='wilson')
  return f'{100 * found.low:.1f} to {100 * found.high:.1f}'


def _word(task: Task, flag: str) -> str:
  """Returns the value of a flag of a run."""
  begin = f'--{flag}='
  return next(word.removeprefix(begin) for word in task.words['words'] if word.startswith(begin))


def _epochs(task: Task | str) -> str:
  return '' if isinstance(task, str) else _word(task, 'epochs')


def _percent(share: float) -> str:
  return words.share(share)


def _voices_table(plan: Plan, results: Results) -> str:
  rows = [
    f'| | {" | ".join(plan.voices)} | mean |',
    f'|{"---|" * (len(plan.voices) + 2)}',
  ]
  for candidate in plan.candidates:
    found = [tasks.inner_accuracy(plan, results, candidate, voice) for voice in plan.voices]
    rows.append(_row(f'without it: `{candidate.model}`, {candidate.recipe}', found))
  chosen = [tasks.chosen(plan, results, voice) for voice in plan.voices]
  names = [f'`{one.model}`, {one.recipe}' if one else 'no time' for one in chosen]
  rows.append(f'| chosen by that | {" | ".join(names)} | |')
  held_out = [_held_out(plan, results, voice) for voice in plan.voices]
  num_seeds = min(map(len, held_out))
  means = [statistics.mean(found[:num_seeds]) if num_seeds else None for found in held_out]
  rows.append(_row(f'**the voice itself**, seeds: {num_seeds}', means))
  return '\n'.join(rows)


def _row(name: str, accuracies: Sequence[float | None]) -> str:
  known = [accuracy for accuracy in accuracies if accuracy is not None]
  mean = _percent(statistics.mean(known)) if len(known) == len(accuracies) else 'no time'
  cells = [_percent(accuracy) if accuracy is not None else 'no time' for accuracy in accuracies]
  return f'| {name} | {" | ".join(cells)} | {mean} |'


def _held_out(plan: Plan, results: Results, voice: str) -> list[float]:
  """Returns the accuracies on a voice that had no say, of the seeds that were trained."""
  candidate = tasks.chosen(plan, results, voice)
  if candidate is None:
    return []
  data = tasks.without(voice)
  return _accuracies(
    results, [tasks.run(plan, results, data, candidate, seed=seed) for seed in plan.fold_seeds]
  )


def _accuracies(results: Results, runs: Sequence[Task | str]) -> list[float]:
  """Returns what the runs that were done came to on the test."""
  done = [tasks.whole(results, task) for task in runs]
  return [tasks.accuracy(result) for result in done if result is not None]


# What is wanted. The figures of `cnn` are those of 10 ms and 64 bands, without a recipe.
_TAKES_TARGET, _WHO_TARGET, _DEMO_TARGET = 0.99, 0.995, 0.97
_CNN_ON_VOICES = {'jackson': 0.578, 'nicolas': 0.242, 'theo': 0.800, 'yweweler': 0.648}
_VOICES_GAIN = 0.2


def _targets(plan: Plan, results: Results) -> str:
  """Returns what is wanted beside what came of it."""
  rows = ['| wanted | found | |', '|---|---|---|']
  if plan.has_demo:
    found = _accuracies(results, tasks.demo_runs(plan, results))
    is_whole = len(found) == len(plan.demo_seeds)
    rows.append(
      _target(
        f'demo: at least {_percent(_DEMO_TARGET)} with each of {len(plan.demo_seeds)} seeds',
        f'{_percent(min(found))} to {_percent(max(found))}, `{recipes.DEMO.model}`'
        if is_whole
        else '',
        is_met=is_whole and min(found) >= _DEMO_TARGET,
      )
    )
  if plan.fsdd:
    rows += [_takes_target(plan, results), _voices_target(plan, results)]
    who = _accuracies(results, tasks.who_runs(plan, results))
    rows.append(
      _target(
        f'who speaks: at least {_percent(_WHO_TARGET)}',
        f'{_percent(who[0])}, `{recipes.WHO.model}`' if who else '',
        is_met=bool(who) and who[0] >= _WHO_TARGET,
      )
    )
  return '\n'.join(rows)


def _takes_target(plan: Plan, results: Results) -> str:
  found = {
    _word(task, 'model'): tasks.accuracy(result)
    for task in tasks.takes_runs(plan, results)
    if isinstance(task, Task) and (result := tasks.whole(results, task))
  }
  best = max(found, key=lambda model: found[model], default='')
  return _target(
    f'official takes: at least {_percent(_TAKES_TARGET)} with the best small model',
    f'{_percent(found[best])}, `{best}`' if best else '',
    is_met=found.get(best, 0) >= _TAKES_TARGET,
  )


def _voices_target(plan: Plan, results: Results) -> str:
  held_out = {voice: _held_out(plan, results, voice) for voice in plan.voices}
  num_seeds = min(map(len, held_out.values()))
  known = {
    voice: statistics.mean(found[:num_seeds]) for voice, found in held_out.items() if num_seeds
  }
  is_whole = known.keys() == _CNN_ON_VOICES.keys()
  old = statistics.mean(_CNN_ON_VOICES.values())
  mean = statistics.mean(known.values()) if is_whole else 0.0
  return _target(
    f'unheard voices: {100 * _VOICES_GAIN:.0f} points above the {_percent(old)} of `cnn` on 10 ms '
    'and 64 bands',
    f'{_percent(mean)}, {100 * (mean - old):+.1f} points' if is_whole else '',
    is_met=mean >= old + _VOICES_GAIN,
  )


def _target(what: str, found: str, *, is_met: bool) -> str:
  return f'| {what} | {found or "no time was left"} | {"met" if is_met else "**missed**"} |'


def in_page(text: str, found: str) -> str:
  """Returns a page with the tables between its two marks.

  Raises:
    ConfigError: where the page has no such marks.
  """
  begin, end = text.find(_MARKS[0]), text.find(_MARKS[1])
  if not 0 <= begin < end:
    raise errors.ConfigError(
      f'--page must have the lines {_MARKS[0]} and {_MARKS[1]}, between which the tables go.'
    )
  return f'{text[: begin + len(_MARKS[0])]}\n\n{found}\n{text[end:]}'
