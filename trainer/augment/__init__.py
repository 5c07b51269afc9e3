"""Augmentation on the fly: the train split as it is read, other at every pass.

AUGMENTATIONS is the table of kinds that --augment can name. A new one is a file of this folder and
a line here. What a batch becomes is done by chain.Chain. Nothing here imports TensorFlow before it
is used.
"""

from collections.abc import Mapping
from typing import Any

from schemas import options
from trainer.augment import augmentation, gain, mixup, noise, shift, spec_augment

AUGMENTATIONS: Mapping[str, augmentation.Augmentation] = {
  'gain': gain.AUGMENTATION,
  'mixup': mixup.AUGMENTATION,
  'noise': noise.AUGMENTATION,
  'shift': shift.AUGMENTATION,
  'spec_augment': spec_augment.AUGMENTATION,
}

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in AUGMENTATIONS.items()}


def parse(text: str) -> tuple[str, Any]:
  """Returns the name and the settings of `text`, such as `gain:min_db=-6,max_db=6`.

  Raises:
    ConfigError: for an unknown name or key, or a value that the settings refuse.
  """
  return options.parse(text, SETTINGS, family='augmentation')
