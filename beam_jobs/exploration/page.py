"""Pieces of a page. Whatever comes from a file's name or a label goes through `text`."""

import html
from collections.abc import Collection, Iterable, Mapping, Sequence

# Text that is HTML already.
Html = str

# What may turn the writing direction of the text around a name.
_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F), '�')


def text(value: str) -> Html:
  """Returns any text as HTML that shows just it: escaped, printable, on no other terms."""
  # Names that are no UTF-8 hold surrogates, which no page can.
  printable = value.encode('utf-8', 'replace').decode('utf-8').translate(_DIRECTIONS)
  shown = ''.join(sign if sign.isprintable() or sign == ' ' else '�' for sign in printable)
  return html.escape(shown, quote=True)


def section(anchor: str, title: str, *parts: Html) -> Html:
  """Returns a card with a heading."""
  return f'<section id="{anchor}"><h2>{text(title)}</h2>{"".join(parts)}</section>\n'


def paragraph(sentence: str, *, soft: bool = True) -> Html:
  """Returns a paragraph."""
  return f'<p{" class=soft" if soft else ""}>{text(sentence)}</p>'


def note(sentence: str, *, level: str) -> Html:
  """Returns a sentence on a field of its own; `level` is bad, warn or good."""
  return f'<p class="note {level}">{text(sentence)}</p>'


def tag(words: str, *, level: str = 'plain') -> Html:
  """Returns a small label; `level` is plain, bad, warn or good."""
  return f'<span class="tag {level}">{text(words)}</span>'


def tiles(items: Iterable[tuple[str, str]]) -> Html:
  """Returns large numbers, each as (number, what it counts)."""
  content = ''.join(
    f'<div class="tile"><b>{text(number)}</b><span>{text(name)}</span></div>'
    for number, name in items
  )
  return f'<div class="tiles">{content}</div>'


def facts(items: Iterable[tuple[str, str]]) -> Html:
  """Returns names and values."""
  content = ''.join(f'<dt>{text(name)}</dt><dd>{text(value)}</dd>' for name, value in items)
  return f'<dl class="facts">{content}</dl>'


def columns(*parts: Html) -> Html:
  """Returns two or three parts beside one another where there is room."""
  name = 'two' if len(parts) == 2 else 'three'
  return f'<div class="{name}">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[Html]], *, kinds: Sequence[str]) -> Html:
  """Returns a table.

  Args:
    head: Names of the columns.
    rows: Cells that are HTML.
    kinds: Of each column: `text`, `number`, `bars` or ''.
  """
  names = ''.join(
    f'<th class="{kind}">{text(name)}</th>' for name, kind in zip(head, kinds, strict=True)
  )
  body = ''.join(
    '<tr>'
    + ''.join(f'<td class="{kind}">{cell}</td>' for cell, kind in zip(row, kinds, strict=True))
    + '</tr>'
    for row in rows
  )
  return (
    f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'
  )


def stack(counts: Mapping[str, int], *, largest: int) -> Html:
  """Returns a bar of parts by split ('' where there is none); `largest` fills the width."""
  parts = ''.join(
    f'<i class="{split or "whole"}" style="width:{100 * count / max(1, largest):.2f}%" '
    f'title="{split or "clips"}: {count:,}"></i>'
    for split, count in counts.items()
    if count
  )
  return f'<div class="stack">{parts}</div>'


def legend(splits: Collection[str]) -> Html:
  """Returns what the colours of bars mean; nothing where there is only one."""
  if len(splits) < 2:
    return ''
  items = ''.join(
    f'<span><i class="{split or "whole"}"></i>{split or "no split"}</span>' for split in splits
  )
  return f'<div class="legend">{items}</div>'


def count(number: int, noun: str) -> str:
  """Returns such as `1 clip` or `2,000 clips`."""
  return f'{number:,} {noun}{"s" * (number != 1)}'


def percent(share: float) -> str:
  """Returns such as `12 %`, `0.3 %` or `99.9 %`."""
  value = 100 * share
  if 0 < value < 0.1:
    return '< 0.1 %'
  if value < 10:
    return f'{round(value, 1):g} %'
  return f'{value:.1f} %' if 99 < value < 100 else f'{value:.0f} %'


def duration(seconds: float) -> str:
  """Returns such as `12.5 s`, `14.6 min` or `3.2 h`."""
  if seconds < 120:
    return f'{seconds:.3g} s'
  return f'{seconds / 60:.1f} min' if seconds < 7_200 else f'{seconds / 3_600:,.1f} h'
