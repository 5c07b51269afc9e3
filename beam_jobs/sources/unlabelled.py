"""Clips without labels, in folders of any depth: what a trained model is asked about.

Such as `test/audio` of the TensorFlow Speech Recognition Challenge. All clips are of the test
split and have one label, `unlabelled`; every file counts as a speaker of its own.
"""

import dataclasses
from collections.abc import Iterator

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import listing, source
from schemas import splits, utterance


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unlabelled:
  """Clips without labels have no settings: every audio file is one."""


def list_utterances(corpus: corpus_lib.Corpus, settings: Unlabelled) -> Iterator[source.Entry]:
  """Yields one Utterance per audio file, sorted by path; opens none.

  Args:
    corpus: The folder of the files.
    settings: None to give.

  Raises:
    SourceError: if the folder is missing, or holds no audio file.
  """
  del settings

  def read_path(path: str) -> utterance.Utterance:
    return utterance.Utterance(
      utterance_id=path,
      speaker_id=path,
      label=utterance.UNLABELLED,
      uri=corpus.uri(path),
      split=splits.TEST,
    )

  return listing.read_entries(corpus, read_path)


SOURCE = source.Source(
  settings=Unlabelled,
  list_utterances=list_utterances,
  example_tree=('a.wav', 'b.flac', 'more/a.mp3', 'more/deep/c.OGG'),
  is_labelled=False,
)
