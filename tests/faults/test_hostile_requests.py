"""1,000 hostile requests to the program that serves: each is answered or ended, none kills it."""

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

from schemas import audio
from tests.faults import jobs, mutations
from tests.helpers import made_runs, toy_server, wav_files

pytestmark = pytest.mark.faults

ROOT = pathlib.Path(__file__).parents[2]
# Ask for no more than there are places: else most would just be turned away.
CLIENTS = 8
READ_S = 2
PATIENCE_S = 120  # Of a client; whom the server sends away, it does after READ_S.
RESIDENT_BYTES = 1_200 << 20  # TensorFlow and its model take a good half.


@pytest.fixture(scope='module')
def program(tmp_path_factory):
  """(process, address) of the program as users start it."""
  folder = tmp_path_factory.mktemp('served')
  made_runs.make(folder / 'run', audio=audio.AudioSpec(sample_rate_hz=8_000))
  with open(folder / 'stderr', 'wb') as stderr:
    process = subprocess.Popen(
      [
        sys.executable, '-m', 'trainer.serve', f'--run_dir={folder}/run', '--port=0',
        f'--max_read_s={READ_S}', '--max_decode_s=2', '--max_body_mib=8',
      ],
      cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True,
    )  # fmt: skip
  try:
    said = process.stdout.readline()
    assert said.startswith('serving on '), (folder / 'stderr').read_text()
    yield process, said.removeprefix('serving on ').strip(), folder / 'stderr'
  finally:
    process.kill()
    process.wait()


def bodies():
  """Yields (name, body, content type) of what is no good request."""
  rng = random.Random(14)
  for name, data in itertools.chain(
    mutations.mutated(560, seed=14), mutations.mutated_media(150, seed=14)
  ):
    yield name, data, 'audio/wav'
  for i in range(60):
    yield f'random {i}', rng.randbytes(rng.randrange(1, 5_000)), 'audio/flac'
  for i in range(50):
    body, content_type = toy_server.form((f'{i}.wav', rng.randbytes(300)))
    data = bytearray(body)
    data[rng.randrange(len(data))] = rng.randrange(256)
    yield f'form {i}', bytes(data[: rng.randrange(len(data))]), content_type
  yield 'line ends', b'--xyz\r\n' + b'\r\n' * 500_000, 'multipart/form-data; boundary=xyz'
  yield 'boundaries', b'--xyz\r\n' * 100_000, 'multipart/form-data; boundary=xyz'
  for text in json_bodies(rng):
    yield f'json {text[:20]}', text.encode('utf-8', 'surrogatepass'), 'application/json'
  yield from small_files_of_much()


def json_bodies(rng):
  good = {'samples': [0.5, -0.5], 'sample_rate_hz': 16_000}
  texts = [
    '[' * 100_000, '{"a":' * 100_000, '{"samples":' * 9_000, '[]' * 500_000, '"' * 1_000_000, '\0',
    '{}', 'null', '1', '', '\ud800', '{"samples": [' + '1,' * 900_000,
    '{"samples": [' + '1,' * 900_000 + '1], "sample_rate_hz": 1000000000}',
    '{"samples": [' + '1' * 1_900_000 + '], "sample_rate_hz": 8000}',
    '{"samples": [1e999], "sample_rate_hz": 8000}', '{"samples": [NaN], "sample_rate_hz": 8000}',
    '{"samples": [1], "sample_rate_hz": -1}', '{"samples": [1], "sample_rate_hz": 1e9}',
    '{"samples": "x", "sample_rate_hz": 8000}', '{"samples": [-Infinity], "sample_rate_hz": 1}',
  ]  # fmt: skip
  yield from texts
  for _ in range(60):
    text = list(json.dumps(good))
    for _ in range(3):
      text[rng.randrange(len(text))] = chr(rng.randrange(1, 256))
    yield ''.join(text)


def small_files_of_much():
  """Yields files that promise, or unpack to, far more than they hold."""
  for declared in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
    for rate_hz in (0, 1, 8_000, 0xFFFFFFFF):
      data = wav_files.riff(
        wav_files.chunk(b'fmt ', wav_files.wave_format(sample_rate_hz=rate_hz)),
        wav_files.chunk(b'data', b'\1\2' * 50, declared=declared),
        declared=declared,
      )
      yield f'wav of {declared} at {rate_hz}', data, 'audio/wav'
  silence = np.zeros(16_000 * 3_600, np.int16)  # An hour in 100 kB.
  data = wav_files.encoded(silence, format='FLAC', subtype='PCM_16')
  yield 'an hour', data, 'audio/flac'
  packed = zlib.compress(bytes(200_000_000), 9)
  png = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + b'IHDR' + bytes(17) + packed
  yield 'unpacks', png, 'application/octet-stream'


def asked(address, body, content_type):
  """Returns the status of an answer, which is JSON: an answer, or an error in a sentence."""
  found = toy_server.ask(address, body=body, content_type=content_type)
  value = found.json
  assert ('predictions' in value) == (found.status == 200)
  assert found.status == 200 or list(value) == ['error'] and value['error'].endswith('.')
  assert b'Traceback' not in found.body
  return found.status


def rude(address, i):
  """Sends what is no whole request, and goes away."""
  rng = random.Random(i)
  body = wav_files.pcm16(wav_files.int16_noise(800))
  head = (
    f'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\n'
    f'Content-Length: {len(body) + rng.choice((-50, 0, 50, 10**12))}\r\n\r\n'
  ).encode()
  data = rng.choice((
    head + body, head + body[:-20], head[: rng.randrange(len(head))], rng.randbytes(500),
    head.replace(b'Content-Length', b'Transfer-Encoding: chunked\r\nX') + b'ffffffff\r\n' + body,
    b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n' * 50, b'GET /' + b'%' * 900 + b' HTTP/1.1\r\n\r\n',
  ))  # fmt: skip
  host, port = address.removeprefix('http://').split(':')
  with contextlib.closing(socket.create_connection((host, int(port)), PATIENCE_S)) as sock:
    with contextlib.suppress(ConnectionError):
      sock.sendall(data)
      how = rng.randrange(4)
      if how == 0:  # A reset in place of an orderly end.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
      elif how == 1:
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65_536):
          pass
      elif how == 2:  # Waits until the server has had enough.
        while sock.recv(65_536):
          pass


def test_none_of_them_kills_it(program):
  process, address, stderr = program
  good = wav_files.pcm16(wav_files.int16_noise(16_000))
  before = toy_server.ask(address, body=good).json
  all_bodies = list(bodies())
  with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
    statuses = list(pool.map(lambda one: asked(address, one[1], one[2]), all_bodies))
    list(pool.map(lambda i: rude(address, i), range(100)))
  assert len(statuses) + 100 >= 1_000, len(statuses)
  assert not {500, 503} & set(statuses), [
    one[0] for one, status in zip(all_bodies, statuses, strict=True) if status in (500, 503)
  ]
  assert {200, 415, 422} <= set(statuses)
  assert process.poll() is None
  assert toy_server.ask(address, body=good).json == before
  # Decoders in C say what they like; nothing of ours failed.
  assert not re.search(rb'Traceback|Exception|Error', stderr.read_bytes())
  names = ('pending_requests', 'held_bytes', 'waiting_clips')

  def is_idle():  # Who went away may still be at work for.
    text = toy_server.ask(address, '/metrics').body.decode()
    return all(f'voxshard_{name} 0.0' in text for name in names)

  jobs.wait_for(is_idle, what='the requests of those that went away')
  resident = int(pathlib.Path(f'/proc/{process.pid}/statm').read_text().split()[1]) * 4096
  assert resident < RESIDENT_BYTES


def test_many_who_say_nothing_keep_nobody_else_from_an_answer(program):
  _, address, _ = program
  host, port = address.removeprefix('http://').split(':')
  good = wav_files.pcm16(wav_files.int16_noise(8_000))
  with contextlib.ExitStack() as stack:
    socks = []
    for i in range(200):
      sock = stack.enter_context(socket.create_connection((host, int(port)), PATIENCE_S))
      sock.sendall([b'', b'POST /pre', b'POST /predict HTTP/1.1\r\nHost: x\r\n'][i % 3])
      socks.append(sock)
    assert toy_server.ask(address, body=good).status == 200
    for sock in socks:  # They are sent away.
      with contextlib.suppress(ConnectionError):
        assert sock.recv(10) == b''


def test_then_it_ends_cleanly(program):
  process, address, _ = program
  client = toy_server.connection(address)
  client.request('GET', '/health')
  assert client.getresponse().read() == b'{"status": "ready"}'
  process.send_signal(signal.SIGTERM)
  assert process.wait(300) == 0
  with pytest.raises((http.client.HTTPException, ConnectionError)):
    toy_server.ask(address, '/health')
