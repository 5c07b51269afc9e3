"""A comparison as a page that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pages import rendering, words
from schemas import errors, medium
from trainer.compare import compared_runs, results, same_clips, sections

# A page of all labels would be slow to open.
_MAX_PARTS = 200


def make(
  runs: Sequence[compared_runs.ComparedRun],
  clips: same_clips.SameClips,
  found: results.Comparison,
  notes: Sequence[str],
) -> str:
  """Returns the page.

  Args:
    runs: The runs.
    clips: What they said.
    found: What came of it.
    notes: What is to be said of it.
  """
  of_runs, of_pairs, of_labels, of_speakers, *_ = sections.make(
    runs, clips, found, most_clips=0, most_parts=_MAX_PARTS
  )
  header = clips.runs[0].header
  return rendering.render(
    'compared.html.j2',
    title=' and '.join(found.names) if len(found.names) == 2 else f'{len(found.names)} runs',
    kind=f'comparison on the same {header.examples}',
    numbers=[
      (words.share(accuracy), f'{run.letter}: {run.name}')
      for run, accuracy in zip(runs, found.accuracies, strict=True)
    ],
    runs=of_runs,
    pairs=of_pairs,
    labels=of_labels,
    speakers=of_speakers,
    speaker=medium.speaker(header.examples),
    drawn=_drawn(runs, found),
    changes=_changes(runs, found, noun=header.examples),
    letters=[run.letter for run in runs],
    facts=[
      (
        run.letter,
        f'{run.path}: {answers.header.model} on {answers.header.feature}, {answers.header.split} '
        f'of {answers.header.dataset}, checkpoint {answers.header.checkpoint}',
      )
      for run, answers in zip(runs, clips.runs, strict=True)
    ],
    remarks=notes,
  )


def _drawn(
  runs: Sequence[compared_runs.ComparedRun], found: results.Comparison
) -> list[dict[str, Any]]:
  """Returns the differences with intervals, as places from 0 to 1 on an axis with 0.5 for none."""
  known = [(pair, pair.interval) for pair in found.pairs if pair.interval]
  reach = max((abs(end) for _, interval in known for end in interval), default=0.0) or 1.0

  def place(share: float) -> float:
    return 0.5 + 0.48 * share / reach

  return [
    {
      'name': f'{runs[pair.second].letter} over {runs[pair.first].letter}',
      'low': place(interval[0]),
      'high': place(interval[1]),
      'mean': place(pair.difference),
      'text': f'{sections.points(pair.difference)} ({sections.interval_text(interval)})',
    }
    for pair, interval in known
  ]


def _changes(
  runs: Sequence[compared_runs.ComparedRun], found: results.Comparison, *, noun: str
) -> list[dict[str, Any]]:
  """Returns the clips that changed, by run and direction."""
  made = []
  for second in range(1, len(runs)):
    pair, other = found.pair(0, second), runs[second].letter
    for clips, count, heading in (
      (found.lost[second], pair.first_alone, f'{runs[0].letter} has right and {other} wrong'),
      (found.won[second], pair.second_alone, f'{other} has right and {runs[0].letter} wrong'),
    ):
      shown = clips[: sections.PAGE_CLIPS]
      if count:
        made.append(
          {
            'heading': f'{errors.counted(count, medium.example(noun))} that {heading}',
            'rest': count - len(shown),
            'clips': [
              {
                'clip': clip,
                'answers': [
                  (sections.answer_text(label, share), 'good' if label == clip.label else 'bad')
                  for label, share in clip.answers
                ],
              }
              for clip in shown
            ],
          }
        )
  return made
