"""Shows what a data set holds: its manifest as readable text."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from schemas import audio, command, errors, medium, rejects
from schemas.manifest import DatasetManifest
from tfrecords import command_line, manifest_file
from tfrecords import storage as storage_lib
from tfrecords.wire import codec

_PROGRAM = 'python -m tfrecords.describe'


def describe(manifest: DatasetManifest) -> str:
  """Returns the text, a section per kind of content; the same for the same manifest."""
  sections = (
    _head(manifest),
    _features(manifest),
    _splits(manifest),
    _speakers(manifest),
    _labels(manifest),
    _rejects(manifest),
    _left_out(manifest),
    _noted(manifest),
    _warnings(manifest),
    _statistics(manifest),
    _pairs('configuration', manifest.config),
    _pairs('versions', manifest.versions),
  )
  texts = ('\n'.join(section) for section in sections)
  return '\n\n'.join(text for text in texts if text) + '\n'


def _head(manifest: DatasetManifest) -> Iterator[str]:
  records = sum(shard.num_records for shard in manifest.shards)
  if manifest.audio is None:
    yield f'{manifest.name}: {errors.counted(records, "picture")}'
  else:
    stored, source = _hours(manifest)
    # Manifests of version 2 do not say how long the recordings were.
    is_said = any(shard.source_s for shard in manifest.shards)
    recorded = f', made of {source} hours of recordings' if is_said and source != stored else ''
    yield f'{manifest.name}: {errors.counted(records, "clip")}, {stored} hours of audio{recorded}'
    spec = manifest.audio
    yield f'audio: {_heard(spec)}, {spec.sample_rate_hz} Hz, {_lengths(spec)}'
    if manifest.audio.trim_db:
      yield f'silence at the ends: dropped from {manifest.audio.trim_db:g} dB below the loudest on'
    if manifest.audio.effects:
      yield f'effects: {", ".join(manifest.audio.effects)}'
  yield f'record version: {manifest.record_version}'


def _heard(spec: audio.AudioSpec) -> str:
  channel = f'channel {spec.channel}' if spec.channel.isdigit() else f'the {spec.channel} channel'
  heard = 'mono' if spec.channel == audio.MIX else f'mono, {channel}'
  return heard + (f', full scale of floats {spec.full_scale:g}' if spec.full_scale != 1 else '')


def _lengths(spec: audio.AudioSpec) -> str:
  if spec.is_variable:
    return f'clips as long as they are, up to {spec.max_clip_s:g} s'
  kept = '' if spec.position == audio.START else f', cut and padded at their {spec.position}'
  return f'clips of {spec.clip_s:g} s ({spec.clip_samples} samples){kept}'


def _features(manifest: DatasetManifest) -> Iterator[str]:
  yield 'features'
  for spec in manifest.features:
    size = spec.row_bytes if spec.num_bytes is None else spec.num_bytes
    per = 'row' if spec.is_variable else 'picture' if manifest.audio is None else 'clip'
    yield f'  {spec.name}: {codec.shape_text(spec)}, {size:,} bytes per {per}'
    settings = ', '.join(f'{name}={value}' for name, value in sorted(spec.settings.items()))
    if settings:
      yield f'    {settings}'


def _splits(manifest: DatasetManifest) -> Iterator[str]:
  yield 'splits'
  columns = _split_columns(manifest)
  rows = [('split', *columns)]
  for split in manifest.split_names():
    rows.append((split, *(cell(split) for cell in columns.values())))
  yield from _table(rows, text_columns=(0,))


def _split_columns(manifest: DatasetManifest) -> Mapping[str, Callable[[str], str]]:
  """Returns what is told of a split, by the column's title."""
  is_audio = manifest.audio is not None
  columns: dict[str, Callable[[str], str]] = {
    f'{medium.example(manifest.medium)}s': lambda split: f'{manifest.num_records(split):,}',
  }
  if manifest.speakers:
    columns[f'{medium.speaker(manifest.medium)}s'] = lambda split: (
      f'{manifest.voices_and_noises(split)[0]:,}'
    )
    if any(manifest.voices_and_noises(split)[1] for split in manifest.split_names()):
      columns['noises'] = lambda split: f'{manifest.voices_and_noises(split)[1]:,}'
  if is_audio:
    columns['hours'] = lambda split: _hours(manifest, split)[0]
  if manifest.audio is not None and manifest.audio.is_variable:
    rate_hz = manifest.audio.sample_rate_hz
    columns['shortest s'] = lambda split: f'{manifest.length_samples(split)[0] / rate_hz:.2f}'
    columns['longest s'] = lambda split: f'{manifest.length_samples(split)[1] / rate_hz:.2f}'
  columns['shards'] = lambda split: f'{len(manifest.shards_of(split)):,}'
  columns['bytes'] = lambda split: f'{sum(s.num_bytes for s in manifest.shards_of(split)):,}'
  return columns


def _speakers(manifest: DatasetManifest) -> Iterator[str]:
  if not manifest.speakers:
    return
  yield f'{medium.speaker(manifest.medium)}s'
  rows = []
  for split in manifest.split_names():
    rows.append((split, manifest.some_voices(split) or 'none, recordings of noise alone'))
  yield from _table(rows, text_columns=(0, 1))


def _labels(manifest: DatasetManifest) -> Iterator[str]:
  if not manifest.is_labelled:
    yield f'labels: none, the {medium.example(manifest.medium)}s are there to be predicted'
    return
  splits = manifest.split_names()
  counts = [manifest.label_counts(split) for split in splits]
  yield f'labels: {manifest.num_labels}'
  rows = [('', 'label', *splits)]
  for index, label in enumerate(manifest.labels):
    rows.append((str(index), label, *(f'{of_split[index]:,}' for of_split in counts)))
  yield from _table(rows, text_columns=(1,))


def _rejects(manifest: DatasetManifest) -> Iterator[str]:
  yield f'rejected {medium.example(manifest.medium)}s: {sum(manifest.rejects.values()):,}'
  yield from _reasons(manifest.rejects, rejects.ADVICE)


def _left_out(manifest: DatasetManifest) -> Iterator[str]:
  if manifest.left_out:
    total = sum(manifest.left_out.values())
    yield f'{medium.example(manifest.medium)}s that were not asked for: {total:,}'
    yield from _reasons(manifest.left_out, rejects.LEFT_OUT)


def _noted(manifest: DatasetManifest) -> Iterator[str]:
  yield from (f'noted: {note}' for note in manifest.noted)


def _reasons(counts: Mapping[str, int], texts: Mapping[str, str]) -> Iterator[str]:
  rows = [(reason, f'{count:,}', texts.get(reason, '')) for reason, count in sorted(counts.items())]
  yield from _table(rows, text_columns=(0, 2))


def _warnings(manifest: DatasetManifest) -> Iterator[str]:
  yield from (f'warning: {warning}' for warning in manifest.warnings)


def _statistics(manifest: DatasetManifest) -> Iterator[str]:
  if not manifest.statistics:
    return
  yield 'statistics of the train split'
  for name, stats in sorted(manifest.statistics.items()):
    deviation = [variance**0.5 for variance in stats.variance]
    yield (
      f'  {name}: {errors.counted(len(stats.mean), "bin")} of {stats.count:,} values, '
      f'means {min(stats.mean):.4g} to {max(stats.mean):.4g}, '
      f'standard deviations {min(deviation):.4g} to {max(deviation):.4g}'
    )


def _pairs(title: str, values: Mapping[str, Any]) -> Iterator[str]:
  yield title
  yield from _table(
    [(name, str(value)) for name, value in sorted(values.items())], text_columns=(0, 1)
  )


def _hours(manifest: DatasetManifest, split: str = '') -> tuple[str, str]:
  """Returns the hours that are stored, and those of the recordings."""
  stored_s, source_s = manifest.seconds(split)
  return f'{stored_s / 3600:.2f}', f'{source_s / 3600:.2f}'


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
  data_dir = command_line.parse_folder(argv, description=__doc__ or '', program=_PROGRAM)
  if data_dir is not None:
    manifest = manifest_file.load(data_dir, storage_lib.storage_of(data_dir))
    print(f'{data_dir}\n{describe(manifest)}', end='')


if __name__ == '__main__':
  sys.exit(command.run(main))
