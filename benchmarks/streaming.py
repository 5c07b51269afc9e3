"""What a second of audio costs a model that listens: whole windows, a ring of frames, a state.

  python -m benchmarks.streaming
  python -m benchmarks.streaming --models=gru,tcn --seconds=60

The last column is the `litert_streaming` file of an export, by ai-edge-litert. Models have random
weights: what they cost does not depend on them. Processor time (user and system)
of this process with one thread, after a warm-up; of decoding nothing is in it.
"""

import argparse
import os
import pathlib
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow as tf

from exports import export_file, streaming_file
from schemas import audio as audio_schema
from schemas import errors
from tests.helpers import made_runs
from trainer.confidence import caution
from trainer.export import exporting, opened
from trainer.listen import block_scores, window_scores
from trainer.streaming import step_model, stepping

RATE_HZ = 16_000
FEATURE = 'log_mel:window_s=0.04,hop_s=0.02,num_mels=40'
MODELS = 'tc_resnet:width=1.5,ds_cnn:size=s,gru:units=128,lstm:units=128,tcn:filters=64'
WARM_S = 2


def cpu_ms(scores, samples: np.ndarray, hop: int) -> float:
  """Returns the processor time of a second, in ms, where samples come hop by hop."""
  warm = WARM_S * RATE_HZ
  for start in range(0, warm, hop):
    list(scores.hear(samples[start : start + hop]))
  begin_s = time.process_time()
  num_scores = 0
  for start in range(warm, len(samples), hop):
    num_scores += len(list(scores.hear(samples[start : start + hop])))
  taken_s = time.process_time() - begin_s
  assert num_scores, 'no window was heard'
  return 1e3 * taken_s / ((len(samples) - warm) / RATE_HZ)


def file_ms(run, folder: str, samples: np.ndarray, hop: int) -> str:
  """Returns the cell of the file of an export: its time, and the kind; of none a dash."""
  made = exporting.make(run, caution=caution.Caution())
  try:
    exporting.write(made, folder, [export_file.LITERT_STREAMING], overwrite=False)
  except errors.ConfigError:
    return '–'
  ear = streaming_file.Ear(folder, export_file.load(folder))
  assert ear.feeding.block_samples == hop, 'the file takes other blocks'
  taken_ms = cpu_ms(block_scores.BlockScores(ear, hop_blocks=1), samples, hop)
  return f'{taken_ms:.1f} ({ear.feeding.kind})'


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--models', default=MODELS, help='with one setting at most, by commas')
  parser.add_argument('--seconds', type=int, default=22)
  parser.add_argument('--hop_s', type=float, default=0.1)
  args = parser.parse_args()
  tf.config.threading.set_intra_op_parallelism_threads(1)
  tf.config.threading.set_inter_op_parallelism_threads(1)
  hop = round(args.hop_s * RATE_HZ)
  rng = np.random.default_rng(0)
  samples = (0.1 * rng.standard_normal(args.seconds * RATE_HZ)).astype(np.float32)
  audio = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ)
  print('| model | windows | ring | state | file |\n|---|---|---|---|---|')
  for model in args.models.split(','):
    with tempfile.TemporaryDirectory() as folder:
      run = made_runs.make(
        pathlib.Path(folder) / 'run', model=model, feature=FEATURE, audio=audio,
        labels=tuple(f'word {i}' for i in range(12)),
      )  # fmt: skip
      with opened.opened(run.folder.path) as exported:
        windows = window_scores.WindowScores(exported, window_samples=RATE_HZ, hop_samples=hop)
        cells = [f'{cpu_ms(windows, samples, hop):.1f}']
      for kind in (step_model.RING, step_model.STATE):
        if step_model.reason_against(run, kind):
          cells.append('–')
          continue
        step = step_model.load(run, kind=kind, window_samples=RATE_HZ)
        frames = hop // step.framing.hop_samples
        cells.append(f'{cpu_ms(stepping.Stepping(step, hop_frames=frames), samples, hop):.1f}')
      cells.append(file_ms(run, os.path.join(folder, 'export'), samples, hop))
    print(f'| `{model}` | {" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
  main()
