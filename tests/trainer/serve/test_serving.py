"""A server of a model on loopback: what it answers, what it refuses, and how it ends."""

import concurrent.futures
import contextlib
import io
import json
import math
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import PIL.Image
import pytest

from exports import clip_input, export_file
from exports import windows as windows_lib
from schemas import audio as audio_schema
from tests.helpers import made_runs, media_files, signals, toy_server, waits, wav_files
from tests.helpers.toy_server import ask
from trainer.confidence import caution
from trainer.export import exporting, opened
from trainer.serve import answering_service, http_connection, serving, web_app, web_server

ROOT = pathlib.Path(__file__).parents[3]
RATE_HZ = toy_server.RATE_HZ


def wav(value=0.5, num_samples=800, rate_hz=RATE_HZ):
  """A file of which the toy says `yes` with the probability `value`."""
  samples = np.full(num_samples, value, np.float32)
  return wav_files.encoded(samples, format='WAV', subtype='FLOAT', sample_rate_hz=rate_hz)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  run = made_runs.make(
    tmp_path_factory.mktemp('runs') / 'run', audio=audio_schema.AudioSpec(sample_rate_hz=RATE_HZ)
  )
  how = caution.Caution(temperature=1.7, score='softmax', threshold=0.45)
  with opened.opened(run.folder.path, caution=how) as found:
    yield found


@pytest.fixture(scope='module')
def server(model):
  with toy_server.serving(model) as (address, *_):
    yield address


@pytest.fixture(scope='module')
def toy():
  """(address, service, toy) of one that takes little and answers at once."""
  model = toy_server.Toy()
  flags = {'max_body_mib': 1, 'max_held_mib': 2, 'max_s': 2.0, 'max_windows': 9}
  with toy_server.serving(model, **flags) as (address, service, _):
    yield address, service, model


def probabilities(answer):
  assert answer.status == 200, answer
  return {one['label']: one['probability'] for one in answer.json['predictions']}


def expected(model, data):
  """What the export says of a file, as the server writes it."""
  found = model.of_clips([clip_input.decode(data, model.export).samples])
  rounded = [round(float(p), 6) for p in found.probabilities[0]]
  return dict(zip(model.export.labels, rounded, strict=True)), bool(found.is_none[0])


def close(found, wanted):
  assert found.keys() == wanted.keys()
  assert all(math.isclose(found[name], wanted[name], abs_tol=2e-5) for name in wanted)


NOISE = 0.4 * signals.noise(20_000, seed=7)
FILES = {
  'wav': lambda: wav_files.encoded(NOISE, format='WAV', subtype='PCM_16', sample_rate_hz=RATE_HZ),
  'flac': lambda: wav_files.encoded(NOISE, format='FLAC', subtype='PCM_16', sample_rate_hz=44_100),
  'mp3': lambda: wav_files.encoded(
    NOISE, format='MP3', subtype='MPEG_LAYER_III', sample_rate_hz=16_000
  ),
  # What browsers record.
  'webm': lambda: media_files.encoded('webm', NOISE),
  'mp4': lambda: media_files.encoded('mp4', NOISE),
}


@pytest.mark.parametrize('kind', FILES)
def test_a_file_of_any_kind_is_answered_as_the_export_does(kind, server, model):
  data = FILES[kind]()
  wanted, is_none = expected(model, data)
  raw = ask(server, body=data, content_type=f'audio/{kind}')
  form = ask(server, '/predict?top=3', *toy_server.form((f'a b ä.{kind}', data)))
  for answer in (raw, form):
    close(probabilities(answer), wanted)
    assert answer.json['none_of_these'] is is_none
    assert list(probabilities(answer).values()) == sorted(wanted.values(), reverse=True)
  assert form.json['file'] == f'a b ä.{kind}' and 'file' not in raw.json
  one = ask(server, '/predict?top=1', data, 'video/webm;codecs=opus')
  assert len(one.json['predictions']) == 1


def test_it_is_said_how_much_was_heard(server):
  long = ask(server, body=wav(num_samples=20_000)).json
  assert (long['heard_s'], long['whole_s']) == (1, 2.5)
  short = ask(server, body=wav(num_samples=4_000)).json
  assert short['heard_s'] == 0.5 and 'whole_s' not in short


def test_samples_are_heard_like_the_file_of_them(server):
  samples = [round(float(x), 4) for x in NOISE[:9_000]]
  data = wav_files.encoded(
    np.array(samples, np.float32), format='WAV', subtype='FLOAT', sample_rate_hz=11_025
  )
  body = json.dumps({'samples': samples, 'sample_rate_hz': 11_025})
  found = ask(server, body=body, content_type='application/json; charset=utf-8')
  close(probabilities(found), probabilities(ask(server, body=data)))
  assert found.json['heard_s'] == round(round(8_000 * 9_000 / 11_025) / 8_000, 6)


def test_a_long_recording_is_heard_in_windows(server, model):
  data = wav_files.encoded(NOISE, format='WAV', subtype='PCM_16', sample_rate_hz=RATE_HZ)
  found = ask(server, '/predict?window_s=1&hop_s=0.04&top=3', *toy_server.form(('x.wav', data)))
  assert found.status == 200
  assert found.json['file'] == 'x.wav' and found.json['recording_s'] == 2.5
  asked = windows_lib.Windows(window_s=1.0, hop_s=0.04)
  heard = list(windows_lib.of_recording(data, clip_input.spec(model.export), asked))
  wanted = model.of_clips([one.clip.samples for one in heard]).probabilities
  assert len(found.json['windows']) == len(heard) == 39  # More than a batch.
  for window, one, row in zip(found.json['windows'], heard, wanted, strict=True):
    assert (window['start_s'], window['end_s']) == (round(one.start_s, 6), round(one.end_s, 6))
    said = {each['label']: each['probability'] for each in window['predictions']}
    close(said, dict(zip(model.export.labels, row.tolist(), strict=True)))


def test_pictures_are_taken_where_the_model_takes_them(tmp_path):
  run = made_runs.make(
    tmp_path / 'run', feature='image:height=8,width=8', audio=None, model='linear'
  )
  pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
  file = io.BytesIO()
  PIL.Image.fromarray(pixels).save(file, 'png')
  with opened.opened(run.folder.path) as model, toy_server.serving(model) as (address, *_):
    found = probabilities(ask(address, body=file.getvalue(), content_type='image/png'))
    wanted = model.of_pictures(pixels[None]).probabilities[0].tolist()
    close(found, dict(zip(run.manifest.labels, wanted, strict=True)))
    assert ask(address, body=b'GIF89a', content_type='image/gif').status == 422
    refused = ask(address, body=wav())
    assert refused.status == 415 and refused.json['error'].startswith('Wanted a picture')
    home = ask(address, '/').json
    assert (home['takes'], home['height'], home['channels']) == ('pictures', 8, 3)
    assert ask(address, '/predict?window_s=1', file.getvalue(), 'image/png').status == 422


def test_every_size_of_batch_is_tried_before_it_is_ready(monkeypatch):
  toy, seen, serve = toy_server.Toy(), [], web_server.serve

  def watched(service, *arguments, **more):
    def on_warm():
      seen.append((service.state, list(toy.batches)))

    serve(service, *arguments, on_warm=on_warm, **more)

  monkeypatch.setattr(web_server, 'serve', watched)
  monkeypatch.setattr(answering_service, '_WARM_S', 600)  # Also where this thread rests long.
  with toy_server.serving(toy, max_batch=5):
    assert seen == [(answering_service.State.LOADING, [1, 5, 2, 4, 3])]
    assert toy.batches == [1, 5, 2, 4, 3]
  monkeypatch.setattr(answering_service, '_WARM_S', 0)  # Of a large model it would take minutes.
  toy.batches.clear()
  with toy_server.serving(toy, max_batch=5):
    assert toy.batches == [1, 5]


def test_of_200_at_once_nothing_is_lost_and_each_is_right():
  toy = toy_server.Toy()
  with (
    toy_server.serving(toy, max_batch=64) as (address, service, _),
    concurrent.futures.ThreadPoolExecutor(200) as pool,
  ):
    toy.batches.clear()
    toy.gate.clear()  # Until all have come, on however busy a machine.

    def one(i):
      body = wav(i / 256)
      return [probabilities(ask(address, body=body))['yes'] for _ in range(2)]

    asked = [pool.submit(one, i) for i in range(200)]
    waits.until(lambda: service.num_pending == 200)
    toy.gate.set()
    for i, found in enumerate(asked):
      assert found.result() == [round(i / 256, 6)] * 2
    text = ask(address, '/metrics').body.decode()
  assert sum(toy.batches) == 400 and len(toy.batches) < 300
  assert metric(text, 'voxshard_clips_total') == 400
  assert metric(text, 'voxshard_requests_total{path="/predict",status="200"}') == 400
  assert metric(text, 'voxshard_batch_clips_count') == len(toy.batches)
  assert metric(text, 'voxshard_request_seconds_count{path="/predict"}') == 400
  for name in ('waiting_clips', 'pending_requests', 'held_bytes'):
    assert metric(text, f'voxshard_{name}') == 0


def metric(text, name):
  return float(re.search(rf'^{re.escape(name)} (\S+)$', text, re.MULTILINE)[1])


def samples_json(samples='[0.5]', rate_hz='8000', more=''):
  return f'{{"samples": {samples}, "sample_rate_hz": {rate_hz}{more}}}'


JSON = 'application/json'
BAD = {
  'no audio': (b'hello, world', 'audio/wav', 415, 'Wanted a format that libsndfile knows'),
  'nothing': (b'', 'audio/wav', 422, 'Wanted an audio file, got 0 bytes'),
  'cut': (wav()[:-900], 'audio/wav', 422, 'Wanted 3200 bytes of audio'),
  'not a number': (wav(math.nan), 'audio/wav', 422, 'got nan'),
  'too long': (wav(num_samples=16_100), 'audio/wav', 413, 'at most 2 s, got 2.0125 s'),
  'too large': (b'\0' * (1 << 20) + b'x', 'audio/wav', 413, 'at most 1,048,576 bytes'),
  'another type': (b'x', 'text/plain', 415, "of the type 'text/plain'. Send a file as it is"),
  'a picture': (b'x', 'image/png', 415, 'Wanted audio'),
  'no type': (wav(), '', 415, "of the type 'nothing'"),
  'two files': (*toy_server.form(('a', b'x'), ('b', b'y')), 422, 'one file, got 2'),
  'no file': (*toy_server.form(), 422, 'Wanted a'),
  'a form without end': (toy_server.form(('a', wav()))[0][:-9], toy_server.form()[1], 422, 'ends'),
  'no boundary': (b'--x', 'multipart/form-data', 422, 'damaged'),
  'a field': (
    b'--xyz\r\nContent-Disposition: form-data; name="top"\r\n\r\n3\r\n--xyz--\r\n',
    'multipart/form-data; boundary=xyz', 422, "the field 'top'",
  ),
  'no JSON': (b'{"samples": [1 2], "sample_rate_hz": 1}', JSON, 422, 'no JSON'),
  'another JSON': (b'[1, 2]', JSON, 422, 'something else'),
  'deep JSON': (b'[' * 500_000, JSON, 422, 'something else'),
  'deep values': (samples_json('[' * 99 + ']' * 99), JSON, 422, 'something else'),
  'NaN': (samples_json('[NaN]'), JSON, 422, 'no JSON'),
  'a long number': (samples_json(f'[{"9" * 5_000}]'), JSON, 422, 'no JSON'),
  'a large number': (samples_json(f'[{"9" * 400}]'), JSON, 422, 'far too large'),
  'infinite': (samples_json('[1e39]'), JSON, 422, 'got inf'),
  'true': (samples_json('[true]'), JSON, 422, 'no list of numbers'),
  'no samples': (samples_json('[]'), JSON, 422, 'no samples'),
  'a high rate': (samples_json(rate_hz='1000000000'), JSON, 422, 'from 1 to 768,000'),
  'a rate of 1': (samples_json('[0, 0, 0]', '1'), JSON, 422, 'Wanted 1000 to 768000 Hz, got 1 Hz'),
  'half a rate': (samples_json(rate_hz='8000.5'), JSON, 422, 'no whole number'),
  'other names': (b'{"sample": [1], "sample_rate_hz": 8000}', JSON, 422, 'other names'),
  'beyond one': (samples_json('[1e10]'), JSON, 422, 'got 1e+10'),
}  # fmt: skip


@pytest.mark.parametrize('name', BAD)
def test_what_cannot_be_used_is_refused_with_a_sentence(name, toy):
  body, content_type, status, sentence = BAD[name]
  found = ask(toy[0], body=body, content_type=content_type)
  assert found.status == status
  assert list(found.json) == ['error'] and sentence in found.json['error']
  assert found.headers['content-type'] == JSON


@pytest.mark.parametrize(
  ('path', 'status', 'sentence'),
  [
    ('/predict?top=0', 422, "top: wanted a whole number of at least 1, got '0'"),
    ('/predict?top=x', 422, "got 'x'"),
    ('/predict?windows=1', 422, "'windows'. Did you mean 'window_s'?"),
    ('/predict?window_s=nan', 422, 'window_s must be at least 0.001 s, got nan'),
    ('/predict?window_s=-1', 422, 'window_s must be'),
    ('/predict?hop_s=1', 422, 'hop_s=1 has no effect without window_s'),
    ('/predict?window_s=0.1&hop_s=0.2', 422, 'longer than window_s'),
    ('/predict?window_s=1', 422, 'the model hears 0.1 s'),
    ('/predict?window_s=0.05&hop_s=0.001', 413, 'at most 9 windows, got 51'),
    ('/nothing', 404, "There is no '/nothing' here. There are /, /predict"),
    ('/predict/', 404, "'/predict/'"),
    ('/docs', 404, "'/docs'"),
    ('/health', 405, '/health is asked with GET or HEAD, got POST'),
  ],
)
def test_addresses_and_settings_that_there_are_not(path, status, sentence, toy):
  found = ask(toy[0], path, wav())
  assert found.status == status and sentence in found.json['error']


def test_what_the_addresses_say(toy):
  address = toy[0]
  assert ask(address, '/health').json == {'status': 'ready'}
  assert ask(address, '/labels').json == {'labels': ['no', 'stop', 'yes']}
  home = ask(address, '/').json
  assert (home['sample_rate_hz'], home['clip_s'], home['max_s']) == (8_000, 0.1, 2)
  described = ask(address, '/openapi.json').json
  assert set(described['paths']) == set(web_app.PATHS) - {'/openapi.json'}
  assert 'audio/*' in described['paths']['/predict']['post']['requestBody']['content']


GET_PATHS = sorted(set(web_app.PATHS) - {'/predict'})


@pytest.mark.parametrize('path', GET_PATHS)
def test_head_is_get_without_its_body(path, toy):
  found, whole = ask(toy[0], path, method='HEAD'), ask(toy[0], path)
  assert (found.status, found.body) == (whole.status, b'') == (200, b'')
  assert found.headers['content-type'] == whole.headers['content-type']
  if path != '/metrics':  # Which counts what it was asked.
    assert found.headers['content-length'] == str(len(whole.body))


@pytest.mark.parametrize(
  ('path', 'allowed'), [('/predict', 'POST'), *((path, 'GET, HEAD') for path in GET_PATHS)]
)
def test_other_methods_are_told_which_there_are(path, allowed, toy):
  for method in ('OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'ODD'):
    found = ask(toy[0], path, method=method)
    assert (found.status, found.headers['allow']) == (405, allowed)
    wanted = allowed.replace(', ', ' or ')
    assert found.json['error'] == f'{path} is asked with {wanted}, got {method}.'


def test_predict_is_neither_got_nor_looked_at_by_head(toy):
  found = ask(toy[0], '/predict')
  assert found.json['error'] == '/predict is asked with POST, got GET.'
  found = ask(toy[0], '/predict', method='HEAD')
  assert (found.status, found.headers['allow'], found.body) == (405, 'POST', b'')
  assert ask(toy[0], '/nothing', method='HEAD').status == 404


def test_a_label_that_is_no_utf_8_is_answered():
  toy = toy_server.Toy()
  object.__setattr__(toy.export, 'labels', ('no', 'stop', '\udcff'))
  with toy_server.serving(toy) as (address, *_):
    assert '\udcff' in probabilities(ask(address, body=wav()))


def test_what_the_server_fails_at_is_told_without_its_traceback(toy):
  found = ask(toy[0], body=wav(-0.5))
  assert (found.status, list(found.json)) == (500, ['error'])
  assert b'Traceback' not in found.body and b'broken' not in found.body
  assert ask(toy[0], body=wav()).status == 200


@contextlib.contextmanager
def sent(address, *parts):
  """Gives a socket to which these bytes were sent."""
  host, port = address.removeprefix('http://').split(':')
  with contextlib.closing(socket.create_connection((host, int(port)), 60)) as sock:
    sock.sendall(b''.join(parts))
    yield sock


def head(length, *more):
  lines = ['POST /predict HTTP/1.1', 'Host: x', 'Content-Type: audio/wav', *more]
  return '\r\n'.join([*lines, f'Content-Length: {length}', '', '']).encode()


def received(sock):
  """Returns what comes until the server ends the connection."""
  found = b''
  with contextlib.suppress(ConnectionError):
    while part := sock.recv(65_536):
      found += part
  return found


@pytest.mark.parametrize(
  'request_bytes',
  [
    b'\x16\x03\x01\x02\0' + bytes(range(256)),
    b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
    b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n',
    b'POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    b'GET /' + b'x' * 40_000,
    b'GET / HTTP/1.1\r\n\r\n',
  ],
)
def test_what_is_no_http_is_told_in_json_and_the_connection_ended(request_bytes, toy):
  with sent(toy[0], request_bytes) as sock:
    found = received(sock)
  assert found.startswith(b'HTTP/1.1 400') and b'{"error": "' in found


def test_who_sends_no_more_gets_the_answer(toy):
  data = wav()
  with sent(toy[0], head(len(data)), data) as sock:
    sock.shutdown(socket.SHUT_WR)
    found = received(sock)
  assert found.startswith(b'HTTP/1.1 200') and b'"yes"' in found


def test_bodies_that_stop_are_given_up():
  with (
    toy_server.serving(toy_server.Toy(), max_read_s=1.5) as (address, *_),
    sent(address, head(1_000) + b'RIFF') as stops,
    sent(address, head(1_000)[:40]) as half_a_head,
    sent(address, b'GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /') as second_head,
    sent(address, head(1_000) + b'RIFF') as ends,
  ):
    ends.shutdown(socket.SHUT_WR)
    assert received(ends) == received(half_a_head) == b''
    slow = received(stops)
    assert slow.startswith(b'HTTP/1.1 408') and b'got 4 bytes until then' in slow
    assert received(second_head).count(b'HTTP/1.1 200') == 1


def test_who_does_not_read_the_answer_is_given_up(monkeypatch):
  toy, gone = toy_server.Toy(), threading.Event()
  object.__setattr__(toy.export, 'labels', tuple(f'{i}' * 20_000 for i in range(3)))
  path = b'POST /predict?window_s=0.01&hop_s=0.003 HTTP'
  data = wav(num_samples=8_000)
  lost = http_connection.Connection.connection_lost
  monkeypatch.setattr(
    http_connection.Connection, 'connection_lost', lambda *args: (lost(*args), gone.set())
  )
  with (
    toy_server.serving(toy, max_read_s=0.5) as (address, *_),
    sent(address, head(len(data)).replace(b'POST /predict HTTP', path), data) as sock,
  ):
    assert gone.wait(300)
    found = received(sock)
  assert found.startswith(b'HTTP/1.1 200')
  length = int(re.search(rb'content-length: (\d+)', found)[1])
  assert len(found) < length
  with toy_server.serving(toy) as (address, *_):
    assert len(ask(address, path.split()[1].decode(), data).body) == length


def test_what_an_answer_says_is_limited(monkeypatch):
  monkeypatch.setattr(answering_service, '_MOST_SAID', 20)
  with toy_server.serving(toy_server.Toy()) as (address, *_):
    path = '/predict?window_s=0.01&hop_s=0.01'
    assert ask(address, f'{path}&top=2', wav()).status == 200  # Ten windows.
    refused = ask(address, f'{path}&top=1000', wav())
  assert refused.status == 413 and 'at most 6 windows, got 10' in refused.json['error']


def test_bodies_come_in_pieces_or_compressed(toy):
  data = wav()
  pieces = ask(toy[0], body=iter([data[:100], data[100:]]))
  assert pieces.status == 200
  packed = ask(toy[0], body=data, headers={'Content-Encoding': 'gzip'})
  assert packed.status == 415 and 'Content-Encoding' in packed.json['error']
  endless = ask(toy[0], body=iter([b'\0' * 65_536] * 40))
  assert endless.status == 413
  with sent(toy[0], head(1 << 30, 'Expect: 100-continue')) as sock:
    assert received(sock).startswith(b'HTTP/1.1 413')


def test_who_comes_when_it_is_full_may_ask_again():
  toy = toy_server.Toy()
  with (
    toy_server.serving(toy, max_pending=4, max_batch=2) as (address, service, _),
    concurrent.futures.ThreadPoolExecutor(4) as pool,
  ):
    toy.gate.clear()
    first = [pool.submit(ask, address, body=wav(i / 8)) for i in range(4)]
    waits.until(lambda: service.num_pending == 4)
    refused = ask(address, body=wav())
    assert (refused.status, refused.headers['retry-after']) == (503, '1')
    assert 'full: 4 requests' in refused.json['error']
    assert ask(address, '/health').status == 200
    assert metric(ask(address, '/metrics').body.decode(), 'voxshard_pending_requests') == 4
    toy.gate.set()
    assert [probabilities(one.result())['yes'] for one in first] == [0, 0.125, 0.25, 0.375]
    assert ask(address, body=wav()).status == 200


def test_bodies_are_held_up_to_a_limit(toy):
  address, service, model = toy
  assert service.room.num_taken == 0
  body = wav(num_samples=800) + b'\0' * 900_000  # Not all of it is audio.
  model.gate.clear()
  try:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
      parts = [wav(), wav()]
      with (
        sent(address, head(1_000_000), b'x' * 950_000),
        sent(address, head(1_000_000), b'x' * 950_000),
      ):
        waits.until(lambda: service.room.num_taken >= 1_900_000)
        refused = ask(address, body=body)
      assert refused.status == 503 and 'holds as much as it may' in refused.json['error']
      model.gate.set()
      assert [one.status for one in pool.map(lambda x: ask(address, body=x), parts)] == [200, 200]
  finally:
    model.gate.set()
  waits.until(lambda: not service.room.num_taken)


def test_while_the_model_is_loaded_it_says_so(capfd, monkeypatch):
  found, ports, listen = [], [], web_server._listen

  def noted(*where):
    listening = listen(*where)
    ports.append(listening.getsockname()[1])
    return listening

  monkeypatch.setattr(web_server, '_listen', noted)

  @contextlib.contextmanager
  def opened_slowly():
    address = f'http://127.0.0.1:{ports[0]}'
    found.extend(ask(address, path) for path in ('/health', '/', '/labels'))
    found.append(ask(address, body=wav()))
    yield toy_server.Toy()

  with toy_server.serving(None, open_model=opened_slowly) as (address, *_):
    assert ask(address, '/health').status == 200
  assert len(found) == 4
  for answer in found:
    assert answer.status == 503 and 'loading its model' in answer.json['error']
  assert f'serving on http://127.0.0.1:{ports[0]}\n' in capfd.readouterr().out


def started(delay_s):
  """Starts the toy's program; returns the process and its address."""
  process = subprocess.Popen(
    [sys.executable, '-m', 'tests.helpers.toy_server', str(delay_s)],
    cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
  )  # fmt: skip
  return process, process.stdout.readline().removeprefix('serving on ').strip()


def said_of(address, *names):
  """What the server counts, by the names of its metrics."""
  text = ask(address, '/metrics').body.decode()
  return [metric(text, f'voxshard_{name}') if name in text else 0.0 for name in names]


ANSWERED = 'requests_total{path="/predict",status="200"}'


def test_a_signal_ends_it_when_all_is_answered():
  process, address = started(0.4)
  data = wav()
  with (
    sent(address, head(len(data)), data[:-4]) as slow,
    concurrent.futures.ThreadPoolExecutor(8) as pool,
  ):
    waits.until(lambda: said_of(address, 'held_bytes') == [len(data) - 4])
    asked = [pool.submit(ask, address, body=wav(i / 8)) for i in range(8)]
    # Two batches of four take 0.8 s. Who has not come when the signal does is turned away.
    waits.until(lambda: sum(said_of(address, 'pending_requests', ANSWERED)) == 8)
    process.send_signal(signal.SIGTERM)
    answers = [one.result() for one in asked]
    slow.sendall(data[-4:])
    assert received(slow).startswith(b'HTTP/1.1 200')
  assert [probabilities(one)['yes'] for one in answers] == [i / 8 for i in range(8)]
  _, said = process.communicate(timeout=300)
  assert (process.returncode, said) == (0, '')
  assert turns_away(address)


def turns_away(address):
  """Whether nobody listens any more."""
  try:
    ask(address, '/health')
  except OSError:
    return True
  return False


def test_a_second_signal_ends_it_at_once_and_before_the_last_requests():
  process, address = started(0.1)
  with sent(address, head(100), b'RIFF'):
    waits.until(lambda: said_of(address, 'held_bytes') == [4])
    process.send_signal(signal.SIGINT)
    waits.until(lambda: turns_away(address))
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)  # Else the body is waited for, and the exit code is 0.
  assert process.returncode == 130


LOADS = """
import contextlib, time
from tests.helpers import toy_server
from trainer.serve import answering_service, serve_config, web_server
@contextlib.contextmanager
def loads():
  print('loads', flush=True)
  time.sleep(600)
  yield
web_server.serve(answering_service.AnsweringService(serve_config.ServeConfig(port=0)), loads)
"""


def test_a_second_signal_ends_it_also_while_the_model_is_loaded():
  with subprocess.Popen(
    [sys.executable, '-c', LOADS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
  ) as process:
    assert process.stdout.readline() == b'loads\n'
    for number in (signal.SIGTERM, signal.SIGINT):
      process.send_signal(number)
    _, said = process.communicate(timeout=300)
  assert process.returncode in (130, 143) and not said


def test_while_it_drains_health_says_so_and_all_else_is_answered(monkeypatch):
  servings, serving_type = [], web_server._Serving

  def kept(*arguments):
    servings.append(serving_type(*arguments))
    return servings[-1]

  monkeypatch.setattr(web_server, '_Serving', kept)
  with toy_server.serving(toy_server.Toy(), drain_s=600.0) as (address, service, end):
    end()
    waits.until(lambda: service.state is answering_service.State.ENDING)
    assert ask(address, '/health').status == 503
    assert ask(address, body=wav()).status == 200
    servings[0]._loop.call_soon_threadsafe(servings[0]._stop_listening)  # The time is over.


def test_what_is_wrong_with_the_command_is_a_sentence(capsys, monkeypatch, tmp_path):
  def refused(*arguments):
    code = serving.command.run(serving.main, list(arguments))
    assert code == 2
    return capsys.readouterr().err

  assert 'no run' in refused(f'--run_dir={tmp_path}/x')
  assert 'got both' in refused('--run_dir=a', '--model=b')
  assert 'has no room for a body' in refused('--max_held_mib=1')
  assert '--port must be 0 (any) to 65535' in refused('--port=65536')
  (tmp_path / 'e').mkdir()
  (tmp_path / 'e' / export_file.FILE).write_text('{}')
  assert '--calibrated: the export in' in refused(f'--model={tmp_path}/e', '--calibrated')
  with contextlib.closing(socket.create_server(('127.0.0.1', 0))) as taken:
    port = taken.getsockname()[1]
    said = refused(f'--run_dir={tmp_path}', f'--port={port}')
  assert f'Could not listen at port {port}' in said and 'Is the port taken?' in said
  assert "of '192.0.2.1'" in refused(f'--run_dir={tmp_path}', '--port=0', '--host=192.0.2.1')
  monkeypatch.setattr(serving, '_EXTRA', ('fastapi', 'no_such_package'))
  said = refused(f'--run_dir={tmp_path}')
  assert "needs no_such_package, of the extra `serve`: pip install 'voxshard[serve]'" in said


def test_help_needs_neither_tensorflow_nor_the_extra():
  code = (
    'import sys\n'
    'from trainer.serve import serving\n'
    'serving.main(["--help"])\n'
    'heavy = {"tensorflow", "keras", "fastapi", "uvicorn", "prometheus_client"}\n'
    'sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=False,
    env={**os.environ},
  )  # fmt: skip
  assert done.returncode == 0 and '--max_wait_ms' in done.stdout, done.stderr


def test_an_export_that_cannot_be_loaded_is_a_sentence(tmp_path, capfd):
  run = made_runs.make(
    tmp_path / 'run', audio=audio_schema.AudioSpec(sample_rate_hz=RATE_HZ), model='linear'
  )
  made = exporting.make(run)
  exporting.write(made, str(tmp_path / 'e'), [export_file.SAVED_MODEL], overwrite=False)
  (tmp_path / 'e' / 'saved_model' / 'saved_model.pb').write_bytes(b'x')
  code = serving.command.run(serving.main, [f'--model={tmp_path}/e', '--port=0'])
  said = capfd.readouterr()
  assert code == 2 and said.err.startswith('error: ') and 'serving on' not in said.out
  assert 'export the run again' in said.err
  # Decoders that were about to start end without a word.
  assert said.err.count('\n') == 1, said.err


def test_other_hosts_are_said_aloud(capsys):
  with toy_server.serving(toy_server.Toy(), host='0.0.0.0') as (address, *_):
    port = address.rpartition(':')[2]
    assert ask(f'http://127.0.0.1:{port}', '/health').status == 200
  assert 'no password and no encryption' in capsys.readouterr().err
  with toy_server.serving(toy_server.Toy(), host='localhost') as (address, *_):
    assert ask(address.replace('[::1]', 'localhost'), '/health').status == 200
  assert not capsys.readouterr().err
