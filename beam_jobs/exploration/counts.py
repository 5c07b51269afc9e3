"""The parts of the page that count: labels, splits, speakers, rejects."""

from collections.abc import Iterator

from beam_jobs.exploration import charts, findings, page, skew
from schemas import rejects

MAX_LABELS = 200
MAX_SPEAKERS = 10


def labels(found: findings.Findings) -> page.Html:
  """Returns clips per label and per split."""
  if not found.is_labelled:
    return page.section(
      'labels', 'Labels', page.paragraph('The clips have no labels: they are for prediction.')
    )
  census = found.census
  by_label, splits = census.by_label(), census.splits()
  cells, speakers = census.by_label_and_split(), census.speakers_by_label()
  largest = max(by_label.values(), default=1)
  named_splits = [split for split in splits if split]
  show_splits = len(splits) > 1
  head = ['label', _noun(found), 'share', *(named_splits if show_splits else ())]
  kinds = ['text', 'number', 'number', *('number' for _ in (named_splits if show_splits else ()))]
  if found.has_speakers:
    head.append('speakers')
    kinds.append('number')
  rows = []
  for label in list(by_label)[:MAX_LABELS]:
    row = [page.text(label), f'{by_label[label]:,}', _share(by_label[label], census.num_clips)]
    row += [f'{cells[label, split]:,}' for split in (named_splits if show_splits else ())]
    row += [f'{speakers[label]:,}'] if found.has_speakers else []
    row.insert(1, page.stack({split: cells[label, split] for split in splits}, largest=largest))
    rows.append(row)
  head.insert(1, '')
  kinds.insert(1, 'bars')
  parts = [_balance(found), page.legend(splits), page.table(head, rows, kinds=kinds)]
  if len(by_label) > MAX_LABELS:
    parts.append(page.paragraph(f'{len(by_label) - MAX_LABELS:,} rarer labels are not listed.'))
  return page.section('labels', 'Labels', *parts)


def splits(found: findings.Findings) -> page.Html:
  """Returns clips and speakers per split; nothing where no split is decided."""
  census = found.census
  if not any(census.splits()):
    return page.section(
      'splits',
      'Splits',
      page.paragraph(
        'The corpus has no official splits. The data job makes them by speaker, so that no voice '
        'is in two (--split_by, --validation_fraction, --test_fraction).'
      ),
    )
  speakers, cells = census.speakers_by_split(), census.by_label_and_split()
  totals = {
    split: sum(count for (_, where), count in cells.items() if where == split)
    for split in census.splits()
  }
  rows = [
    [
      page.text(split or 'none'),
      page.stack({split: total}, largest=max(totals.values())),
      f'{total:,}',
      _share(total, census.num_clips),
      *([f'{speakers[split]:,}'] if found.has_speakers else ()),
      *([f'{sum(where == split for _, where in cells):,}'] if found.is_labelled else ()),
    ]
    for split, total in totals.items()
  ]
  head = ['split', '', _noun(found), 'share']
  head += [
    *(['speakers'] if found.has_speakers else ()),
    *(['labels'] if found.is_labelled else ()),
  ]
  kinds = ['text', 'bars', *['number'] * (len(head) - 2)]
  return page.section('splits', 'Splits', page.table(head, rows, kinds=kinds))


def speakers(found: findings.Findings) -> page.Html:
  """Returns how clips are spread over speakers."""
  by_speaker = found.census.by_speaker()
  if found.is_pictures or not found.is_labelled or not by_speaker:
    return ''
  if not found.has_speakers:
    return page.section(
      'speakers',
      'Speakers',
      page.paragraph(
        'It is not known who speaks: every file counts as a speaker of its own. If a person speaks '
        'in several files, train and test share voices, and the accuracy looks better than it is. '
        'Tell the source where the speaker is, if the names or folders say so.'
      ),
    )
  counts = list(by_speaker.values())
  rows = [
    [
      page.text(name),
      page.stack({'': count}, largest=counts[0]),
      f'{count:,}',
      _share(count, sum(counts)),
    ]
    for name, count in list(by_speaker.items())[:MAX_SPEAKERS]
  ]
  numbers = [
    ('speakers', f'{len(counts):,}'),
    ('clips of a speaker', _spread(counts)),
    ('share of the largest', page.percent(skew.share_of_largest(counts, 1))),
    *_shares(counts),
    ('Gini coefficient', f'{skew.gini(counts):.2f} (0: all alike, 1: one has all)'),
  ]
  title = 'the largest' if len(counts) > MAX_SPEAKERS else 'speaker'
  chart = ''
  if len(counts) > MAX_SPEAKERS:
    drawn = charts.ranked(counts, unit='speakers, the largest first', noun='clips')
    chart = f'<figure>{drawn}</figure>'
  return page.section(
    'speakers',
    'Speakers',
    page.paragraph(skew.meaning(counts), soft=False),
    page.columns(
      page.facts(numbers) + chart,
      page.table((title, '', 'clips', 'share'), rows, kinds=('text', 'bars', *['number'] * 2)),
    ),
  )


def left_out(found: findings.Findings) -> page.Html:
  """Returns what cannot be used and what was not asked for."""
  parts = []
  if found.rejects:
    parts.append(
      page.table(
        ('reason', 'files', 'what to do', 'such as'),
        [
          [
            page.text(item.reason),
            f'{item.count:,}',
            page.text(rejects.ADVICE.get(item.reason, '')),
            page.text(item.example),
          ]
          for item in found.rejects
        ],
        kinds=('', 'number', 'text', 'text small'),
      )
    )
  else:
    parts.append(page.paragraph('No clip was rejected.'))
  if found.left_out:
    rows = [
      [page.text(reason), f'{count:,}', page.text(rejects.LEFT_OUT.get(reason, ''))]
      for reason, count in found.left_out.items()
    ]
    parts.append('<h3>Good clips that were not asked for</h3>')
    parts.append(page.table(('reason', 'clips', ''), rows, kinds=('', 'number', 'text')))
  return page.section('rejects', 'Rejects', *parts)


def _noun(found: findings.Findings) -> str:
  return 'pictures' if found.is_pictures else 'clips'


def _share(count: int, total: int) -> str:
  return page.percent(count / total if total else 0.0)


def _balance(found: findings.Findings) -> page.Html:
  counts = list(found.census.by_label().values())
  if len(counts) < 2:
    return ''
  ratio = counts[0] / counts[-1]
  if ratio < 1.5:
    return page.paragraph('All labels have about as many.')
  return page.paragraph(
    f'The most frequent label has {ratio:,.1f} times as many as the rarest '
    f'({counts[0]:,} and {counts[-1]:,}).'
  )


def _spread(counts: list[int]) -> str:
  middle = counts[len(counts) // 2]
  return f'{counts[-1]:,} to {counts[0]:,}, median {middle:,}'


def _shares(counts: list[int]) -> Iterator[tuple[str, str]]:
  for number in (5, 10):
    if len(counts) >= 2 * number:
      yield f'share of the largest {number}', page.percent(skew.share_of_largest(counts, number))
