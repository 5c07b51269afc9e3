"""Requests a second and how long each takes, of a server on loopback, with and without batching.

  python -m benchmarks.serving
  python -m benchmarks.serving --model=EXPORT --seconds=10 --clients=1,8,64 --format=FLAC

The program is started twice, with --max_batch=1 and with its own defaults. So many clients as
--clients says, all in this process, each on a connection that it keeps, send a clip and wait for
the answer before they send the next. Every one of --repeats asks both servers and the bare model in
turn, so that a drift of the machine's speed meets all; the median is shown. The bare model is asked
in one loop in this process, clip by clip and by 32, of samples that are decoded already and of the
same files: what no server can reach. Clients take processor time of the same cores; where others do
too, processor time of the server, with its decoders, says more than clips a second (on Linux).

--model names an export or a run; without it, the run of `make demo` is asked.
"""

import argparse
import asyncio
import contextlib
import io
import math
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import soundfile

from exports import clip_input, exported
from schemas import command, errors
from trainer.export import opened
from trainer.runs import saved_run

ROOT = pathlib.Path(__file__).parent.parent
NUM_FILES = 64
_SHARES = (0.5, 0.95, 0.99)
SERVERS = {'one by one (--max_batch=1)': ('--max_batch=1',), 'in batches': ()}


class Figures(NamedTuple):
  """What a turn gave.

  Attributes:
    clips_per_s: Clips a second.
    times_ms: The times to an answer, sorted, in ms.
    cpu_ms: Processor time for a clip, in ms; NaN where nobody knows.
  """

  clips_per_s: float
  times_ms: Sequence[float]
  cpu_ms: float = math.nan

  def percentile(self, share: float) -> float:
    """Returns the time in which such a share of the answers came, in ms."""
    return self.times_ms[min(len(self.times_ms) - 1, int(share * len(self.times_ms)))]


def make_files(rate_hz: int, clip_s: float, kind: str = 'WAV') -> list[bytes]:
  """Returns files of noise, as long as the model's clips, at its rate: 16 bits, mono.

  Args:
    rate_hz: The rate.
    clip_s: The length, in seconds; 0 for any.
    kind: WAV or FLAC.
  """
  rng = np.random.default_rng(14)
  made = []
  for _ in range(NUM_FILES):
    samples = rng.uniform(-0.3, 0.3, round(rate_hz * (clip_s or 1.0))).astype(np.float32)
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate_hz, format=kind, subtype='PCM_16')
    made.append(stream.getvalue())
  return made


def request(body: bytes) -> bytes:
  """Returns a whole request for a file."""
  head = (
    'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\n'
    f'Content-Length: {len(body)}\r\n\r\n'
  )
  return head.encode() + body


async def load(port: int, requests: Sequence[bytes], *, num_clients: int, max_s: float) -> Figures:
  """Returns what so many clients got of a server in so many seconds.

  Raises:
    StorageError: if an answer is another than 200.
  """
  times_ms: list[float] = []
  end_s = time.perf_counter() + max_s

  async def client(number: int) -> None:
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    turn = number
    while (start_s := time.perf_counter()) < end_s:
      writer.write(requests[turn % len(requests)])
      turn += num_clients
      head = await reader.readuntil(b'\r\n\r\n')
      if not head.startswith(b'HTTP/1.1 200'):
        raise errors.StorageError(f'The server answered {head.splitlines()[0].decode()}.')
      length = int(head.lower().partition(b'content-length:')[2].split(b'\r\n')[0])
      await reader.readexactly(length)
      times_ms.append(1000 * (time.perf_counter() - start_s))
    writer.close()

  start_s = time.perf_counter()
  await asyncio.gather(*(client(i) for i in range(num_clients)))
  return Figures(len(times_ms) / (time.perf_counter() - start_s), sorted(times_ms))


def bare(
  model: exported.Exported, files: Sequence[bytes], *, batch: int, decodes: bool, max_s: float
) -> Figures:
  """Returns what the model gives in one loop, of so many clips at a time."""
  held = [clip_input.decode(data, model.export).samples for data in files]
  model.of_clips(held[:batch])
  times_ms: list[float] = []
  cpu_before_s = time.process_time()
  start_s = now_s = time.perf_counter()
  turn = 0
  while now_s < start_s + max_s:
    part = [(turn + i) % len(files) for i in range(batch)]
    turn += batch
    samples = [
      clip_input.decode(files[i], model.export).samples if decodes else held[i] for i in part
    ]
    model.of_clips(samples)
    before_s, now_s = now_s, time.perf_counter()
    times_ms.append(1000 * (now_s - before_s))
  cpu_ms = 1000 * (time.process_time() - cpu_before_s) / turn
  return Figures(turn / (now_s - start_s), sorted(times_ms), cpu_ms)


def cpu_s(pid: int) -> float:
  """Returns the processor time of a process and those below it, in seconds; NaN if not on Linux."""
  try:
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()
    found = (int(stat[11]) + int(stat[12])) / os.sysconf('SC_CLK_TCK')
    for path in pathlib.Path(f'/proc/{pid}/task').glob('*/children'):
      found += sum(cpu_s(int(child)) for child in path.read_text(encoding='ascii').split())
  except OSError:
    return math.nan
  return found


@contextlib.contextmanager
def serving(path: str, flags: Sequence[str]) -> Iterator[tuple[int, int]]:
  """Gives the port and the process of a server of a model.

  Raises:
    StorageError: if it does not start, or does not end cleanly.
  """
  process = subprocess.Popen(
    [sys.executable, '-m', 'trainer.serve', f'--model={os.path.abspath(path)}', '--port=0', *flags],
    cwd=ROOT, stdout=subprocess.PIPE, text=True,
  )  # fmt: skip
  try:
    assert process.stdout
    line = process.stdout.readline()
    if not line.startswith('serving on '):
      raise errors.StorageError('The server did not start; what it said stands above.')
    yield int(line.rpartition(':')[2]), process.pid
    process.send_signal(signal.SIGTERM)
    if process.wait(60):
      raise errors.StorageError(f'The server ended with exit code {process.returncode}.')
  finally:
    process.kill()
    process.wait()


def measure(path: str, args: argparse.Namespace) -> dict[str, list[Figures]]:
  """Returns the figures of every turn by what was asked, in the order in which they are shown."""
  found: dict[str, list[Figures]] = {}
  with contextlib.ExitStack() as stack:
    model = stack.enter_context(opened.opened(path))
    audio = model.export.audio
    if audio is None:
      raise errors.ConfigError(f'{path!r} takes pictures; name a model of audio with --model.')
    files = make_files(audio.sample_rate_hz, audio.clip_s, args.format)
    requests = [request(data) for data in files]
    servers = {name: stack.enter_context(serving(path, flags)) for name, flags in SERVERS.items()}
    for _ in range(args.repeats):
      for batch in (1, 32):
        for decodes in (False, True):
          name = f'bare model, by {batch}{", with decoding" if decodes else ""}'
          figures = bare(model, files, batch=batch, decodes=decodes, max_s=args.seconds)
          found.setdefault(name, []).append(figures)
      for num_clients in args.clients:
        for name, (port, pid) in servers.items():
          before_s = cpu_s(pid)
          figures = asyncio.run(load(port, requests, num_clients=num_clients, max_s=args.seconds))
          cpu_ms = 1000 * (cpu_s(pid) - before_s) / len(figures.times_ms)
          figures = figures._replace(cpu_ms=cpu_ms)
          key = f'server, {name}, {errors.counted(num_clients, "client")}'
          found.setdefault(key, []).append(figures)
  return found


def table(found: dict[str, list[Figures]]) -> str:
  """Returns the medians of all turns in Markdown."""
  lines = [
    '| asked | clips a second | p50 ms | p95 ms | p99 ms | processor ms a clip |',
    '|---|---|---|---|---|---|',
  ]
  for name, turns in found.items():
    rate = statistics.median(turn.clips_per_s for turn in turns)
    shown = [statistics.median(turn.percentile(share) for turn in turns) for share in _SHARES]
    cpu_ms = statistics.median(turn.cpu_ms for turn in turns)
    cells = [f'{rate:,.0f}', *(f'{ms:.1f}' for ms in shown), f'{cpu_ms:.2f}']
    lines.append(f'| {name} | {" | ".join(cells)} |')
  return '\n'.join(lines)


def processor() -> str:
  """Returns what the processor is called."""
  with contextlib.suppress(OSError):
    for line in pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
      if line.startswith('model name'):
        return line.partition(':')[2].strip()
  return platform.processor()


def main(argv: Sequence[str]) -> None:
  """Measures and prints."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
  parser.add_argument('--model', default=saved_run.DEFAULT_RUN_DIR)
  parser.add_argument('--format', default='WAV', choices=('WAV', 'FLAC'))
  parser.add_argument('--clients', type=_counts, default=_counts('1,8,64'))
  parser.add_argument('--seconds', type=float, default=5.0)
  parser.add_argument('--repeats', type=int, default=3)
  args = parser.parse_args(argv)
  print(f'{processor()}, {os.cpu_count()} cores; clients on the same')
  print(table(measure(args.model, args)))


def _counts(text: str) -> list[int]:
  return [int(part) for part in text.split(',')]


if __name__ == '__main__':
  sys.exit(command.run(main))
