"""The page in Chromium, with a microphone that hears a file; the program in its own process."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

from tests.helpers import browser
from tests.trainer.app import conftest

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror=alert(1)>.wav'
ROOT = pathlib.Path(__file__).parents[3]
# Gradio's own scripts say so of every upload.
NOTHING = 'Method not implemented.'


class App:
  """The running program: its address, and where it keeps things."""

  def __init__(self, process, url, kept, temporary):
    self.process, self.url, self.kept, self.temporary = process, url, kept, temporary

  @property
  def uploads(self):
    # Gradio makes empty files too.
    found = []
    for path in self.temporary.glob('voxshard-app-*/**/*'):
      with contextlib.suppress(FileNotFoundError):  # Gone meanwhile.
        if path.is_file() and path.stat().st_size:
          found.append(path)
    return found


@contextlib.contextmanager
def started(*argv, temporary, kept):
  environment = {
    **os.environ,
    'TMPDIR': str(temporary),
    # Whoever asks another machine fails, and says so.
    **{name: 'http://127.0.0.1:9' for name in ('http_proxy', 'https_proxy', 'all_proxy')},
    'no_proxy': '',
  }
  command = [sys.executable, '-m', 'trainer.app', '--port=0', f'--keep={kept}', *argv]
  with subprocess.Popen(
    command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  ) as process:
    ended = threading.Timer(300, process.kill)
    ended.start()
    try:
      line = process.stdout.readline()
      ended.cancel()  # It says something, so nobody waits for it in vain.
      found = re.search(r'http://\S+', line)
      assert found, (line, process.stderr.read())
      yield App(process, found[0], kept, temporary)
    finally:
      ended.cancel()
      process.kill()


@pytest.fixture(scope='module')
def app(talking, tmp_path_factory):
  folder = tmp_path_factory.mktemp('app')
  (folder / 'tmp').mkdir()
  run = talking / 'run'
  with started(
    f'--run_dir={run}', f'--beside={run}', temporary=folder / 'tmp', kept=folder / 'kept'
  ) as found:
    yield found


@pytest.fixture
def page(chromium, app):
  page = chromium.opened(app.url)
  yield page
  page.close()


def answer(page, *, after):
  """Returns the text of the answer whose first line is `after`."""
  page.tab.wait_for_selector(f'.vs-name:has-text("{after}")')
  return page.tab.inner_text('#answers')


def sentence(page):
  page.tab.wait_for_selector('#answers [role=alert]')
  return page.tab.inner_text('#answers [role=alert]')


def give(page, path):
  page.tab.click('role=tab[name="A file"]')
  page.tab.set_input_files('#upload input[type=file]', path)


def complaints(page):
  return [text for text in page.errors if text != NOTHING]


def asked_elsewhere(page, app):
  return [url for url in page.requests if not url.startswith(app.url)]


def test_it_hears_what_is_spoken_and_keeps_it(chromium, app, tmp_path):
  spoken = np.concatenate([np.zeros(1_000), conftest.tone('mid', 3)])
  soundfile.write(tmp_path / 'mid.wav', spoken, conftest.RATE_HZ, subtype='PCM_16')
  with chromium.beside(*browser.hearing(tmp_path / 'mid.wav')) as listening:
    page = listening.opened(app.url)
    page.tab.click('#microphone button:has-text("Record")')
    # There when it records: until then a busy machine takes a while.
    page.tab.wait_for_selector('#microphone button:has-text("Stop")')
    page.tab.wait_for_timeout(2_500)
    page.tab.click('#microphone button:has-text("Stop")')
    said = answer(page, after='Microphone')
    assert page.tab.inner_text('.vs-best').startswith('mid')
    assert 'The model hears 1 s at a time' in said
    assert page.evaluate('document.querySelector("#answers audio").duration') == pytest.approx(1)
    page.tab.fill('#label input', '../out')
    page.press('Enter')
    page.tab.click('button#keep')
    page.tab.wait_for_selector('#kept [role=alert]')
    page.tab.fill('#label input', 'mid')
    page.press('Enter')
    page.tab.fill('#speaker input, #speaker textarea', 'Zoë')
    page.tab.click('button#keep')
    page.tab.wait_for_selector('#kept [role=status]')
    (kept,) = app.kept.glob('mid/*.wav')
    assert kept.name.startswith('Zoë_')
    assert complaints(page) == []
    assert asked_elsewhere(page, app) == []
  assert app.uploads == []


def test_files_are_heard_or_refused_in_a_sentence(page, app, tmp_path):
  soundfile.write(tmp_path / HOSTILE, conftest.tone('low', 0.7), conftest.RATE_HZ)
  give(page, tmp_path / HOSTILE)
  said = answer(page, after='onerror')
  assert page.tab.inner_text('.vs-best').startswith('low')
  assert 'img src=x' in said
  (tmp_path / 'text.wav').write_text('no sound at all')
  give(page, tmp_path / 'text.wav')
  assert 'Wanted a format' in sentence(page)
  give(page, tmp_path / HOSTILE)
  answer(page, after='onerror')
  soundfile.write(tmp_path / 'long.flac', np.zeros(30 * 60 * 8_000, np.int16), 8_000)
  give(page, tmp_path / 'long.flac')
  assert 'Wanted at most 5 min, got 30 min' in sentence(page).replace('.0 min', ' min')
  assert complaints(page) == []
  assert asked_elsewhere(page, app) == []
  assert app.uploads == []


def test_what_a_browser_records_is_heard_without_ffmpeg(page, app, tmp_path):
  av = pytest.importorskip('av')
  path = tmp_path / 'phone.webm'
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('libopus', rate=48_000)
    stream.layout = 'mono'
    samples = np.repeat(conftest.tone('low', 0.9), 6)[np.newaxis].astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format='fltp', layout='mono')
    frame.sample_rate = 48_000
    for packet in [*stream.encode(frame), *stream.encode(None)]:
      container.mux(packet)
  give(page, path)
  answer(page, after='phone.webm')
  assert page.tab.inner_text('.vs-best').startswith('low')


@pytest.mark.parametrize('width', [1280, 400])
@pytest.mark.parametrize('dark', [False, True])
def test_clips_of_the_test_are_picked_and_the_page_fits(chromium, app, width, dark):
  page = chromium.opened(app.url, width=width, dark=dark)
  page.tab.click('role=tab[name="Test clips"]')
  page.tab.click('button#next')
  page.tab.wait_for_selector('.vs-best')
  first = page.tab.inner_text('#answers .vs-name')
  assert page.tab.locator('.vs-best').count() == 2  # Of both models.
  assert page.tab.locator('.vs-right').count() == 2
  assert page.tab.locator('#answers svg.panel').count() == 2
  page.tab.focus('button#next')
  page.press('Enter')
  page.tab.wait_for_function(
    'first => document.querySelector("#answers .vs-name").innerText !== first', arg=first
  )
  assert not page.is_too_wide()
  lightness = page.evaluate(
    'getComputedStyle(document.querySelector("#answers .vs-card")).backgroundColor'
    '.match(/[0-9]+/g).reduce((a, b) => a + +b, 0)'
  )
  assert (lightness < 200) == dark
  unnamed = page.evaluate(
    '[...document.querySelectorAll("input:not([type=file]), textarea, audio, svg[role]")]'
    '.filter(one => one.checkVisibility() && !(one.ariaLabel || one.labels?.length'
    ' || one.closest("label"))).map(one => one.outerHTML)'
  )
  assert unnamed == []
  assert complaints(page) == []
  assert asked_elsewhere(page, app) == []
  page.close()


def test_gradio_takes_no_other_file(page, app, tmp_path):
  (tmp_path / 'secret.wav').write_text('x')
  ask = """async ([path, event]) => {
    const shown = await fetch('gradio_api/file=' + path);
    const asked = await fetch('gradio_api/queue/join', {method: 'POST',
      headers: {'content-type': 'application/json'}, body: JSON.stringify(event)});
    return [shown.status, asked.status, await asked.text()]}"""
  path = str(tmp_path / 'secret.wav')
  event = {'data': [{'path': path, 'meta': {'_type': 'gradio.FileData'}}], 'fn_index': 0,
           'session_hash': 'x'}  # fmt: skip
  assert page.tab.evaluate(ask, [path, event]) == [
    404, 403, 'Only files that were uploaded here are heard.',
  ]  # fmt: skip


def test_sigterm_ends_it_and_nothing_is_left(app):
  app.process.send_signal(signal.SIGTERM)
  assert app.process.wait(300) == 0
  assert app.process.stdout.read() == 'closed\n'
  assert app.process.stderr.read() == ''
  assert list(app.temporary.glob('voxshard-*')) == []
