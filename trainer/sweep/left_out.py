"""What is to be known of combinations of --over that are no trainings, or none of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from schemas import errors
from trainer.sweep import axes as axes_lib
from trainer.sweep import search_space

# So many combinations of a kind are named.
_SAID = 4


def lines(space: search_space.Space, *, is_grid: bool) -> list[str]:
  """Returns what is said of a space before anything is trained, and at the end.

  Args:
    space: What is gone over.
    is_grid: Whether every combination is tried.
  """
  first, same = _same(space)
  idle = [why for axis in space.axes if (why := _idle_beside(space, axis))]
  return [*([first] if first else []), *idle, *same, *_refused(space, is_grid=is_grid)]


def refused(space: search_space.Space, *, is_grid: bool) -> list[dict[str, Any]]:
  """Returns combinations that the trainer refuses, and why; of ranges only what has their ends."""
  asked = space.trainings() if is_grid else space.distinct(space.samples())[0]
  return [
    {'chosen': chosen, 'why': str(refusal)}
    for chosen in asked
    if (refusal := space.refusal(chosen))
  ]


def _idle_beside(space: search_space.Space, axis: axes_lib.Axis) -> str:
  """Returns beside what an axis makes no difference; '' where it always does."""
  for chosen in space.sampled(axis):
    if axis.name in chosen:
      continue
    if why := space.why_idle(axis, chosen):
      return f'{axis.name} {why.partition(". ")[0]}: such a trial goes without it'
    return f'{axis.name} is of some --{axis.flag} only: the others go without it'
  return ''


def _same(space: search_space.Space) -> tuple[str, list[str]]:
  """Returns how many combinations are the same as others, and which."""
  listed = [axis.values.listed() for axis in space.axes]
  if not all(listed):
    return '', []
  try:
    trainings, same = space.each_once
  except errors.ConfigError:  # Too many to be counted.
    return '', []
  count = math.prod(map(len, listed))
  if count == len(trainings):
    return '', []
  first = (
    f'{count:,} combinations of --over are {errors.counted(len(trainings), "training")}: what '
    'would be the same is tried once'
  )
  named = [
    f'{search_space.describe(one)} is the same as {search_space.describe(other)}'
    for one, other in same[:_SAID]
  ]
  more = [f'and {errors.counted(len(same) - _SAID, "combination")} more'] * (len(same) > _SAID)
  return first, [*named, *more]


def _refused(space: search_space.Space, *, is_grid: bool) -> list[str]:
  """Returns how many combinations the trainer refuses, and each of its sentences with one."""
  found = refused(space, is_grid=is_grid)
  if not found:
    return []
  by_why: dict[str, list[Mapping[str, str]]] = {}
  for one in found:
    by_why.setdefault(one['why'], []).append(one['chosen'])
  if is_grid:
    every = errors.counted(len(space.trainings()), 'training')
    first = f'the trainer refuses {len(found):,} of {every} of --over, which the grid leaves out'
  else:
    first = 'the trainer refuses some of what may be drawn: that is no trial, and another is drawn'
  named = []
  for why, those in list(by_why.items())[:_SAID]:
    others = f' and {errors.counted(len(those) - 1, "other")}' if len(those) > 1 else ''
    named.append(f'{search_space.describe(those[0])}{others}: {why}')
  more = [f'and {errors.counted(len(by_why) - _SAID, "reason")} more'] * (len(by_why) > _SAID)
  return [first, *named, *more]
