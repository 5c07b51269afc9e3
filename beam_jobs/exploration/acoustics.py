"""The parts of the page on how clips sound: lengths, formats, loudness, clipping."""

import collections
from collections.abc import Iterable

import numpy as np

from beam_jobs.exploration import charts, findings, page

# More samples than this share cut off can be heard.
AUDIBLE_CLIPPING = 0.001
# Below this level a clip is nearly silent.
QUIET_DBFS = -60.0
_MAX_WORST = 5


def lengths(found: findings.Findings) -> page.Html:
  """Returns the lengths of clips."""
  values = found.durations_s
  if found.is_pictures or not len(values):
    return ''
  low, few, middle, most, high = (
    float(value) for value in np.quantile(values, (0.0, 0.05, 0.5, 0.95, 1.0))
  )
  about = page.paragraph(f'Of {found.duration_is_of}.')
  numbers = [
    ('shortest', page.duration(low)),
    ('5 % are shorter than', page.duration(few)),
    ('median', page.duration(middle)),
    ('5 % are longer than', page.duration(most)),
    ('longest', page.duration(high)),
    ('together', page.duration(float(values.sum()))),
  ]
  if high - low < 1e-6:
    same = page.paragraph(f'All are {high:.4g} s long.')
    return page.section('lengths', 'Lengths', about, same)
  shown, more = values, ''
  # A few very long clips would press all others into one bar.
  limit = float(np.quantile(values, 0.99)) * 1.5
  if high > 2 * limit:
    shown = values[values <= limit]
    number = len(values) - len(shown)
    more = page.paragraph(f'{page.count(number, "longer clip")} not drawn: up to {high:,.4g} s.')
  if len(shown) < 2 or shown.max() - shown.min() < 1e-6:
    return page.section('lengths', 'Lengths', about, page.facts(numbers))
  chart = charts.histogram(shown, unit='length (s)', noun='clips')
  return page.section(
    'lengths',
    'Lengths',
    about,
    page.columns(f'<figure>{chart}</figure>{more}', page.facts(numbers)),
  )


def formats(found: findings.Findings) -> page.Html:
  """Returns sampling rates, channels and codecs."""
  if not found.measured:
    return ''
  measures = [item.measures for item in found.measured]
  tables = [
    _shares('sampling rate', (f'{item.sample_rate_hz:,} Hz' for item in measures)),
    _shares('channels', (_channels(item.channels) for item in measures)),
    _shares('codec', (item.coding for item in measures)),
  ]
  about = page.paragraph(f'Of {page.count(len(measures), "clip")}, from {found.measured_from}.')
  return page.section('formats', 'Formats', about, page.columns(*tables))


def loudness(found: findings.Findings) -> page.Html:
  """Returns levels and clipping."""
  if not found.measured:
    return ''
  heard = [item for item in found.measured if not item.fingerprint.is_silent]
  levels = np.array([item.measures.rms_dbfs for item in heard])
  peaks = np.array([item.measures.peak_dbfs for item in heard])
  parts = [
    page.paragraph(
      'In dB relative to full scale (dBFS): a sine as loud as can be has a mean level of −3 dBFS '
      'and a peak of 0.'
    )
  ]
  if len(heard):
    parts.append(page.columns(_levels(levels, 'mean level'), _levels(peaks, 'peak')))
  parts.append(_clipping(found))
  return page.section('loudness', 'Loudness and clipping', *parts)


def clipped(found: findings.Findings) -> list[findings.Measured]:
  """Returns the clips whose tops are cut off audibly, the worst first."""
  worst = [item for item in found.measured if item.measures.clipped_share > AUDIBLE_CLIPPING]
  return sorted(worst, key=lambda item: (-item.measures.clipped_share, item.clip.clip_id))


def _levels(values: np.ndarray, name: str) -> page.Html:
  low, middle, high = (round(float(value), 1) for value in np.quantile(values, (0.05, 0.5, 0.95)))
  about = f'<h3>{name.capitalize()}</h3>'
  about += page.paragraph(f'Median {_db(middle)}; 9 of 10 clips from {_db(low)} to {_db(high)}.')
  if values.max() - values.min() < 0.1:
    return about
  chart = charts.histogram(values, unit=f'{name} (dBFS)', noun='clips')
  return f'{about}<figure>{chart}</figure>'


def _db(value: float) -> str:
  return f'{value:.1f} dBFS'.replace('-', '−')


def _clipping(found: findings.Findings) -> page.Html:
  number = sum(item.measures.clipped_share > 0 for item in found.measured)
  worst = clipped(found)
  quiet = sum(item.measures.rms_dbfs < QUIET_DBFS for item in found.measured)
  share = page.percent(number / len(found.measured))
  sentences = [
    f'{page.count(number, "clip")} ({share}) {"has" if number == 1 else "have"} three samples in a '
    f'row or more at full scale, {len(worst):,} of them audibly (over 0.1 % of the samples).'
    if number
    else 'No clip has three samples in a row at full scale.',
    f'{page.count(quiet, "clip")} {"is" if quiet == 1 else "are"} nearly silent (below −60 dBFS).'
    if quiet
    else 'None is nearly silent (below −60 dBFS).',
  ]
  parts = ['<h3>Clipping and silence</h3>', *(page.paragraph(sentence) for sentence in sentences)]
  if worst:
    rows = [
      [
        page.text(item.clip.clip_id),
        page.text(item.clip.label),
        page.percent(item.measures.clipped_share),
      ]
      for item in worst[:_MAX_WORST]
    ]
    head = ('the worst', 'label', 'samples cut off')
    parts.append(page.table(head, rows, kinds=('text', 'text', 'number')))
  return ''.join(parts)


def _channels(number: int) -> str:
  return {1: 'mono', 2: 'stereo'}.get(number, f'{number} channels')


def _shares(name: str, values: Iterable[str]) -> page.Html:
  counts = collections.Counter(values)
  ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
  total = sum(counts.values())
  rows = [
    [
      page.text(value),
      page.stack({'': count}, largest=total),
      f'{count:,}',
      page.percent(count / total),
    ]
    for value, count in ranked
  ]
  return page.table((name, '', 'clips', 'share'), rows, kinds=('text', 'bars', 'number', 'number'))
