"""The page as a whole: one file that needs nothing from outside."""

from beam_jobs.exploration import acoustics, counts, findings, observations, page, sections, style

_NAMES = {
  'labels': 'Labels', 'splits': 'Splits', 'speakers': 'Speakers', 'lengths': 'Lengths',
  'formats': 'Formats', 'loudness': 'Loudness', 'duplicates': 'Duplicates', 'rejects': 'Rejects',
  'examples': 'Examples',
}  # fmt: skip


def render(found: findings.Findings) -> str:
  """Returns the page: the same text for the same findings."""
  parts = {
    'labels': counts.labels(found),
    'splits': counts.splits(found),
    'speakers': counts.speakers(found),
    'lengths': acoustics.lengths(found),
    'formats': acoustics.formats(found),
    'loudness': acoustics.loudness(found),
    'duplicates': sections.same_audio(found),
    'rejects': counts.left_out(found),
    'examples': sections.examples(found),
  }
  links = ''.join(f'<a href="#{name}">{_NAMES[name]}</a>' for name, part in parts.items() if part)
  notes = ''.join(page.note(sentence, level=level) for level, sentence in observations.of(found))
  about = page.section('about', f'About the {found.kind}', page.facts(found.facts))
  footer = ''.join(page.paragraph(sentence) for sentence in found.notes)
  title = page.text(found.title)
  return (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    f'<title>{title}</title>\n<style>{style.CSS}</style>\n</head>\n<body>\n<main>\n'
    f'<header><div class="kind">{page.text(found.kind)}</div><h1>{title}</h1>'
    f'{page.tiles(numbers(found))}<nav>{links}</nav></header>\n'
    f'{page.section("first", "To look at first", notes)}'
    f'{"".join(parts.values())}{about}<footer>{footer}</footer>\n</main>\n</body>\n</html>\n'
  )


def numbers(found: findings.Findings) -> list[tuple[str, str]]:
  """Returns the few numbers that say most, as (number, what it counts)."""
  census = found.census

  def add(number: int, noun: str) -> None:
    items.append((f'{number:,}', noun if number == 1 else f'{noun}s'))

  items: list[tuple[str, str]] = []
  add(census.num_clips, 'picture' if found.is_pictures else 'clip')
  if census.num_copies:
    items.append((f'{census.num_copies:,}', 'of them copies'))
  if found.total_s:
    items.append((page.duration(found.total_s), 'of audio'))
  if found.is_labelled:
    add(len(census.by_label()), 'label')
  if found.has_speakers:
    add(len(census.by_speaker()), 'speaker')
  add(len(found.groups), 'duplicate')
  add(found.num_rejects, 'reject')
  return items
