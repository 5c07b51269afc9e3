"""One folder per label; the speaker from another folder or from a pattern in the path.

Layout: `<label>/.../<clip>.wav`, with as many folders between as there are. Where neither a folder
nor a pattern gives the speaker, every file counts as a speaker of its own: then a person may be in
two splits, and the accuracy looks better than it is.
"""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import listing, source, speaker_pattern, split_folders
from schemas import errors, options, splits, utterance
from schemas import medium as media
from schemas.rejects import ClipError

NO_LEVEL = -1
_EXAMPLE = r'([^_/]+)_[0-9]+\.wav or (?P<speaker>spk[0-9]+)'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Folders:
  r"""Which part of a path is the label and which the speaker.

  Attributes:
    label_level: Folder whose name is the label; 0 is the first below the corpus's folder.
    speaker_level: Folder whose name is the speaker, counted likewise; -1 for none.
    split_level: Folder whose name is the official split, counted likewise (train or training;
      validation, valid, val or dev; test or testing; eval or evaluation, which is the test where
      there is no other); -1 for none.
    speaker_pattern: Regular expression that is searched for in the path below the label's folder;
      its group named `speaker`, or its first group, is the speaker. `([^_/]+)_[0-9]+\.wav` finds
      anna in `yes/anna_3.wav`. Empty for none. A comma in it is written `\,`.
  """

  label_level: int = 0
  speaker_level: int = NO_LEVEL
  split_level: int = NO_LEVEL
  speaker_pattern: str = ''

  def __post_init__(self) -> None:
    if self.label_level < 0:
      raise errors.ConfigError(
        f'label_level must be 0 (the first folder) or more, got {self.label_level}.'
      )
    if self.speaker_level < NO_LEVEL or self.speaker_level == self.label_level:
      raise errors.ConfigError(
        f'speaker_level must be {NO_LEVEL} (none) or a folder other than label_level='
        f'{self.label_level}, got {self.speaker_level}.'
      )
    taken = {self.label_level, self.speaker_level} - {NO_LEVEL}
    if self.split_level < NO_LEVEL or self.split_level in taken:
      raise errors.ConfigError(
        f'split_level must be {NO_LEVEL} (none) or a folder other than those of label_level='
        f'{self.label_level} and speaker_level={self.speaker_level}, got {self.split_level}.'
      )
    if self.speaker_pattern and self.speaker_level != NO_LEVEL:
      raise errors.ConfigError(
        f'The speaker is taken from speaker_level={self.speaker_level} or from speaker_pattern='
        f'{self.speaker_pattern!r}, not from both. Leave one of them out.'
      )
    if self.speaker_pattern:
      speaker_pattern.check(self.speaker_pattern, _EXAMPLE)


def list_utterances(
  corpus: corpus_lib.Corpus, settings: Folders, *, medium: str = media.AUDIO
) -> Iterator[source.Entry]:
  """Yields one Utterance per file with a label and a speaker, and a Reject for each other.

  Args:
    corpus: The folder that holds the folders.
    settings: Where label and speaker stand.
    medium: Which files are looked at.

  Raises:
    SourceError: if the folder is missing, or no file in it has a label and a speaker, or folders
      that are named like splits would be anything else.
  """
  split_of: dict[str, str] = {}

  def look_around(paths: list[str]) -> None:
    _refuse_splits(corpus, paths, settings, medium=medium)
    if settings.split_level != NO_LEVEL:
      split_of.update(splits.by_name(split_folders.names_at(paths, settings.split_level)))

  def read_path(path: str) -> utterance.Utterance:
    folders = path.split('/')[:-1]
    if len(folders) <= settings.label_level:
      raise ClipError(
        'no_label',
        f'The label is folder {settings.label_level} of the path, and {_there_are(folders)}.',
      )
    return utterance.Utterance(
      utterance_id=path,
      speaker_id=_speaker(path, settings),
      label=folders[settings.label_level],
      uri=corpus.uri(path),
      split=_split(path, settings, split_of),
    )

  return listing.read_entries(corpus, read_path, medium=medium, check=look_around)


def _refuse_splits(
  corpus: corpus_lib.Corpus, paths: list[str], settings: Folders, *, medium: str
) -> None:
  """Refuses folders named like splits, down to those that stand in a label's."""
  name = 'images' if medium == media.PICTURES else 'folders'
  for level in range(settings.label_level + 2):
    if level == settings.split_level:
      continue
    # What was named there stands one below it; a speaker who was a split is nobody.
    label, speaker = settings.label_level, settings.speaker_level
    if speaker == level:
      speaker = NO_LEVEL
    elif label == level < speaker:
      speaker += 1
    taken = dataclasses.replace(
      settings,
      split_level=level,
      label_level=label + (label == level),
      speaker_level=speaker,
    )
    split_folders.check(
      corpus,
      paths,
      level=level,
      remedy='Take them as such with '
      f'--source={shlex.quote(options.format_option(name, taken))} (and with '
      '--split_by=speaker:official=false to split anew all the same), or rename them.',
    )


def _split(path: str, settings: Folders, split_of: Mapping[str, str]) -> str:
  if settings.split_level == NO_LEVEL:
    return ''
  folders = path.split('/')[:-1]
  if len(folders) <= settings.split_level:
    raise ClipError(
      'bad_name', f'The split is folder {settings.split_level}, and {_there_are(folders)}.'
    )
  folder = folders[settings.split_level]
  if folder not in split_of:
    known = ', '.join(splits.SPLIT_OF)
    raise ClipError(
      'bad_name',
      f'The split is folder {settings.split_level}: wanted one of {known}, got {folder!r}.',
    )
  return split_of[folder]


def _speaker(path: str, settings: Folders) -> str:
  *folders, _ = path.split('/')
  if settings.speaker_level != NO_LEVEL:
    if len(folders) > settings.speaker_level:
      return folders[settings.speaker_level]
    raise ClipError(
      'no_speaker', f'The speaker is folder {settings.speaker_level}, and {_there_are(folders)}.'
    )
  if settings.speaker_pattern:
    below_label = '/'.join(path.split('/')[settings.label_level + 1 :])
    if speaker := speaker_pattern.found(below_label, settings.speaker_pattern):
      return speaker
    raise ClipError(
      'no_speaker', f'Wanted {settings.speaker_pattern} in the path, got {below_label!r}.'
    )
  return path


def _there_are(folders: list[str]) -> str:
  if not folders:
    return 'the file is in no folder'
  return f'there are only the folders 0 to {len(folders) - 1}: {"/".join(folders)}'


SOURCE = source.Source(
  settings=Folders,
  list_utterances=list_utterances,
  example_tree=(
    'no/anna/3.flac',
    'no/ben.wav',
    'yes/anna/1.flac',
    'yes/anna/2.flac',
    'yes/ben.wav',
    'yes/ben 2.wav',
  ),
)
