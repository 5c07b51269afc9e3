"""Whether the shard files of a data set are those that its manifest speaks of, by one listing."""

from collections.abc import Collection, Sequence

from schemas import errors, naming
from schemas.manifest import DatasetManifest
from tfrecords import storage as storage_lib
from tfrecords.storage import passing_faults

_REMEDY = (
  'Copy the folder again, or run the data job again with the same flags (whole shards are kept).'
)


def check(
  data_dir: str,
  manifest: DatasetManifest,
  splits: Sequence[str],
  storage: storage_lib.Storage = storage_lib.LOCAL,
) -> None:
  """Refuses shards that are missing or not as long as the manifest says; opens none.

  A shard that was cut between two records, or left by another job, is no damage to who reads it:
  there are fewer records, or others, and nothing tells.

  Args:
    data_dir: Folder of the data set.
    manifest: Its manifest.
    splits: Those that are going to be read.
    storage: Where the folder lies.

  Raises:
    DatasetError: with the name of the first such file.
  """
  wanted = [info for split in splits for info in manifest.shards_of(split) if info.num_records]
  try:
    found = passing_faults.patiently(lambda: storage.sizes(data_dir), data_dir)
  except FileNotFoundError:
    found = {}
  except OSError as error:
    raise errors.DatasetError(
      f'Could not list the folder {data_dir!r}: {error.strerror or error}.'
    ) from error
  check_no_fold(data_dir, found)
  missing = [info for info in wanted if info.file_name not in found]
  if missing:
    of = f' of the split {splits[0]!r}' if len(splits) == 1 else ''
    raise errors.DatasetError(
      f'{len(missing)} of {len(wanted)} shards{of} are not in {data_dir!r}, the first is '
      f'{missing[0].file_name!r}. {_REMEDY}'
    )
  others = [info for info in wanted if found[info.file_name] != info.num_bytes]
  if others:
    first = others[0]
    more = f' (and {len(others) - 1:,} more are not as it says)' if others[1:] else ''
    raise errors.DatasetError(
      f'The shard {first.file_name!r} in {data_dir!r} has {found[first.file_name]:,} bytes, the '
      f'manifest says {first.num_bytes:,}{more}. It was not copied whole, or is of another data '
      f'set. {_REMEDY}'
    )


def check_no_fold(data_dir: str, names: Collection[str]) -> None:
  """Refuses the folder of a fold, which has no shards of its own.

  Args:
    data_dir: The folder.
    names: The files in it.

  Raises:
    DatasetError: says who reads it.
  """
  if naming.FOLD in names:
    raise errors.DatasetError(
      f'{data_dir!r} is a fold of a data set: its records lie where {naming.FOLD} there says. The '
      'trainer and its baselines read it; for other programs name the data set itself.'
    )
