"""Shows what a data set holds: its manifest as readable text."""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from schemas import command, rejects
from schemas.manifest import DatasetManifest
from tfrecords import arguments, manifest_file
from tfrecords import storage as storage_lib

_PROGRAM = 'python -m tfrecords.describe'


def describe(manifest: DatasetManifest) -> str:
  """Returns the text, a section per kind of content; the same for the same manifest."""
  sections = (
    _head(manifest),
    _features(manifest),
    _splits(manifest),
    _labels(manifest),
    _rejects(manifest),
    _warnings(manifest),
    _statistics(manifest),
    _pairs('configuration', manifest.config),
    _pairs('versions', manifest.versions),
  )
  texts = ('\n'.join(section) for section in sections)
  return '\n\n'.join(text for text in texts if text) + '\n'


def _head(manifest: DatasetManifest) -> Iterator[str]:
  clips = sum(shard.num_records for shard in manifest.shards)
  yield f'{manifest.name}: {_count(clips, "clip")}, {_hours(manifest)} hours of audio'
  audio = manifest.audio
  yield (
    f'audio: mono, {audio.sample_rate_hz} Hz, clips of {audio.clip_s:g} s '
    f'({audio.clip_samples} samples)'
  )
  yield f'record version: {manifest.record_version}'


def _features(manifest: DatasetManifest) -> Iterator[str]:
  yield 'features'
  for spec in manifest.features:
    yield f'  {spec.name}: {spec.dtype} {list(spec.shape)}, {spec.num_bytes:,} bytes per clip'
    settings = ', '.join(f'{name}={value}' for name, value in sorted(spec.settings.items()))
    if settings:
      yield f'    {settings}'


def _splits(manifest: DatasetManifest) -> Iterator[str]:
  yield 'splits'
  rows = [('split', 'clips', 'speakers', 'hours', 'shards', 'bytes')]
  for split in manifest.split_names():
    shards = manifest.shards_of(split)
    rows.append(
      (
        split,
        f'{manifest.num_records(split):,}',
        f'{manifest.num_speakers.get(split, 0):,}',
        _hours(manifest, split),
        f'{len(shards):,}',
        f'{sum(shard.num_bytes for shard in shards):,}',
      )
    )
  yield from _table(rows, text_columns=(0,))


def _labels(manifest: DatasetManifest) -> Iterator[str]:
  splits = manifest.split_names()
  counts = [manifest.label_counts(split) for split in splits]
  yield f'labels: {manifest.num_labels}'
  rows = [('', 'label', *splits)]
  for index, label in enumerate(manifest.labels):
    rows.append((str(index), label, *(f'{of_split[index]:,}' for of_split in counts)))
  yield from _table(rows, text_columns=(1,))


def _rejects(manifest: DatasetManifest) -> Iterator[str]:
  yield f'rejected clips: {sum(manifest.rejects.values()):,}'
  rows = [
    (reason, f'{count:,}', rejects.ADVICE.get(reason, ''))
    for reason, count in sorted(manifest.rejects.items())
  ]
  yield from _table(rows, text_columns=(0, 2))


def _warnings(manifest: DatasetManifest) -> Iterator[str]:
  yield from (f'warning: {warning}' for warning in manifest.warnings)


def _statistics(manifest: DatasetManifest) -> Iterator[str]:
  yield 'statistics of the train split'
  for name, stats in sorted(manifest.statistics.items()):
    deviation = [variance**0.5 for variance in stats.variance]
    yield (
      f'  {name}: {_count(len(stats.mean), "bin")} of {stats.count:,} values, '
      f'means {min(stats.mean):.4g} to {max(stats.mean):.4g}, '
      f'standard deviations {min(deviation):.4g} to {max(deviation):.4g}'
    )


def _pairs(title: str, values: Mapping[str, Any]) -> Iterator[str]:
  yield title
  yield from _table(
    [(name, str(value)) for name, value in sorted(values.items())], text_columns=(0, 1)
  )


def _count(number: int, noun: str) -> str:
  return f'{number:,} {noun}{"s" * (number != 1)}'


def _hours(manifest: DatasetManifest, split: str = '') -> str:
  shards = manifest.shards_of(split) if split else manifest.shards
  return f'{sum(shard.audio_s for shard in shards) / 3600:.2f}'


def _table(rows: Sequence[Sequence[str]], *, text_columns: Collection[int]) -> Iterator[str]:
  """Yields aligned lines: text to the left, numbers to the right."""
  widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
  for row in rows:
    cells = [
      text.ljust(width) if i in text_columns else text.rjust(width)
      for i, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
    yield f'  {"  ".join(cells)}'.rstrip()


def main(argv: Sequence[str]) -> None:
  """Prints the description of the folder that the arguments name."""
  data_dir = arguments.data_dir(argv, description=__doc__ or '', program=_PROGRAM)
  if data_dir is not None:
    manifest = manifest_file.load(data_dir, storage_lib.storage_of(data_dir))
    print(f'{data_dir}\n{describe(manifest)}', end='')


if __name__ == '__main__':
  sys.exit(command.run(main))
