"""One reference to one clip: what the data job shuffles instead of audio."""

import collections
import dataclasses
import functools
import math
import unicodedata
from collections.abc import Collection, Iterable, Mapping

from schemas import errors, splits

# So many labels that look alike are named.
_MOST_ALIKE = 5
# The one label of a corpus that has none.
UNLABELLED = 'unlabelled'
# The folder of recordings of noise in the layout of Speech Commands. What is cut from one of them
# has the recording for its speaker, a path with this folder in it: the mark of is_noise.
NOISE_FOLDER = '_background_noise_'

# So much of a further field is kept: a cell may hold a whole document, and each clip carries it.
MAX_FIELD_CHARS = 1_000
CUT_MARK = '…'

# What the columns of a table of clips are called where nobody names them, by their role; path and
# label are always named.
USUAL_COLUMNS: Mapping[str, tuple[str, ...]] = {
  'path': (),
  'label': (),
  'speaker': ('speaker', 'speaker_id', 'client_id'),
  'split': ('split',),
  'start': ('start', 'start_s', 'start_time', 'offset'),
  'duration': ('duration', 'duration_s'),
  'end': ('end', 'end_s', 'end_time'),
  'id': ('id', 'utterance_id'),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Excerpt:
  """A part of a recording, without its length being known.

  The part lies in a window of the recording, given by shares of its length T: it begins at
  window_start * T + start_s + position * (window_s - duration_s), where window_s is the length of
  the window in seconds; a window shorter than duration_s gives what it has.

  Attributes:
    start_s: Seconds from the start of the window.
    duration_s: Length in seconds; 0 reaches to the end of the window.
    window_start: Share of the recording at which the window begins, in [0, 1).
    window_end: Share at which it ends, in (window_start, 1].
    position: Where the part lies in the rest of the window, from 0 (start) to 1 (end).
    gain_db: Added to the level.
  """

  start_s: float = 0.0
  duration_s: float = 0.0
  window_start: float = 0.0
  window_end: float = 1.0
  position: float = 0.0
  gain_db: float = 0.0

  def __post_init__(self) -> None:
    if not (0 <= self.start_s < math.inf and 0 <= self.duration_s < math.inf):
      raise errors.SchemaError(
        f'An excerpt needs a start and a duration from 0 seconds on, got start_s={self.start_s} '
        f'and duration_s={self.duration_s}.'
      )
    if not (0 <= self.window_start < self.window_end <= 1 and 0 <= self.position <= 1):
      raise errors.SchemaError(
        f'An excerpt lies between the shares 0 and 1 of its recording, got window_start='
        f'{self.window_start}, window_end={self.window_end}, position={self.position}.'
      )
    if not math.isfinite(self.gain_db):
      raise errors.SchemaError(f'gain_db must be finite, got {self.gain_db}.')

  def bounds_s(self, recording_s: float) -> tuple[float, float]:
    """Returns where it begins and ends in a recording of so many seconds; equal if outside."""
    first_s, last_s = self.window_start * recording_s, self.window_end * recording_s
    free_s = max(0.0, last_s - first_s - self.duration_s) if self.duration_s else 0.0
    begin_s = min(last_s, first_s + self.start_s + self.position * free_s)
    end_s = begin_s + self.duration_s if self.duration_s else last_s
    return begin_s, min(last_s, end_s)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Utterance:
  """Where a clip is and what is known of it before it is opened.

  Attributes:
    utterance_id: Unique in its corpus and the same wherever the corpus lies: the path relative
      to the corpus's folder, with `/` between folders.
    speaker_id: Who speaks. A speaker is never in two splits (unless the user splits by another
      field).
    label: What is to be learned, as text.
    uri: The file, `/data/a.wav` or `gs://bucket/a.wav`.
    split: The corpus's official split, or '' where it has none.
    fields: Further (name, value) pairs, sorted by name, such as (('take', '3'),). Split rules and
      reports may use them.
    excerpt: The part of the file that is the clip; None for the whole.
    state: What the listing of a bucket says of the file, which is another text when the file has
      been replaced; '' for a local file, and where nobody has listed it.
    origin: What a reject of the clip begins with, such as `clips.csv, row 12`; '' for a file that
      was found by its name.
    same_as: The first, by id, of several utterances that are the same audio and are to stay in one
      split; '' where it is not known, or not asked, whether there are others.
  """

  utterance_id: str
  speaker_id: str
  label: str
  uri: str
  split: str = ''
  fields: tuple[tuple[str, str], ...] = ()
  excerpt: Excerpt | None = None
  origin: str = ''
  state: str = ''
  same_as: str = ''

  def __post_init__(self) -> None:
    for name in ('utterance_id', 'speaker_id', 'label', 'uri'):
      if not getattr(self, name):
        raise errors.SchemaError(f'Utterance {self.utterance_id!r} ({self.uri}) has no {name}.')
    if self.split and self.split not in splits.SPLITS:
      raise errors.SchemaError(
        f'Utterance {self.utterance_id!r}: split must be one of {", ".join(splits.SPLITS)}, '
        f'got {self.split!r}.'
      )

  def with_kept_fields(self, wanted: Collection[str] | None) -> 'Utterance':
    """Returns it with the fields that its record keeps, once it is known which split it goes to.

    Empty ones are left out, and long ones are cut to MAX_FIELD_CHARS and marked.

    Args:
      wanted: Names of fields; None for all.
    """
    kept = tuple(
      (name, value if len(value) <= MAX_FIELD_CHARS else value[:MAX_FIELD_CHARS] + CUT_MARK)
      for name, value in self.fields
      if value and (wanted is None or name in wanted)
    )
    return self if kept == self.fields else dataclasses.replace(self, fields=kept)

  @property
  def has_long_field(self) -> bool:
    """Whether a field is longer than a record keeps; also of what with_kept_fields returned."""
    return any(len(value) > MAX_FIELD_CHARS for _, value in self.fields)

  def field(self, name: str) -> str | None:
    """Returns `speaker`, `label`, or a further field by its name; None where it has none."""
    if name == 'speaker':
      return self.speaker_id
    if name == 'label':
      return self.label
    return dict(self.fields).get(name)


@functools.lru_cache(maxsize=1 << 12)  # A label and a speaker have many clips.
def tidy(name: str) -> str:
  """Returns the name of a label or a speaker without spaces around it, composed (NFC)."""
  return (name if name.isascii() else unicodedata.normalize('NFC', name)).strip()


def is_noise(speaker: str) -> bool:
  """Whether a speaker is a recording of noise, from which several clips were cut, and no voice.

  Its clips belong together, as those of a voice do, so they stay in one split and are drawn
  together; but they say nothing of how a model does on a voice that it never heard.
  """
  return NOISE_FOLDER in speaker.split('/')[:-1]


def counted_groups(num_voices: int, num_noises: int, noun: str = 'speaker') -> str:
  """Returns such as `4 speakers`, or `4 speakers and 7 noises` where there are noises."""
  said = errors.counted(num_voices, noun)
  return f'{said} and {errors.counted(num_noises, "noise")}' if num_noises else said


def alike(labels: Iterable[str]) -> str:
  """Returns a sentence that names the labels that a reader takes for one; '' where there are none.

  They differ in case, in spaces, in characters that show nothing, or in the form in which Unicode
  writes the same letters.
  """
  groups: dict[str, list[str]] = collections.defaultdict(list)
  for label in sorted(set(labels)):
    groups[_bare(label)].append(label)
  found = [' and '.join(map(repr, group[:_MOST_ALIKE])) for group in groups.values() if group[1:]]
  if not found:
    return ''
  return (
    f'Labels look alike, and differ in case, spaces or the form of letters only: '
    f'{"; ".join(found[:_MOST_ALIKE])}{"; ..." * (len(found) > _MOST_ALIKE)}. If they mean the '
    'same, give them one name.'
  )


def _bare(name: str) -> str:
  text = unicodedata.normalize('NFKC', unicodedata.normalize('NFKC', name).casefold())
  # Cf: such as a zero-width space or a mark of direction.
  return ''.join(c for c in text if not c.isspace() and unicodedata.category(c) != 'Cf') or name
