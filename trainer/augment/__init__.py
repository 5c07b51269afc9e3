"""Augmentation on the fly: the train split as it is read, other at every pass.

AUGMENTATIONS is the table of kinds that --augment can name. A new one is a file of this folder and
a line here. What a batch becomes is done by chain.Chain. Nothing here imports TensorFlow before it
is used.
"""

import functools
from collections.abc import Mapping

from schemas import options
from trainer.augment import (
  augmentation,
  cutout,
  gain,
  mixup,
  noise,
  pitch,
  reverb,
  shift,
  spec_augment,
  speed,
  vtlp,
)

AUGMENTATIONS: Mapping[str, augmentation.Augmentation] = {
  'cutout': cutout.AUGMENTATION,
  'gain': gain.AUGMENTATION,
  'mixup': mixup.AUGMENTATION,
  'noise': noise.AUGMENTATION,
  'pitch': pitch.AUGMENTATION,
  'reverb': reverb.AUGMENTATION,
  'shift': shift.AUGMENTATION,
  'spec_augment': spec_augment.AUGMENTATION,
  'speed': speed.AUGMENTATION,
  'vtlp': vtlp.AUGMENTATION,
}

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in AUGMENTATIONS.items()}
# From a text, such as `gain:min_db=-6`, to the name and the settings; ConfigError.
parse = functools.partial(options.parse, settings_by_name=SETTINGS, family='augmentation')
