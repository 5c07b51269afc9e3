"""Checks a whole data set: every checksum, count, digest and array, and that splits are apart."""

import collections
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import rich.console
import rich.progress

from schemas import command, errors, naming
from schemas.manifest import DatasetManifest
from tfrecords import command_line, manifest_file, shard_check, shard_files
from tfrecords import storage as storage_lib

_PROGRAM = 'python -m tfrecords.verify'
_MAX_NAMED = 5

Reports = Mapping[str, shard_check.ShardReport]  # By the file name of the shard.


def find_problems(
  data_dir: str,
  manifest: DatasetManifest,
  storage: storage_lib.Storage = storage_lib.LOCAL,
  *,
  advance: Callable[[int], None] = lambda num_bytes: None,
) -> list[str]:
  """Returns everything that is wrong with a data set, a sentence each; nothing if it is whole.

  Args:
    data_dir: Its folder.
    manifest: Its manifest.
    storage: Where the folder lies.
    advance: Called with the bytes of each shard that is done.

  Raises:
    DatasetError: if it is a fold of a data set, which has no shards.
  """
  present = storage.list_dir(data_dir)
  shard_files.check_no_fold(data_dir, present)
  reports = {}
  for shard in manifest.shards:
    reports[shard.file_name] = shard_check.check_shard(data_dir, shard, manifest, storage)
    advance(shard.num_bytes)
  return [
    *(problem for report in reports.values() for problem in report.problems),
    *_file_problems(manifest, present),
    *_repeated_ids(reports),
    *_speaker_problems(manifest, reports),
  ]


def _file_problems(manifest: DatasetManifest, present: Sequence[str]) -> Iterator[str]:
  """Yields what is wrong with the set of files, whatever is in them."""
  named = {shard.file_name for shard in manifest.shards}
  for name, count in sorted(collections.Counter(s.file_name for s in manifest.shards).items()):
    if count > 1:
      yield f'{name} stands {count} times in the manifest.'
  numbers: dict[tuple[str, int], set[int]] = collections.defaultdict(set)
  for shard in manifest.shards:
    numbers[shard.split, shard.name.num_shards].add(shard.name.index)
  for (split, num_shards), indices in sorted(numbers.items()):
    missing = sorted(set(range(num_shards)) - indices)
    if missing:
      yield (
        f'The manifest names {len(indices)} of {num_shards} shards of the split {split!r}; '
        f'missing: {_some(missing)}.'
      )
  for name in present:
    # Other files are their owner's business; these would be read by who reads `*.tfrecord*`.
    if naming.is_shard_name(name.partition(storage_lib.TEMPORARY_MARK)[0]) and name not in named:
      yield (
        f'{name} is not in the manifest: an earlier or interrupted job left it. Remove it, or run '
        'the data job again.'
      )


def _repeated_ids(reports: Reports) -> Iterator[str]:
  """Yields records whose id another record has too."""
  if not reports:
    return
  digests = np.concatenate([report.id_digests for report in reports.values()])
  order = np.argsort(digests, kind='stable')
  again = np.flatnonzero(digests[order][1:] == digests[order][:-1])
  ends = np.cumsum([len(report.id_digests) for report in reports.values()])
  names = list(reports)

  def place(position: int) -> str:
    shard = int(np.searchsorted(ends, position, side='right'))
    report = reports[names[shard]]
    first = int(ends[shard]) - len(report.id_digests)
    return f'record {report.indices[position - first]} of {names[shard]}'

  for i in again[:_MAX_NAMED]:
    yield f'The id of {place(int(order[i]))} is also that of {place(int(order[i + 1]))}.'
  if len(again) > _MAX_NAMED:
    yield f'And {len(again) - _MAX_NAMED} more records have the id of another one.'


def _speaker_problems(manifest: DatasetManifest, reports: Reports) -> Iterator[str]:
  """Yields wrong counts of speakers, and speakers that are in two splits though none should be."""
  speakers: dict[str, set[str]] = collections.defaultdict(set)
  for shard in manifest.shards:
    speakers[shard.split] |= reports[shard.file_name].speakers
  for split, found in sorted(speakers.items()):
    wanted = manifest.num_speakers.get(split, 0)
    if len(found) != wanted:
      yield f'The split {split!r} has {len(found)} speakers, the manifest says {wanted}.'
  # `speaker` or `speaker:test=...`; by another field, such as `take`, speakers may be shared.
  if str(manifest.config.get('split_by', 'speaker')).partition(':')[0] != 'speaker':
    return
  for one, other in itertools.combinations(sorted(speakers), 2):
    shared = sorted(speakers[one] & speakers[other])
    if shared:
      yield (
        f'{one!r} and {other!r} share {len(shared)} of their speakers: {_some(shared)}. A model is '
        'then judged on voices that it knows. Run the data job again.'
      )


def _some(items: Sequence[object]) -> str:
  return errors.some([*map(str, items)], _MAX_NAMED)


def _find_with_progress(data_dir: str, manifest: DatasetManifest) -> list[str]:
  """Returns find_problems, with a bar on stderr where that is a terminal."""
  console = rich.console.Console(stderr=True)
  with rich.progress.Progress(
    *rich.progress.Progress.get_default_columns(),
    rich.progress.TransferSpeedColumn(),
    console=console,
    transient=True,
    disable=not console.is_terminal,
  ) as progress:
    task = progress.add_task('verify', total=sum(shard.num_bytes for shard in manifest.shards))
    return find_problems(
      data_dir,
      manifest,
      storage_lib.storage_of(data_dir),
      advance=lambda num_bytes: progress.advance(task, num_bytes),
    )


def main(argv: Sequence[str]) -> None:
  """Checks the folder that the arguments name; prints one line if it is whole.

  Raises:
    DatasetError: with every problem on a line of its own.
  """
  data_dir = command_line.parse_folder(argv, description=__doc__ or '', program=_PROGRAM)
  if data_dir is None:
    return
  manifest = manifest_file.load(data_dir, storage_lib.storage_of(data_dir))
  problems = _find_with_progress(data_dir, manifest)
  if problems:
    lines = '\n'.join(f'  {problem}' for problem in problems)
    count = '1 problem' if len(problems) == 1 else f'{len(problems)} problems'
    raise errors.DatasetError(
      f'{data_dir!r} has {count}:\n{lines}\nRun the data job again with the same flags '
      '(whole shards are kept), or copy the folder again.'
    )
  num_records = sum(shard.num_records for shard in manifest.shards)
  print(
    f'{data_dir} is whole: {num_records:,} records in {len(manifest.shards):,} shards; every '
    'checksum, digest, count and array is as the manifest says.'
  )


if __name__ == '__main__':
  sys.exit(command.run(main))
