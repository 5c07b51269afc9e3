"""How unevenly clips are spread over speakers."""

from collections.abc import Sequence

import numpy as np


def gini(counts: Sequence[int]) -> float:
  """Returns Gini's coefficient: 0 where all have as much, towards 1 where one has all.

  Source: half the mean absolute difference of two, relative to the mean (Gini 1912), by the sorted
  form of Sen, On Economic Inequality (1973).
  """
  values = np.sort(np.asarray(counts, np.float64))
  total = values.sum()
  if not total:
    return 0.0
  size = len(values)
  ranks = np.arange(1, size + 1)
  return float(2 * (ranks * values).sum() / (size * total) - (size + 1) / size)


def share_of_largest(counts: Sequence[int], number: int) -> float:
  """Returns the share of all that the `number` largest have."""
  ranked = sorted(counts, reverse=True)
  total = sum(ranked)
  return sum(ranked[:number]) / total if total else 0.0


def meaning(counts: Sequence[int]) -> str:
  """Returns what the spread means for a model, in one sentence."""
  if len(counts) < 2:
    return 'There is one speaker: a model learns this voice, and nothing can be said of others.'
  largest, uneven = share_of_largest(counts, 1), gini(counts)
  if largest >= 0.5:
    return (
      'One speaker has half of the clips or more: a model mostly learns that voice. Limit it with '
      '--max_per_speaker.'
    )
  if uneven >= 0.5:
    return (
      'A few speakers have most of the clips: accuracy over clips is mostly accuracy on them. '
      'Limit them with --max_per_speaker, and look at the results by speaker.'
    )
  if uneven >= 0.2:
    return 'Speakers differ in how much they say, as is usual; none rules the corpus.'
  return 'All speakers have about as many clips: every voice counts alike.'
