"""Speech Commands: one folder per word, the speaker in the file name.

Layout: `<word>/<speaker>_nohash_<take>.wav`, as in Google's Speech Commands data set (Warden 2018,
arXiv:1804.03209; CC BY 4.0): version 0.01 has 64,727 clips of 30 words, version 0.02 has 105,829
of 35 words by 2,618 speakers, 16 kHz, one second. The words' folders may stand deeper: in
`mini_speech_commands/` (the small set of TensorFlow's tutorials) or `train/audio/` (the Speech
Recognition Challenge on Kaggle, whose `test/` has no labels and is read by `unlabelled`).

`validation_list.txt` and `testing_list.txt`, beside the words' folders or beside `audio/`, name the
clips of these splits; every other clip is of the train split. Lines that name no clip are ignored
(a part of the corpus with the whole lists is a good corpus); a clip in both lists is a test clip.
Without lists the rule by which they were made says the split. `_background_noise_` holds minutes
of noise, of which `silence` is cut.
"""

import collections
import dataclasses
import heapq
import math
import re
from collections.abc import Callable, Iterator, Sequence

from beam_jobs.sources import (
  amounts,
  listing,
  official_split,
  passed_by,
  silence_pieces,
  source,
  word_folders,
)
from beam_jobs.sources import corpus as corpus_lib
from schemas import errors, options, rejects, splits, stable_hash, utterance
from schemas import medium as media
from schemas.rejects import ClipError

ALL = 'all'
UNKNOWN = 'unknown'
SILENCE = 'silence'

SplitRule = Callable[[re.Match[str]], str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpeechCommands:
  """Which words are labels, and what else there is to hear.

  Attributes:
    wanted_words: The words that are labels, joined by `+` as in `yes+no+stop`; `all` for all.
    unknown: Clips of the words that are not wanted, as the label `unknown`: a share below 1 of
      the wanted clips of each split, or from 1 on a number of clips, spread over the splits in
      their proportion. 0 leaves these words out.
    silence: Pieces of the recordings in `_background_noise_`, as the label `silence`: a share or
      a number likewise.
    silence_s: Length of these pieces.
    validation_percentage: Share of the speakers for validation where there are no lists, by the
      rule of the data set's makers. With both shares 0 there is no official split.
    testing_percentage: The same for the test.
    seed: Another seed, other clips for `unknown` and other pieces for `silence`.
  """

  wanted_words: str = ALL
  unknown: float = 0.1
  silence: float = 0.0
  silence_s: float = 1.0
  validation_percentage: float = 10.0
  testing_percentage: float = 10.0
  seed: int = 0

  def __post_init__(self) -> None:
    words = self.wanted_words.split('+')
    if not all(words) or len(set(words)) < len(words):
      raise errors.ConfigError(
        f'wanted_words must be {ALL!r} or different words joined by + as in yes+no+stop, got '
        f'{self.wanted_words!r}.'
      )
    amounts.check('unknown', self.unknown)
    amounts.check('silence', self.silence)
    if not 0 < self.silence_s < math.inf:
      raise errors.ConfigError(f'silence_s must be more than 0 seconds, got {self.silence_s}.')
    validation, testing = self.validation_percentage, self.testing_percentage
    if not (0 <= validation < 100 and 0 <= testing < 100 and validation + testing < 100):
      raise errors.ConfigError(
        'validation_percentage and testing_percentage must be from 0 on and leave something of '
        f'100 for train, got {validation} and {testing}.'
      )
    idle = {
      'unknown': (self.words is None, f'as wanted_words={ALL} leaves no word for it'),
      'silence_s': (not self.silence, 'without silence'),
      'seed': (
        not self.silence and (self.words is None or not self.unknown),
        'without silence, or unknown of some wanted_words, for which it draws',
      ),
    }
    for name, (is_idle, why) in idle.items():
      value = getattr(self, name)
      if is_idle and value not in (getattr(type(self), name), 0):
        raise errors.ConfigError(f'{name}={value} has no effect {why}. Leave it away.')

  @property
  def words(self) -> tuple[str, ...] | None:
    """The wanted words; None for all."""
    if self.wanted_words == ALL:
      return None
    return tuple(map(utterance.tidy, self.wanted_words.split('+')))


def list_utterances(corpus: corpus_lib.Corpus, settings: SpeechCommands) -> Iterator[source.Entry]:
  """Yields one Utterance per clip that is wanted, and a Reject for each name that does not fit.

  Needs the paths of the corpus in memory, some 100 bytes a clip, and up to 170 where only some
  words are wanted: 18 MB for the whole of version 0.02 (measured with tracemalloc).

  Args:
    corpus: The folder that holds the words' folders, or one above it.
    settings: What is wanted.

  Raises:
    SourceError: if the folder is missing, holds no clip in this layout or none of a wanted word,
      or no noise where silence is wanted.
  """
  passed = passed_by.PassedBy()
  paths = listing.paths_of(corpus, passed=passed)
  files = _find(corpus, paths)
  split_of = _split_rule(corpus, files, settings)
  unknown, num_left_out, sizes = _choose(corpus, files, split_of, settings)

  def read_path(path: str) -> utterance.Utterance:
    match = files.match(path)
    if not match:
      wanted = f'{files.base}<word>/<speaker>_nohash_<take>.wav'
      raise ClipError('bad_name', f'Wanted {wanted}, got {path!r}.')
    word = match['word']
    return utterance.Utterance(
      utterance_id=path,
      speaker_id=match['speaker'],
      label=UNKNOWN if path in unknown else word,
      uri=corpus.uri(path),
      split=split_of(match),
      fields=(('take', match['take']), ('word', word)),
    )

  def is_listed(path: str) -> bool:
    match = files.match(path)
    if not match or not listing.is_utf8(path):
      return True  # To be rejected, not passed over.
    return _is_wanted(match, settings) or path in unknown

  wanted = files.clips if settings.words is None else filter(is_listed, files.clips)
  clips = listing.read_entries(corpus, read_path, paths=wanted)
  silence = _silence(corpus, files, sizes, settings)
  yield from heapq.merge(clips, silence, key=_order)
  if num_left_out:
    yield rejects.LeftOut(reason='not_wanted', count=num_left_out)
  yield from passed.notes(paths)


def noise_paths(corpus: corpus_lib.Corpus, settings: object) -> list[str]:
  """Returns the paths of the recordings in `_background_noise_`, sorted."""
  del settings
  return list(word_folders.find(corpus.entries(media.AUDIO_SUFFIXES)).noise)


def _order(entry: source.Entry) -> str:
  return '' if isinstance(entry, rejects.LeftOut) else entry.utterance_id


def _find(corpus: corpus_lib.Corpus, paths: Sequence[str]) -> word_folders.WordFolders:
  files = word_folders.find(paths)
  if not files.clips:
    raise errors.SourceError(
      f'There are no folders of words below {corpus.folder}, only recordings of noise. Name the '
      'folder that holds both with --input=FOLDER.'
    )
  return files


def _split_rule(
  corpus: corpus_lib.Corpus, files: word_folders.WordFolders, settings: SpeechCommands
) -> SplitRule:
  listed = official_split.read_lists(corpus, files.list_folders)
  if listed is not None:
    for name in ('validation_percentage', 'testing_percentage'):
      # 0 asks for nothing.
      if (value := getattr(settings, name)) not in (getattr(SpeechCommands, name), 0):
        raise errors.SourceError(
          f'{name}={value:g} has no effect: {corpus.folder} has the lists of the official splits '
          f'({official_split.VALIDATION_LIST}, {official_split.TESTING_LIST}), which are followed. '
          'Leave it away, or write --split_by=speaker:official=false with --validation_fraction '
          'and --test_fraction.'
        )
    return lambda match: listed.get(match[0], splits.TRAIN)
  if not (settings.validation_percentage or settings.testing_percentage):
    return lambda match: ''
  return lambda match: official_split.hashed_split(
    match['speaker'],
    validation_percentage=settings.validation_percentage,
    testing_percentage=settings.testing_percentage,
  )


def _is_wanted(match: re.Match[str], settings: SpeechCommands) -> bool:
  return settings.words is None or utterance.tidy(match['word']) in settings.words


def _choose(
  corpus: corpus_lib.Corpus,
  files: word_folders.WordFolders,
  split_of: SplitRule,
  settings: SpeechCommands,
) -> tuple[frozenset[str], int, dict[str, int]]:
  """Returns the paths of the label `unknown`, how many are left out, and wanted clips by split."""
  if settings.words is None and not settings.silence:
    return frozenset(), 0, {}  # Nobody asks, and to go through all paths takes its time.
  sizes: collections.Counter[str] = collections.Counter()
  words: set[str] = set()
  rest: dict[str, list[tuple[bytes, str]]] = collections.defaultdict(list)
  for path in files.clips:
    match = files.match(path)
    if not match or not listing.is_utf8(path):
      continue
    words.add(utterance.tidy(match['word']))
    if _is_wanted(match, settings):
      sizes[split_of(match)] += 1
    else:
      # By the path below the words' folder: the same clips wherever that folder stands.
      rank = stable_hash.digest(match[0], salt=f'unknown{settings.seed}')
      rest[split_of(match)].append((rank, path))
  _check_words(corpus, settings.words or (), words)
  numbers = amounts.by_split(settings.unknown, sizes)
  chosen = frozenset(
    path
    for split, ranked in rest.items()
    for _, path in heapq.nsmallest(numbers.get(split, 0), ranked)
  )
  return chosen, sum(map(len, rest.values())) - len(chosen), dict(sizes)


def _check_words(corpus: corpus_lib.Corpus, wanted: Sequence[str], words: set[str]) -> None:
  missing = [word for word in wanted if word not in words]
  if missing and words:
    raise errors.SourceError(
      f'wanted_words: there is no clip of {missing[0]!r} below {corpus.folder}.'
      f'{options.did_you_mean(missing[0], words)} There are: {", ".join(sorted(words))}.'
    )


def _silence(
  corpus: corpus_lib.Corpus,
  files: word_folders.WordFolders,
  sizes: dict[str, int],
  settings: SpeechCommands,
) -> Iterator[utterance.Utterance]:
  if not settings.silence:
    return iter(())
  if not files.noise:
    raise errors.SourceError(
      f'silence={settings.silence} needs recordings of noise in {utterance.NOISE_FOLDER}, '
      f'beside the folders of the words below {corpus.folder}, and there are none. Put some '
      'there, or do without with silence=0.'
    )
  return silence_pieces.pieces(
    corpus,
    files.noise,
    amounts.by_split(settings.silence, sizes),
    label=SILENCE,
    duration_s=settings.silence_s,
    seed=settings.seed,
  )


SOURCE = source.Source(
  settings=SpeechCommands,
  list_utterances=list_utterances,
  example_tree=(
    '_background_noise_/white_noise.wav',
    *(f'no/{speaker}_nohash_0.wav' for speaker in ('0a7c2a8d', '0b40aa8e')),
    *(f'yes/{take}.wav' for take in ('0a7c2a8d_nohash_0', '0a7c2a8d_nohash_1')),
    *(f'yes/{speaker}_nohash_0.wav' for speaker in ('0b40aa8e', '0c5027de')),
  ),
  noise_paths=noise_paths,
)
