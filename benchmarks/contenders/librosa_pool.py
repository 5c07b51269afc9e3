"""What tutorials do: librosa per clip, a float_list in tf.train.Example, TFRecordWriter, a pool.

python -m benchmarks.contenders.librosa_pool INPUT OUTPUT NUM_PROCESSES
"""

import os
import pathlib
import sys

from benchmarks.contenders import pool

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# What a careful user sets, or the processes of the pool fight over the cores.
for _name in ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'NUMBA_NUM_THREADS'):
  os.environ[_name] = '1'


def write_shard(paths: list[str], output: str) -> None:
  """One output file from many clips."""
  import librosa
  import numpy as np
  import tensorflow as tf

  with tf.io.TFRecordWriter(output) as out:
    for path in paths:
      samples, rate_hz = librosa.load(path, sr=16_000, mono=True)
      samples = librosa.util.fix_length(samples, size=16_000)
      mel = librosa.feature.melspectrogram(
        y=samples, sr=rate_hz, n_fft=512, win_length=400, hop_length=160, n_mels=80, center=False
      )
      log_mel = np.log(mel + 1e-6).T
      feature = {
        'log_mel': tf.train.Feature(float_list=tf.train.FloatList(value=log_mel.ravel())),
        'label': tf.train.Feature(
          bytes_list=tf.train.BytesList(value=[pathlib.Path(path).parent.name.encode()])
        ),
      }
      example = tf.train.Example(features=tf.train.Features(feature=feature))
      out.write(example.SerializeToString())


if __name__ == '__main__':
  pool.main(write_shard, sys.argv[1:])
