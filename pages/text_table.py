"""Tables of plain text for a terminal: columns line up, and long names fit into the width."""

import shutil
from collections.abc import Collection, Sequence

from rich import cells

from pages import words

# Names are not cut below so many cells: less of one says nothing.
_LEAST_CELLS = 8
_GAP = '  '
_DOTS = '…'


def terminal_width() -> int:
  """Returns how many cells a line of the terminal has; 0 where output goes into a file."""
  return shutil.get_terminal_size(fallback=(0, 0)).columns


def lay_out(rows: Sequence[Sequence[str]], *, texts: Collection[int] = (0,), width: int = 0) -> str:
  """Returns aligned lines.

  Args:
    rows: Cells, as many in each row; names in them may hold anything.
    texts: The columns that are texts, which begin at the left; the others, numbers, end at the
      right.
    width: Cells of a line. Texts of the widest columns are cut in the middle to keep to it, as far
      as that goes; 0: nothing is cut.
  """
  shown = [[words.printable(cell) for cell in row] for row in rows]
  widths = [max(map(cells.cell_len, column)) for column in zip(*shown, strict=True)]
  if width:
    _narrow(widths, texts, width)
  return '\n'.join(
    _GAP.join(
      _padded(cut(cell, size), size, is_text=i in texts)
      for i, (cell, size) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in shown
  )


def cut(text: str, size: int) -> str:
  """Returns a text in at most `size` cells, with dots for its middle where it is longer."""
  if cells.cell_len(text) <= size:
    return text
  if size < 1:
    return ''
  left = (size - len(_DOTS) + 1) // 2
  head = _head(text, left)
  tail = _head(text[::-1], size - len(_DOTS) - cells.cell_len(head))[::-1]
  while tail and not cells.cell_len(tail[0]):  # An accent whose letter had no room.
    tail = tail[1:]
  return head + _DOTS + tail


def _head(text: str, size: int) -> str:
  """Returns as much of the beginning as fits into `size` cells."""
  used, end = 0, 0
  for end, sign in enumerate(text):
    used += cells.cell_len(sign)
    if used > size:
      return text[:end]
  return text[: end + 1]


def _narrow(widths: list[int], texts: Collection[int], width: int) -> None:
  """Takes cells from the widest texts, one at a time, until the line fits or none can give."""
  over = sum(widths) + len(_GAP) * (len(widths) - 1) - width
  while over > 0:
    widest = max(texts, key=lambda i: widths[i])
    if widths[widest] <= _LEAST_CELLS:
      return
    widths[widest] -= 1
    over -= 1


def _padded(cell: str, size: int, *, is_text: bool) -> str:
  # Chinese characters take two cells of a terminal, accents none.
  gap = ' ' * (size - cells.cell_len(cell))
  return cell + gap if is_text else gap + cell
