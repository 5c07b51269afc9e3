"""Writes tables as plain text, as Markdown and as LaTeX; whatever names hold is shown as it is."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from pages import text_table, words
from trainer.compare import sections

TEXT, MARKDOWN, LATEX = FORMATS = ('text', 'markdown', 'latex')

_LINE = 100
_MARKDOWN_SIGNS = re.compile(r'([\\`*_{}\[\]<>|~#&$])')
_LATEX_SIGNS = {
  '\\': r'\textbackslash{}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}',
  '<': r'\textless{}', '>': r'\textgreater{}', '|': r'\textbar{}', '"': r'\textquotedbl{}',
  **{sign: f'\\{sign}' for sign in '_&%#${}'},
}  # fmt: skip
# What LaTeX would make one sign of.
_LIGATURES = re.compile(r"(?<=-)(?=-)|(?<=`)(?=`)|(?<=')(?=')|(?<=[?!])(?=`)")


def write(
  made: Sequence[sections.Section], notes: Sequence[str], *, form: str, width: int = 0
) -> str:
  """Returns all tables and what is to be said of them.

  Args:
    made: The tables.
    notes: Sentences.
    form: One of FORMATS.
    width: Cells of a line of the terminal, for TEXT; 0: as wide as names are.
  """
  if form == LATEX:
    return _latex(made, notes)
  if form == MARKDOWN:
    return _markdown(made, notes)
  parts = [_text(section, width) for section in made]
  said = [_paragraph(f'note: {words.printable(note)}', width) for note in notes]
  return '\n\n'.join(parts) + '\n\n' + '\n'.join(said) + '\n'


def _paragraph(text: str, width: int) -> str:
  # Paths stay whole.
  return textwrap.fill(
    text, min(width or _LINE, _LINE), break_long_words=False, break_on_hyphens=False
  )


def _text(section: sections.Section, width: int) -> str:
  rows = [tuple(name for name, _ in section.columns), *section.rows]
  texts = [i for i, (_, kind) in enumerate(section.columns) if kind == sections.TEXT]
  lines = [section.title, text_table.lay_out(rows, texts=texts, width=width)]
  return '\n'.join([*lines, section.left_out] if section.left_out else lines)


def _markdown(made: Sequence[sections.Section], notes: Sequence[str]) -> str:
  parts = []
  for section in made:
    marks = ['---:' if kind == sections.NUMBER else '---' for _, kind in section.columns]
    rows = [[name for name, _ in section.columns], *section.rows]
    head, *body = (f'| {" | ".join(markdown(cell) for cell in row)} |' for row in rows)
    lines = [f'### {markdown(section.title)}', '', head, f'| {" | ".join(marks)} |', *body]
    if section.left_out:
      lines += ['', markdown(section.left_out)]
    parts.append('\n'.join(lines))
  parts.append('\n'.join(f'- {markdown(note)}' for note in notes))
  return '\n\n'.join(parts) + '\n'


def markdown(text: str) -> str:
  """Returns text as Markdown (of GitHub) that shows it."""
  return _MARKDOWN_SIGNS.sub(r'\\\1', words.printable(text))


def _latex(made: Sequence[sections.Section], notes: Sequence[str]) -> str:
  parts = [r'% In the preamble: \usepackage{booktabs}, \usepackage[T1]{fontenc}.']
  for section in made:
    kinds = [kind for _, kind in section.columns]
    layout = ''.join('r' if kind == sections.NUMBER else 'l' for kind in kinds)
    rows = [_latex_row(row, kinds) for row in section.rows]
    lines = [
      r'\begin{table}',
      rf'\caption{{{latex(section.title)}}}',
      rf'\begin{{tabular}}{{{layout}}}',
      r'\toprule',
      _latex_row([name for name, _ in section.columns], kinds),
      r'\midrule',
      *rows,
      r'\bottomrule',
      r'\end{tabular}',
      r'\end{table}',
    ]
    if section.left_out:
      lines.append(f'% {_comment(section.left_out)}')
    parts.append('\n'.join(lines))
  parts.append('\n'.join(f'% {_comment(note)}' for note in notes))
  return '\n\n'.join(parts) + '\n'


def _comment(text: str) -> str:
  shown: str = words.printable(text)
  return shown


def _latex_row(cells: Sequence[str], kinds: Sequence[str]) -> str:
  shown = [
    re.sub(r'-(?=\d)', '$-$', latex(cell)) if kind == sections.NUMBER else latex(cell)
    for cell, kind in zip(cells, kinds, strict=True)
  ]
  if shown[0][:1] in ('[', '*'):  # Behind the end of a line they are an argument of it.
    shown[0] = '{}' + shown[0]
  return ' & '.join(shown) + r' \\'


def latex(text: str) -> str:
  """Returns text as LaTeX that shows it, in documents of UTF-8."""
  apart = _LIGATURES.sub('\0', words.printable(text))
  return ''.join('{}' if sign == '\0' else _LATEX_SIGNS.get(sign, sign) for sign in apart)
