r"""Shows a corpus or a data set as one page: counts, charts, duplicates, clips to see and hear.

  python -m beam_jobs.explore --data=demo/data
  python -m beam_jobs.explore --source='file_names:pattern={label}_{speaker}_{take}.wav' \
      --input=/data/fsdd --output=fsdd.html

The page is one file, report.html where no --output is given, that any browser opens without a
network. The same data give the same page.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from beam_jobs.exploration import request
from schemas import command, errors
from tfrecords import storage as storage_lib

if TYPE_CHECKING:
  from beam_jobs.exploration import findings


def main(argv: Sequence[str]) -> None:
  """Writes the page that the arguments ask for, and prints where it is."""
  if command.is_on('help', argv) or '-h' in argv:
    print(request.help_text(__doc__ or ''))
    return
  wanted = request.parse(argv)
  # Here, not above: --help and a mistyped flag need not wait for NumPy and Beam.
  from beam_jobs.exploration import view  # noqa: PLC0415

  found = gather(wanted)
  _write(wanted.output, view.render(found))
  print(wanted.output)
  print(', '.join(f'{number} {name}' for number, name in view.numbers(found)))


def gather(wanted: request.Request) -> findings.Findings:
  """Returns what is found in the data set or the corpus."""
  if wanted.data:
    from beam_jobs.exploration import from_dataset  # noqa: PLC0415

    return from_dataset.gather(wanted, storage_lib.storage_of(wanted.data))
  from beam_jobs.exploration import from_corpus  # noqa: PLC0415

  return from_corpus.gather(wanted)


def _write(path: str, text: str) -> None:
  try:
    storage_lib.write_atomically(path, text.encode(), storage_lib.storage_of(path))
  except OSError as error:
    raise errors.ConfigError(
      f'Could not write --output={path!r}: {error.strerror or error}. Is there room on the disk, '
      'and may this user write there?'
    ) from error


def run() -> int:
  """Entry point of the module as a program."""
  return command.run(main, stopped='no page was written, run the same command again.')


if __name__ == '__main__':
  sys.exit(run())
