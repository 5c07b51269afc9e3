"""Clips per second of a job that asks a model, beside the model alone on the same cores.

  python -m benchmarks.batch_prediction --model=exports/words
  python -m benchmarks.batch_prediction --model=exports/words --clips=40000 --scratch=/dev/shm
  python -m benchmarks.batch_prediction --model=exports/words --clips=4000 --one_worker

The model is one of 1-second clips at 16 kHz. Compared are `python -m beam_jobs.predict`; the model
alone, asked about clips that lie in memory; a bare loop that reads, decodes, asks and writes lines;
and a Beam job with RunInference. All have as many processes as there are workers, and one thread of
TensorFlow in each.

Start-up is set apart by running each command on a small and on the full corpus: clips/s = (clips -
few) / (seconds - few seconds). Seconds of the processor, user and system, of all processes together
are told too: on a machine that others use they are what can be compared. Peaks of memory are those
of the launcher and of its largest worker, of both corpora: what grows with the clips is seen.

With --one_worker it is told what a clip takes in one worker, once that has begun, by the processor
time of this process: a shard is written, the bare loop runs, the model alone is asked, in turns;
and both Beam jobs run in this process, of which a small corpus is subtracted. That holds on a
machine that others use, too.
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence

from benchmarks import featurize, memory

FEW_CLIPS = 1_000


@dataclasses.dataclass(frozen=True)
class Run:
  """What a command took.

  Attributes:
    wall_s: From start to exit.
    processor_s: Of all its processes.
    launcher_mib: Peak of the first process.
    worker_mib: Peak of the largest of the others.
  """

  wall_s: float
  processor_s: float
  launcher_mib: float
  worker_mib: float


def contenders(workers: int, export: str) -> list[featurize.Contender]:
  """Returns what is compared; the first is ours, the second what it is held against."""

  def ours(source: pathlib.Path, output: pathlib.Path) -> list[str]:
    return [
      sys.executable, '-m', 'beam_jobs.predict', f'--model={export}', '--source=unlabelled',
      f'--input={source}', f'--output={output}', f'--workers={workers}',
    ]  # fmt: skip

  def other(*words: str) -> Callable[[pathlib.Path, pathlib.Path], list[str]]:
    return lambda source, output: [
      sys.executable, '-m', *words, str(source), str(output), str(workers), export,
    ]  # fmt: skip

  limits = 'benchmarks.contenders.asking'
  return [
    featurize.Contender('beam_jobs.predict', ours),
    featurize.Contender('the model alone, clips in memory', other(limits, 'alone')),
    featurize.Contender('a bare loop: read, decode, ask, write', other(limits, 'loop')),
    featurize.Contender('Beam with RunInference', other('benchmarks.contenders.run_inference')),
  ]


def run(contender: featurize.Contender, corpus: pathlib.Path) -> Run:
  """Runs a contender on a corpus."""
  with tempfile.TemporaryDirectory() as scratch:
    command = contender.command(corpus, pathlib.Path(scratch) / 'out')
    peaks: dict[int, int] = {}
    done = threading.Event()
    before, start_s = os.times(), time.perf_counter()
    with subprocess.Popen(
      command, cwd=featurize.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as job:
      watcher = threading.Thread(target=memory.watch, args=(job.pid, done, peaks))
      watcher.start()
      _, error = job.communicate()
      done.set()
      watcher.join()
    wall_s, after = time.perf_counter() - start_s, os.times()
  if job.returncode:
    sys.exit(f'{contender.name} failed:\n{error[-2000:]}')
  launcher = peaks.pop(job.pid, 0)
  return Run(
    wall_s,
    after.children_user + after.children_system - before.children_user - before.children_system,
    launcher / 1024,
    max(peaks.values(), default=0) / 1024,
  )


def measure(
  rivals: Sequence[featurize.Contender], scratch: pathlib.Path, *, repeats: int
) -> dict[str, tuple[list[Run], list[Run]]]:
  """Returns the runs of each contender on the small and on the full corpus; they take turns."""
  found: dict[str, tuple[list[Run], list[Run]]] = {rival.name: ([], []) for rival in rivals}
  for _ in range(repeats):
    for rival in rivals:
      few, many = found[rival.name]
      few.append(run(rival, scratch / 'few'))
      many.append(run(rival, scratch / 'all'))
  return found


def in_one_worker(export: str, corpus: pathlib.Path, *, repeats: int) -> dict[str, float]:
  """Returns the microseconds of a core that a clip takes, the least of some repeats, by step."""
  # Here: only this needs TensorFlow in this process.
  from beam_jobs.asking import answer_shard, ask_flags, ask_job  # noqa: PLC0415
  from beam_jobs.processes import worker_page  # noqa: PLC0415
  from beam_jobs.sources import corpus as corpus_lib  # noqa: PLC0415
  from beam_jobs.sources import unlabelled  # noqa: PLC0415
  from benchmarks.contenders import asking  # noqa: PLC0415

  found = corpus_lib.Corpus(str(corpus))
  utterances = list(unlabelled.list_utterances(found, unlabelled.Unlabelled()))
  paths = [one.uri for one in utterances]
  least: dict[str, float] = {}
  with tempfile.TemporaryDirectory() as scratch:
    output = f'{scratch}/out'
    words = [f'--model={export}', '--source=unlabelled', f'--input={corpus}', f'--output={output}']
    config = ask_job.config_of(ask_flags.parse(words), export)
    page = worker_page.WorkerPage()
    steps: dict[str, Callable[[], object]] = {
      'beam_jobs.predict': lambda: answer_shard.write(output, utterances, config, page),
      'the model alone, clips in memory': lambda: asking.alone(paths, output, export),
      'a bare loop: read, decode, ask, write': lambda: asking.loop(paths, output, export),
    }
    few = _some(corpus, pathlib.Path(scratch) / 'few', len(paths) // 10)
    for _ in range(repeats + 1):  # The first is a warm-up.
      for name, step in steps.items():
        start_s = time.process_time()
        step()
        taken_us = 1e6 * (time.process_time() - start_s) / len(paths)
        least[name] = min(taken_us, least.get(name, taken_us))
      for name, job in (('beam_jobs.predict, as a job', _our_job), ('RunInference', _their_job)):
        taken_s = []
        for folder in (few, corpus):
          with tempfile.TemporaryDirectory() as place:
            start_s = time.process_time()
            job(folder, f'{place}/out', export)
            taken_s.append(time.process_time() - start_s)
        taken_us = 1e6 * (taken_s[1] - taken_s[0]) / (len(paths) - len(paths) // 10)
        least[name] = min(taken_us, least.get(name, taken_us))
  return least


def _some(corpus: pathlib.Path, folder: pathlib.Path, count: int) -> pathlib.Path:
  """Copies so many files of a corpus."""
  folder.mkdir()
  for i, path in enumerate(sorted(corpus.rglob('*.wav'))[:count]):
    shutil.copyfile(path, folder / f'{i}.wav')
  return folder


def _our_job(corpus: pathlib.Path, output: str, export: str) -> None:
  from beam_jobs.asking import ask_flags, ask_job  # noqa: PLC0415

  words = [f'--model={export}', '--source=unlabelled', f'--input={corpus}', f'--output={output}']
  ask_job.run_job(ask_flags.parse([*words, '--workers=0']))


def _their_job(corpus: pathlib.Path, output: str, export: str) -> None:
  from benchmarks.contenders import run_inference  # noqa: PLC0415

  run_inference.main(str(corpus), output, '0', export)


def main() -> None:
  """Measures and prints the table."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
  parser.add_argument('--model', required=True, help='an export of 1-second clips at 16 kHz')
  parser.add_argument('--clips', type=int, default=20_000)
  parser.add_argument('--repeats', type=int, default=1)
  parser.add_argument('--workers', type=int, default=2)
  parser.add_argument('--only', type=int, default=0, help='so many of the contenders; 0: all')
  parser.add_argument('--one_worker', action='store_true', help='measure one worker, in process')
  parser.add_argument('--scratch', default=None, help='where the corpora are made')
  args = parser.parse_args()
  if args.clips <= FEW_CLIPS:
    parser.error(f'--clips must be larger than {FEW_CLIPS}, got {args.clips}')
  rivals = contenders(args.workers, os.path.abspath(args.model))[: args.only or None]
  scratch = pathlib.Path(tempfile.mkdtemp(dir=args.scratch))
  if args.one_worker:
    try:
      featurize.make_corpus(scratch / 'all', args.clips)
      taken = in_one_worker(os.path.abspath(args.model), scratch / 'all', repeats=args.repeats)
    finally:
      shutil.rmtree(scratch)
    print(f'{args.clips:,} one-second WAV files in one worker, least of {args.repeats}')
    for name, taken_us in taken.items():
      print(f'{name:<40}{taken_us:>9,.0f} us of a core per clip')
    return
  try:
    featurize.make_corpus(scratch / 'few', FEW_CLIPS)
    featurize.make_corpus(scratch / 'all', args.clips)
    results = measure(rivals, scratch, repeats=args.repeats)
  finally:
    shutil.rmtree(scratch)
  print(f'{args.clips:,} one-second WAV files, {args.workers} workers, medians of {args.repeats}')
  print(
    f'{"":<40}{"clips/s":>9}{"us of a core/clip":>19}{"start-up s":>12}'
    f'{"launcher MiB":>20}{"worker MiB":>20}'
  )
  for name, (few, many) in results.items():
    more = args.clips - FEW_CLIPS
    wall_s = _median(many, 'wall_s') - _median(few, 'wall_s')
    processor_s = _median(many, 'processor_s') - _median(few, 'processor_s')
    start_s = _median(few, 'wall_s') - FEW_CLIPS * wall_s / more
    launcher = f'{_median(few, "launcher_mib"):,.0f} -> {_median(many, "launcher_mib"):,.0f}'
    worker = f'{_median(few, "worker_mib"):,.0f} -> {_median(many, "worker_mib"):,.0f}'
    print(
      f'{name:<40}{more / wall_s:>9,.0f}{1e6 * processor_s / more:>19,.0f}{start_s:>12.1f}'
      f'{launcher:>20}{worker:>20}'
    )


def _median(runs: Sequence[Run], field: str) -> float:
  return statistics.median(getattr(one, field) for one in runs)


if __name__ == '__main__':
  main()
