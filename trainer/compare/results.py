"""What a comparison of runs on the same clips comes to, as numbers."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import utterance
from trainer.compare import same_clips
from trainer.measures import group_bootstrap, intervals, paired

# Of more runs than so many each is held against the first alone.
MOST_ALL_PAIRS = 4

Interval = tuple[float, float] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
  """The second run against the first.

  Attributes:
    first: Index of the one.
    second: Index of the other.
    difference: Accuracy of the second minus that of the first.
    interval: Its 95 % interval over speakers; None of too few.
    first_alone: Clips that only the first has right.
    second_alone: Clips that only the second has right.
    otherwise_wrong: Clips that both take for other labels than they have, and not for the same.
    p_value: Of McNemar's exact test.
    corrected_p_value: The same after Holm's correction for all pairs.
  """

  first: int
  second: int
  difference: float
  interval: Interval
  first_alone: int
  second_alone: int
  otherwise_wrong: int
  p_value: float
  corrected_p_value: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Part:
  """The clips of a label, or of a speaker.

  Attributes:
    name: Of the label or the speaker.
    num_clips: How many there are; some.
    num_correct: How many of them each run has right.
  """

  name: str
  num_clips: int
  num_correct: tuple[int, ...]

  @property
  def change(self) -> int:
    """By how many clips a run differs the most from the first."""
    return max(abs(count - self.num_correct[0]) for count in self.num_correct)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Changed:
  """A clip that one of two runs has right and the other wrong.

  Attributes:
    id: Of the clip.
    file: Where it is from; '' where nobody says.
    speaker: Who speaks.
    label: What it is.
    answers: What each of all runs says, and the probability that it gives this.
  """

  id: str
  file: str
  speaker: str
  label: str
  answers: tuple[tuple[str, float], ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
  """All that is shown.

  Attributes:
    names: Of the runs.
    num_clips: On which they were judged.
    num_speakers: Of whom; recordings of noise are none.
    num_noises: From how many recordings of noise some of them were cut.
    accuracies: Of each run.
    accuracy_intervals: 95 % over speakers; None of too few.
    pairs: All of few runs, else each run against the first.
    labels: The labels that clips have, those that change most first.
    speakers: The speakers, likewise; no noises.
    lost: By index of the second of a pair with the first run: the most telling of the clips that
      the first run alone has right.
    won: Likewise of those that the other alone has right.
  """

  names: tuple[str, ...]
  num_clips: int
  num_speakers: int
  num_noises: int
  accuracies: tuple[float, ...]
  accuracy_intervals: tuple[Interval, ...]
  pairs: tuple[Pair, ...]
  labels: tuple[Part, ...]
  speakers: tuple[Part, ...]
  lost: dict[int, tuple[Changed, ...]]
  won: dict[int, tuple[Changed, ...]]

  @property
  def has_intervals(self) -> bool:
    """Whether there are speakers enough."""
    return self.num_speakers >= group_bootstrap.MIN_GROUPS

  def pair(self, first: int, second: int) -> Pair:
    """Returns one of `pairs`."""
    return next(pair for pair in self.pairs if (pair.first, pair.second) == (first, second))


def compare(names: Sequence[str], clips: same_clips.SameClips, *, most_clips: int) -> Comparison:
  """Returns what comes of it.

  Args:
    names: What the runs are called.
    clips: What they said.
    most_clips: So many clips of each kind of change are named.
  """
  right = np.stack([run.answers == clips.labels for run in clips.runs], axis=1)  # [clips, runs]
  of_speakers = _sums(clips.speakers, right, len(clips.speaker_names))
  index_pairs = _index_pairs(len(names))
  # Noises are groups of clips that are drawn as voices are, and no voices.
  is_voice = np.array([not utterance.is_noise(name) for name in clips.speaker_names], np.bool_)
  num_voices = int(is_voice.sum())
  accuracy_intervals, difference_intervals = _intervals(of_speakers, index_pairs, num_voices)
  pairs = [
    _pair(pair, clips, right, interval)
    for pair, interval in zip(index_pairs, difference_intervals, strict=True)
  ]
  corrected = paired.holm([pair.p_value for pair in pairs])
  lost, won = _changed(clips, right, most_clips)
  return Comparison(
    names=tuple(names),
    num_clips=len(clips),
    num_speakers=num_voices,
    num_noises=len(is_voice) - num_voices,
    accuracies=tuple(float(share) for share in right.mean(axis=0)),
    accuracy_intervals=accuracy_intervals,
    pairs=tuple(
      dataclasses.replace(pair, corrected_p_value=p_value)
      for pair, p_value in zip(pairs, corrected, strict=True)
    ),
    labels=_parts(clips.label_names, _sums(clips.labels, right, len(clips.label_names))),
    speakers=_parts(
      [clips.speaker_names[i] for i in np.flatnonzero(is_voice)], of_speakers[is_voice]
    ),
    lost=lost,
    won=won,
  )


def _index_pairs(num_runs: int) -> list[tuple[int, int]]:
  if num_runs <= MOST_ALL_PAIRS:
    return list(itertools.combinations(range(num_runs), 2))
  return [(0, i) for i in range(1, num_runs)]


def _sums(
  groups: NDArray[np.int32], right: NDArray[np.bool_], num_groups: int
) -> NDArray[np.float64]:
  """Returns how many clips of each group each run has right, and how many there are.

  Returns:
    [groups, runs + 1].
  """
  counts = [np.bincount(groups[column], minlength=num_groups) for column in (*right.T, slice(None))]
  return np.stack(counts, axis=1).astype(np.float64)


def _intervals(
  sums: NDArray[np.float64], index_pairs: Sequence[tuple[int, int]], num_voices: int
) -> tuple[tuple[Interval, ...], list[Interval]]:
  """Returns the intervals of the accuracies and of the differences, from the same draws."""
  num_runs = sums.shape[1] - 1
  if num_voices < group_bootstrap.MIN_GROUPS:
    return (None,) * num_runs, [None] * len(index_pairs)
  columns = [[second, first, num_runs] for first, second in index_pairs]

  def statistic(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = [intervals.quotient(drawn[:, [run, num_runs]]) for run in range(num_runs)]
    gains = [
      intervals.difference(drawn[:, [first, second, whole]]) for second, first, whole in columns
    ]
    return np.stack([*shares, *gains], axis=1)

  low, high = group_bootstrap.intervals(sums, statistic)
  found: list[Interval] = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
  *rights, num_clips = map(int, sums.sum(axis=0))
  for run, num_right in enumerate(rights):
    if len(sums) == num_clips:  # As reports have it where each clip has a speaker of its own.
      found[run] = intervals.wilson(num_right, num_clips)
    elif num_right in (0, num_clips):  # No draw tells anything.
      found[run] = intervals.share(sums[:, run], sums[:, num_runs], num_trials=num_voices)
  return tuple(found[:num_runs]), found[num_runs:]


def _pair(
  pair: tuple[int, int],
  clips: same_clips.SameClips,
  right: NDArray[np.bool_],
  interval: Interval,
) -> Pair:
  first, second = pair
  one, other = right[:, first], right[:, second]
  first_alone, second_alone = int((one & ~other).sum()), int((other & ~one).sum())
  answers = clips.runs[first].answers, clips.runs[second].answers
  return Pair(
    first=first,
    second=second,
    difference=(second_alone - first_alone) / len(clips),
    interval=interval,
    first_alone=first_alone,
    second_alone=second_alone,
    otherwise_wrong=int((~one & ~other & (answers[0] != answers[1])).sum()),
    p_value=paired.mcnemar(first_alone, second_alone),
  )


def _parts(names: Sequence[str], sums: NDArray[np.float64]) -> tuple[Part, ...]:
  parts = [
    Part(name=name, num_clips=int(row[-1]), num_correct=tuple(map(int, row[:-1])))
    for name, row in zip(names, sums, strict=True)
    if row[-1]
  ]
  return tuple(sorted(parts, key=lambda part: -part.change))


def _changed(
  clips: same_clips.SameClips, right: NDArray[np.bool_], most: int
) -> tuple[dict[int, tuple[Changed, ...]], dict[int, tuple[Changed, ...]]]:
  """Returns the most telling clips that only the first run, or only another, has right."""
  chosen: dict[tuple[int, bool], list[int]] = {}
  for second in range(1, len(clips.runs)):
    sure = clips.runs[0].confidences.astype(np.float64) * clips.runs[second].confidences
    for is_won in (False, True):
      mine = np.flatnonzero((right[:, second] == is_won) & (right[:, 0] != is_won))
      # Both were sure, one of them of what is wrong.
      order = np.argsort(-sure[mine], kind='stable')[:most]
      chosen[second, is_won] = [int(i) for i in mine[order]]
  texts = clips.ids({i for rows in chosen.values() for i in rows})
  named = {key: tuple(_named(clips, i, *texts[i]) for i in rows) for key, rows in chosen.items()}
  return tuple(  # type: ignore[return-value]
    {second: found for (second, is_won), found in named.items() if is_won == wanted}
    for wanted in (False, True)
  )


def _named(clips: same_clips.SameClips, i: int, name: str, file: str) -> Changed:
  return Changed(
    id=name,
    file=file,
    speaker=clips.speaker_names[clips.speakers[i]],
    label=clips.label_names[clips.labels[i]],
    answers=tuple(
      (clips.label_names[run.answers[i]], float(run.confidences[i])) for run in clips.runs
    ),
  )
