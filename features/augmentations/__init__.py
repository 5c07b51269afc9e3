"""Augmentation of samples: changed copies of a clip that keep its label.

AUGMENTATIONS is the table of kinds. A new one is a file of this folder and a line here. What a
clip becomes is done by chain.Chain.
"""

import functools
from collections.abc import Mapping

from features.augmentations import (
  augmentation,
  background_noise,
  gain,
  pitch_shift,
  speed,
  time_shift,
  time_stretch,
)
from schemas import options

AUGMENTATIONS: Mapping[str, augmentation.Augmentation] = {
  'background_noise': background_noise.AUGMENTATION,
  'time_shift': time_shift.AUGMENTATION,
  'time_stretch': time_stretch.AUGMENTATION,
  'speed': speed.AUGMENTATION,
  'pitch_shift': pitch_shift.AUGMENTATION,
  'gain': gain.AUGMENTATION,
}

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in AUGMENTATIONS.items()}
# From a text, such as `gain:min_db=-6,max_db=6`, to the name and the settings; ConfigError.
parse = functools.partial(options.parse, settings_by_name=SETTINGS, family='augmentation')
