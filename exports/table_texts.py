"""Text in Parquet, which is UTF-8 only: what is none of it stands there as its escape."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

# Half a pair: a byte of a name that is no UTF-8 (U+DC80 to U+DCFF), or what JSON may hold.
_SURROGATES = re.compile('[\ud800-\udfff]')


def escaped(text: str) -> str:
  r"""Returns text in which each half of a surrogate pair is such as `\udcff`."""
  return _SURROGATES.sub(lambda odd: f'\\u{ord(odd[0]):x}', text)


def column(texts: Sequence[str | None]) -> pa.Array:
  """Returns texts, of which None is missing, as a column of strings."""
  try:
    return pa.array(texts, pa.string())
  except (UnicodeEncodeError, pa.ArrowException):  # Hardly ever: so it is not looked for.
    return pa.array([text if text is None else escaped(text) for text in texts], pa.string())
