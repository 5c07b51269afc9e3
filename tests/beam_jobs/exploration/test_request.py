"""Bad command lines: one sentence, exit code 2, nothing written."""

import os
import subprocess
import sys

import pytest

from tests.helpers import exploring


@pytest.mark.parametrize(
  ('argv', 'sentence'),
  [
    ((), 'What is to be looked at? Give --data=FOLDER'),
    (('--input={tmp}',), 'What is to be looked at'),
    (('--data={tmp}', '--source=folders'), 'Give one of the two'),
    (('--data={tmp}', '--input={tmp}'), 'Give one of the two'),
    (('--data={tmp}/none',), "There is no folder '{tmp}/none'"),
    (('--data={tmp}',), 'holds no data set: there is no manifest.json'),
    (('--data={tmp}/a.txt',), 'is a file'),
    (('--source=folders',), '--source=folders needs --input=FOLDER'),
    (('--source=folder', '--input={tmp}'), "Did you mean 'folders'?"),
    (('--source=folders:x=1', '--input={tmp}'), "has no setting 'x'"),
    (('--source=folders', '--input={tmp}/none'), 'There is no folder {tmp}/none'),
    (('--source=folders', '--input={tmp}'), 'There is no audio file below {tmp}'),
    (('--source=table', '--input={tmp}/none.csv'), 'none.csv'),
    (('--dta=x',), "Unknown command line flag 'dta'. Did you mean: data? See --help."),
    (('x',), "Expected flags such as --data=FOLDER, got 'x'"),
    (('--data={tmp}', '--max_clips=0'), 'max_clips'),
    (('--data={tmp}', '--max_examples=-1'), 'max_examples'),
    (('--data={tmp}', '--max_clips=many'), 'max_clips'),
    (('--data={tmp}', '--output={tmp}'), "--output='{tmp}' is a folder; a file was wanted"),
    (('--data={tmp}', '--output={tmp}/no/x.html'), "there is no folder '{tmp}/no'"),
    (('--data={tmp}', '--output='), '--output=FILE, the page to write, is empty'),
  ],
)
def test_a_bad_command_line_is_a_sentence(argv, sentence, tmp_path, capsys, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'a.txt').write_text('text')
  assert exploring.run(*(word.format(tmp=tmp_path) for word in argv)) == 2
  said = capsys.readouterr()
  assert not said.out
  assert said.err.startswith('error: ')
  assert sentence.format(tmp=tmp_path) in said.err
  assert 'Traceback' not in said.err
  assert [entry.name for entry in tmp_path.iterdir()] == ['a.txt']


def test_help_names_every_flag_and_starts_without_beam():
  code = (
    'import sys; from beam_jobs import explore; explore.main(["--help"]);'
    ' assert "apache_beam" not in sys.modules and "numpy" not in sys.modules'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True, env={**os.environ}
  )
  for flag in ('data', 'source', 'input', 'output', 'max_clips', 'max_examples'):
    assert f'--{flag}' in done.stdout


def test_nothing_of_the_page_imports_tensorflow():
  code = (
    'import sys; from beam_jobs.exploration import from_corpus, from_dataset, view;'
    ' assert "tensorflow" not in sys.modules and "matplotlib" not in sys.modules'
  )
  subprocess.run([sys.executable, '-c', code], check=True)
