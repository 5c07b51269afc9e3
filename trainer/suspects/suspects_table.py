"""The ranked list as CSV, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from trainer.suspects import gathering

COLUMNS = (
  'rank', 'id', 'file', 'start_s', 'end_s', 'speaker', 'label', 'suggested', 'score', 'reasons',
  'label_probability', 'other', 'other_probability', 'twin',
)  # fmt: skip


def table(listed: Iterable[gathering.Suspect]) -> bytes:
  """Returns a file with a clip a row, the most suspect first; reasons stand between spaces."""
  stream = io.StringIO(newline='')
  writer = csv.writer(stream, lineterminator='\n')
  writer.writerow(COLUMNS)
  for one in listed:
    writer.writerow(
      (
        one.rank,
        one.clip_id,
        one.file,
        f'{one.start_s:.6g}',
        f'{one.end_s:.6g}',
        one.speaker,
        one.label,
        one.suggested,
        f'{one.score:.6f}',
        ' '.join(one.reasons),
        f'{one.label_probability:.6f}',
        one.other,
        f'{one.other_probability:.6f}',
        one.twin,
      )
    )
  return stream.getvalue().encode('utf-8', 'surrogateescape')
