"""A real browser that looks at a page, for tests: Chromium without a window, over its own protocol.

The protocol goes through two pipes (--remote-debugging-pipe), so nothing listens on a port and no
further library is needed.
"""

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import time

import pytest

_NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
_WAIT_S = 60.0


def program():
  """Returns the path of Chromium; skips the test where there is none."""
  named = os.environ.get('VOXSHARD_CHROMIUM')
  found = named or next(filter(None, map(shutil.which, _NAMES)), None)
  if not found:
    pytest.skip('no Chromium (Debian: apt install chromium, or VOXSHARD_CHROMIUM=PATH)')
  return found


@contextlib.contextmanager
def running(folder):
  """Gives a browser whose own files lie in a folder."""
  (to_read, to_write), (from_read, from_write) = os.pipe(), os.pipe()
  # Away from 3 and 4, where the browser looks for its ends.
  theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, from_write)]

  def settle():
    for end, number in zip(theirs, (3, 4), strict=True):
      os.dup2(end, number)

  process = subprocess.Popen(
    [
      program(),
      '--headless=new',
      '--no-sandbox',  # There is none inside of containers; the pages are our own.
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-extensions',
      '--disable-background-networking',
      '--no-first-run',
      '--hide-scrollbars',
      '--autoplay-policy=no-user-gesture-required',
      f'--user-data-dir={folder}',
      '--remote-debugging-pipe',
      'about:blank',
    ],
    preexec_fn=settle,
    close_fds=False,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  for end in (*theirs, to_read, from_write):
    os.close(end)
  try:
    yield Browser(to_write, from_read)
  finally:
    process.terminate()
    process.wait(_WAIT_S)
    os.close(to_write)
    os.close(from_read)


class Browser:
  """Sends commands and receives what comes back; made by `running`."""

  def __init__(self, to_write, from_read):
    self._to_write, self._from_read = to_write, from_read
    self._buffer, self._number = b'', 0
    self.events = []

  def opened(self, path, *, width=1280, height=900, dark=False):
    """Returns a page that is loaded, of a file or an address."""
    target = self.call('Target.createTarget', {'url': 'about:blank'})['targetId']
    session = self.call('Target.attachToTarget', {'targetId': target, 'flatten': True})['sessionId']
    page = Page(self, target, session)
    for domain in ('Page', 'Runtime', 'Network', 'Log'):
      page.call(f'{domain}.enable')
    page.look(width=width, height=height, dark=dark)
    url = str(path) if '://' in str(path) else pathlib.Path(path).absolute().as_uri()
    page.go(url)
    return page

  def call(self, method, values=None, session=None):
    """Returns the result of a command; its failure is an AssertionError."""
    self._number += 1
    message = {'id': self._number, 'method': method, 'params': values or {}}
    if session:
      message['sessionId'] = session
    data = json.dumps(message).encode() + b'\0'
    while data:
      data = data[os.write(self._to_write, data) :]
    while True:
      got = self._message()
      if got.get('id') == self._number:
        assert 'error' not in got, f'{method}: {got["error"]}'
        return got['result']
      self.events.append(got)

  def wait(self, method, session):
    """Waits for an event, unless it came already."""
    while not any(e.get('method') == method and e.get('sessionId') == session for e in self.events):
      self.events.append(self._message())

  def forget(self, method, session):
    """Takes away the events that came already, so that the next is waited for."""
    self.events = [
      e for e in self.events if (e.get('method'), e.get('sessionId')) != (method, session)
    ]

  def _message(self):
    until_s = time.monotonic() + _WAIT_S
    while b'\0' not in self._buffer:
      ready, _, _ = select.select([self._from_read], [], [], until_s - time.monotonic())
      assert ready, f'the browser said nothing for {_WAIT_S:g} s'
      data = os.read(self._from_read, 1 << 20)
      assert data, 'the browser is gone'
      self._buffer += data
    message, _, self._buffer = self._buffer.partition(b'\0')
    return json.loads(message)


class Page:
  """A page in the browser."""

  def __init__(self, browser, target, session):
    self._browser, self._target, self._session = browser, target, session
    self.url = ''

  def call(self, method, values=None):
    """Returns the result of a command to this page."""
    return self._browser.call(method, values, self._session)

  def look(self, *, width=1280, height=900, dark=False):
    """Sets how large the window is, and whether its user likes it dark."""
    self.call(
      'Emulation.setDeviceMetricsOverride',
      {'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': False},
    )
    scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
    self.call('Emulation.setEmulatedMedia', {'features': [scheme]})

  def go(self, url):
    """Loads an address."""
    self.url = url
    self._browser.forget('Page.loadEventFired', self._session)
    self.call('Page.navigate', {'url': url})
    self._browser.wait('Page.loadEventFired', self._session)

  def evaluate(self, expression):
    """Returns what an expression of JavaScript, or the promise that it gives, comes to."""
    got = self.call(
      'Runtime.evaluate',
      {
        'expression': expression,
        'returnByValue': True,
        'awaitPromise': True,
        'userGesture': True,
      },
    )
    assert 'exceptionDetails' not in got, got['exceptionDetails']
    return got['result'].get('value')

  def press(self, key):
    """Presses and lets go a key, such as `x` or `ArrowDown`."""
    text = {'text': key} if len(key) == 1 else {}
    self.call('Input.dispatchKeyEvent', {'type': 'keyDown', 'key': key, **text})
    self.call('Input.dispatchKeyEvent', {'type': 'keyUp', 'key': key})

  def is_too_wide(self):
    """Whether the page has to be pushed to the side to be read."""
    return self.evaluate('document.documentElement.scrollWidth > window.innerWidth')

  @property
  def errors(self):
    """What the console complains of, and what scripts threw."""
    self.evaluate('0')  # What was said until now is received.
    found = []
    for event in self._of_mine():
      method, values = event['method'], event['params']
      if method == 'Runtime.exceptionThrown':
        found.append(values['exceptionDetails'])
      elif method == 'Runtime.consoleAPICalled' and values['type'] in ('error', 'warning'):
        found.append([argument.get('value') for argument in values['args']])
      elif method == 'Log.entryAdded' and values['entry']['level'] in ('error', 'warning'):
        found.append(values['entry']['text'])
    return found

  @property
  def requests(self):
    """All that was fetched but the page itself and what stands in it."""
    self.evaluate('0')
    return [
      url
      for event in self._of_mine()
      if event['method'] == 'Network.requestWillBeSent'
      and not (url := event['params']['request']['url']).startswith(('data:', 'blob:', self.url))
    ]

  def _of_mine(self):
    return [e for e in self._browser.events if e.get('sessionId') == self._session]

  def screenshot(self, path, *, whole=True):
    """Writes a PNG of the page."""
    values = {'format': 'png', 'captureBeyondViewport': whole}
    if whole:
      size = self.call('Page.getLayoutMetrics')['cssContentSize']
      values['clip'] = {
        'x': 0,
        'y': 0,
        'width': size['width'],
        'height': size['height'],
        'scale': 1,
      }
    data = self.call('Page.captureScreenshot', values)['data']
    pathlib.Path(path).write_bytes(base64.b64decode(data))

  def close(self):
    """Closes it."""
    self._browser.call('Target.closeTarget', {'targetId': self._target})
