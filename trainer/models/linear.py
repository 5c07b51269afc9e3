"""One weight for every value and label: what any other model has to beat.

Multinomial logistic regression, as scikit-learn's LogisticRegression without a penalty
(`--optimizer=adamw` has one). Clips of one length are taken value by value. Clips of any length, or
all with `pool=true`, are taken by the mean and the standard deviation of each bin over time.
"""

from __future__ import annotations

import dataclasses

from schemas import errors, record
from trainer.lazy import keras
from trainer.models import clip_rows, heads, inputs, model
from trainer.models.clip_rows import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Linear:
  """Settings of the linear model.

  Attributes:
    pool: Take the mean and the deviation of each bin over time also of clips of one length.
  """

  pool: bool = False


def check(name: str, feature: record.FeatureSpec, *, pool: bool) -> None:
  """Refuses samples that are to be pooled, of which next to nothing would be left; DatasetError.

  Args:
    name: Of the model.
    feature: What it is to take.
    pool: Whether clips of one length are to be pooled too.
  """
  if len(feature.shape) == 1 and (pool or feature.is_variable):
    whose = 'clips of any length' if feature.is_variable else 'each clip with pool=true'
    raise errors.DatasetError(
      f'Model {name!r} takes the mean and the deviation over time of {whose}, but {feature.name!r} '
      f'is {inputs.shape_text(feature)}: nothing would be left to tell labels apart by. Take a '
      'feature with bins, such as --feature=log_mel, or clips of one length without pool=true.'
    )


def vector(x: Rows, *, pool: bool) -> Rows:
  """Returns [batch, units]: all values, or the mean and deviation over time of clips of any length.

  Args:
    x: Values of clips.
    pool: Take the mean and the deviation also of clips of one length.
  """
  if x.num_rows is None and not pool:
    return clip_rows.flat(x)
  x = clip_rows.as_sequence(x)
  both = [clip_rows.mean(x).values, clip_rows.deviation(x).values]
  return Rows(keras.layers.Concatenate(dtype='float32', name='mean_and_deviation')(both))


def trunk(x: Rows, settings: Linear) -> Rows:
  """Returns what the logits are a linear function of, [batch, units]; see ModelFamily."""
  return vector(x, pool=settings.pool)


FAMILY = model.ModelFamily(
  settings=Linear,
  trunk=trunk,
  head=heads.as_it_is,
  takes=(model.Takes.FRAMES, model.Takes.PICTURES, model.Takes.SAMPLES),
  check=lambda feature, settings: check('linear', feature, pool=settings.pool),
)
