"""Where a corpus in the layout of Speech Commands has its words, its noise and its lists."""

import collections
import dataclasses
import re
from collections.abc import Sequence

from beam_jobs.sources import listing
from schemas import utterance

_CLIP = re.compile(
  r'(?P<word>[^/]+)/(?P<speaker>[^/]+?)_nohash_(?P<take>[0-9]+)\.[^./]+', re.DOTALL
)
# Where the challenge on Kaggle keeps its labelled clips, and its others.
_CHALLENGE_TRAIN, _CHALLENGE_TEST = 'train/audio/', 'test/'


@dataclasses.dataclass(frozen=True)
class WordFolders:
  """The audio files of a corpus, apart by what they are.

  Attributes:
    base: Path of the folder of the words' folders; '' or with a `/` at its end.
    clips: Paths of all clips, and of what is named wrongly, sorted.
    noise: Paths of the recordings of noise, sorted.
  """

  base: str
  clips: Sequence[str]
  noise: Sequence[str]

  @property
  def list_folders(self) -> tuple[str, ...]:
    """Where lists may stand: beside the words' folders, or beside the folder `audio` of them."""
    return tuple(dict.fromkeys((self.base, self.base.removesuffix('audio/'))))

  def match(self, path: str) -> re.Match[str] | None:
    """Returns word, speaker and take of a clip; None where it is named wrongly.

    The match as a whole is the path below `base`.
    """
    if not path.startswith(self.base):
      return None
    return _CLIP.fullmatch(path, len(self.base))


def find(paths: Sequence[str]) -> WordFolders:
  """Returns what the sorted paths of a corpus are.

  The words' folders are where most clips are, and of several such places the highest.
  """
  folders: collections.Counter[str] = collections.Counter()
  for path in paths:
    parts = path.rsplit('/', 2)
    if len(parts) > 1 and _CLIP.fullmatch('/'.join(parts[-2:])):
      folders[f'{parts[0]}/' if len(parts) == 3 else ''] += 1
  base = min(folders, key=lambda name: (-folders[name], name.count('/'), name), default='')
  ignored: tuple[str, ...] = ()
  if base.endswith(_CHALLENGE_TRAIN):
    ignored = (base.removesuffix(_CHALLENGE_TRAIN) + _CHALLENGE_TEST,)
  noise = f'{base}{utterance.NOISE_FOLDER}/'
  return WordFolders(
    base,
    clips=[path for path in paths if not path.startswith((noise, *ignored))],
    noise=[path for path in paths if path.startswith(noise) and listing.is_utf8(path)],
  )
