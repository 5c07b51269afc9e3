r"""Asks a trained model about every clip of a corpus, or every picture, on any Beam runner.

  python -m beam_jobs.predict --model=EXPORT --source=unlabelled --input=recordings --output=answers
  python -m beam_jobs.predict --model=RUN --source=speech_commands --input=/data/words \
      --output=answers --format=csv --probabilities=all
  python -m beam_jobs.predict --model=EXPORT --source=unlabelled --input=hours --output=answers \
      --window_s=1 --hop_s=0.5
  python -m beam_jobs.predict --model=EXPORT --source=unlabelled --input=test/audio \
      --output=answers --format=kaggle

Answers come in shards, in the order of the corpus, each whole or not at all. The same command again
goes on where it was stopped, and makes anew what another model or other files answer otherwise.
What cannot be used stands in rejects.jsonl with the reason, and answers.json, written last, says
what the answers are.
"""

import sys
import time
from collections.abc import Sequence

from beam_jobs.processes import lean_beam
from schemas import command


def main(argv: Sequence[str]) -> None:
  """Runs the job that the arguments ask for."""
  start_s = time.monotonic()
  # Here, not above: Beam takes seconds to load, and who presses Ctrl-C meanwhile is told how to
  # go on.
  lean_beam.load()
  from beam_jobs.asking import answers_table, ask_flags, ask_job  # noqa: PLC0415

  if command.is_on('help', argv) or '-h' in argv:
    print(ask_flags.help_text(__doc__ or ''))
    return
  invocation = ask_flags.parse(argv)
  ask_job.run_job(invocation)
  answers_table.show(invocation.asked.output, time.monotonic() - start_s)


def run() -> int:
  """Entry point of the command voxshard-predict."""
  return command.run(main, stopped='run the same command again, whole shards are kept.')


if __name__ == '__main__':
  sys.exit(run())
