"""A decoder that dies, hangs or eats memory costs the request that it was at, and no other."""

import concurrent.futures
import contextlib
import math
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from tests.helpers import toy_server, waits, wav_files
from tests.helpers.toy_server import ask
from tests.trainer.decoders.test_decoder_pool import gone
from tests.trainer.serve import breaking_uploads
from tests.trainer.serve.test_serving import metric, probabilities, wav
from trainer.decoders import decoder_pool
from trainer.serve import answering_service, intake, serving

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope='module')
def server():
  """(address, service) of one whose decoders break where a file says so."""
  flags = {'max_decode_s': 0.1, 'max_decoder_mib': 96, 'max_batch': 2}
  program = breaking_uploads.PROGRAM
  with pytest.MonkeyPatch.context() as patched:
    # By the clock with patience: a machine that does much else lets the good ones wait too.
    patched.setattr(answering_service, '_WALL', 40)
    patched.setattr(answering_service, '_LOG_S', 3_600.0)  # One line, however long it takes.
    with toy_server.serving(toy_server.Toy(), program=program, **flags) as (address, service, _):
      yield address, service


def flac(value):
  samples = toy_server.np.full(800, value, toy_server.np.float32)
  return wav_files.encoded(
    samples, format='FLAC', subtype='PCM_16', sample_rate_hz=toy_server.RATE_HZ
  )


BAD = {
  b'SEGV': (422, 'the decoder itself breaks (SIGSEGV). Convert it to WAV or FLAC.', 'crashed'),
  b'EAT!': (413, 'decoded in 96 MiB, got one that takes more.', 'no_memory'),
  b'SPIN': (422, 'got no end: its decoder was stopped.', 'too_slow'),
  b'WAIT': (422, 'got no end: its decoder was stopped.', 'too_slow'),
}


def test_of_50_beside_those_at_which_decoders_break_none_is_lost(server, capfd):
  address, service = server
  windows = '/predict?window_s=0.05&hop_s=0.025'
  long = ask(address, windows, wav(num_samples=8_000)).json
  with concurrent.futures.ThreadPoolExecutor(60) as pool:
    bad = {name: pool.submit(ask, address, body=name + b'x' * 9_000) for name in BAD}
    good = [pool.submit(ask, address, body=flac(i / 64)) for i in range(50)]
    windowed = [pool.submit(ask, address, windows, wav(num_samples=8_000)) for _ in range(2)]
    for i, one in enumerate(good):
      assert math.isclose(probabilities(one.result())['yes'], i / 64, abs_tol=1e-4)
    assert [one.result().json for one in windowed] == [long, long]
    for name, one in bad.items():
      status, sentence, _ = BAD[name]
      assert one.result().status == status and sentence in one.result().json['error'], name
  text = ask(address, '/metrics').body.decode()
  assert metric(text, 'voxshard_requests_total{path="/predict",status="200"}') == 53
  for cause in ('crashed', 'no_memory', 'too_slow'):
    assert metric(text, f'voxshard_decoder_restarts_total{{cause="{cause}"}}') >= 1
  assert metric(text, 'voxshard_decoders') == 2
  for name in ('waiting_clips', 'pending_requests', 'held_bytes'):
    assert metric(text, f'voxshard_{name}') == 0
  assert ask(address, '/health').status == 200
  damaged = ask(address, body=b'x', content_type='multipart/form-data; boundary=y')
  assert damaged.status == 422 and 'damaged' in damaged.json['error']
  # Said, but not of each: a stranger could fill a disk.
  said = capfd.readouterr().err
  assert all(line.startswith('note: ') for line in said.splitlines()), said
  assert re.findall(r'note: A decoder ended \(\w+, [\w ]+\) and is replaced\.', said)
  assert said.count('note:') == 1


def test_a_server_that_cannot_decode_says_so_and_is_mended(server, monkeypatch):
  address, service = server
  pool = service._pool

  def refused():
    raise BlockingIOError(11, os.strerror(11))

  monkeypatch.setattr(pool, '_new_first', refused)
  with pool._first_lock:
    pool._first = None
  for slot in pool._slots:
    os.kill(slot.decoder.pid, signal.SIGKILL)
  assert gone([slot.decoder.pid for slot in pool._slots if slot.decoder])
  found = ask(address, body=flac(0.5))
  assert found.status == 503 and 'No decoder can be started' in found.json['error']
  assert found.headers['retry-after'] == '1'
  waits.until(lambda: ask(address, '/health').status == 503)
  assert metric(ask(address, '/metrics').body.decode(), 'voxshard_decoders') == 0
  assert ask(address, body=plain(0.5)).status == 200  # It needs none.
  monkeypatch.undo()
  waits.until(lambda: ask(address, '/health').status == 200)
  assert ask(address, body=flac(0.5)).status == 200


def plain(value):
  return wav_files.pcm16(
    toy_server.np.full((800, 1), round(value * 32_768), toy_server.np.int16),
    sample_rate_hz=toy_server.RATE_HZ,
  )


def test_a_server_without_decoders_does_not_start(capsys, monkeypatch):
  def refused(program):
    raise BlockingIOError(11, os.strerror(11))

  monkeypatch.setattr(decoder_pool, '_First', refused)
  monkeypatch.setattr(serving, '_EXTRA', ())
  monkeypatch.setattr(serving.opened, 'caution_of', lambda *_: serving.opened.caution_lib.Caution())
  assert serving.command.run(serving.main, ['--model=nowhere', '--port=0']) == 2
  said = capsys.readouterr().err
  assert said == f'error: No decoder can be started: {os.strerror(11)}.\n'


def test_only_short_wave_files_without_anything_special_are_decoded_in_the_server():
  toy = toy_server.Toy()
  heard = intake.Intake(export=toy.export, max_s=2, max_decode_s=1, max_windows=9)
  good = plain(0.5)
  assert heard.is_plain(good, 'audio/wav') and heard.is_plain(good, 'Audio/X-WAV; a=b')
  for content_type in ('application/json', 'multipart/form-data; boundary=x', 'video/webm'):
    assert not heard.is_plain(good, content_type)
  others = [
    b'', good[:44], good[:-2], good + b'\0', flac(0.5), wav(),
    b'X' + good[1:], good.replace(b'data', b'dada'), good[:20] + b'\3' + good[21:],
    plain(0.5)[:24] + (16_000).to_bytes(4, 'little') + good[28:],
    good[:22] + b'\3' + good[23:], good[:40] + b'\xff\xff\xff\xff' + good[44:],
    wav_files.pcm16(wav_files.int16_noise(140_000), sample_rate_hz=toy_server.RATE_HZ),
  ]  # fmt: skip
  assert not [data[:50] for data in others if heard.is_plain(data, 'audio/wav')]


@pytest.mark.skipif(not pathlib.Path('/proc/self/task').is_dir(), reason='It looks into /proc.')
def test_no_process_outlives_a_server_that_is_killed():
  process = subprocess.Popen(
    [sys.executable, '-m', 'tests.helpers.toy_server', '0', breaking_uploads.PROGRAM],
    cwd=ROOT, stdout=subprocess.PIPE, text=True,
  )  # fmt: skip
  address = process.stdout.readline().removeprefix('serving on ').strip()
  decoders = below(process.pid)
  assert len(decoders) >= 3
  with concurrent.futures.ThreadPoolExecutor(1) as pool:
    # One of them is in C, with Python's lock, and has many seconds yet.
    stuck = pool.submit(ask, address, body=b'WAIT')
    pending = 'voxshard_pending_requests'
    waits.until(lambda: metric(ask(address, '/metrics').body.decode(), pending) == 1)
    process.kill()
    process.communicate(timeout=300)
    assert gone(decoders)
    assert stuck.exception(300)


def below(pid):
  """Returns the processes below one."""
  found = []
  for path in pathlib.Path(f'/proc/{pid}/task').glob('*/children'):
    with contextlib.suppress(OSError):  # A thread that has ended.
      for child in map(int, path.read_text().split()):
        found += [child, *below(child)]
  return found
