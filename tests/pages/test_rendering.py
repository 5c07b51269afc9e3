"""Templates: what is shown, and what is never run."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages import rendering
from tests.helpers import exploring


def page(title='', *, content='text', numbers=(), remarks=()):
  parts = [('first', 'First', 'The first', content), ('empty', 'Empty', 'Empty', ' \n')]
  return rendering.render(
    'frame.html.j2', title=title, kind='page', numbers=numbers, parts=parts, remarks=remarks
  )


@given(st.text())
def test_text_is_shown_and_never_read_as_html(words):
  source = page(words, numbers=[(words, words)], remarks=[words])
  plain = exploring.Page(page('x', numbers=[('x', 'x')], remarks=['x']))
  assert [tag for tag, _ in exploring.Page(source).tags] == [tag for tag, _ in plain.tags]
  assert '\u202e' not in source
  source.encode('utf-8')


@pytest.mark.parametrize(
  'words', ['<script>alert(1)</script>', '"quoted" & \'so\'', '{{ 7 * 7 }}', '&lt;']
)
def test_signs_of_html_and_of_templates_are_shown_as_they_are(words):
  found = exploring.Page(page(words, content=words, remarks=[words]))
  assert found.text.count(words) == 4
  assert 'script' not in [tag for tag, _ in found.tags]


def test_names_that_are_no_utf8_can_be_shown():
  assert 'a?.wav' in page(os.fsdecode(b'a\xff.wav'))


def test_a_part_with_nothing_in_it_is_left_out():
  found = exploring.Page(page())
  assert found.ids == ['first']
  assert 'Empty' not in found.text


def test_a_page_stands_alone():
  found = exploring.Page(page())
  assert found.addresses == ['#first']
  assert 'url(' not in page()


def test_without_jinja2_the_sentence_names_the_extra(tmp_path):
  code = (
    'import sys; sys.modules["jinja2"] = None; from beam_jobs import explore;'
    f'sys.argv = ["explore", "--data={tmp_path}"]; sys.exit(explore.run())'
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
  assert done.returncode == 2
  assert "pip install 'voxshard[report]'" in done.stderr
  assert 'Traceback' not in done.stderr
