"""lhotse: manifests of the recordings, then compute_and_store_features with a number of jobs.

python -m benchmarks.contenders.lhotse_jobs INPUT OUTPUT NUM_PROCESSES

It needs an environment with lhotse and torch, which this project does not install; see
benchmarks/featurize.py, --lhotse_python.
"""

import os
import pathlib
import sys

os.environ['OPENBLAS_NUM_THREADS'] = os.environ['OMP_NUM_THREADS'] = '1'

import lhotse
import torch

torch.set_num_threads(1)


def main(source: str, output: str, num_processes: str) -> None:
  """Featurizes a folder with the defaults of lhotse's log-mel filterbank, 80 bands."""
  jobs = int(num_processes)
  recordings = lhotse.RecordingSet.from_dir(pathlib.Path(source), '*.wav', num_jobs=jobs)
  cuts = lhotse.CutSet.from_manifests(recordings=recordings)
  extractor = lhotse.Fbank(lhotse.FbankConfig(sampling_rate=16_000, num_filters=80))
  pathlib.Path(output).mkdir(parents=True)
  features = cuts.compute_and_store_features(extractor, f'{output}/features', num_jobs=jobs)
  features.to_file(f'{output}/cuts.jsonl.gz')


if __name__ == '__main__':
  main(*sys.argv[1:])
