"""What the report of very many predictions costs, beside reading the file that it is made of.

  python -m benchmarks.reports
  python -m benchmarks.reports --clips=100000 --labels=6000

Predictions are made up: logits of normal numbers, with more for the true label. Each row is a
process of its own, with its start and its imports, which the first row is alone. Times are those of
the processor, user and system, all threads together; memory is what the kernel notes as the peak.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import pathlib
import resource
import tempfile
from collections.abc import Callable
from concurrent import futures

import numpy as np

from benchmarks import clips
from tfrecords import manifest_file
from trainer.judging import evaluation
from trainer.predictions import clip_answers, parquet_reader, parquet_writer
from trainer.predictions import header as header_lib
from trainer.runs import judgement, run_folder, saved_run

_PART = 1 << 24  # Logits that are made up at once.


def make(path: str, *, num_clips: int, num_labels: int, num_speakers: int) -> None:
  """Writes a file of predictions."""
  header = header_lib.Header(
    labels=tuple(f'word {i}' for i in range(num_labels)),
    split='test',
    checkpoint=run_folder.BEST,
    model='tc_resnet',
    feature=clips.SPEC.name,
    data_dir='/data',
    dataset=clips.NAME,
    manifest_sha256='0' * 64,
  )
  draws = np.random.default_rng(0)
  part = max(1, _PART // num_labels)
  with parquet_writer.writing(path, header) as writer:
    for start in range(0, num_clips, part):
      size = min(part, num_clips - start)
      labels = draws.integers(num_labels, size=size)
      logits = draws.normal(0, 2, (size, num_labels)).astype(np.float32)
      logits[np.arange(size), labels] += 6
      speakers = draws.integers(num_speakers, size=size)
      origins = clip_answers.Origins(
        ids=[f'{clips.NAME}/{i:08d}.wav' for i in range(start, start + size)],
        speakers=[f'speaker{speaker:06d}' for speaker in speakers],
        files=[f'{i:08d}.wav' for i in range(start, start + size)],
        start_us=[0] * size,
        end_us=[1_000_000] * size,
        fields=['{}'] * size,
        augmentations=[''] * size,
      )
      writer.add(clip_answers.Answers(origins, labels, logits))


def start(folder: str) -> None:
  """Does nothing but what every row does: begin."""
  del folder


def read(folder: str) -> None:
  """Reads every column, as arrays and texts of Arrow."""
  for batch in parquet_reader.Reader(judgement.Judgement(folder).predictions_file).batches():
    del batch


def report(folder: str) -> None:
  """Makes the report, with all that goes with it, and its text."""
  found = judgement.Judgement(folder)
  labels = parquet_reader.Reader(found.predictions_file).header.labels
  dataset = manifest_file.load(os.path.join(folder, 'data'))
  shard = dataclasses.replace(
    dataset.shards[0], num_records=len(labels), label_counts=(1,) * len(labels)
  )
  run = saved_run.SavedRun(
    folder=run_folder.RunFolder(folder),
    data_dir='/data',
    manifest_sha256='0' * 64,
    manifest=dataclasses.replace(dataset, labels=labels, shards=(shard,)),
    feature=clips.SPEC,
    model_text='tc_resnet',
  )
  evaluation.report_on(run, found)


def cost(work: Callable[[str], None], folder: str) -> tuple[float, float]:
  """Returns the processor's seconds and the peak in MiB of a process that does some work."""
  spawning = multiprocessing.get_context('spawn')
  with futures.ProcessPoolExecutor(1, mp_context=spawning) as processes:
    return processes.submit(_measured, work, folder).result()


def _measured(work: Callable[[str], None], folder: str) -> tuple[float, float]:
  work(folder)
  used = resource.getrusage(resource.RUSAGE_SELF)
  # ru_maxrss would be that of the process which this one was forked from, where that was larger.
  status = pathlib.Path('/proc/self/status').read_text(encoding='ascii')
  peak_kib = int(status.partition('VmHWM:')[2].split()[0])
  return used.ru_utime + used.ru_stime, peak_kib / 1024


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--clips', type=int, default=1_000_000)
  parser.add_argument('--labels', type=int, default=35)
  parser.add_argument('--speakers', type=int, default=1_000)
  parser.add_argument('--repeats', type=int, default=3)
  parser.add_argument('--scratch', default=None)
  args = parser.parse_args()
  with tempfile.TemporaryDirectory(dir=args.scratch) as root:
    path = judgement.Judgement(root).predictions_file
    clips.write(pathlib.Path(root, 'data'), len(clips.LABELS), num_shards=1)
    make(path, num_clips=args.clips, num_labels=args.labels, num_speakers=args.speakers)
    size = os.path.getsize(path)
    print(f'{args.clips:,} clips of {args.labels:,} labels, {size / 1e6:,.0f} MB\n')
    print('| | s of the processor | MiB at most |\n|---|---|---|')
    for name, work in (('start', start), ('reading', read), ('the report', report)):
      found = [cost(work, root) for _ in range(args.repeats)]
      least_s, peak_mib = min(cpu_s for cpu_s, _ in found), max(peak for _, peak in found)
      print(f'| {name} | {least_s:.1f} | {peak_mib:,.0f} |', flush=True)
    written = [judgement.Judgement(root).report_file, judgement.Judgement(root).page_file]
    for name in filter(os.path.exists, written):
      print(f'{os.path.basename(name)}: {os.path.getsize(name) / 1e6:.1f} MB')
    with open(written[0], encoding='utf-8') as stream:
      print(json.load(stream)['interval_note'])


if __name__ == '__main__':
  main()
