"""Speech Commands: one folder per word, the speaker in the file name.

Layout: `<word>/<speaker>_nohash_<take>.wav`, as in Google's Speech Commands data set (Warden 2018,
arXiv:1804.03209): 105,829 clips of 35 words by 2,618 speakers in version 0.02, 16 kHz, one second.
Its `validation_list.txt` and `testing_list.txt` name the clips of these two splits, one path a
line; every other clip is of the train split. A corpus in this layout without the lists has no
official split. Lines that name no clip are ignored (a part of the corpus with the whole lists is
a good corpus); a clip in both lists is a test clip. `_background_noise_` holds minutes of noise,
not clips, and is left out.
"""

import dataclasses
import re
from collections.abc import Iterator

from beam_jobs import corpus as corpus_lib
from beam_jobs.sources import listing, source
from schemas import splits, utterance

VALIDATION_LIST = 'validation_list.txt'
TESTING_LIST = 'testing_list.txt'
NOISE_FOLDER = '_background_noise_'

_WANTED = '<word>/<speaker>_nohash_<take>.wav'
_CLIP = re.compile(
  r'(?P<word>[^/]+)/(?P<speaker>[^/]+?)_nohash_(?P<take>[0-9]+)\.[^./]+', re.DOTALL
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpeechCommands:
  """Speech Commands has no settings: its layout says everything."""


def list_utterances(corpus: corpus_lib.Corpus, settings: SpeechCommands) -> Iterator[source.Entry]:
  """Yields one Utterance per clip, and a Reject for each name that does not fit.

  Args:
    corpus: The folder that holds the words' folders.
    settings: None to give.

  Raises:
    SourceError: if the folder is missing, or holds no clip in this layout.
  """
  del settings
  split_of = _read_lists(corpus)

  def read_path(path: str) -> source.Entry:
    match = _CLIP.fullmatch(path)
    if not match:
      return listing.reject(
        corpus, path, reason='bad_name', detail=f'Wanted {_WANTED}, got {path!r}.'
      )
    return utterance.Utterance(
      utterance_id=path,
      speaker_id=match['speaker'],
      label=match['word'],
      uri=corpus.uri(path),
      split=split_of.get(path, splits.TRAIN) if split_of is not None else '',
      fields=(('take', match['take']),),
    )

  paths = [path for path in listing.paths_of(corpus) if not path.startswith(f'{NOISE_FOLDER}/')]
  return listing.read_paths(corpus, paths, read_path)


def _read_lists(corpus: corpus_lib.Corpus) -> dict[str, str] | None:
  """Returns the split of every listed path; None where the corpus has no lists."""
  # Test last: it wins, so that a clip of the test is never trained on.
  lists = ((VALIDATION_LIST, splits.VALIDATION), (TESTING_LIST, splits.TEST))
  texts = [(corpus.read_text(name), split) for name, split in lists]
  if all(text is None for text, _ in texts):
    return None
  split_of = {}
  for text, split in texts:
    for line in (text or '').split('\n'):
      if line.strip():
        split_of[line.strip()] = split
  return split_of


SOURCE = source.Source(
  settings=SpeechCommands,
  list_utterances=list_utterances,
  example_tree=(
    'no/0a7c2a8d_nohash_0.wav',
    'no/0b40aa8e_nohash_0.wav',
    'yes/0a7c2a8d_nohash_0.wav',
    'yes/0a7c2a8d_nohash_1.wav',
    'yes/0b40aa8e_nohash_0.wav',
    'yes/0c5027de_nohash_0.wav',
  ),
)
