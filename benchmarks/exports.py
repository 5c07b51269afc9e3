"""What each format of an export costs, and what it loses: the table of docs/export.md.

  python -m benchmarks.exports --run_dir=demo/run --run_dir=runs/digits

Each run is exported in every format that its model has, into a folder that is gone afterwards, and
measured as python -m trainer.export --measure does it: bytes, median milliseconds of one clip at a
time on one machine, and accuracy on the test split by the files that its clips were made of, which
have to be there.
"""

import argparse
import os
import sys
import tempfile

from schemas import command, errors
from trainer.devices import quiet
from trainer.export import exporting, formats
from trainer.export.card import measured
from trainer.runs import saved_run

_MOST_CLIPS = 5_000


def measure(run_dir: str) -> list[str]:
  """Returns the table of a run, lines of Markdown."""
  run = saved_run.load(run_dir)
  exporting.check(run)
  made = exporting.make(run, clips=exporting.calibration_clips(run))
  names, lines = [], []
  with tempfile.TemporaryDirectory() as folder:
    for name in formats.FORMATS:
      try:
        formats.check(name, run)
        exporting.write(made, os.path.join(folder, name), [name], overwrite=False)
        names.append(name)
      except errors.ConfigError as error:
        lines.append(f'{name}: {error}')
    found = exporting.write(
      made, os.path.join(folder, 'all'), names, overwrite=False, measure_clips=_MOST_CLIPS
    ).measured
  rows = measured.lines(found)
  head = f'`{run.model_text}` on {run.manifest.name}'
  if found['num_clips']:
    head += f', {found["num_clips"]:,} clips, the run {100 * found["run_accuracy"]:.2f} %'
  table = [f'| {" | ".join(row)} |' for row in rows]
  table.insert(1, f'|---|{"---:|" * (len(rows[0]) - 1)}')
  return [head, '', *table, '', *lines, found['note'], '']


def main(arguments: list[str]) -> None:
  """Prints a table per run."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--run_dir', action='append', required=True, help='Folder of a run.')
  quiet.import_tensorflow()
  for run_dir in parser.parse_args(arguments).run_dir:
    print('\n'.join(measure(run_dir)), flush=True)


if __name__ == '__main__':
  sys.exit(command.run(main, sys.argv[1:]))
