"""The tables of a comparison, as texts; how they are written is another matter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pages import words
from schemas import errors, medium, utterance
from trainer.compare import compared_runs, results, same_clips

TEXT, NUMBER, LETTER = 'text', 'number', 'letter'
# A screen holds no more; the page shows more.
MAX_PARTS = 20
PAGE_CLIPS = 50  # Of each kind of change.
_NOTHING = '-'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
  """A table.

  Attributes:
    title: What it shows.
    columns: Heading and kind of each: TEXT, NUMBER, or LETTER of a run.
    rows: Cells, as many each as there are columns.
    left_out: What is not in it, a sentence; '' for nothing.
  """

  title: str
  columns: tuple[tuple[str, str], ...]
  rows: tuple[tuple[str, ...], ...]
  left_out: str = ''


def make(
  runs: Sequence[compared_runs.ComparedRun],
  clips: same_clips.SameClips,
  found: results.Comparison,
  *,
  most_clips: int,
  most_parts: int = MAX_PARTS,
) -> list[Section]:
  """Returns the tables: runs, pairs, labels, speakers, clips that changed.

  Args:
    runs: The runs.
    clips: What they said.
    found: What came of it.
    most_clips: So many clips of a change are in a table.
    most_parts: So many labels, and speakers where there are intervals; else all of these.
  """
  noun = clips.runs[0].header.examples
  letters = [run.letter for run in runs]
  # Without intervals the speakers are what there is to see.
  num_speakers = most_parts if found.has_intervals else len(found.speakers)
  return [
    _runs(runs, clips, found),
    _pairs(letters, found, noun=noun),
    _parts('label', letters, found.labels, noun=noun, most=most_parts),
    _parts(medium.speaker(noun), letters, found.speakers, noun=noun, most=num_speakers),
    *_changes(letters, found, noun=noun, most=most_clips),
  ]


def points(share: float) -> str:
  """Returns a difference of shares in points of a hundred, such as `+1.5`; `0.0` has no sign."""
  return f'{100 * share:+.1f}' if abs(100 * share) >= 0.05 else '0.0'


def p_text(p_value: float) -> str:
  """Returns such as `0.034` or `< 0.001`."""
  return f'{p_value:.3f}' if p_value >= 0.001 else '< 0.001'


def _runs(
  runs: Sequence[compared_runs.ComparedRun],
  clips: same_clips.SameClips,
  found: results.Comparison,
) -> Section:
  noun = clips.runs[0].header.examples
  with_interval = (('95 % interval', NUMBER),) * found.has_intervals
  rows = []
  for i, run in enumerate(runs):
    header = clips.runs[i].header
    of_accuracy = found.accuracy_intervals[i]
    cells = [
      run.letter, run.name, header.model, header.feature, words.share(found.accuracies[i])
    ]  # fmt: skip
    if of_accuracy:
      cells.append(f'{words.share(of_accuracy[0])} to {words.share(of_accuracy[1])}')
    pair = found.pair(0, i) if i else None
    cells.append(points(pair.difference) if pair else _NOTHING)
    if of_accuracy:
      cells.append(interval_text(pair.interval) if pair and pair.interval else _NOTHING)
    cells.append(p_text(pair.p_value) if pair else _NOTHING)
    rows.append(tuple(cells))
  first = runs[0].letter
  return Section(
    title=f'Accuracy on {found.num_clips:,} {noun} of '
    f'{utterance.counted_groups(found.num_speakers, found.num_noises, medium.speaker(noun))}',
    columns=(
      ('', LETTER), ('run', TEXT), ('model', TEXT), ('feature', TEXT), ('accuracy', NUMBER),
      *with_interval, (f'points over {first}', NUMBER), *with_interval, ('p', NUMBER),
    ),
    rows=tuple(rows),
  )  # fmt: skip


def interval_text(interval: tuple[float, float]) -> str:
  """Returns an interval of a difference, in points."""
  return f'{points(interval[0])} to {points(interval[1])}'


def _pairs(letters: Sequence[str], found: results.Comparison, *, noun: str) -> Section:
  is_corrected = len(found.pairs) > 1
  rows = []
  for pair in found.pairs:
    cells = [f'{letters[pair.second]} over {letters[pair.first]}', points(pair.difference)]
    if found.has_intervals:
      cells.append(interval_text(pair.interval) if pair.interval else _NOTHING)
    counts = (pair.second_alone, pair.first_alone, pair.otherwise_wrong)
    cells += [*(f'{count:,}' for count in counts), p_text(pair.p_value)]
    rows.append((*cells, *([p_text(pair.corrected_p_value)] * is_corrected)))
  return Section(
    title=f'Differences, paired over the same {noun}',
    columns=(
      ('', TEXT),
      ('points', NUMBER),
      *((('95 % interval', NUMBER),) * found.has_intervals),
      ('gained', NUMBER),
      ('lost', NUMBER),
      ('other mistakes', NUMBER),
      ('p', NUMBER),
      *((('p (Holm)', NUMBER),) * is_corrected),
    ),
    rows=tuple(rows),
  )


def _parts(
  kind: str, letters: Sequence[str], parts: Sequence[results.Part], *, noun: str, most: int
) -> Section:
  rows = []
  for part in parts[:most]:
    shares = [count / part.num_clips for count in part.num_correct]
    gains = [points(share - shares[0]) for share in shares[1:]]
    rows.append((part.name, f'{part.num_clips:,}', *map(words.share, shares), *gains))
  left_out = ''
  if len(parts) > len(rows):
    left_out = f'{len(parts) - len(rows):,} more {kind}s differ no more than these.'
  return Section(
    title=f'By {kind}, those that differ most first',
    columns=(
      (kind, TEXT),
      (noun, NUMBER),
      *((letter, NUMBER) for letter in letters),
      *((f'points {letter} over {letters[0]}', NUMBER) for letter in letters[1:]),
    ),
    rows=tuple(rows),
    left_out=left_out,
  )


def _changes(
  letters: Sequence[str], found: results.Comparison, *, noun: str, most: int
) -> list[Section]:
  made = []
  for second in range(1, len(letters)):
    pair = found.pair(0, second)
    for is_won, clips, count in (
      (False, found.lost[second], pair.first_alone),
      (True, found.won[second], pair.second_alone),
    ):
      if not count or not most:
        continue
      wrong, right = (letters[0], letters[second]) if is_won else (letters[second], letters[0])
      shown = clips[:most]
      rest = count - len(shown)
      made.append(
        Section(
          title=f'{errors.counted(count, medium.example(noun))} that {right} has right '
          f'and {wrong} wrong, those of which both were surest first',
          columns=(
            ('id', TEXT),
            (medium.speaker(noun), TEXT),
            ('label', TEXT),
            *((letter, TEXT) for letter in letters),
          ),
          rows=tuple(
            (clip.id, clip.speaker, clip.label, *(answer_text(*answer) for answer in clip.answers))
            for clip in shown
          ),
          left_out=f'{rest:,} more; --changes={count} names all.' if rest else '',
        )  # fmt: skip
      )
  return made


def answer_text(label: str, probability: float) -> str:
  """Returns such as `yes 93 %`."""
  return f'{label} {100 * probability:.0f} %'
