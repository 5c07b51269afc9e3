"""What stands in front of Gradio, and what is refused before anything is opened."""

import asyncio
import json
import socket

import pytest

from schemas import command, errors
from trainer import app
from trainer.app import app_server


def ask(uploads, path, body=None, *, headers=(), max_bytes=1_000):
  """Returns status, headers and body of what the guard answers; whoever is inside says `inside`."""
  sent, parts = (
    [],
    [] if body is None else [body[i : i + 700] for i in range(0, len(body) + 1, 700)],
  )

  async def inside(scope, receive, send):
    while parts and (await receive()).get('more_body'):
      pass
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'inside'})

  async def receive():
    return {'type': 'http.request', 'body': parts.pop(0), 'more_body': bool(parts)}

  async def send(message):
    sent.append(message)

  guard = app_server.Guarded(inside, uploads=str(uploads), max_bytes=max_bytes)
  method = 'GET' if body is None else 'POST'
  scope = {'type': 'http', 'path': path, 'method': method, 'headers': list(headers)}
  asyncio.run(guard(scope, receive, send))
  return sent[0]['status'], dict(sent[0]['headers']), sent[1]['body'].decode()


@pytest.mark.parametrize('path', ['/', '/assets/x.js', '/gradio_api/queue/data', '/theme.css'])
def test_what_the_page_needs_comes_through_and_may_ask_nobody_else(tmp_path, path):
  status, headers, body = ask(tmp_path, path)
  assert (status, body) == (200, 'inside')
  policy = headers[b'content-security-policy']
  assert b"default-src 'self'" in policy and b"connect-src 'self'" in policy


@pytest.mark.parametrize(
  'path',
  [
    '/gradio_api/file=/etc/passwd',
    '/gradio_api/file={}/../../etc/passwd',
    '/gradio_api/file/etc/passwd',
    '/gradio_api/proxy=http://voxshard.invalid/',
    '/gradio_api/vibe-edit',
    '/monitoring',
    '/gradio_api/run/predict',
    '/gradio_api/process_recording',
  ],
)
def test_files_and_whatever_else_gradio_has_are_not_there(tmp_path, path):
  assert ask(tmp_path, path.format(tmp_path))[::2] == (404, 'There is no such page here.')


def test_the_microphone_sees_what_it_recorded(tmp_path):
  (tmp_path / 'a.wav').write_text('x')
  assert ask(tmp_path, f'/gradio_api/file={tmp_path}/a.wav')[0] == 200
  (tmp_path / 'link.wav').symlink_to('/etc/passwd')
  assert ask(tmp_path, f'/gradio_api/file={tmp_path}/link.wav')[0] == 404


@pytest.mark.parametrize(
  'path',
  ['/etc/passwd', 'http://voxshard.invalid/a.wav', '{}/../b.wav', '{}', 'a\0b', 3, ['x'], ''],
)
def test_an_event_may_name_nothing_that_was_not_uploaded(tmp_path, path):
  named = path.format(tmp_path) if isinstance(path, str) else path
  event = {'data': [None, {'deep': [{'path': named, 'meta': {}}]}], 'fn_index': 0}
  status, _, body = ask(tmp_path, '/gradio_api/queue/join', json.dumps(event).encode())
  assert (status, body) == (403, 'Only files that were uploaded here are heard.')


def test_an_event_of_an_upload_comes_through(tmp_path):
  event = {'data': [{'path': f'{tmp_path}/x/a.wav'}], 'more': 'y' * 2_000}
  assert ask(tmp_path, '/gradio_api/queue/join', json.dumps(event).encode())[0] == 200


@pytest.mark.parametrize('body', [b'{', b'\xff', b'[' * 100_000])
def test_what_is_no_json_is_refused(tmp_path, body):
  assert ask(tmp_path, '/gradio_api/queue/join', body)[0] == 400


def test_what_is_too_large_is_refused_while_it_comes(tmp_path):
  told = [(b'content-length', b'99999999')]
  assert ask(tmp_path, '/gradio_api/upload', b'', headers=told)[0] == 413
  assert ask(tmp_path, '/gradio_api/upload', b'x' * 80_000)[0] == 413
  assert ask(tmp_path, '/gradio_api/upload', b'x' * 900)[0] == 200
  assert ask(tmp_path, '/gradio_api/queue/join', b' ' * 1_100_000)[0] == 413


def test_a_port_that_is_taken_is_a_sentence(capsys):
  with socket.socket() as taken:
    taken.bind(('127.0.0.1', 0))
    taken.listen()
    port = taken.getsockname()[1]
    assert command.run(app.main, [f'--port={port}']) == 2
  said = capsys.readouterr().err
  assert f'--port={port}: Address already in use. --port=0 takes a free one.' in said
  with pytest.raises(errors.ConfigError, match='--host=voxshard.invalid'):
    with app_server.listening('voxshard.invalid', 0):
      pass


@pytest.mark.parametrize(
  ('argv', 'said'),
  [
    (['--run_dir=nowhere', '--port=0'], 'nowhere'),
    (['--run_dir=a', '--model=b'], 'got both'),
    (['--none_score=energy'], 'no effect without --none_of_these'),
    (['--port=70000'], '0 (any) to 65535'),
    (['--max_s=0'], '--max_s must be positive'),
  ],
)
def test_wrong_flags_are_sentences(capsys, argv, said):
  assert command.run(app.main, argv) == 2
  assert said in capsys.readouterr().err


def test_without_the_extra_it_is_said_which(capsys, monkeypatch):
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  assert command.run(app.main, []) == 2
  assert "pip install 'voxshard[app]'" in capsys.readouterr().err


def test_an_address_of_all_is_opened_as_this_machine():
  with app_server.listening('0.0.0.0', 0) as found:
    assert app_server.address(found).startswith('http://127.0.0.1:')
