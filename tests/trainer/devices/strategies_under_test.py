"""The strategies that tests compare: one device, and one to three replicas on logical CPUs."""

import tensorflow as tf

from trainer.devices import strategies

REPLICAS = {'none': 1, 'mirrored_1': 1, 'mirrored_2': 2, 'mirrored_3': 3}
# For what a number of replicas between the two cannot change: compiling for each takes seconds.
EXTREMES = ('none', 'mirrored_3')


def make(name: str) -> tf.distribute.Strategy:
  """Returns one of REPLICAS."""
  devices = [f'CPU:{i}' for i in range(REPLICAS[name])]
  return strategies.make(name.partition('_')[0], devices)
