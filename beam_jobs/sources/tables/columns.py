"""Which column of a table holds what."""

import dataclasses
from collections.abc import Mapping

from schemas import errors, options, utterance

NONE = '-'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Columns:
  """The columns of one table.

  Attributes:
    by_role: A column for each role of utterance.USUAL_COLUMNS that the table has.
    fields: The columns without a role, sorted.
    missing: Names that would have had a role, if the table had such a column.
  """

  by_role: Mapping[str, str]
  fields: tuple[str, ...]
  missing: frozenset[str]


def is_named(column: str) -> bool:
  """Whether a setting names a column."""
  return column not in ('', NONE)


def find(table: str, columns: tuple[str, ...], named: Mapping[str, str]) -> Columns:
  """Returns what the columns of a table hold.

  Args:
    table: The table's name, for errors.
    columns: All its columns; '' for one without a name.
    named: From a role to the column that the user names, '' for a usual name, NONE for none.

  Raises:
    SourceError: for a column that is named and not in the table.
  """
  by_role: dict[str, str] = {}
  missing: set[str] = set()
  for role, usual in utterance.USUAL_COLUMNS.items():
    if is_named(named[role]):
      by_role[role] = _named(table, columns, named[role], role)
    elif named[role] != NONE and _is_looked_for(role, by_role, named):
      found = [name for name in usual if name in columns]
      if found:
        by_role[role] = found[0]
      else:
        missing.update(usual)
  fields = sorted(set(columns) - set(by_role.values()) - {''})
  return Columns(by_role=by_role, fields=tuple(fields), missing=frozenset(missing))


def _is_looked_for(role: str, by_role: Mapping[str, str], named: Mapping[str, str]) -> bool:
  if role == 'duration':
    # Without a start it is most likely that of the whole file.
    return 'start' in by_role and not is_named(named['end'])
  if role == 'end':
    return 'start' in by_role and 'duration' not in by_role
  return True


def _named(table: str, columns: tuple[str, ...], wanted: str, role: str) -> str:
  if wanted in columns:
    return wanted
  known = [column for column in columns if column]
  raise errors.SourceError(
    f'The table {table} has no column {wanted!r}.{options.did_you_mean(wanted, known)} It has: '
    f'{", ".join(known)}. Its first row names the columns; say which of them is the {role} with '
    f'table:{role}_column=NAME.'
  )
