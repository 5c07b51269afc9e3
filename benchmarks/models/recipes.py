"""What is trained, and how: recipes, candidates for unheard voices, the models of the tables."""

import dataclasses
from collections.abc import Mapping, Sequence

SEEDS = (0, 1, 2, 3, 4)
FOLD_SEEDS = (0, 1, 2)
# Frames of 40 ms twice as far apart as usual, and half the bands: a quarter of the arithmetic, and
# what tells one voice from another is finer than that.
_FRAMES = 'window_s=0.04,hop_s=0.02,num_mels=40'
_ALWAYS = ('--feature=waveform', '--notfds_metadata', '--workers=0')
DEMO_WORDS = (f'--feature=log_mel:{_FRAMES}', *_ALWAYS)
# All voices alike in loudness, and what lies 30 dB below them, such as the noise of each one's
# microphone, is not heard.
FSDD = (
  '--sample_rate_hz=8000', '--effect=rms:level_db=-20', f'--feature=log_mel:{_FRAMES},floor=0.1',
  *_ALWAYS,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How a model is trained.

  Attributes:
    epochs: Passes over the train split.
    flags: Others of the trainer, for features.
    of_samples: The same for models that take samples, in place of `flags`.
  """

  epochs: int
  flags: tuple[str, ...] = ()
  of_samples: tuple[str, ...] = ()


def _varied(rate: float, *, more: Sequence[str] = ()) -> Recipe:
  """Returns a recipe in which clips are played up to so much faster and slower."""
  speed = f'--augment=speed:min_rate={1 / (1 + rate):.2f},max_rate={1 + rate:.2f}'
  return Recipe(
    epochs=24,
    flags=(speed, '--augment=spec_augment:max_time_rows=6,max_frequency_bins=6', *more),
    of_samples=(speed, '--augment=shift', *more),
  )


RECIPES: Mapping[str, Recipe] = {
  'plain': Recipe(epochs=24),
  'varied': _varied(0.15),
  'much varied': _varied(0.35),
}
SCHEDULE = '--schedule=cosine:warmup_epochs=1'
# Of models that learn more under this schedule than at their own constant rate.
RATES: Mapping[str, float] = {'tc_resnet': 0.003}


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A model with the recipe that it is trained by."""

  model: str
  recipe: str

  def __str__(self) -> str:
    return f'{self.model}, {self.recipe}'


# Small enough for every pair of voices and several seeds.
CANDIDATES = (
  Candidate('cnn', 'much varied'),
  Candidate('tc_resnet:width=1.5,dropout=0.2', 'much varied'),
  Candidate('crnn', 'much varied'),
)
WHO = Candidate('tc_resnet:width=1.5,dropout=0.2', 'plain')
DEMO = Candidate('tc_resnet:width=1.5,dropout=0.2', 'plain')
# How all models are trained on a data set.
OF_TABLE = {'takes': 'varied', 'demo': 'plain'}


def models() -> tuple[str, ...]:
  """Returns the models that --model can name, in the sizes of their papers."""
  from trainer import models as models_lib

  found: list[str] = []
  for name in models_lib.MODELS:
    found += SIZES.get(name, (name,))
  return tuple(found)


# Where the default is not the only size of note; saved_model wants a file that the user has.
SIZES: Mapping[str, tuple[str, ...]] = {
  'saved_model': (),
  'ds_cnn': ('ds_cnn', 'ds_cnn:size=m'),
  'tc_resnet': ('tc_resnet', 'tc_resnet:width=1.5,dropout=0.2', 'tc_resnet:depth=14,width=1.5'),
}
