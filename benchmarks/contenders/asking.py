"""The limits of a job that asks a model: the model alone, and a bare loop of decode and model.

python -m benchmarks.contenders.asking alone|loop INPUT OUTPUT NUM_PROCESSES EXPORT

A process for each core, one thread of TensorFlow in each, batches of 64. `alone` decodes one batch
and asks about it as often as there are clips for; `loop` reads every file by soundfile, without a
check of anything, and writes the label and the probability of each as CSV.
"""

import csv
import io
import multiprocessing
import pathlib
import sys

import numpy as np
import soundfile

from beam_jobs.asking import ask_config, model_place

BATCH_CLIPS = ask_config.BATCH_CLIPS


def model(export: str):
  """Returns the model, as a worker of ours has it."""
  return model_place.loaded(
    model_place.ModelPlace(path=export, digest=model_place.digest(export), threads=1)
  )


def decode(path: str, num_samples: int) -> np.ndarray:
  """Samples of a file that has the right rate, float32 [num_samples]."""
  samples, _ = soundfile.read(io.BytesIO(pathlib.Path(path).read_bytes()), dtype='float32')
  samples = samples[:num_samples]
  return np.pad(samples, (0, num_samples - len(samples)))


def alone(paths: list[str], output: str, export: str) -> None:
  """Asks about as many clips as there are paths; reads few of them."""
  del output
  asked = model(export)
  size = asked.export.audio.clip_samples
  batch = np.stack([decode(path, size) for path in paths[:BATCH_CLIPS]])
  lengths = np.full(len(batch), size, np.int32)
  for start in range(0, len(paths), len(batch)):
    some = min(len(batch), len(paths) - start)
    asked.of_batch(batch[:some], lengths[:some])


def loop(paths: list[str], output: str, export: str) -> None:
  """Reads all, asks about all, writes a line for each."""
  asked = model(export)
  size = asked.export.audio.clip_samples
  labels = asked.export.labels
  with open(output, 'w', encoding='utf-8', newline='') as stream:
    lines = csv.writer(stream)
    for start in range(0, len(paths), BATCH_CLIPS):
      some = paths[start : start + BATCH_CLIPS]
      batch = np.stack([decode(path, size) for path in some])
      found = asked.of_batch(batch, np.full(len(batch), size, np.int32)).probabilities
      best = found.argmax(1)
      lines.writerows(
        (path, labels[best[i]], f'{found[i, best[i]]:.6f}') for i, path in enumerate(some)
      )


def main(mode: str, source: str, output: str, *more: str) -> None:
  """Deals the files of a folder to processes."""
  paths = sorted(str(path) for path in pathlib.Path(source).rglob('*.wav'))
  pathlib.Path(output).mkdir()
  count, export = int(more[0]), more[1]
  work = {'alone': alone, 'loop': loop}[mode]
  # TensorFlow does not live through a fork.
  context = multiprocessing.get_context('spawn')
  children = [
    context.Process(target=work, args=(paths[i::count], f'{output}/{i:05d}.csv', export))
    for i in range(count)
  ]
  for child in children:
    child.start()
  for child in children:
    child.join()
  if any(child.exitcode for child in children):
    sys.exit(1)


if __name__ == '__main__':
  main(*sys.argv[1:])
