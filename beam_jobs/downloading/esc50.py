"""ESC-50, sounds of the environment (Piczak 2015, CC BY-NC 3.0)."""

import dataclasses

from beam_jobs.downloading import offered


@dataclasses.dataclass(frozen=True, kw_only=True)
class Esc50:
  """There is one."""


# GitHub makes the archive on demand: nobody can publish a checksum of it. A zip has one of each
# file in it.
_ARCHIVE = offered.Archive(
  url='https://github.com/karolpiczak/ESC-50/archive/master.zip',
  name='master.zip',
  unpacked_bytes=900_000_000,
  num_files=2_100,
  holds=('audio', 'meta/esc50.csv'),
)

CORPUS = offered.Offered(
  what='2,000 sounds of 50 kinds, five seconds each',
  settings=Esc50,
  archive=lambda settings: _ARCHIVE,
  # Pieces of one recording are in one fold.
  featurize=lambda folder, settings: [
    '--source=table:path_column=filename,label_column=category,speaker_column=src_file,root=../audio',
    f'--input={folder}/meta/esc50.csv',
    '--clip_seconds=5',
    '--split_by=fold:test=5,validation=4',
  ],
)
