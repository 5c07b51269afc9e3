"""The Free Spoken Digit Dataset (CC BY-SA 4.0)."""

import dataclasses

from beam_jobs.downloading import offered

_BASE = 'https://github.com/Jakobovski/free-spoken-digit-dataset/archive'
_ARCHIVES = {
  # GitHub makes the archives on demand, and nobody publishes a checksum of this one. A zip, since
  # that has one of each file in it.
  '1.0.10': offered.Archive(
    url=f'{_BASE}/v1.0.10.zip',
    name='v1.0.10.zip',
    unpacked_bytes=40_000_000,
    num_files=3_100,
    holds=('recordings',),
  ),
  '1.0.9': offered.Archive(
    url=f'{_BASE}/v1.0.9.tar.gz',
    name='v1.0.9.tar.gz',
    # As in TensorFlow Datasets.
    sha256='8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0',
    num_bytes=11_975_353,
    unpacked_bytes=30_000_000,
    num_files=2_600,
    holds=('recordings',),
  ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
  """Which of them.

  Attributes:
    version: 1.0.10 (3,000 recordings of six voices) or 1.0.9 (2,500 of five).
  """

  version: str = '1.0.10'

  def __post_init__(self) -> None:
    offered.check_version(self.version, _ARCHIVES)


CORPUS = offered.Offered(
  what='spoken digits at 8 kHz, a few voices',
  settings=Release,
  archive=lambda settings: _ARCHIVES[settings.version],
  featurize=lambda folder, settings: [
    '--source=file_names:pattern={label}_{speaker}_{take}.wav',
    f'--input={folder}/recordings',
    '--sample_rate_hz=8000',
    '--split_by=take:test=0-4',
  ],
)
