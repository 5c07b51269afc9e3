"""A stand-in on loopback for Dataflow's REST service: takes jobs, has them done, tells the end."""

import http.server
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

_JOBS = re.compile(r'/v1b3/projects/[^/]+/locations/[^/]+/jobs')
_JOB = re.compile(_JOBS.pattern + r'/(?P<id>[^/]+)')
_MESSAGES = re.compile(_JOB.pattern + '/messages')
_METRICS = re.compile(_JOB.pattern + '/metrics')

# Does what the workers would do with a job request; what it raises is why the job failed.
Work = Callable[[dict[str, Any]], None]


class DataflowService:
  """A running server.

  Attributes:
    work: Does the jobs; tests replace it.
    url: What --dataflow_endpoint is set to. Beam takes another transport for any but localhost.
    jobs: The job requests that came, as JSON.
    asked: Set as soon as somebody has asked what the workers of the latest job complained of.
    refuse_with: Status and message to answer every request with; None to serve them.
  """

  def __init__(self, work: Work = lambda job: None) -> None:
    self.work = work
    self._states: list[str] = []
    self._errors: list[str] = []
    self.jobs: list[dict[str, Any]] = []
    self.asked = threading.Event()
    self.refuse_with: tuple[int, str] | None = None
    self._server = http.server.ThreadingHTTPServer(
      ('127.0.0.1', 0), lambda *args: _Handler(self, *args)
    )
    self.url = f'http://localhost:{self._server.server_port}'

  def create(self, job: dict[str, Any]) -> dict[str, Any]:
    """Starts a job; returns it as the service shows it."""
    number = len(self.jobs)
    self.jobs.append(job)
    self._states.append('JOB_STATE_RUNNING')
    self._errors.append('')
    self.asked.clear()
    accepted = self.show(f'job-{number}')
    threading.Thread(target=self._run, args=(number,), daemon=True).start()
    return accepted

  def show(self, job_id: str) -> dict[str, Any]:
    """Returns a job as the service shows it."""
    number = int(job_id.removeprefix('job-'))
    job = self.jobs[number]
    return {
      'id': job_id,
      'name': job['name'],
      'clientRequestId': job['clientRequestId'],
      'currentState': self._states[number],
    }

  def messages(self, job_id: str) -> list[dict[str, str]]:
    """Returns what the job's workers complained of."""
    text = self._errors[int(job_id.removeprefix('job-'))]
    self.asked.set()
    if not text:
      return []
    return [
      {
        'id': '1',
        'time': '2026-01-01T00:00:00Z',
        'messageText': text,
        'messageImportance': 'JOB_MESSAGE_ERROR',
      }
    ]

  def _run(self, number: int) -> None:
    try:
      self.work(self.jobs[number])
    except Exception as error:
      self._errors[number] = str(error)
      self._states[number] = 'JOB_STATE_FAILED'
    else:
      self._states[number] = 'JOB_STATE_DONE'

  def __enter__(self) -> 'DataflowService':
    threading.Thread(target=self._server.serve_forever, daemon=True).start()
    return self

  def __exit__(self, *_: object) -> None:
    self._server.shutdown()
    self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
  def __init__(self, service: DataflowService, *args: Any) -> None:
    self._service = service
    super().__init__(*args)

  def do_POST(self) -> None:
    data = self.rfile.read(int(self.headers.get('Content-Length') or 0))
    if self._refused():
      return
    if _JOBS.fullmatch(self.path.partition('?')[0]):
      self._send(self._service.create(json.loads(data)))
    else:
      self._send({'error': {'code': 404, 'message': f'no such method: {self.path}'}}, 404)

  def do_GET(self) -> None:
    if self._refused():
      return
    path = self.path.partition('?')[0]
    if found := _MESSAGES.fullmatch(path):
      self._send({'jobMessages': self._service.messages(found['id'])})
    elif _METRICS.fullmatch(path):
      self._send({'metricTime': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())})
    elif found := _JOB.fullmatch(path):
      self._send(self._service.show(found['id']))
    else:
      self._send({'error': {'code': 404, 'message': f'no such method: {self.path}'}}, 404)

  def log_message(self, *args: object) -> None:
    """Says nothing: the tests look at what was asked."""

  def _refused(self) -> bool:
    if self._service.refuse_with is None:
      return False
    status, message = self._service.refuse_with
    self._send({'error': {'code': status, 'message': message, 'status': 'REFUSED'}}, status)
    return True

  def _send(self, content: dict[str, Any], status: int = 200) -> None:
    data = json.dumps(content).encode()
    self.send_response(status)
    self.send_header('Content-Type', 'application/json')
    self.send_header('Content-Length', str(len(data)))
    self.end_headers()
    self.wfile.write(data)
