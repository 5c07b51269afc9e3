"""Opens clips: to measure them, to compare them, and to show some."""

import collections
import contextlib
import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from rich import console as rich_console
from rich import progress as rich_progress

from beam_jobs.exploration import duplicates, findings, fingerprint, originals
from beam_jobs.exploration import sound as sound_lib
from schemas import audio, rejects
from schemas.rejects import ClipError
from schemas.utterance import Utterance

MAX_EXAMPLE_LABELS = 12
# Clips of a label that stand ready where one that was to be shown cannot be opened.
SPARES = 3

Item = TypeVar('Item')
Opened = TypeVar('Opened')
Opener = Callable[[Utterance], findings.Example]


class Rejects:
  """Counts clips that cannot be used, and remembers the first of each reason.

  Attributes:
    clips: Those that were listed as good, and turned out to be bad when they were opened.
  """

  def __init__(self) -> None:
    self.clips: list[Utterance] = []
    self._counts: collections.Counter[str] = collections.Counter()
    self._examples: dict[str, str] = {}

  def add(self, reason: str, clip: Utterance | rejects.Reject, detail: str) -> None:
    """Counts one."""
    if isinstance(clip, Utterance):
      self.clips.append(clip)
    self._counts[reason] += 1
    self._examples.setdefault(reason, f'{clip.utterance_id}: {detail}')

  def found(self) -> list[findings.RejectReason]:
    """Returns the reasons, the most frequent first."""
    return reasons(self._counts, self._examples)


def reasons(counts: Mapping[str, int], examples: Mapping[str, str]) -> list[findings.RejectReason]:
  """Returns reasons from counts and examples, the most frequent first."""
  ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
  return [
    findings.RejectReason(reason=reason, count=count, example=examples.get(reason, ''))
    for reason, count in ranked
  ]


def track(items: Sequence[Item], what: str) -> Iterable[Item]:
  """Yields the items, and shows on stderr how many are done; nothing where nobody looks."""
  if not sys.stderr.isatty():
    return items
  console = rich_console.Console(stderr=True)
  return rich_progress.track(items, what, console=console, transient=True)


def named(clip: Utterance) -> duplicates.Clip:
  """Returns a clip by its names."""
  return duplicates.Clip(
    clip_id=clip.utterance_id, label=clip.label, speaker=clip.speaker_id, split=clip.split
  )


def measured(clip: duplicates.Clip, sound: sound_lib.Sound) -> findings.Measured:
  """Returns what is measured of one clip."""
  return findings.Measured(
    clip=clip, measures=sound_lib.measure(sound), fingerprint=fingerprint.of(sound)
  )


def opened(
  clips: Sequence[Utterance], opener: Callable[[Utterance], Opened], failed: Rejects
) -> Iterator[tuple[Utterance, Opened]]:
  """Yields those clips that can be used, each with what was opened.

  Args:
    clips: Which.
    opener: opening.sound or opening.picture.
    failed: Where the others are counted.
  """
  for clip in track(clips, 'opening clips'):
    try:
      content = opener(clip)
    except ClipError as error:
      failed.add(error.reason, clip, error.detail)
    else:
      yield clip, content


def measured_all(
  clips: Sequence[Utterance],
  failed: Rejects,
  spec: audio.AudioSpec = audio.AudioSpec(),  # noqa: B008 - Frozen.
) -> list[findings.Measured]:
  """Returns what is measured of those clips that can be used; `failed` counts the others."""
  opener = functools.partial(originals.sound, spec=spec)
  return [measured(named(clip), sound) for clip, sound in opened(clips, opener, failed)]


def same_recordings(items: Sequence[findings.Measured]) -> list[duplicates.Link]:
  """Returns links between those of the measured clips that are one recording."""
  return list(duplicates.alike([(item.clip, item.fingerprint) for item in items]))


def heard(
  clip: Utterance,
  spec: audio.AudioSpec = audio.AudioSpec(),  # noqa: B008 - Frozen.
) -> findings.Example:
  """Returns a clip to listen to."""
  return findings.Example(clip=named(clip), sound=originals.sound(clip, spec))


def seen(clip: Utterance) -> findings.Example:
  """Returns a picture to look at."""
  return findings.Example(clip=named(clip), picture=originals.picture(clip))


def examples(
  by_label: Mapping[str, Iterable[Utterance]], opener: Opener, *, limit: int
) -> dict[str, list[findings.Example]]:
  """Returns clips to show by label; those that cannot be opened are passed over.

  Args:
    by_label: Clips that stand ready, a few more than are shown.
    opener: `heard` or `seen`.
    limit: So many of a label.
  """
  result: dict[str, list[findings.Example]] = {}
  for label, clips in by_label.items():
    for clip in clips:
      if len(result.get(label, ())) >= limit:
        break
      with contextlib.suppress(ClipError):
        result.setdefault(label, []).append(opener(clip))
  return {label: shown for label, shown in result.items() if shown}


def shown_labels(by_frequency: Sequence[str]) -> list[str]:
  """Returns the most frequent labels, in the order of their names."""
  return sorted(by_frequency[:MAX_EXAMPLE_LABELS])
