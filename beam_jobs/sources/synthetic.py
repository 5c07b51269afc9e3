"""The demo corpus: spoken words from a speech synthesizer, made on the spot.

Ten words of Speech Commands by 24 voices of eSpeak NG (GPL-3.0; its speech is free of it), ten
takes each at different speeds, pitches and loudness, ten other words once each, which become
`unknown`, and seven recordings of noise, of which `silence` is cut: 2,640 clips of 16 kHz, about
25 minutes and 45 MB, in a few seconds. The layout is that of Speech Commands, with the two lists
that hold four voices each out for validation and test. Mandarin and other languages are spoken too.

The same settings give the same bytes with the same version of eSpeak on the same kind of machine.
"""

import dataclasses
import math
import re
import unicodedata
from collections.abc import Iterator

from beam_jobs.sources import amounts, source, speech_commands
from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources.synthesis import build, languages, script, voices
from schemas import errors

OFF = 'off'
_LANGUAGE = re.compile(r'[a-z]{2,4}(-[a-z0-9]+)*')
_MAX_TAKES = 1_000
_MAX_SNR_DB = 100.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Synthetic:
  """What is spoken.

  Attributes:
    language: `en`, `cmn` (Mandarin), `de`, `es`, `fr`, `it`, `pt`, `ru` or `yue`; any other of
      eSpeak's with `words` in it.
    words: Words of small letters in any script, joined by `+`; at least two. Empty for ten words
      of the language.
    unknown_words: Further words, which become `unknown`. Empty for ten others of the language.
    unknown: Clips of the further words: a share below 1 of those of the words, or from 1 on a
      number. 0 for none; then they are not spoken.
    silence: Pieces of the noises, as the label `silence`: a share or a number likewise.
    voices: Speakers, at most 24.
    takes: Clips of each word by each voice.
    noise_snr_db: Noise under every clip, so many dB below the word: a number, a range such as
      5..20 from which each clip takes its own, or `off`.
    seed: Another seed, other pitches, loudness and noise.
  """

  language: str = 'en'
  words: str = ''
  unknown_words: str = ''
  unknown: float = 0.1
  silence: float = 0.1
  voices: int = len(voices.VOICES)
  takes: int = 10
  noise_snr_db: str = OFF
  seed: int = 0

  def __post_init__(self) -> None:
    if not _LANGUAGE.fullmatch(self.language):
      raise errors.ConfigError(
        f'language must be a name of eSpeak such as {", ".join(languages.LANGUAGES)}, got '
        f'{self.language!r}.'
      )
    words, others = self.spoken_words(), self.spoken_unknown_words()
    if not (self.words or words):
      raise errors.ConfigError(
        f'For language={self.language} there are no words yet. Give them with words=; without '
        f'words there are {", ".join(languages.LANGUAGES)}.'
      )
    if len(words) < 2 or not _are_words(words):
      raise errors.ConfigError(
        'words must be at least two different words of small letters, joined by + as in '
        f'yes+no+stop, got {self.words!r}.'
      )
    if not _are_words(others) or set(words) & set(others):
      raise errors.ConfigError(
        'unknown_words must be different words of small letters, joined by + and none of them '
        f'among words, got {self.unknown_words!r}.'
      )
    amounts.check('unknown', self.unknown)
    amounts.check('silence', self.silence)
    if not 1 <= self.voices <= len(voices.VOICES):
      raise errors.ConfigError(f'voices must be in [1, {len(voices.VOICES)}], got {self.voices}.')
    if not 1 <= self.takes <= _MAX_TAKES:
      raise errors.ConfigError(f'takes must be in [1, {_MAX_TAKES}], got {self.takes}.')
    self.snr_range_db()

  def spoken_words(self) -> tuple[str, ...]:
    """Returns the words to be told apart."""
    return _split(self.words or languages.of(self.language).words)

  def spoken_unknown_words(self) -> tuple[str, ...]:
    """Returns the further words; those that are wanted are no longer unknown."""
    if not self.unknown:
      return ()
    if self.unknown_words:
      return _split(self.unknown_words)
    words = self.spoken_words()
    return tuple(word for word in _split(languages.of(self.language).others) if word not in words)

  def unknown_takes(self) -> int:
    """Returns how often each voice says each further word: as often as `unknown` asks for."""
    spoken_once = self.voices * len(self.spoken_unknown_words())
    num_clips = self.voices * len(self.spoken_words()) * self.takes
    wanted = self.unknown * num_clips if self.unknown < 1 else self.unknown
    return min(self.takes, math.ceil(wanted / spoken_once)) if spoken_once else 0

  def snr_range_db(self) -> tuple[float, float] | None:
    """Returns the lowest and the highest ratio of speech to noise; None where there is none."""
    if self.noise_snr_db == OFF:
      return None
    low, _, high = self.noise_snr_db.partition('..')
    try:
      bounds = float(low), float(high or low)
    except ValueError:
      bounds = math.nan, math.nan
    if not -_MAX_SNR_DB <= bounds[0] <= bounds[1] <= _MAX_SNR_DB:
      raise errors.ConfigError(
        f'noise_snr_db must be {OFF!r}, a number of dB such as 10 or a range that runs upwards '
        f'such as 5..20, in [-{_MAX_SNR_DB:g}, {_MAX_SNR_DB:g}], got {self.noise_snr_db!r}.'
      )
    return bounds


def prepare(root: str, settings: Synthetic) -> None:
  """Makes the corpus in the folder `root`, unless it is there.

  Raises:
    SourceError: if the folder holds something else, is in a bucket, or the synthesizer is not
      installed or fails.
  """
  corpus_plan = script.CorpusPlan(
    language=settings.language,
    words=settings.spoken_words(),
    unknown_words=settings.spoken_unknown_words(),
    speakers=voices.speakers(settings.language, settings.voices),
    takes=settings.takes,
    unknown_takes=settings.unknown_takes(),
    noise_snr_db=settings.snr_range_db(),
    seed=settings.seed,
  )
  build.build(corpus_lib.Corpus(root), corpus_plan)


def list_utterances(corpus: corpus_lib.Corpus, settings: Synthetic) -> Iterator[source.Entry]:
  """Yields one Utterance per clip of a corpus that `prepare` has made."""
  layout = speech_commands.SpeechCommands(
    wanted_words='+'.join(settings.spoken_words()),
    unknown=settings.unknown,
    silence=settings.silence,
    validation_percentage=0.0,  # Too few voices for lists are too few for a rule.
    testing_percentage=0.0,
    seed=settings.seed if settings.unknown or settings.silence else 0,  # Else it draws nothing.
  )
  return speech_commands.list_utterances(corpus, layout)


def _split(words: str) -> tuple[str, ...]:
  # One way to write each letter: a keyboard may send é as e and an accent.
  return tuple(unicodedata.normalize('NFC', words).split('+')) if words else ()


def _are_words(words: tuple[str, ...]) -> bool:
  """Whether words are different and of small letters (and the marks that some scripts need)."""
  return len(set(words)) == len(words) and all(
    word and word == word.lower() and all(unicodedata.category(sign)[0] in 'LM' for sign in word)
    for word in words
  )


SOURCE = source.Source(
  settings=Synthetic,
  list_utterances=list_utterances,
  noise_paths=speech_commands.noise_paths,
  prepare=prepare,
  default_input='demo/corpus',
)
