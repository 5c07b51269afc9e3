"""Templates: what is shown, and what is never run."""

import html
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
  ('name', 'lines'),
  [
    ('tc_resnet:width=1.5,dropout=0.2', ['tc_', 'resnet:', 'width=1.5,', 'dropout=0.2']),
    ('a/b/1.wav', ['a/', 'b/', '1.wav']),
    ('words-of-2026-11-26', ['words-', 'of-2026-11-26']),
    ('-0.5 of 1,000', ['-0.5 of 1,000']),
    ("it's", ['it&#39;s']),
    ('<b>no</b>', ['&lt;b&gt;', 'no&lt;/', 'b&gt;']),
    ('零', ['零']),
  ],
)
def test_a_name_goes_on_in_the_next_line_behind_a_joint(name, lines):
  assert rendering.named(name).split('<wbr>') == lines
  assert rendering.named(5) == 5


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


@given(st.text(st.sampled_from('<&"ab1 %שع\u202e')))
def test_words_from_right_to_left_are_set_apart_and_nothing_is_lost(text):
  found = rendering.isolated(text)
  shown = found.replace('<bdi>', '').replace('</bdi>', '').replace('<wbr>', '')
  assert html.unescape(shown) == text.replace('\u202e', '�')
  assert '<' not in shown
  assert rendering.isolated(found) == found


def test_a_number_stays_behind_a_word_from_right_to_left():
  assert rendering.isolated('שלום עולם 93 %') == '<bdi>שלום עולם</bdi> 93 %'
