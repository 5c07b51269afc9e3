"""Prints how far a product of float32 matrices is off, and of which generation the GPU is.

python -m tests.gpu.product --tf32=True
"""

import json
import sys

import numpy as np
import tensorflow as tf

from trainer.devices import machine


def main() -> None:
  """Multiplies as a run with this flag would."""
  machine.prepare('none', batch_size=1, tf32=sys.argv[1] == '--tf32=True')
  rng = np.random.default_rng(0)
  left, right = (rng.standard_normal((512, 512), np.float32) for _ in range(2))
  exact = left.astype(np.float64) @ right.astype(np.float64)
  error = np.abs(tf.matmul(left, right).numpy() - exact).max() / np.abs(exact).max()
  details = [
    tf.config.experimental.get_device_details(device)
    for device in tf.config.list_physical_devices('GPU')
  ]
  capability = details[0]['compute_capability'][0] if details else 0
  print(json.dumps([float(error), capability]))


if __name__ == '__main__':
  main()
