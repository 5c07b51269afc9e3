"""Clips per second of the data job, of the bare limit and of a librosa script, on the same files.

  python -m benchmarks.featurize
  python -m benchmarks.featurize --clips=60000 --repeats=5 --scratch=/dev/shm
  python -m benchmarks.featurize --lhotse_python=/opt/lhotse/bin/python
  python -m benchmarks.featurize --files=mp3

With --scratch=/dev/shm the corpora lie in memory; else it is measured too how much of them the page
cache still holds. lhotse needs torch, so it is a rival only where --lhotse_python names the Python
of an environment that has both.

Every contender is a command of its own. Start-up (imports, workers) is set apart by running each
command on a small and on the full corpus: clips/s = (clips - few) / (seconds - few seconds). The
contenders take turns, so that a drift of the machine's speed meets all; medians are compared.
Take so many clips that the full run is long against the start-up, or noise is all one sees. Rivals
that are several times slower take a tenth of the clips.
"""

import argparse
import dataclasses
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
import soundfile

ROOT = pathlib.Path(__file__).parent.parent
FEW_CLIPS = 64
CLIP_SAMPLES = 16_000


@dataclasses.dataclass(frozen=True)
class Contender:
  """A command that featurizes a folder.

  Attributes:
    name: How it is called in the table.
    command: Gives the words of the command from the folders of input and output.
    is_slow: Whether it takes a tenth of the clips, or it alone would take most of the time.
  """

  name: str
  command: Callable[[pathlib.Path, pathlib.Path], list[str]]
  is_slow: bool = False


@dataclasses.dataclass(frozen=True)
class Files:
  """How the clips are stored."""

  suffix: str
  subtype: str
  rate_hz: int


FILES = {
  'wav': Files('.wav', 'PCM_16', 16_000),
  'flac': Files('.flac', 'PCM_16', 16_000),
  'mp3': Files('.mp3', 'MPEG_LAYER_III', 44_100),
  'wav48k': Files('.wav', 'PCM_16', 48_000),
}


def contenders(workers: int, *, files: str = 'wav', lhotse_python: str = '') -> list[Contender]:
  """Returns what is compared; the first is ours, the second the limit."""

  def ours(source: pathlib.Path, output: pathlib.Path) -> list[str]:
    return [
      sys.executable, '-m', 'beam_jobs.featurize', '--source=speech_commands', f'--input={source}',
      f'--output={output}', '--feature=log_mel:num_mels=80', f'--workers={workers}',
      '--notfds_metadata',
    ]  # fmt: skip

  def module(
    name: str, python: str = sys.executable
  ) -> Callable[[pathlib.Path, pathlib.Path], list[str]]:
    return lambda source, output: [
      python, '-m', f'benchmarks.contenders.{name}', str(source), str(output), str(workers),
    ]  # fmt: skip

  us = Contender(f'voxshard, {workers} workers', ours)
  if files != 'wav':
    bare = Contender(f'bare soundfile + soxr loop, {workers} processes', module('bare_soundfile'))
    return [us, bare]
  rivals = [
    us,
    Contender(f'bare NumPy/SciPy loop, {workers} processes', module('bare')),
    Contender(
      f'librosa + Example + TFRecordWriter, {workers} processes',
      module('librosa_pool'),
      is_slow=True,
    ),
    Contender(
      f'a Beam job clip by clip, {workers} workers', module('beam_per_element'), is_slow=True
    ),
  ]
  if lhotse_python:
    job = module('lhotse_jobs', lhotse_python)
    name = f'lhotse compute_and_store_features, {workers} jobs'
    rivals.append(Contender(name, job, is_slow=True))
  return rivals


def make_corpus(folder: pathlib.Path, num_clips: int, files: str = 'wav') -> None:
  """Writes one-second clips of 40 speakers in the Speech Commands layout."""
  generator = np.random.default_rng(0)
  form = FILES[files]
  noise = generator.normal(0, 0.1, form.rate_hz * 4)
  for i in range(num_clips):
    speaker, word = i % 40, ('yes', 'no', 'up', 'down')[i % 4]
    path = folder / word / f'{speaker:08x}_nohash_{i}{form.suffix}'
    path.parent.mkdir(parents=True, exist_ok=True)
    offset = int(generator.integers(0, form.rate_hz * 3))
    clip = noise[offset : offset + form.rate_hz]
    soundfile.write(path, clip, form.rate_hz, subtype=form.subtype)


def seconds(contender: Contender, corpus: pathlib.Path) -> float:
  """Returns how long a contender takes for a corpus, from start to exit."""
  with tempfile.TemporaryDirectory() as scratch:
    command = contender.command(corpus, pathlib.Path(scratch) / 'out')
    start_s = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    elapsed_s = time.perf_counter() - start_s
  if done.returncode:
    sys.exit(f'{contender.name} failed:\n{done.stderr[-2000:]}')
  return elapsed_s


def measure(
  rivals: Sequence[Contender], scratch: pathlib.Path, *, num_clips: int, repeats: int
) -> dict[str, tuple[float, float]]:
  """Returns (median clips/s, median start-up seconds) by contender's name."""
  few_s: dict[str, list[float]] = {rival.name: [] for rival in rivals}
  all_s: dict[str, list[float]] = {rival.name: [] for rival in rivals}
  for rival in rivals:
    seconds(rival, scratch / 'few')  # Warm-up: byte code, page cache.
  for _ in range(repeats):
    for rival in rivals:
      few_s[rival.name].append(seconds(rival, scratch / 'few'))
      all_s[rival.name].append(seconds(rival, scratch / ('some' if rival.is_slow else 'all')))
  result = {}
  for rival in rivals:
    taken = some_of(num_clips) if rival.is_slow else num_clips
    start_s = statistics.median(few_s[rival.name])
    work_s = statistics.median(all_s[rival.name]) - start_s
    result[rival.name] = ((taken - FEW_CLIPS) / work_s, start_s)
  return result


def some_of(num_clips: int) -> int:
  """How many clips of so many the slow contenders take."""
  return max(FEW_CLIPS + 1, num_clips // 10)


def make_corpora(scratch: pathlib.Path, num_clips: int, files: str) -> None:
  """Writes the corpora that `measure` takes."""
  for name, count in (('few', FEW_CLIPS), ('some', some_of(num_clips)), ('all', num_clips)):
    make_corpus(scratch / name, count, files)


def main() -> None:
  """Measures and prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--clips', type=int, default=20_000)
  parser.add_argument('--repeats', type=int, default=3)
  parser.add_argument('--workers', type=int, default=2)
  parser.add_argument('--files', choices=FILES, default='wav')
  parser.add_argument('--lhotse_python', default='', help='Python of an environment with lhotse')
  parser.add_argument('--scratch', default=None, help='where the corpora are made')
  args = parser.parse_args()
  if args.clips <= FEW_CLIPS:
    parser.error(f'--clips must be larger than {FEW_CLIPS}, got {args.clips}')
  scratch = pathlib.Path(tempfile.mkdtemp(dir=args.scratch))
  try:
    make_corpora(scratch, args.clips, args.files)
    rivals = contenders(args.workers, files=args.files, lhotse_python=args.lhotse_python)
    results = measure(rivals, scratch, num_clips=args.clips, repeats=args.repeats)
  finally:
    shutil.rmtree(scratch)
  ours = results[rivals[0].name][0]
  print(f'{args.clips} one-second {args.files} clips, log-mel 80, medians of {args.repeats}')
  print(f'{"":<55}{"clips/s":>9}{"start-up s":>12}{"ours / it":>11}')
  for name, (rate, start_s) in results.items():
    print(f'{name:<55}{rate:>9,.0f}{start_s:>12.1f}{ours / rate:>11.2f}')


if __name__ == '__main__':
  main()
