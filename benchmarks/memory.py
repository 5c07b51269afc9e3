"""Largest resident memory of the launcher and of its workers, for corpora of several sizes.

  python -m benchmarks.memory
  python -m benchmarks.memory --clips=6000,60000

The job's processes are watched while it runs, by what the kernel notes as their peak. The last row
is one recording of two hours that a table cuts into clips of one second.
"""

import argparse
import contextlib
import pathlib
import subprocess
import sys
import tempfile
import threading

import numpy as np
import soundfile

from benchmarks import featurize

RECORDING_S = 7_200
RATE_HZ = featurize.CLIP_SAMPLES
COMMAND = ('--feature=log_mel:num_mels=80', '--workers=2')


def make_recording(folder: pathlib.Path) -> pathlib.Path:
  """Writes the recording and a table of its seconds; returns the table."""
  folder.mkdir(parents=True)
  noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ)
  with soundfile.SoundFile(folder / 'long.wav', 'w', RATE_HZ, 1, 'PCM_16') as file:
    for _ in range(RECORDING_S):
      file.write(noise)
  rows = [f'long.wav,{("yes", "no")[i % 2]},s{i % 40},{i},1' for i in range(RECORDING_S)]
  table = folder / 'clips.csv'
  table.write_text('\n'.join(['path,label,speaker,start,duration', *rows]) + '\n')
  return table


def peaks_mib(arguments: list[str]) -> tuple[float, float]:
  """Runs the job; returns the peaks of the launcher and of its largest descendant, in MiB."""
  command = [sys.executable, '-m', 'beam_jobs.featurize', *COMMAND, *arguments]
  done = threading.Event()
  peaks: dict[int, int] = {}
  with subprocess.Popen(command, cwd=featurize.ROOT, stdout=subprocess.DEVNULL) as job:
    watcher = threading.Thread(target=watch, args=(job.pid, done, peaks))
    watcher.start()
    code = job.wait()
    done.set()
    watcher.join()
  if code:
    sys.exit(f'{" ".join(command)} failed with {code}')
  launcher = peaks.pop(job.pid)
  return launcher / 1024, max(peaks.values(), default=0) / 1024


def watch(launcher: int, done: threading.Event, peaks: dict[int, int]) -> None:
  """Notes the peaks of a process and of its descendants, in KiB, until it is done."""
  while not done.wait(0.1):
    for pid in [launcher, *_descendants(launcher)]:
      peaks[pid] = max(peaks.get(pid, 0), _peak_kib(pid))


def _descendants(pid: int) -> list[int]:
  children: list[int] = []
  # Beam starts workers from its threads.
  for task in pathlib.Path('/proc').glob(f'{pid}/task/*/children'):
    with contextlib.suppress(OSError):
      children += map(int, task.read_text().split())
  return children + [grandchild for child in children for grandchild in _descendants(child)]


def _peak_kib(pid: int) -> int:
  try:
    lines = (pathlib.Path('/proc') / str(pid) / 'status').read_text().splitlines()
  except OSError:
    return 0
  return next((int(line.split()[1]) for line in lines if line.startswith('VmHWM:')), 0)


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--clips', default='6000,60000')
  flags = parser.parse_args()
  print('| corpus | launcher MiB | largest worker MiB |\n|---|---|---|')
  with tempfile.TemporaryDirectory() as scratch:
    root = pathlib.Path(scratch)
    for number in map(int, flags.clips.split(',')):
      corpus = root / f'corpus{number}'
      featurize.make_corpus(corpus, number)
      launcher, worker = peaks_mib(
        ['--source=speech_commands', f'--input={corpus}', f'--output={root / f"out{number}"}']
      )
      print(f'| {number:,} clips of 1 s | {launcher:.0f} | {worker:.0f} |', flush=True)
    table = make_recording(root / 'recording')
    launcher, worker = peaks_mib(
      ['--source=table', f'--input={table}', f'--output={root / "out_recording"}']
    )
    print(f'| one recording of 2 h, cut into {RECORDING_S:,} | {launcher:.0f} | {worker:.0f} |')


if __name__ == '__main__':
  main()
