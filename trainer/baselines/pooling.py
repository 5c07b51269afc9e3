"""From the array of a clip to one vector, whatever its length: what a baseline learns from.

Of [rows, bins], such as log-mel frames, the mean, the deviation and some quantiles of each bin over
the rows. Only the rows that a record holds are looked at: there is no padding but what the data job
put into clips of one length. One vector a clip, such as an embedding, is taken as it is, and so is
the picture [height, width, channels] pixel by pixel: it has no time to pool over.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from features import stored_form
from schemas import errors, json_form, record

WAVEFORM = 'waveform'
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_MOST_PARTS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pooling(json_form.Fields):
  """How rows become one vector.

  Attributes:
    quantiles: Which quantiles of each bin, beside its mean and its deviation; 0 is the least
      value, 0.5 the median, 1 the greatest.
    parts: Into how many parts, as even as can be, a clip is cut over time, each pooled by itself:
      with 1 nothing is known of the order in which sounds come.
  """

  quantiles: tuple[float, ...] = QUANTILES
  parts: int = 1

  def __post_init__(self) -> None:
    if not all(0 <= quantile <= 1 for quantile in self.quantiles):
      raise errors.ConfigError(
        f'--quantiles must be numbers from 0 to 1 as in 0.1,0.5,0.9, got {list(self.quantiles)}.'
      )
    if not 1 <= self.parts <= _MOST_PARTS:
      raise errors.ConfigError(f'--parts must be from 1 to {_MOST_PARTS:,}, got {self.parts}.')

  def num_values(self, feature: record.FeatureSpec) -> int:
    """Returns the length of the vector of a clip.

    Raises:
      DatasetError: for samples, over which nothing is to be pooled.
    """
    if _is_samples(feature):
      raise errors.DatasetError(
        f'{feature.name!r} holds samples, and their mean and deviation over time say next to '
        'nothing of what is heard. Pick another feature of the data set with --feature=NAME, or '
        'make one with the data job, such as --feature=log_mel.'
      )
    if _is_vector(feature):
      return math.prod(size for size in feature.shape if size is not None)
    return self.parts * (2 + len(self.quantiles)) * math.prod(feature.row_shape)

  def pooled(self, stored: NDArray[np.generic], feature: record.FeatureSpec) -> NDArray[np.float32]:
    """Returns the vector of a clip, [num_values]: by part, then statistic, then bin.

    Args:
      stored: Its array as records hold it, of the shape and dtype of `feature`.
      feature: What it is.
    """
    values = stored_form.from_stored(stored)
    if _is_vector(feature):
      return values.reshape(-1)
    return pool(values.reshape(len(values), -1), quantiles=self.quantiles, parts=self.parts)


def pool(
  rows: NDArray[np.float32], *, quantiles: tuple[float, ...] = QUANTILES, parts: int = 1
) -> NDArray[np.float32]:
  """Returns the statistics of each bin over the rows of each part, flat: [parts, 2 + Q, bins].

  They are the mean, the population deviation, and quantiles with NumPy's linear interpolation. Of
  fewer rows than parts some stand in several.

  Args:
    rows: float32 [rows, bins], at least one row.
    quantiles: Numbers from 0 to 1.
    parts: How many parts there are.
  """
  found = []
  for i in range(parts):
    start = i * len(rows) // parts
    part = rows[start : max(start + 1, (i + 1) * len(rows) // parts)].astype(np.float64)
    found += [part.mean(axis=0), part.std(axis=0)]
    if quantiles:
      found += list(_quantiles(part, np.array(quantiles)))
  return np.concatenate(found).astype(np.float32)


def _quantiles(rows: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
  """Returns [quantiles, bins]; np.quantile does the same in three times the time."""
  ordered = np.sort(rows, axis=0)
  places = at * (len(rows) - 1)
  below = np.floor(places).astype(np.intp)
  above = np.minimum(below + 1, len(rows) - 1)
  share = (places - below)[:, np.newaxis]
  result: NDArray[np.float64] = ordered[below] + (ordered[above] - ordered[below]) * share
  return result


def _is_samples(feature: record.FeatureSpec) -> bool:
  return len(feature.shape) == 1 and (feature.name == WAVEFORM or feature.is_variable)


def _is_vector(feature: record.FeatureSpec) -> bool:
  """Whether a clip is one vector already: an embedding, a single row, the pixels of a picture."""
  if feature.is_variable:
    return False
  return len(feature.shape) != 2 or feature.shape[0] == 1
