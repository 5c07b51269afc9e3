"""The demo corpus: spoken words from a speech synthesizer, made on the spot.

Ten words of Speech Commands by 24 voices of eSpeak NG (GPL-3.0; its speech is free of it), ten
takes each at different speeds, pitches and loudness: 2,400 clips of 16 kHz, about 20 minutes and
40 MB, in a few seconds. The layout is that of Speech Commands, with the two lists that hold four
voices each out for validation and test.

The same settings give the same bytes with the same version of eSpeak on the same kind of machine.
"""

import dataclasses
import re
from collections.abc import Iterator

from beam_jobs import corpus as corpus_lib
from beam_jobs.sources import source, speech_commands
from beam_jobs.synthesis import build, voices
from schemas import errors

_WORD = re.compile(r'[a-z]+')
_MAX_TAKES = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Synthetic:
  """What is spoken.

  Attributes:
    words: English words of small letters, joined by `+`; at least two.
    voices: Speakers, at most 24.
    takes: Clips of each word by each voice.
    seed: Another seed, other pitches and loudness.
  """

  words: str = 'yes+no+up+down+left+right+on+off+stop+go'
  voices: int = len(voices.VOICES)
  takes: int = 10
  seed: int = 0

  def __post_init__(self) -> None:
    words = self.words.split('+')
    if len(words) < 2 or len(set(words)) < len(words) or not all(map(_WORD.fullmatch, words)):
      raise errors.ConfigError(
        'words must be at least two different words of small letters a to z, joined by + as in '
        f'yes+no+stop, got {self.words!r}.'
      )
    if not 1 <= self.voices <= len(voices.VOICES):
      raise errors.ConfigError(f'voices must be in [1, {len(voices.VOICES)}], got {self.voices}.')
    if not 1 <= self.takes <= _MAX_TAKES:
      raise errors.ConfigError(f'takes must be in [1, {_MAX_TAKES}], got {self.takes}.')


def prepare(root: str, settings: Synthetic) -> None:
  """Makes the corpus in the folder `root`, unless it is there.

  Raises:
    SourceError: if the folder holds something else, is in a bucket, or the synthesizer is not
      installed or fails.
  """
  build.build(
    corpus_lib.Corpus(root),
    words=settings.words.split('+'),
    speakers=voices.VOICES[: settings.voices],
    takes=settings.takes,
    seed=settings.seed,
  )


def list_utterances(corpus: corpus_lib.Corpus, settings: Synthetic) -> Iterator[source.Entry]:
  """Yields one Utterance per clip of a corpus that `prepare` has made."""
  del settings
  return speech_commands.list_utterances(corpus, speech_commands.SpeechCommands())


SOURCE = source.Source(
  settings=Synthetic,
  list_utterances=list_utterances,
  example_tree=(),  # The source makes its own.
  prepare=prepare,
  default_input='demo/corpus',
)
