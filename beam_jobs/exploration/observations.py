"""What a user should look at first, in a sentence each, the worst first."""

from collections.abc import Iterator, Sequence

from beam_jobs.exploration import duplicates, findings, skew
from pages import words
from schemas import utterance

BAD = 'bad'
WARN = 'warn'
GOOD = 'good'

_MANY_REJECTS = 0.05
_MUCH_CLIPPING = 0.01
_MAX_NAMES = 5


def of(found: findings.Findings) -> list[tuple[str, str]]:
  """Returns (level, sentence), the level one of BAD, WARN and GOOD."""
  seen = [
    *_same_audio(found),
    *_rejected(found),
    *((WARN, warning) for warning in found.warnings),
    *_labels(found),
    *_speakers(found),
    *_sound(found),
  ]
  ranked = sorted(seen, key=lambda item: (BAD, WARN).index(item[0]))
  return ranked or [(GOOD, 'Nothing was found that a user would have to worry about.')]


def _same_audio(found: findings.Findings) -> Iterator[tuple[str, str]]:
  what = 'picture' if found.is_pictures else 'recording'
  leaks = [group for group in found.groups if group.leaks]
  mixed = [group for group in found.groups if len(group.labels) > 1]
  voices = [
    group for group in found.groups if len(group.speakers) > 1 and not group.leaks
  ] if found.has_speakers else []  # fmt: skip
  if leaks:
    yield (
      BAD,
      f'Leakage: {words.counted(len(leaks), what, "is", "are")} in more than one split '
      f'({_names(leaks)}). The accuracy on these is that of a memory.',
    )
  if mixed:
    yield (
      BAD,
      f'{words.counted(len(mixed), what, "has", "have")} more than one label ({_names(mixed)}): '
      'one of them is wrong.',
    )
  if voices:
    yield (
      WARN,
      f'{words.counted(len(voices), what, "has", "have")} more than one speaker '
      f'({_names(voices)}): the split by speaker may bring the same audio into two splits.',
    )
  others = len(found.groups) - len({id(group) for group in (*leaks, *mixed, *voices)})
  if others:
    yield WARN, f'{words.counted(others, what, "is", "are")} there twice or more.'


def _rejected(found: findings.Findings) -> Iterator[tuple[str, str]]:
  total = found.num_rejects + found.census.num_clips
  if found.num_rejects:
    share = found.num_rejects / total
    level = BAD if share > _MANY_REJECTS else WARN
    yield (
      level,
      f'{words.counted(found.num_rejects, "file")} cannot be used ({words.percent(share)}); the '
      'reasons and what to do are below.',
    )


def _labels(found: findings.Findings) -> Iterator[tuple[str, str]]:
  # Of a data set it stands among the warnings already.
  said = ' '.join(found.warnings)
  if (alike := utterance.alike(found.census.by_label())) and alike not in said:
    yield WARN, alike


def _speakers(found: findings.Findings) -> Iterator[tuple[str, str]]:
  census = found.census
  if found.is_pictures or not found.is_labelled:
    return
  if not found.has_speakers:
    yield (
      WARN,
      'It is not known who speaks: if a person speaks in several files, train and test share '
      'voices.',
    )
    return
  shared = census.shared_speakers()
  if shared and not found.warnings:
    yield (
      BAD,
      f'{words.counted(len(shared), "speaker", "is", "are")} in more than one split '
      f'({_some(shared)}).',
    )
  counts = list(census.by_speaker().values())
  if len(counts) > 1 and (skew.gini(counts) >= 0.5 or skew.share_of_largest(counts, 1) >= 0.5):
    yield WARN, skew.meaning(counts)
  lonely = sorted(label for label, number in census.speakers_by_label().items() if number == 1)
  if lonely and len(counts) > 1:
    yield (
      WARN,
      f'{words.counted(len(lonely), "label", "is", "are")} said by one speaker only '
      f'({_some(lonely)}): a model may learn the voice and not the label.',
    )


def _sound(found: findings.Findings) -> Iterator[tuple[str, str]]:
  rates = sorted({item.measures.sample_rate_hz for item in found.measured})
  if len(rates) > 1:
    yield (
      WARN,
      f'There are {len(rates)} sampling rates ({_some([f"{rate:,} Hz" for rate in rates])}). '
      'Recordings of a low rate lack high tones: where a rate goes with a label or a speaker, a '
      'model may learn the rate.',
    )
  worst = len(found.clipped)
  if found.measured and worst / len(found.measured) > _MUCH_CLIPPING:
    verb = 'is' if worst == 1 else 'are'
    yield (
      WARN,
      f'{words.counted(worst, "clip")} of {len(found.measured):,} {verb} audibly clipped.',
    )
  if found.num_silent:
    yield (
      WARN,
      f'{words.counted(found.num_silent, "clip", "holds", "hold")} nothing but digital silence.',
    )


def _some(names: Sequence[str]) -> str:
  return ', '.join(names[:_MAX_NAMES]) + (', …' if len(names) > _MAX_NAMES else '')


def _names(groups: Sequence[duplicates.Group]) -> str:
  """Names the clips of the first group."""
  clips = groups[0].clips
  named = ' = '.join(
    f'{clip.clip_id} ({clip.split})' if clip.split else clip.clip_id for clip in clips[:3]
  )
  more = ', …' if len(clips) > 3 or len(groups) > 1 else ''
  return named + more
