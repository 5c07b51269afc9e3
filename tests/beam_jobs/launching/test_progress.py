import io
import re
import shutil
import time

import pytest

from beam_jobs.launching import progress
from beam_jobs.processes import side_channel
from tfrecords.storage import waiting


class Terminal(io.StringIO):
  def isatty(self):
    return True


def test_a_plain_line_says_how_far_and_how_long():
  line = progress.plain_line(2_000, 500, 1_800.0, 10.0)
  assert line == '500 / 2000 clips, 50 clips/s, 0.50 h of audio, 30 s left'
  of_pictures = progress.plain_line(2_000, 500, 0.0, 10.0)
  assert of_pictures == '500 / 2000 files, 50 files/s, 30 s left'
  assert 'listing' in progress.plain_line(0, 0, 0.0, 0.0)
  assert 'unknown' in progress.plain_line(10, 0, 0.0, 0.0)


def test_who_looks_late_does_not_count_from_the_start_of_the_machine():
  assert progress._Clock().elapsed_s(done=7) < 600  # Of a machine that is up for longer.


@pytest.fixture(autouse=True)
def listener(monkeypatch):
  """Who listens is of this process, so the next test has another."""
  monkeypatch.setattr(waiting, 'listener', waiting.print_note)


def watch(folder, out):
  channel = side_channel.SideChannel(folder=str(folder))
  with progress.showing(channel, out):
    channel.set_total(40)
    page = channel.worker_page()
    waiting.listener('waiting for gs://bucket/x.wav: long.')
    for _ in range(4):
      page.advance(10, 3_600.0)
      time.sleep(0.25)
    page.close()
  shutil.rmtree(folder)
  waiting.listener('waiting for the manifest.')  # The job is over.
  return out.getvalue()


def test_a_terminal_gets_a_live_bar(tmp_path):
  said = watch(tmp_path, Terminal())
  assert 'featurizing' in said and '40/40' in said
  assert re.search(r'\d+ clips/s', said) and '4.00 h of audio' in said
  assert said.count('note: waiting for gs://bucket/x.wav: long.') == 1


def test_elsewhere_there_are_plain_lines(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(progress, '_PLAIN_INTERVAL_S', 0.2)
  said = watch(tmp_path, io.StringIO())
  assert re.search(r'^\d+ / 40 clips, \d+ clips/s, \d\.00 h of audio', said, re.MULTILINE)
  assert '\x1b' not in said
  assert said.count('note: waiting for gs://bucket/x.wav: long.\n') == 1
  assert capsys.readouterr().err == 'note: waiting for the manifest.\n'
