"""What a source is: the file of one kind of corpus and its line in the table."""

import collections
import dataclasses
import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from beam_jobs.sources import corpus, corrected, undecoded
from beam_jobs.sources import corrections as corrections_lib
from schemas import medium as media
from schemas import rejects, utterance
from tfrecords import paths

# One entry of a corpus: a clip, why one cannot be used, how many were not asked for, or what is to
# be said of names and of files that were passed by.
Entry = utterance.Utterance | rejects.Reject | rejects.LeftOut | rejects.Noted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
  """One kind of corpus.

  Attributes:
    settings: Frozen, keyword-only dataclass with int, float, str and bool fields.
    list_utterances: Yields an Utterance or a Reject for everything in the corpus that is named
      like one of its files, sorted by path or in the order of the corpus's own table; opens none
      of them. A LeftOut counts what was not asked for, a Noted what else is to be told. Raises
      SourceError, when it is first advanced or at the end, if the folder is missing or empty or
      nothing in it fits.
    example_tree: Paths of a small corpus of this kind, which tests create as empty files.
    example_files: Further files of it, such as tables, from path to content.
    medium: What the files are: one of schemas.medium.MEDIA.
    is_labelled: Whether clips have labels. Those that have none are for prediction: they have the
      label utterance.UNLABELLED and are all of the test split.
    takes_file: Whether --input names a file, such as a table, and not a folder.
    is_streamed: Whether the first clip comes long before the last has been listed. The launcher
      then looks at it, to find what is wrong before anything is written.
    noise_paths: Returns the paths, relative to the corpus, of recordings of noise that the corpus
      brings along; None where a corpus of this kind has none.
    prepare: Makes the corpus in the folder of that name, where the source makes its own. Whole or
      not at all, and once: a corpus that is there already is kept. Called by the launcher.
    default_input: The corpus's folder where the user names none; '' where one must be named.
    in_record_files: Whether files hold records, of which a file's name and seconds tell none apart.
    root: Returns the folder that the files of clips are named from; None where that is --input.
  """

  settings: type
  list_utterances: Callable[[corpus.Corpus, Any], Iterator[Entry]]
  example_tree: tuple[str, ...] = ()
  example_files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
  medium: str = media.AUDIO
  is_labelled: bool = True
  takes_file: bool = False
  is_streamed: bool = False
  noise_paths: Callable[[corpus.Corpus, Any], list[str]] | None = None
  prepare: Callable[[str, Any], None] | None = None
  default_input: str = ''
  in_record_files: bool = False
  root: Callable[[corpus.Corpus, Any], str] | None = None

  def opened(self, place: str, settings: Any, *, all_files: bool = False) -> corpus.Corpus:
    """Returns the corpus that --input names, made first where the source makes its own.

    Raises:
      SourceError: if there is no such folder.
    """
    if self.prepare:
      self.prepare(paths.expand(place), settings)
    found = corpus.Corpus(place, all_files=all_files)
    if not self.takes_file:
      found.check()
    return found

  def entries(
    self,
    found: corpus.Corpus,
    settings: Any,
    corrections: corrections_lib.Corrections = corrections_lib.Corrections(),  # noqa: B008 - Frozen.
  ) -> Iterator[Entry]:
    """Yields what list_utterances does, with the names of labels and speakers made tidy.

    Spaces around them are removed and letters composed (NFC), as table and disk may write them
    differently; what was changed is told at the end, and what kinds of files have no decoder. A
    name of spaces alone is none: such a clip is a reject. Ids and addresses stay what opens the
    file. Then labels are corrected.

    Args:
      found: The corpus.
      settings: Those of the source.
      corrections: What is wrong in it.

    Raises:
      SourceError: as list_utterances does.
    """
    tidy = _tidied(self.list_utterances(found, settings))
    return undecoded.told(corrected.applied(tidy, corrections), self.medium)

  def folder_of(self, place: str, settings: Any) -> str:
    """Returns the folder that the files of clips are named from, without a slash at its end."""
    found = corpus.Corpus(place)
    return self.root(found, settings) if self.root else found.folder.rstrip('/')


def _tidied(entries: Iterator[Entry]) -> Iterator[Entry]:
  counts: collections.Counter[str] = collections.Counter()
  names: dict[str, set[str]] = collections.defaultdict(set)
  for entry in entries:
    if not isinstance(entry, utterance.Utterance):
      yield entry
      continue
    label, speaker = utterance.tidy(entry.label), entry.speaker_id
    if speaker != entry.utterance_id:  # Where nobody knows who speaks, the id stands for them.
      speaker = utterance.tidy(speaker)
    if label == entry.label and speaker == entry.speaker_id:
      yield entry
      continue
    changed = {
      what: (before, now)
      for what, before, now in (
        ('label', entry.label, label),
        ('speaker', entry.speaker_id, speaker),
      )
      if before != now
    }
    if blank := next((what for what, (_, now) in changed.items() if not now), ''):
      error = rejects.ClipError(f'no_{blank}', f'The name of the {blank} is blank.')
      yield error.reject(entry.utterance_id, entry.uri, entry.origin)
      continue
    for what, (before, now) in changed.items():
      counts[what] += 1
      names[what] = set(heapq.nsmallest(rejects.MOST_NAMES, {*names[what], _change(before, now)}))
    yield dataclasses.replace(entry, label=label, speaker_id=speaker)
  for what, count in sorted(counts.items()):
    yield rejects.Noted(reason='renamed', what=what, count=count, names=tuple(sorted(names[what])))


def _change(before: str, now: str) -> str:
  """Returns such as `'yes ' to 'yes'`; with escapes where the two look the same."""
  is_seen = before.strip() == now
  return f'{before!r} to {now!r}' if is_seen else f'{before!a} to {now!a}'
