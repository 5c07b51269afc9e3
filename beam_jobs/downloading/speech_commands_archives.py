"""Speech Commands of Google (Warden 2018, CC BY 4.0)."""

import dataclasses

from beam_jobs.downloading import offered

_BASE = 'http://download.tensorflow.org/data'
_MINI = 'mini'
_TEN_WORDS = 'yes+no+up+down+left+right+on+off+stop+go'
_LISTS = ('testing_list.txt', 'validation_list.txt', '_background_noise_')

_ARCHIVES = {
  '0.02': offered.Archive(
    url=f'{_BASE}/speech_commands_v0.02.tar.gz',
    name='speech_commands_v0.02.tar.gz',
    # As in TensorFlow Datasets.
    sha256='af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58',
    num_bytes=2_428_923_189,
    unpacked_bytes=3_500_000_000,
    num_files=105_850,
    holds=_LISTS,
  ),
  '0.01': offered.Archive(
    url=f'{_BASE}/speech_commands_v0.01.tar.gz',
    name='speech_commands_v0.01.tar.gz',
    # As in torchaudio.
    sha256='743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d',
    num_bytes=1_489_096_277,
    unpacked_bytes=2_200_000_000,
    num_files=64_750,
    holds=_LISTS,
  ),
  _MINI: offered.Archive(
    url='http://storage.googleapis.com/download.tensorflow.org/data/mini_speech_commands.zip',
    name='mini_speech_commands.zip',
    num_bytes=182_082_353,
    unpacked_bytes=270_000_000,
    num_files=16_100,  # macOS has put a file of its own beside each.
    holds=(),
  ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Version:
  """Which of them.

  Attributes:
    version: 0.02 (105,829 clips of 35 words), 0.01 (64,727 of 30) or mini (8,000 of 8).
  """

  version: str = '0.02'

  def __post_init__(self) -> None:
    offered.check_version(self.version, _ARCHIVES)


def _featurize(folder: str, settings: Version) -> list[str]:
  source = 'speech_commands'
  if settings.version != _MINI:
    source += f':wanted_words={_TEN_WORDS},unknown=0.1,silence=0.1'
  return [f'--source={source}', f'--input={folder}']


CORPUS = offered.Offered(
  what='spoken words: one second each, thousands of voices',
  settings=Version,
  archive=lambda settings: _ARCHIVES[settings.version],
  featurize=_featurize,
)
