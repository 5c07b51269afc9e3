"""A corpus whose file names say everything, by a pattern such as `{label}_{speaker}_{take}.wav`.

The default pattern is that of the Free Spoken Digit Dataset (github.com/Jakobovski/
free-spoken-digit-dataset, CC BY-SA 4.0): 3,000 clips of ten digits by six speakers, 8 kHz.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import listing, source, split_folders
from schemas import errors, splits, utterance
from schemas.rejects import ClipError

_EXAMPLE = 'Write it like {label}_{speaker}_{take}.wav or {speaker}/{label}-{take}.flac.'
SPLIT = 'split'
_NAME = re.compile(r'[a-z][a-z0-9_]*')
_PARTS = re.compile(r'(\{[^{}]*\}|\*)')
_ENDING = re.compile(r'(\.[^./*{}]+|\.\*)\Z')


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileNames:
  """How file names are read.

  Attributes:
    pattern: Text with names in braces. A name stands for the shortest text that fits, at least
      one character and no `/`; `*` for any text without `/`; everything else for itself. With a
      `/` the pattern is the whole path below the corpus's folder, without one the file's name in
      whatever folder. `{label}` is what is to be learned and must be there, `{speaker}` is who
      speaks, `{split}` the official split where the names that stand there are those of splits
      (train, val, test and the like); every name but the first two becomes a field of the
      utterance, for split rules and reports.
      Without `{speaker}` every file counts as a speaker of its own: then a person may be in two
      splits, and the accuracy looks better than it is.
  """

  pattern: str = '{label}_{speaker}_{take}.wav'

  def __post_init__(self) -> None:
    if problem := _problem(self.pattern):
      raise errors.ConfigError(f'pattern {self.pattern!r} {problem}. {_EXAMPLE}')


def list_utterances(corpus: corpus_lib.Corpus, settings: FileNames) -> Iterator[source.Entry]:
  """Yields one Utterance per file that fits the pattern, and a Reject for each other.

  Args:
    corpus: The folder of the files.
    settings: The pattern.

  Raises:
    SourceError: if the folder is missing, or no file in it fits the pattern, or folders are named
      like splits and the pattern does not say so.
  """
  regex = _compile(settings.pattern)
  whole_path = '/' in settings.pattern
  split_of: dict[str, str] = {}

  def match_of(path: str) -> re.Match[str] | None:
    return regex.fullmatch(path if whole_path else path.rpartition('/')[2])

  def look_around(paths: list[str]) -> None:
    if SPLIT in regex.groupindex:
      names = {match[SPLIT] for match in map(match_of, paths) if match}
      split_of.update(splits.by_name(names))
    else:
      _refuse_splits(corpus, paths, settings.pattern)

  def read_path(path: str) -> utterance.Utterance:
    match = match_of(path)
    if not match:
      name = path if whole_path else path.rpartition('/')[2]
      raise ClipError('bad_name', f'Wanted {settings.pattern}, got {name!r}.')
    fields = match.groupdict()
    label = fields.pop('label')
    if split_of and fields[SPLIT] not in split_of:
      known = ', '.join(splits.SPLIT_OF)
      raise ClipError('bad_name', f'Wanted the split as {known}, got {fields[SPLIT]!r}.')
    return utterance.Utterance(
      utterance_id=path,
      speaker_id=fields.pop('speaker', path),
      label=label,
      uri=corpus.uri(path),
      split=split_of.get(fields.get(SPLIT, ''), ''),
      fields=tuple(sorted(fields.items())),
    )

  return listing.read_entries(corpus, read_path, check=look_around)


def _refuse_splits(corpus: corpus_lib.Corpus, paths: list[str], pattern: str) -> None:
  """Refuses folders named like splits: the corpus's own, or those of its only folder."""
  below = pattern.partition('/')[2] or pattern
  for level, front in enumerate(('{split}/', '*/{split}/')):
    split_folders.check(
      corpus,
      paths,
      level=level,
      remedy=f'Take them as such by {{split}} in the pattern, such as {front}{below} (and with '
      '--split_by=speaker:official=false to split anew all the same), or rename them.',
    )


def _problem(pattern: str) -> str:
  """Returns what is wrong with a pattern, as the end of a sentence; '' if nothing is."""
  parts = _PARTS.split(pattern)
  names = [part[1:-1] for part in parts if part.startswith('{') and part.endswith('}')]
  if any(sign in part for part in parts[::2] for sign in '{}'):
    return 'has a brace without its partner'
  for name in names:
    if not _NAME.fullmatch(name):
      return f'names {{{name}}}, and a name has small letters, digits and _'
    if names.count(name) > 1:
      return f'names {{{name}}} twice'
  if 'label' not in names:
    return 'does not say where the {label} stands'
  if not _ENDING.search(pattern):
    return 'must end with the ending of the files, such as .wav, or with .* for any'
  return ''


@functools.cache
def _compile(pattern: str) -> re.Pattern[str]:
  """Returns the regular expression that a whole name or path must match."""
  ending = _ENDING.search(pattern)
  stem, suffix = (pattern[: ending.start()], ending[0]) if ending else (pattern, '')
  regex = ''.join(map(_part_regex, _PARTS.split(stem)))
  # The ending alone in any case: cameras and recorders write .WAV.
  tail = r'\.[^./]+' if suffix == '.*' else f'(?i:{re.escape(suffix)})'
  return re.compile(regex + tail, re.DOTALL)


def _part_regex(part: str) -> str:
  if part == '*':
    return '[^/]*?'
  if part.startswith('{'):
    return f'(?P<{part[1:-1]}>[^/]+?)'
  return re.escape(part)


SOURCE = source.Source(
  settings=FileNames,
  list_utterances=list_utterances,
  example_tree=(
    '0_george_0.wav',
    '0_george_1.wav',
    '0_jackson_0.wav',
    '1_george_0.wav',
    '1_jackson_0.wav',
    'more/1_lucas_0.WAV',
  ),
)
