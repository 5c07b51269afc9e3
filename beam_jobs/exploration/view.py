"""What a page shows of the findings, as plain values that explore.html.j2 of pages lays out."""

import collections
from collections.abc import Sequence
from typing import Any

import numpy as np

from beam_jobs.exploration import findings, observations, skew
from beam_jobs.exploration import sound as sound_lib
from pages import analysis, charts, embedded, panels, rendering, words
from schemas import rejects


def render(found: findings.Findings) -> str:
  """Returns the page: the same text for the same findings."""
  heard = [item.measures for item in found.measured if not item.fingerprint.is_silent]
  return rendering.render(
    'explore.html.j2',
    found=found,
    numbers=numbers(found),
    notes=observations.of(found),
    spread=_spread(list(found.census.by_speaker().values())),
    durations=_durations(found),
    tallies=_tallies([item.measures for item in found.measured]),
    levels=_levels(heard),
    advice=rejects.ADVICE,
    not_asked_for=rejects.LEFT_OUT,
    noted=rejects.NOTED,
    analysis=analysis,
    shown=_shown,
    pictures=lambda items: [(item.clip.clip_id, embedded.picture(item.picture)) for item in items],
  )


def numbers(found: findings.Findings) -> list[tuple[str, str]]:
  """Returns the few numbers that say most, as (number, what it counts)."""
  census = found.census

  def counted(number: int, noun: str) -> tuple[str, str]:
    return f'{number:,}', noun + 's' * (number != 1)

  items = [counted(census.num_clips, 'picture' if found.is_pictures else 'clip')]
  if census.num_copies:
    items.append((f'{census.num_copies:,}', 'of them copies'))
  if found.total_s:
    items.append((words.duration(found.total_s), 'of audio'))
  if found.is_labelled:
    items.append(counted(len(census.by_label()), 'label'))
  if found.has_speakers:
    items.append(counted(len(census.by_speaker()), 'speaker'))
  duplicates = counted(len(found.groups), 'duplicate')
  return [*items, duplicates, counted(found.num_rejects, 'reject')]


def _spread(counts: Sequence[int]) -> dict[str, Any]:
  """Returns how clips are spread over speakers; `counts` has the largest first."""
  if not counts:
    return {}
  facts = [
    ('speakers', f'{len(counts):,}'),
    (
      'clips of a speaker',
      f'{counts[-1]:,} to {counts[0]:,}, median {counts[len(counts) // 2]:,}',
    ),
    ('share of the largest', words.percent(skew.share_of_largest(counts, 1))),
    *(
      (f'share of the largest {number}', words.percent(skew.share_of_largest(counts, number)))
      for number in (5, 10)
      if len(counts) >= 2 * number
    ),
    ('Gini coefficient', f'{skew.gini(counts):.2f} (0: all alike, 1: one has all)'),
  ]
  return {
    'meaning': skew.meaning(counts),
    'facts': facts,
    'chart': charts.ranked(counts, unit='speakers, the largest first', noun='clips'),
  }


def _durations(found: findings.Findings) -> dict[str, Any]:
  values = found.durations_s
  if found.is_pictures or not len(values):
    return {}
  low, few, middle, most, high = (
    float(value) for value in np.quantile(values, (0.0, 0.05, 0.5, 0.95, 1.0))
  )
  # A few very long clips would press all others into one bar.
  limit = float(np.quantile(values, 0.99)) * 1.5
  drawn = values[values <= limit] if high > 2 * limit else values
  longer = words.counted(len(values) - len(drawn), 'longer clip')
  return {
    'same': f'All are {high:.4g} s long.' if high - low < 1e-6 else '',
    'facts': [
      ('shortest', words.duration(low)),
      ('5 % are shorter than', words.duration(few)),
      ('median', words.duration(middle)),
      ('5 % are longer than', words.duration(most)),
      ('longest', words.duration(high)),
      ('together', words.duration(float(values.sum()))),
    ],
    'chart': _histogram(drawn, 'length (s)', smallest=1e-6),
    'more': f'{longer} not drawn: up to {high:,.4g} s.' if len(drawn) < len(values) else '',
  }


def _tallies(measures: Sequence[sound_lib.Measures]) -> list[tuple[str, list[tuple[str, int]]]]:
  """Returns how many clips have each rate, number of channels and codec, most frequent first."""
  channels = {1: 'mono', 2: 'stereo'}
  columns = {
    'sampling rate': [f'{item.sample_rate_hz:,} Hz' for item in measures],
    'channels': [channels.get(item.channels, f'{item.channels} channels') for item in measures],
    'codec': [item.coding for item in measures],
  }
  return [
    (name, sorted(collections.Counter(values).items(), key=lambda item: (-item[1], item[0])))
    for name, values in columns.items()
  ]


def _levels(heard: Sequence[sound_lib.Measures]) -> list[dict[str, Any]]:
  """Returns the spread of mean levels and peaks."""
  if not heard:
    return []
  columns = {
    'mean level': np.array([item.rms_dbfs for item in heard]),
    'peak': np.array([item.peak_dbfs for item in heard]),
  }
  return [
    {
      'name': name,
      'quantiles': np.quantile(values, (0.05, 0.5, 0.95)).tolist(),
      'chart': _histogram(values, f'{name} (dBFS)', smallest=0.1),
    }
    for name, values in columns.items()
  ]


def _histogram(values: np.ndarray, unit: str, *, smallest: float) -> charts.Chart | None:
  """Returns a histogram; None where the values do not differ by `smallest`."""
  if len(values) < 2 or values.max() - values.min() < smallest:
    return None
  return charts.histogram(values, unit=unit, noun='clips')


def _shown(example: findings.Example) -> dict[str, Any]:
  """Returns what can be seen and heard of a clip."""
  clip, sound = example.clip, example.sound
  details = [
    f'speaker {clip.speaker}' if clip.speaker != clip.clip_id else '',
    clip.split,
    words.duration(sound.seconds),
    f'{sound.sample_rate_hz:,} Hz',
    words.dbfs(sound_lib.measure(sound).rms_dbfs),
  ]
  start = analysis.beginning(sound.mono, sound.sample_rate_hz)
  return {
    'details': ', '.join(part for part in details if part),
    'audio': embedded.audio(start, sound.sample_rate_hz),
    'panels': panels.of(start, sound.sample_rate_hz),
  }
