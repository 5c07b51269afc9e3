"""The parts of the page on duplicates and on single clips."""

from collections.abc import Sequence

from beam_jobs.exploration import analysis, colours, drawing, duplicates, findings, page
from beam_jobs.exploration import sound as sound_lib

MAX_GROUPS = 50
_MAX_CLIPS = 8


def same_audio(found: findings.Findings) -> page.Html:
  """Returns the clips that are the same under several names."""
  parts = [page.paragraph(sentence) for sentence in found.compared]
  if not found.groups:
    parts.append(page.paragraph('None is there twice.', soft=False))
    return page.section('duplicates', 'Duplicates', *parts)
  parts += [
    f'<div class="group"><div>{_clips(group, found)}</div><div>{_tags(group, found)}</div></div>'
    for group in found.groups[:MAX_GROUPS]
  ]
  if len(found.groups) > MAX_GROUPS:
    parts.append(page.paragraph(f'{len(found.groups) - MAX_GROUPS:,} more are not listed.'))
  return page.section('duplicates', 'Duplicates', *parts)


def examples(found: findings.Findings) -> page.Html:
  """Returns sample clips of every label, to see and to hear."""
  if not found.examples:
    return ''
  has_sound = any(item.sound for items in found.examples.values() for item in items)
  parts = [page.paragraph(_about(found, has_sound=has_sound))]
  for label, items in found.examples.items():
    shown = items[0].sound is not None
    content = (
      ''.join(map(_clip, items)) if shown else _thumbnails(items, stretched=not found.is_pictures)
    )
    heading = f'<h3>{page.text(label)}</h3>' if found.is_labelled else ''
    parts.append(heading + content)
  return page.section('examples', 'Examples', *parts)


def _about(found: findings.Findings, *, has_sound: bool) -> str:
  number, total = len(found.examples), len(found.census.by_label())
  some = f'of the {number} most frequent labels' if number < total else 'of every label'
  picked = f'Picked by a hash of their names, {some}.' if found.is_labelled else 'Picked by a hash.'
  if not has_sound:
    if found.is_pictures:
      return picked
    return f'{picked} Shown is a stored feature: time goes to the right, dark is little.'
  return (
    f'{picked} Colours go from {analysis.RANGE_DB:.0f} dB below the loudest (dark) to the loudest '
    '(bright); in the chromagram from 0 to the strongest class of each moment. At most the first '
    f'{analysis.MAX_SECONDS:.0f} s are drawn and can be heard.'
  )


def _clip(item: findings.Example) -> page.Html:
  sound = item.sound
  uri = colours.data_uri(analysis.player_wav(sound), 'audio/wav')
  drawn = analysis.of(sound)
  pictures = (
    ('Waveform', drawing.waveform(drawn)),
    ('Spectrogram', drawing.spectrogram(drawn)),
    ('Mel spectrogram', drawing.mel_spectrogram(drawn)),
    ('Chromagram', drawing.chromagram(drawn)),
  )
  panels = ''.join(
    f'<figure><figcaption>{name}</figcaption>{svg}</figure>' for name, svg in pictures
  )
  return (
    f'<div class="clip"><div class="head"><div>{page.text(item.clip.clip_id)}'
    f'<br><span class="soft small">{page.text(_details(item.clip, sound))}</span></div>'
    f'<audio controls preload="metadata" src="{uri}"></audio></div>'
    f'<div class="panels">{panels}</div></div>'
  )


def _details(clip: duplicates.Clip, sound: sound_lib.Sound) -> str:
  level = sound_lib.measure(sound)
  parts = [
    f'speaker {clip.speaker}' if clip.speaker != clip.clip_id else '',
    clip.split,
    page.duration(sound.seconds),
    f'{sound.sample_rate_hz:,} Hz',
    f'{level.rms_dbfs:.1f} dBFS'.replace('-', '−'),
  ]
  return ', '.join(part for part in parts if part)


def _thumbnails(items: Sequence[findings.Example], *, stretched: bool) -> page.Html:
  figures = ''.join(
    f'<figure><img alt="{page.text(item.clip.clip_id)}" '
    f'src="{colours.data_uri(colours.picture_png(item.picture), "image/png")}">'
    f'<figcaption>{page.text(item.clip.clip_id)}</figcaption></figure>'
    for item in items
  )
  return f'<div class="thumbs{" stretched" if stretched else ""}">{figures}</div>'


def _tags(group: duplicates.Group, found: findings.Findings) -> page.Html:
  tags = []
  if group.leaks:
    tags.append(page.tag(f'leak: {" + ".join(group.splits)}', level='bad'))
  if len(group.labels) > 1:
    tags.append(page.tag('several labels', level='bad'))
  if len(group.speakers) > 1 and found.has_speakers:
    tags.append(page.tag('several speakers', level='warn'))
  equal = 'equal pixels' if found.is_pictures else 'equal samples'
  tags.append(page.tag(equal if group.is_exact else f'sounds the same: {group.similarity:.3f}'))
  return ''.join(tags)


def _clips(group: duplicates.Group, found: findings.Findings) -> page.Html:
  lines = []
  for clip in group.clips[:_MAX_CLIPS]:
    known = [
      clip.label if found.is_labelled else '',
      f'speaker {clip.speaker}' if clip.speaker != clip.clip_id else '',
      clip.split,
    ]
    details = page.text(', '.join(part for part in known if part))
    lines.append(f'{page.text(clip.clip_id)} <span class="soft small">{details}</span>')
  if len(group.clips) > _MAX_CLIPS:
    lines.append(f'<span class="soft">and {len(group.clips) - _MAX_CLIPS:,} more</span>')
  return '<br>'.join(lines)
