"""A real browser that looks at a page, for tests: the system's Chromium, driven by Playwright.

Playwright's own browsers are not fetched: what it drives is the Chromium of the PATH. As long as a
browser is open, its thread has a running event loop: what calls asyncio.run there is refused. A
program under test that needs a loop runs in a process of its own.
"""

import contextlib
import os
import pathlib
import shutil

import pytest

_NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
# What never comes takes so long; on a busy machine a browser's start takes a good part of a minute.
_WAIT_S = 180.0


def program():
  """Returns the path of Chromium; skips the test where there is none."""
  named = os.environ.get('VOXSHARD_CHROMIUM')
  found = named or next(filter(None, map(shutil.which, _NAMES)), None)
  if not found:
    pytest.skip('no Chromium (Debian: apt install chromium, or VOXSHARD_CHROMIUM=PATH)')
  return found


def hearing(wav_file):
  """Returns the arguments of a browser whose microphone is a WAV file, over and over."""
  return (
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',  # The microphone is given without a question.
    f'--use-file-for-fake-audio-capture={wav_file}',
  )


@contextlib.contextmanager
def running(*arguments):
  """Gives a browser, started with further arguments, such as those of `hearing`."""
  program()
  # Imported late: tests that need no browser do not pay for it.
  from playwright import sync_api  # noqa: PLC0415

  with sync_api.sync_playwright() as playwright, _launched(playwright, arguments) as found:
    yield found


@contextlib.contextmanager
def _launched(playwright, arguments):
  chromium = playwright.chromium.launch(
    executable_path=program(),
    timeout=1_000 * _WAIT_S,
    chromium_sandbox=False,  # root has none, and containers allow none; the pages are our own.
    args=['--autoplay-policy=no-user-gesture-required', *arguments],
  )
  try:
    yield Browser(playwright, chromium)
  finally:
    chromium.close()


class Browser:
  """Opens pages; made by `running`."""

  def __init__(self, playwright, chromium):
    self._playwright, self._chromium = playwright, chromium

  def beside(self, *arguments):
    """Gives another browser, as `running` does: a thread has one Playwright."""
    return _launched(self._playwright, arguments)

  def opened(self, path, *, width=1280, height=900, dark=False):
    """Returns a page that is loaded, of a file or an address; it shares no storage with others."""
    context = self._chromium.new_context(
      viewport={'width': width, 'height': height}, color_scheme='dark' if dark else 'light'
    )
    context.set_default_timeout(1_000 * _WAIT_S)
    page = Page(context.new_page())
    page.go(str(path) if '://' in str(path) else pathlib.Path(path).absolute().as_uri())
    return page


class Page:
  """A page in the browser.

  Attributes:
    tab: Playwright's page, for what is not here.
    url: What was loaded.
  """

  def __init__(self, tab):
    self.tab, self.url = tab, ''
    self._errors, self._requests = [], []
    tab.on('pageerror', lambda error: self._errors.append(str(error)))
    tab.on('console', self._said)
    tab.on('request', lambda request: self._requests.append(request.url))

  def go(self, url):
    """Loads an address."""
    self.url = url
    self.tab.goto(url)

  def evaluate(self, expression):
    """Returns what an expression of JavaScript, or the promise that it gives, comes to."""
    return self.tab.evaluate(expression)

  def press(self, key):
    """Presses and lets go a key, such as `x` or `ArrowDown`."""
    self.tab.keyboard.press(key)

  def saved(self, selector, folder):
    """Clicks what saves a file; returns where it is now, under its own name."""
    with self.tab.expect_download() as found:
      self.tab.click(selector)
    path = pathlib.Path(folder) / found.value.suggested_filename
    found.value.save_as(path)
    return path

  def is_too_wide(self):
    """Whether the page has to be pushed to the side to be read."""
    return self.evaluate('document.documentElement.scrollWidth > window.innerWidth')

  @property
  def errors(self):
    """What the console complains of, and what scripts threw."""
    self.evaluate('0')  # What was said until now is received.
    return list(self._errors)

  @property
  def requests(self):
    """All that was fetched but the page itself and what stands in it."""
    self.evaluate('0')
    return [url for url in self._requests if not url.startswith(('data:', 'blob:', self.url))]

  def _said(self, message):
    if message.type in ('error', 'warning'):
      self._errors.append(message.text)

  def screenshot(self, path):
    """Writes a PNG of the whole page."""
    self.tab.screenshot(path=path, full_page=True)

  def close(self):
    """Closes it, with its storage."""
    self.tab.context.close()
