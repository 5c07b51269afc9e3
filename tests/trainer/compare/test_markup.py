"""Tables as Markdown and LaTeX show what names hold, whatever it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages import words
from trainer.compare import markup, sections


def section(*names):
  return sections.Section(
    title='title',
    columns=(('name', sections.TEXT), ('points', sections.NUMBER)),
    rows=tuple((name, '-1.5 to +2.0') for name in names),
  )


@pytest.mark.parametrize(
  ('text', 'wanted'),
  [
    ('a_b & 5 % # $', r'a\_b \& 5 \% \# \$'),
    ('{x}~^\\', r'\{x\}\textasciitilde{}\textasciicircum{}\textbackslash{}'),
    ('<数字|é>', r'\textless{}数字\textbar{}é\textgreater{}'),
    ("--- `` ''", "-{}-{}- `{}` '{}'"),
    ('a\nb\x1b', 'a�b�'),
  ],
)
def test_latex_is_escaped(text, wanted):
  assert markup.latex(text) == wanted


@given(st.text())
def test_latex_shows_the_text(text):
  found = markup.latex(text)
  for sign, name in markup._LATEX_SIGNS.items():
    found = found.replace(name, f'\0{ord(sign)}\0')
  found = found.replace('{}', '')
  assert not set(found) & set('_&%#${}~^\\')
  assert re.sub('\0([0-9]+)\0', lambda one: chr(int(one[1])), found) == words.printable(text)


@given(st.text())
def test_markdown_has_a_cell_for_a_cell(text):
  lines = markup.write([section(text)], [], form=markup.MARKDOWN).splitlines()
  row = next(line for line in lines if line.endswith('| -1.5 to +2.0 |'))
  cells = re.split(r'(?<!\\)(?:\\\\)*\|', row)
  assert len(cells) == 4
  shown = re.sub(r'\\(.)', r'\1', row[2 : -len(' | -1.5 to +2.0 |')])
  assert shown == words.printable(text)


def test_a_row_of_latex_is_no_argument_of_the_row_before():
  made = markup.write([section('[2cm]', '*', 'a')], ['5 % of\nall'], form=markup.LATEX)
  rows = [line for line in made.splitlines() if line.endswith('2.0 \\\\')]
  assert rows[0].startswith('{}[2cm] & $-$1.5 to +2.0')
  assert rows[1].startswith('{}*')
  assert made.endswith('% 5 % of�all\n'), 'a comment ends with its line'
  assert made.count(r'\begin{') == made.count(r'\end{') == 2
