"""The table at the end of the job."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich import box, markup
from rich import console as rich_console
from rich import table as rich_table

from pages import words
from schemas import errors, naming, record, rejects, utterance
from schemas import medium as media
from schemas.manifest import DatasetManifest


def rows(manifest: DatasetManifest, elapsed_s: float, *, kept: str = '') -> list[tuple[str, str]]:
  """Returns what the summary says, line by line.

  Args:
    manifest: The data set's.
    elapsed_s: How long the job took.
    kept: What was taken over of an earlier run, as a sentence.
  """
  audio_s = sum(shard.audio_s for shard in manifest.shards)
  length = f' ({hours(manifest.seconds())})' if manifest.audio else ''
  num_clips = sum(shard.num_records for shard in manifest.shards)
  num_bytes = sum(shard.num_bytes for shard in manifest.shards)
  noun = media.example(manifest.medium)
  result = []
  for split in manifest.split_names():
    parts = (
      words.counted(manifest.num_records(split), noun),
      speakers(
        *manifest.voices_and_noises(split), manifest.speakers.get(split, ()), manifest.medium
      ),
      words.counted(len(manifest.shards_of(split)), 'shard'),
    )
    result.append((split, ', '.join(filter(None, parts))))
  result += [
    (f'all {noun}s', f'{num_clips:,}{length}'),
    ('labels', f'{manifest.num_labels}: {some(manifest.labels)}'),
    ('features', ', '.join(map(feature, manifest.features))),
    ('size', f'{num_bytes / 1e6:,.1f} MB in {words.counted(len(manifest.shards), "shard")}'),
    *([('earlier run', kept)] if kept else []),
    ('rejects', _rejects(manifest)),
    *left_out(manifest.left_out),
    *noted(manifest.noted),
    ('time', _time(num_clips, noun, audio_s, elapsed_s)),
    *(('warning', warning) for warning in manifest.warnings),
  ]
  return result


def print_table(lines: Iterable[tuple[str, str]], *, title: str) -> None:
  """Prints lines of a name and a value to stdout, no secrets of addresses."""
  title = markup.escape(errors.without_secrets(title))
  table = rich_table.Table(title=title, box=box.SIMPLE, show_header=False, title_justify='left')
  for name, value in lines:
    table.add_row(name, markup.escape(errors.without_secrets(value)))
  rich_console.Console(highlight=False).print(table)


def speakers(num_voices: int, num_noises: int, names: Sequence[str], medium: str) -> str:
  """Returns such as `2 speakers (ann, bob) and 7 noises`, '' where nobody knows who speaks.

  Of pictures it is `2 groups (ann, bob)`.

  Args:
    num_voices: How many speakers there are.
    num_noises: How many recordings of noise, which are among `names` too.
    names: Some of them. Of more speakers than these only the number is told.
    medium: One of medium.MEDIA.
  """
  if not names:
    return ''
  said = utterance.counted_groups(num_voices, num_noises, media.speaker(medium))
  voices = [name for name in names if not utterance.is_noise(name)]
  if not voices or len(voices) != num_voices:
    return said
  number, _, noises = said.partition(' and ')
  return f'{number} ({", ".join(voices)})' + (f' and {noises}' if noises else '')


def left_out(counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
  """Yields a line for every reason why good clips are left out."""
  for reason, count in counts.items():
    yield 'left out', f'{count:,} {reason}: {rejects.LEFT_OUT[reason]}'


def noted(notes: Iterable[rejects.Noted]) -> Iterator[tuple[str, str]]:
  """Yields a line for everything that is to be said of clips, files or names."""
  for note in notes:
    yield 'noted', str(note)


def hours(seconds: tuple[float, float]) -> str:
  """Returns how long what is stored is, and the recordings, where that is not the same."""
  stored, source = map(words.duration, seconds)
  return f'{stored} of audio' + (f', made of {source} of recordings' if source != stored else '')


def _time(num_clips: int, noun: str, audio_s: float, elapsed_s: float) -> str:
  rates = f'{_rate(num_clips / elapsed_s)} {noun}s/s'
  if audio_s:
    rates += f', {_rate(audio_s / elapsed_s)} x realtime'
  return f'{elapsed_s:.1f} s: {rates}, loading and start-up included'


def _rate(value: float) -> str:
  """Returns such as `1,200` or `0.3`: of a small job it is no zero."""
  return f'{value:,.0f}' if value >= 10 else f'{value:.1f}'


def feature(spec: record.FeatureSpec) -> str:
  """Returns a feature's name, shape and dtype."""
  sizes = ['any' if size is None else str(size) for size in spec.shape]
  return f'{spec.name} [{", ".join(sizes)}] {spec.dtype}'


def some(labels: Sequence[str], most: int = 12) -> str:
  """Returns the first of the labels, with dots if there are more."""
  return errors.some(labels, most)


def _rejects(manifest: DatasetManifest) -> str:
  if not manifest.rejects:
    return 'none'
  total = sum(manifest.rejects.values())
  reasons = ', '.join(f'{count:,} {reason}' for reason, count in manifest.rejects.items())
  return f'{total:,}: {reasons} (every file with advice in {naming.REJECTS})'
