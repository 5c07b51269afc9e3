"""Tables of plain text: columns line up in any script, and keep to the width of the terminal."""

from hypothesis import given
from hypothesis import strategies as st
from rich import cells

from pages import text_table


def test_columns_line_up_in_any_script():
  rows = [('run', 'clips', 'model'), ('标签', '1', 'cnn'), ('e\u0301te\u0301', '22', 'tc')]
  lines = text_table.lay_out(rows, texts=(0, 2)).splitlines()
  assert lines == ['run   clips  model', '标签      1  cnn', 'e\u0301te\u0301      22  tc']


def test_long_names_lose_their_middle_where_there_is_no_room():
  rows = [('run', 'n'), ('runs/digits-tc_resnet-width-1.5-seed-7', '3')]
  lines = text_table.lay_out(rows, width=20).splitlines()
  assert lines == ['run                n', 'runs/dig…5-seed-7  3']
  # Names of at least so much are kept, however narrow it is.
  assert text_table.lay_out(rows, width=3).splitlines()[1] == 'runs…d-7  3'
  assert text_table.lay_out(rows).splitlines()[1] == '  '.join(rows[1])


@given(st.text(), st.integers(0, 12))
def test_what_is_cut_fits(text, size):
  found = text_table.cut(text, size)
  assert cells.cell_len(found) <= size
  if cells.cell_len(text) <= size:
    assert found == text


def test_signs_that_would_move_the_cursor_are_not_printed():
  assert text_table.lay_out([('a\x1b[2Jb\nc\udcff\u202e', '1')]) == 'a�[2Jb�c?�  1'


def test_a_file_is_no_terminal(monkeypatch):
  monkeypatch.setenv('COLUMNS', '77')
  assert text_table.terminal_width() == 77
