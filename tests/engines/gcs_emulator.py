"""Cloud Storage on loopback, for tests: gcp-storage-emulator, served to many clients at once.

Added to the emulator are what real buckets do and a job must bear: lists come in pages, requests
come many at a time, and any request can be refused.
"""

import contextlib
import http.server
import io
import json
import pathlib
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator

import gcp_storage_emulator.server
import gcp_storage_emulator.storage
from gcp_storage_emulator.handlers import buckets
from google.auth import credentials
from google.cloud import storage

# Real pages hold 1,000 names; with fewer, a small corpus has several.
PAGE_NAMES = 20

_LIST = re.compile(r'/storage/v1/b/(?P<bucket>[^/]+)/o')

# Method and path -> the status to refuse with; None lets the request pass.
Refuse = Callable[[str, str], int | None]


class _Memory(gcp_storage_emulator.storage.Storage):
  """Objects in memory. The emulator would write a list of them all for each one that changes."""

  def __init__(self) -> None:
    super().__init__(use_memory_fs=True)

  def _write_config_to_file(self) -> None:
    pass


class GcsEmulator:
  """A running server.

  Attributes:
    url: What STORAGE_EMULATOR_HOST is set to.
    refuse: Answers requests with errors; tests replace it.
    requests: Method and path of every request.
    sent_bytes: Sent of objects' contents.
  """

  scheme = 'gs'

  def __init__(self) -> None:
    self._memory = _Memory()
    self._lock = threading.Lock()
    self.refuse: Refuse = lambda method, path: None
    self.requests: list[tuple[str, str]] = []
    self.sent_bytes = 0
    self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), self._handler)
    self.url = f'http://127.0.0.1:{self._server.server_port}'
    self._client = storage.Client(
      project='emulated',
      credentials=credentials.AnonymousCredentials(),
      client_options={'api_endpoint': self.url},
    )

  def make_bucket(self, name: str) -> None:
    """Makes an empty bucket."""
    buckets.create_bucket(name, self._memory)

  def put(self, bucket: str, name: str, data: bytes) -> None:
    """Stores an object, as `gcloud storage cp` would."""
    with self._client.bucket(bucket).blob(name).open('wb', ignore_flush=True) as stream:
      stream.write(data)

  def put_folder(self, bucket: str, prefix: str, folder: pathlib.Path) -> None:
    """Stores a folder's files under a prefix, as `gcloud storage cp -r` would."""
    for path in sorted(folder.rglob('*')):
      if path.is_file():
        self.put(bucket, f'{prefix}/{path.relative_to(folder).as_posix()}', path.read_bytes())

  def get(self, bucket: str, name: str) -> bytes:
    """Returns an object's content."""
    return self._memory.get_file(bucket, name)

  def remove(self, bucket: str, name: str) -> None:
    """Deletes an object."""
    self._memory.delete_file(bucket, name)

  def names(self, bucket: str, prefix: str = '') -> list[str]:
    """Returns the sorted names of the objects whose name starts so."""
    items, _ = self._memory.get_file_list(bucket, prefix)
    return [item['name'] for item in items]

  def num_lists(self) -> int:
    """Returns how often a page of names was asked for."""
    return sum('/o?' in path for _, path in self.requests)

  def num_reads(self) -> int:
    """Returns how often an object, or what is known of one, was asked for."""
    # Beside these, Google's client asks for the bucket, once for each client that is made.
    return sum('/o/' in path for _, path in self.requests)

  def unfinished(self, bucket: str) -> int:
    """Returns how many uploads have begun, and not ended; nobody can tell."""
    return 0

  def __enter__(self) -> 'GcsEmulator':
    threading.Thread(target=self._server.serve_forever, daemon=True).start()
    return self

  def __exit__(self, *_: object) -> None:
    self._server.shutdown()
    self._server.server_close()

  def _handler(self, *args: object) -> '_Handler':
    return _Handler(self, self._memory, *args)

  @contextlib.contextmanager
  def taking_turns(self) -> Iterator[None]:
    """The emulator's storage is not made for threads."""
    with self._lock:
      yield


class _Handler(gcp_storage_emulator.server.RequestHandler):
  def __init__(self, emulator: GcsEmulator, memory: _Memory, *args: object) -> None:
    self._emulator = emulator
    super().__init__(memory, *args)

  def parse_request(self) -> bool:
    if not super().parse_request():
      return False
    self._emulator.requests.append((self.command, self.path))
    status = self._emulator.refuse(self.command, urllib.parse.unquote(self.path))
    if status is None:
      return True
    self.rfile.read(int(self.headers.get('Content-Length') or 0))
    self._send({'error': {'code': status, 'message': 'refused by the test'}}, status)
    return False

  def do_GET(self) -> None:  # noqa: N802 - http.server's name.
    parts = urllib.parse.urlsplit(self.path)
    found = _LIST.fullmatch(parts.path)
    with self._emulator.taking_turns():
      if found and found['bucket'] in self.storage.buckets:
        self._send(self._page(found['bucket'], dict(urllib.parse.parse_qsl(parts.query))), 200)
      else:
        super().do_GET()

  def do_POST(self) -> None:  # noqa: N802 - http.server's name.
    with self._emulator.taking_turns():
      if 'ifGenerationMatch=0' in self.path and self._is_taken():
        self._send({'error': {'code': 412, 'message': 'conditionNotMet'}}, 412)
      else:
        super().do_POST()

  def _is_taken(self) -> bool:
    """Whether there is an object already that an upload is to create."""
    body = self.rfile.read(int(self.headers['Content-Length']))
    self.rfile = io.BytesIO(body)
    name = json.loads(re.search(rb'"name": ("[^"]*")', body)[1])
    bucket = self.path.split('/o?')[0].rpartition('/')[2]
    return name in {item['name'] for item in self.storage.get_file_list(bucket, name)[0]}

  def do_PUT(self) -> None:  # noqa: N802 - http.server's name.
    with self._emulator.taking_turns():
      super().do_PUT()

  def do_DELETE(self) -> None:  # noqa: N802 - http.server's name.
    with self._emulator.taking_turns():
      super().do_DELETE()

  def send_header(self, keyword: str, value: str) -> None:
    if keyword == 'Content-Length' and self.command == 'GET' and 'alt=media' in self.path:
      self._emulator.sent_bytes += int(value)
    super().send_header(keyword, value)

  def _page(self, bucket: str, query: dict[str, str]) -> dict[str, object]:
    items, folders = self.storage.get_file_list(bucket, query.get('prefix'), query.get('delimiter'))
    start = int(query.get('pageToken', 0))
    size = min(int(query.get('maxResults', PAGE_NAMES)), PAGE_NAMES)
    page: dict[str, object] = {'kind': 'storage#objects', 'items': items[start : start + size]}
    if folders and not start:
      page['prefixes'] = folders
    if start + size < len(items):
      page['nextPageToken'] = str(start + size)
    return page

  def _send(self, content: dict[str, object], status: int) -> None:
    data = json.dumps(content).encode()
    self.send_response(status)
    self.send_header('Content-Type', 'application/json')
    self.send_header('Content-Length', str(len(data)))
    self.end_headers()
    self.wfile.write(data)
