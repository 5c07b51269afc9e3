"""What the cells of one row say: texts, splits, seconds, and the part of a recording."""

import dataclasses
import math
import re
from collections.abc import Mapping

from beam_jobs.sources.tables import columns as columns_lib
from schemas import splits, utterance
from schemas.rejects import ClipError

_NUMBER = re.compile(r'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?')


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
  """The cells of one row.

  Attributes:
    values: By column.
    columns: What the columns hold.
  """

  values: Mapping[str, str]
  columns: columns_lib.Columns

  def has(self, role: str) -> bool:
    """Whether the table has a column for a role."""
    return role in self.columns.by_role

  def text(self, role: str) -> str:
    """Returns the cell of a role; '' if it is empty or there is no such column."""
    return self.values.get(self.columns.by_role.get(role, ''), '')

  def required(self, role: str, *, reason: str = 'bad_row') -> str:
    """Returns the cell of a role; raises ClipError if it is empty."""
    if text := self.text(role):
      return text
    raise ClipError(reason, f'The column {self.columns.by_role[role]!r} is empty.')

  def split(self) -> str:
    """Returns the official split, '' if it is open; raises ClipError for other names."""
    text = self.text('split')
    split = splits.SPLIT_OF.get(text.lower(), '')
    if text and not split:
      raise ClipError(
        'bad_row',
        f'Wanted the split as {", ".join(splits.SPLIT_OF)} or empty, got {text!r} in the '
        f'column {self.columns.by_role["split"]!r} (table:split_column={columns_lib.NONE} takes '
        'no split from the table).',
      )
    return split

  def excerpt(self) -> utterance.Excerpt | None:
    """Returns the part of the recording; None for the whole.

    Raises:
      ClipError: for what is no number of seconds, or a part of no length.
    """
    start_s, duration_s, end_s = map(self._seconds, ('start', 'duration', 'end'))
    if start_s is None and duration_s is None and end_s is None:
      return None
    start_s = start_s or 0.0
    if end_s is not None:
      # Of two decimals their difference as a decimal, without the noise of binary fractions.
      duration_s = round(end_s - start_s, 9)
    if duration_s is not None and duration_s <= 0:
      got = f'{duration_s:g} s' if end_s is None else f'one from {start_s:g} s to {end_s:g} s'
      raise ClipError('bad_row', f'Wanted a part that is longer than 0 s, got {got}.')
    return utterance.Excerpt(start_s=start_s, duration_s=duration_s or 0.0)

  def _seconds(self, role: str) -> float | None:
    text = self.text(role)
    if not text:
      return None
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 <= number < math.inf:
      raise ClipError(
        'bad_row',
        'Wanted seconds from 0 on, with a point, such as 1.25, in the column '
        f'{self.columns.by_role[role]!r}, got {text!r}.',
      )
    return number
