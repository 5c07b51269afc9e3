"""A server of answers in a thread, its clients, and a model that says what it was given.

As a program it serves the toy until a signal comes: no TensorFlow has to be loaded. Its arguments
are how long the model takes for a batch, and the program of the decoders.
"""

import concurrent.futures
import contextlib
import dataclasses
import http.client
import json
import sys
import threading
import time
import urllib.parse

import numpy as np

import features
from exports import export_file, exported
from schemas import audio as audio_schema
from trainer.decoders import decoder_pool
from trainer.serve import answering_service, serve_config, upload_decoder, web_server

RATE_HZ = 8_000
LABELS = ('no', 'stop', 'yes')


class Toy:
  """Says `yes` with the probability of a clip's first sample, and fails where that is -0.5.

  Attributes:
    export: What it takes: clips of a tenth of a second.
    gate: While it is not set, the model takes its time.
    batches: The sizes of the batches.
  """

  def __init__(self, *, delay_s=0.0):
    spec = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.1)
    feature = features.spec(*features.parse('waveform'), spec)
    self.export = export_file.Export(
      model='toy', labels=LABELS, audio=spec, feature=feature, min_samples=1, most_samples=800,
      temperature=1.0, none_score='softmax', none_threshold=0.5, formats={}, origin={},
    )  # fmt: skip
    self.gate = threading.Event()
    self.gate.set()
    self.batches = []
    self._delay_s = delay_s

  def of_clips(self, samples):
    self.batches.append(len(samples))
    time.sleep(self._delay_s)
    self.gate.wait(600)
    if any(one[0] == -0.5 for one in samples):
      raise RuntimeError('the toy is broken')
    yes = np.array([one[0] for one in samples], np.float32)
    rest = (1 - yes) / 2
    probabilities = np.stack([rest, rest, yes], axis=1)
    return exported.Answers(
      probabilities=probabilities, logits=probabilities, is_none=probabilities.max(1) < 0.5
    )


class SharedPool(decoder_pool.DecoderPool):
  """A pool of decoders, forked by one process for all servers of the tests: it takes its time."""

  _firsts = {}
  _lock = threading.Lock()

  def _new_first(self):
    program = self._program
    if program not in self._firsts:
      self._firsts[program] = _Shared(_STARTER.submit(decoder_pool._First, program).result())
    return self._firsts[program]


class _Shared:
  """The process, which does not end with one of its pools, but with the tests."""

  def __init__(self, first):
    self._first = first
    self._lock = threading.Lock()
    self.pids = set()

  def order(self, *arguments):
    with self._lock:
      return self._first.order(*arguments)

  def close(self):
    pass


_STARTER = concurrent.futures.ThreadPoolExecutor(1, 'starter of the tests')


@contextlib.contextmanager
def serving(model, *, open_model=None, program=upload_decoder.PROGRAM, **flags):
  """Gives the address of a server of a model, its service, and what ends it as a signal does."""
  flags = {'port': 0, 'decoders': 2, **flags}
  config = serve_config.ServeConfig(**flags)
  service = answering_service.AnsweringService(config, program=program, pool_type=SharedPool)
  ready = concurrent.futures.Future()

  def serve():
    try:
      web_server.serve(
        service,
        open_model or (lambda: contextlib.nullcontext(model)),
        on_ready=lambda *found: ready.set_result(found),
      )
    except BaseException as error:
      ready.set_exception(error)

  thread = threading.Thread(target=serve, daemon=True)
  thread.start()
  address, end = ready.result(300)
  try:
    yield address, service, end
  finally:
    if service.state is answering_service.State.READY:  # Else a test has ended it.
      end()
    thread.join(300)
  assert not thread.is_alive()


@dataclasses.dataclass
class Answer:
  status: int
  headers: dict
  body: bytes

  @property
  def json(self):
    return json.loads(self.body)


def connection(address, timeout_s=300):
  place = urllib.parse.urlsplit(address)
  return http.client.HTTPConnection(place.hostname, place.port, timeout=timeout_s)


def ask(address, path='/predict', body=None, content_type='audio/wav', *, method='', headers=None):
  """Returns the answer to one request on a connection of its own."""
  given = dict(headers or {})
  if body is not None and content_type:
    given['Content-Type'] = content_type
  with contextlib.closing(connection(address)) as client:
    client.request(method or ('GET' if body is None else 'POST'), path, body, given)
    found = client.getresponse()
    return Answer(found.status, dict(found.getheaders()), found.read())


def form(*files, field='file'):
  """Returns a form of (name, content), and its type."""
  parts = [
    b'--xyz\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n'
    b'Content-Type: application/octet-stream\r\n\r\n%s\r\n'
    % (field.encode(), name.encode(), content)
    for name, content in files
  ]
  return b''.join([*parts, b'--xyz--\r\n']), 'multipart/form-data; boundary=xyz'


if __name__ == '__main__':
  config = serve_config.ServeConfig(port=0, max_batch=4)
  web_server.serve(
    answering_service.AnsweringService(
      config, program=(sys.argv[2:] or [upload_decoder.PROGRAM])[0]
    ),
    lambda: contextlib.nullcontext(Toy(delay_s=float(sys.argv[1]))),
  )
