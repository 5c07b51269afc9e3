import io
import re
import time

from beam_jobs.launching import progress
from beam_jobs.processes import side_channel


class Terminal(io.StringIO):
  def isatty(self):
    return True


def test_a_plain_line_says_how_far_and_how_long():
  line = progress.plain_line(2_000, 500, 1_800.0, 10.0)
  assert line == '500 / 2000 clips, 50 clips/s, 0.50 h of audio, 30 s left'
  assert 'listing' in progress.plain_line(0, 0, 0.0, 0.0)
  assert 'unknown' in progress.plain_line(10, 0, 0.0, 0.0)


def watch(folder, out):
  channel = side_channel.SideChannel(folder=str(folder))
  with progress.showing(channel, out):
    channel.set_total(40)
    page = channel.worker_page()
    for _ in range(4):
      page.advance(10, 3_600.0)
      time.sleep(0.25)
    page.close()
  return out.getvalue()


def test_a_terminal_gets_a_live_bar(tmp_path):
  said = watch(tmp_path, Terminal())
  assert 'featurizing' in said and '40/40' in said
  assert re.search(r'\d+ clips/s', said) and '4.00 h of audio' in said


def test_elsewhere_there_are_plain_lines(tmp_path, monkeypatch):
  monkeypatch.setattr(progress, '_PLAIN_INTERVAL_S', 0.2)
  said = watch(tmp_path, io.StringIO())
  assert re.search(r'^\d+ / 40 clips, \d+ clips/s, \d\.00 h of audio', said, re.MULTILINE)
  assert '\x1b' not in said
