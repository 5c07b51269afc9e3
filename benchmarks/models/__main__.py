r"""Trains the models on data that lies there, and writes the tables of docs/models.md.

  python -m benchmarks.models --data=demo --data=fsdd:/data/fsdd --output=/data/comparison \
      --budget_minutes=30 --page=docs/models.md

Every data set, measurement and run is one task. What a task found stands in a line of results.jsonl
in --output; a second call skips these tasks, and runs that were stopped go on. So the command may
be killed at any time, and a larger budget adds what did not fit the smaller one. Tasks run side by
side in --jobs processes of one thread each, and times of models are seconds of their processor.
A run that would take longer than --run_minutes by what was measured, or longer than what is left of
the budget, is not begun; the table says how long it would take.

  demo    the demo corpus, unheard voices are the test.
  takes   FSDD's official split: takes 0-4 are the test, 5-49 are trained on.
  voices  FSDD, each voice once the test. The recipe is chosen inside each fold: every candidate
          trains on two of the three other voices and is judged on the third, in all three ways; the
          best in the mean then trains on all three. The test voice has no say in it.
  who     FSDD, the label is who speaks, the split is that of takes.

Nothing is chosen by a test: epochs are fixed, and what is judged is the end of the run; on the demo
it is the best epoch of the validation voices.
"""

import argparse
import os
import pathlib
import re
import sys
from collections.abc import Sequence

from benchmarks.models import recipes, runner, tables, tasks
from schemas import command, errors

_FSDD = 'fsdd:'
_CLIP = re.compile(r'[0-9]_([^_]+)_[0-9]+\.wav$')
_LEAST_VOICES = 3  # Two are left out where a recipe is chosen.


def parse(argv: Sequence[str]) -> tuple[tasks.Plan, argparse.Namespace]:
  """Returns what the arguments ask for.

  Raises:
    ConfigError: for data that is not there, or models that do not exist.
  """
  parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
  parser.add_argument('--data', action='append', required=True, help='demo or fsdd:FOLDER; both')
  parser.add_argument('--output', type=pathlib.Path, required=True, help='what was found, all runs')
  parser.add_argument('--budget_minutes', type=float, default=30, help='for this call')
  parser.add_argument('--run_minutes', type=float, default=2, help='for one run')
  parser.add_argument('--jobs', type=int, default=2, help='processes of one thread each')
  parser.add_argument('--models', default='', help='with settings, joined by ";"; default: all')
  parser.add_argument('--page', type=pathlib.Path, help='a page that the tables are put into')
  args = parser.parse_args(argv)
  wrong = [text for text in args.data if text != tasks.DEMO and not text.startswith(_FSDD)]
  if wrong:
    raise errors.ConfigError(f'--data must be demo or fsdd:FOLDER, got {wrong[0]!r}.')
  fsdd = next((text.removeprefix(_FSDD) for text in args.data if text.startswith(_FSDD)), '')
  voices = [match[1] for path in pathlib.Path(fsdd).glob('*') if (match := _CLIP.match(path.name))]
  if fsdd and len(set(voices)) < _LEAST_VOICES:
    raise errors.ConfigError(
      f'--data={_FSDD}{fsdd} must be a folder with clips of at least {_LEAST_VOICES} voices, named '
      f'as in 7_theo_12.wav; got {len(voices)} clips of {len(set(voices))}. python -m '
      'beam_jobs.download fsdd fetches the corpus; the folder recordings in it is what is wanted.'
    )
  models = tuple(args.models.split(';')) if args.models else recipes.models()
  for model in models:
    tasks.feature_of(model)
  plan = tasks.Plan(
    root=args.output,
    fsdd=fsdd,
    voices=tuple(sorted(set(voices))) if fsdd else (),
    num_clips=len(voices),
    has_demo=tasks.DEMO in args.data,
    models=models,
    candidates=recipes.CANDIDATES,
    fold_seeds=recipes.FOLD_SEEDS,
    demo_seeds=recipes.SEEDS,
    run_s=60 * args.run_minutes,
    jobs=args.jobs,
  )
  return plan, args


def main(argv: Sequence[str]) -> None:
  """Trains, and prints the tables."""
  plan, args = parse(argv)
  page = args.page.read_text('utf-8') if args.page else ''
  if page:
    tables.in_page(page, '')  # Before the work, not behind it.
  # For what is computed in the processes: imported there, and one thread each.
  os.environ.update(
    TF_NUM_INTRAOP_THREADS='1', TF_NUM_INTEROP_THREADS='1', OMP_NUM_THREADS='1',
    TF_CPP_MIN_LOG_LEVEL='3',
  )  # fmt: skip
  plan.root.mkdir(parents=True, exist_ok=True)
  results = tasks.Results(plan.root)
  runner.compare(plan, results, budget_s=60 * args.budget_minutes)
  found = tables.of(plan, results)
  print(found)
  if page:
    args.page.write_text(tables.in_page(page, found), 'utf-8')


if __name__ == '__main__':
  sys.exit(command.run(main, stopped=command.AGAIN))
