"""How a shard of answers is written, by its format: row by row, to a stream that never seeks."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from beam_jobs.asking import ask_config
from exports import answer_rows, submissions


def write(rows: Iterable[answer_rows.Row], config: ask_config.AskConfig, stream: BinaryIO) -> None:
  """Writes rows as the configuration says, in memory that does not grow with them.

  Raises:
    OSError: if the storage refuses.
  """
  if config.format == ask_config.PARQUET:
    from exports import answer_tables  # noqa: PLC0415 - pyarrow takes a while.

    answer_tables.write(rows, config.columns, stream)
    return
  for line in _lines(rows, config):
    stream.write(answer_rows.to_bytes(line))


def _lines(rows: Iterable[answer_rows.Row], config: ask_config.AskConfig) -> Iterator[str]:
  columns = config.columns
  if not config.is_submission:
    yield from answer_rows.LINES[config.format](rows, columns)
    return
  found = submissions.challenge(columns.labels)
  for cells in submissions.challenge_answers(rows, columns.answer, found):
    yield answer_rows.csv_line(cells)
