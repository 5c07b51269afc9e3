"""Decodes every file of a folder and prints a line of JSON on each: result, memory, time.

  python -m tests.faults.decode_all FOLDER '*.wav' '{"clip_s": 0.5}' RESERVE_BYTES

Run as a process of its own, whose memory is limited to what it has at its start and RESERVE_BYTES.
"""

import json
import os
import pathlib
import resource
import sys
import time

import av  # Loaded now, so that it counts for the start.
import soundfile
import soxr

from beam_jobs.shards import reading
from features.decoding import clips
from schemas import audio

_PAGE_BYTES = os.sysconf('SC_PAGE_SIZE')


def main() -> None:
  folder, pattern, settings, reserve_bytes = sys.argv[1:]
  spec = audio.AudioSpec(**{'sample_rate_hz': 16_000, 'clip_s': 0.5, **json.loads(settings)})
  paths = sorted(pathlib.Path(folder).rglob(pattern))
  assert av and soundfile and soxr
  limit_bytes = _own_bytes(0) + int(reserve_bytes)
  resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
  out = os.fdopen(os.dup(1), 'w')
  os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Decoders print, too.
  for path in paths:
    _reset_peak()
    before_bytes, start_s = _own_bytes(1), time.process_time()
    try:
      clip = reading.load(str(path), spec)
      result = 'ok' if abs(clip.samples).max(initial=0) <= 1e9 else 'not finite'
    except clips.ClipError as error:
      result = error.reason
    seen = {
      'name': path.name,
      'result': result,
      'num_bytes': path.stat().st_size,
      'peak_bytes': _peak_bytes() - before_bytes,
      'cpu_s': time.process_time() - start_s,
    }
    print(json.dumps(seen), file=out, flush=True)


def _own_bytes(field: int) -> int:
  """Returns the size of this process: 0 of its addresses, 1 of what is in memory."""
  return int(pathlib.Path('/proc/self/statm').read_text().split()[field]) * _PAGE_BYTES


def _reset_peak() -> None:
  pathlib.Path('/proc/self/clear_refs').write_text('5')


def _peak_bytes() -> int:
  for line in pathlib.Path('/proc/self/status').read_text().splitlines():
    if line.startswith('VmHWM:'):
      return int(line.split()[1]) << 10
  raise AssertionError('no VmHWM')


if __name__ == '__main__':
  main()
