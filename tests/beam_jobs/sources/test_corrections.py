"""The table of corrections: what it says, and what is refused."""

import csv
import io

import hypothesis
import pytest
from hypothesis import strategies as st

from beam_jobs.sources import corrections
from schemas import errors


def parsed(text):
  return corrections.parse(text.encode(), where='c.csv')


def test_actions_and_labels_by_id():
  found = parsed('id,action,label\na b.wav,relabel, yes \n"x,""y"".wav",leave_out,\nz,keep,\n')
  assert found.by_id() == {
    'a b.wav': ('relabel', 'yes'),
    'x,"y".wav': ('leave_out', ''),
    'z': ('keep', ''),
  }
  assert (found.num_relabel, found.num_leave_out) == (1, 1)


@pytest.mark.parametrize(
  'text',
  [
    '\ufeffaction;id\r\nleave_out;a\r\n',
    'id\taction\tlabel\n\na\tleave_out\t\n',
    'label,action,id\n,leave_out,a\n',
  ],
)
def test_as_spreadsheets_save_it(text):
  assert parsed(text).by_id() == {'a': ('leave_out', '')}


def test_what_changes_nothing_is_not_in_the_digest():
  one = parsed('id,action,label\na,relabel,yes\nb,keep,\n')
  assert one.digest == parsed('id,action,label\na,relabel,yes\n').digest
  assert one.digest != parsed('id,action,label\na,relabel,no\n').digest
  assert one.digest != parsed('id,action,label\nb,relabel,yes\n').digest
  assert parsed('id,action,label\nb,keep,\n').to_json() == {}


@pytest.mark.parametrize(
  ('text', 'said'),
  [
    ('', 'got an empty file'),
    ('id,action,lable\n', "row 1: .*got 'lable'. Did you mean 'label'"),
    ('id,id,action\n', "row 1: The column 'id' stands there 2 times"),
    ('id,label\n', "row 1: .*'action' is missing"),
    ('id,action,label\na,keep,\n\nb,relabel,\n', "row 4: Wanted the new label of 'b'"),
    ('id,action,label\na,relabel,\u00a0\n', "row 2: Wanted the new label of 'a'"),
    ('id,action,label\na,remove,\n', "row 2: Wanted relabel, leave_out, keep .*got 'remove'"),
    ('id,action,label\na,keep,yes\n', "row 2: 'keep' takes no label, got 'yes'"),
    ('id,action,label\n,keep,\n', "row 2: The column 'id' is empty"),
    ('id,action,label\na,keep,\nb,keep,\na,keep,\n', "row 4: .*'a' stands in row 2 already"),
    ('id,action,label\na,keep\n', 'row 2: Wanted 3 cells, as the header has, got 2'),
    ('id,action,label\n"a,keep,\n', 'row 2: It cannot be read'),
    ('id,action,label\na\0,keep,\n', 'a binary one'),
  ],
)
def test_what_is_wrong_is_refused_with_its_row(text, said):
  with pytest.raises(errors.ConfigError, match=rf'--corrections=c.csv.*{said}'):
    parsed(text)


def test_other_bytes_than_utf8_and_too_much_are_refused(monkeypatch):
  with pytest.raises(errors.ConfigError, match='row 3: Wanted text in UTF-8, got the byte 0xe9'):
    corrections.parse(b'id,action,label\na,keep,\nb,relabel,caf\xe9\n', where='c.csv')
  monkeypatch.setattr(corrections, 'MOST', 2)
  with pytest.raises(errors.ConfigError, match='row 4: Wanted at most 2 corrections'):
    parsed('id,action\na,keep\nb,keep\nc,keep\n')
  monkeypatch.setattr(corrections, 'MAX_BYTES', 1 << 20)
  with pytest.raises(errors.ConfigError, match='Wanted at most 1 MiB, and there are more'):
    parsed('id,action\n' + 'x' * (2 << 20))


@hypothesis.given(
  st.dictionaries(
    st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0'), min_size=1).filter(
      lambda text: text.strip()
    ),
    st.sampled_from(['<script>', '"quoted"', '一', "it's", 'a,b', 'c\nd']),
    min_size=1,
  )
)
def test_any_id_and_label_comes_back(wanted):
  stream = io.StringIO(newline='')
  writer = csv.writer(stream)
  writer.writerow(corrections.COLUMNS)
  writer.writerows((clip, 'relabel', label) for clip, label in wanted.items())
  found = parsed(stream.getvalue()).by_id()
  assert found == {clip: ('relabel', label) for clip, label in wanted.items()}
