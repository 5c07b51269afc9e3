import io
import re
import time

from beam_jobs.launching import progress


class Terminal(io.StringIO):
  def isatty(self):
    return True


def test_the_counts_of_all_workers_add_up(tmp_path):
  folder = str(tmp_path / 'progress')
  progress.set_total(folder, 100)
  first, second = progress.Meter(folder), progress.Meter(folder)
  first.advance(10, 5.0)
  first.advance(10, 5.0)
  second.advance(7, 3.5)
  assert progress.counts(folder) == (100, 27, 13.5)
  first.close()
  second.close()


def test_nothing_to_count_yet(tmp_path):
  assert progress.counts(str(tmp_path / 'none')) == (0, 0, 0.0)


def test_a_half_written_counter_is_no_error(tmp_path):
  (tmp_path / 'worker-1').write_bytes(b'\x01')
  (tmp_path / 'total').write_text('')
  assert progress.counts(str(tmp_path)) == (0, 0, 0.0)


def test_a_plain_line_says_how_far_and_how_long():
  line = progress.plain_line(2_000, 500, 1_800.0, 10.0)
  assert line == '500 / 2000 clips, 50 clips/s, 0.50 h of audio, 30 s left'
  assert 'listing' in progress.plain_line(0, 0, 0.0, 0.0)
  assert 'unknown' in progress.plain_line(10, 0, 0.0, 0.0)


def watch(folder, out):
  with progress.showing(folder, out):
    progress.set_total(folder, 40)
    meter = progress.Meter(folder)
    for _ in range(4):
      meter.advance(10, 3_600.0)
      time.sleep(0.25)
    meter.close()
  return out.getvalue()


def test_a_terminal_gets_a_live_bar(tmp_path):
  said = watch(str(tmp_path / 'progress'), Terminal())
  assert 'featurizing' in said and '40/40' in said
  assert re.search(r'\d+ clips/s', said) and '4.00 h of audio' in said


def test_elsewhere_there_are_plain_lines(tmp_path, monkeypatch):
  monkeypatch.setattr(progress, '_PLAIN_INTERVAL_S', 0.2)
  said = watch(str(tmp_path / 'progress'), io.StringIO())
  assert re.search(r'^\d+ / 40 clips, \d+ clips/s, \d\.00 h of audio', said, re.MULTILINE)
  assert '\x1b' not in said


def test_the_counters_are_gone_afterwards(tmp_path):
  folder = tmp_path / 'progress'
  watch(str(folder), io.StringIO())
  assert not folder.exists()
