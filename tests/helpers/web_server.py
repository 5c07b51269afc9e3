"""A web server on loopback that behaves as badly as it is told to."""

import contextlib
import dataclasses
import http.server
import re
import threading


@dataclasses.dataclass
class Page:
  """What is at one address, and how it is delivered.

  Attributes:
    content: The bytes.
    tag: ETag; '' for none.
    has_ranges: Whether a part may be asked for.
    statuses: Answers before the first good one, such as [503, 503].
    cuts: How many bytes the first answers send before the connection ends.
    says_length: What Content-Length says in place of the truth; -1: nothing at all.
    tells_size: Whether Content-Range tells the size of the file.
    after: What is at the address after the first answer, in place of `content`.
    requests: The Range of every request but HEAD; '' for none.
  """

  content: bytes
  tag: str = '"1"'
  has_ranges: bool = True
  statuses: list[int] = dataclasses.field(default_factory=list)
  cuts: list[int] = dataclasses.field(default_factory=list)
  says_length: int | None = None
  tells_size: bool = True
  after: bytes | None = None
  requests: list[str] = dataclasses.field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = 'HTTP/1.1'

  def do_GET(self):
    page = self.server.pages.get(self.path)
    if page is None:
      self._end(404)
      return
    wanted = self.headers.get('Range', '')
    if self.command == 'GET':
      page.requests.append(wanted)
      if page.statuses:
        self._end(page.statuses.pop(0))
        return
    content = page.content
    match = re.fullmatch(r'bytes=(\d+)-(\d*)', wanted)
    if match and page.has_ranges and self.headers.get('If-Range', page.tag) == page.tag:
      start = int(match[1])
      end = min(int(match[2]) + 1 if match[2] else len(content), len(content))
      if start >= len(content):
        self._end(416)
        return
      self.send_response(206)
      size = len(content) if page.tells_size else '*'
      self.send_header('Content-Range', f'bytes {start}-{end - 1}/{size}')
      body = content[start:end]
    else:
      self.send_response(200)
      body = content
    if page.tag:
      self.send_header('ETag', page.tag)
    length = len(body) if page.says_length is None else page.says_length
    if length >= 0:
      self.send_header('Content-Length', str(length))
    self.send_header('Connection', 'close')
    self.end_headers()
    self.close_connection = True
    if self.command == 'HEAD':
      return
    if page.after is not None:
      page.content, page.tag, page.after = page.after, '"2"', None
    with contextlib.suppress(OSError):
      self.wfile.write(body[: page.cuts.pop(0)] if page.cuts else body)

  do_HEAD = do_GET  # noqa: N815 - As the library calls it.

  def _end(self, status):
    self.send_response(status)
    self.send_header('Content-Length', '0')
    self.end_headers()

  def log_message(self, *_):
    pass


@contextlib.contextmanager
def serving(pages):
  """Gives the address of a server of `pages`, a dictionary that may change meanwhile."""
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Handler)
  server.daemon_threads = True
  server.pages = pages
  # Looks every 10 ms whether it is to end: tests begin and end many.
  thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
  thread.start()
  try:
    yield f'http://127.0.0.1:{server.server_address[1]}'
  finally:
    server.shutdown()
    server.server_close()
    thread.join()
