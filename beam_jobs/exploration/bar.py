"""A bar on the terminal while files are opened; nothing where nobody looks."""

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich import console as rich_console
from rich import progress as rich_progress

Item = TypeVar('Item')


def track(items: Sequence[Item], what: str) -> Iterable[Item]:
  """Yields the items, and shows on stderr how many are done."""
  if not sys.stderr.isatty():
    return items
  console = rich_console.Console(stderr=True)
  return rich_progress.track(items, what, console=console, transient=True)
