"""Pictures, one folder per label: photographs, or pictures of spectrograms.

Layout: `<label>/.../<picture>.png`, with as many folders between as there are; JPEG, BMP, GIF and
WebP too. What must stay in one split (the person shown, the recording that pictures were cut from)
is the speaker, and is found as in the source `folders`.
"""

import dataclasses
from collections.abc import Iterator

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import folders, source
from schemas import medium as media


@dataclasses.dataclass(frozen=True, kw_only=True)
class Images(folders.Folders):
  """Which part of a path is the label and which the speaker: the settings of `folders`."""


def list_utterances(corpus: corpus_lib.Corpus, settings: Images) -> Iterator[source.Entry]:
  """Yields one Utterance per picture with a label and a speaker, and a Reject for each other.

  Raises:
    SourceError: if the folder is missing, or no picture in it has a label and a speaker.
  """
  return folders.list_files(corpus, settings, medium=media.PICTURES)


SOURCE = source.Source(
  settings=Images,
  list_utterances=list_utterances,
  example_tree=(
    'circle/1.png',
    'circle/more/2.JPG',
    'square/1.bmp',
    'square/2.gif',
    'square/3.jpeg',
    'square/4.webp',
  ),
  medium=media.PICTURES,
)
