"""Answers as competitions want them: a name and a label for each clip, whole or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from exports import answer_rows
from schemas import errors

SUBMISSION, KAGGLE = 'submission', 'kaggle'
NAME, PATH = NAMES = ('name', 'path')  # What a submission calls a clip.

# The TensorFlow Speech Recognition Challenge (2017): what it knows, and the header of its answers.
# Source: kaggle.com/c/tensorflow-speech-recognition-challenge/overview/evaluation.
CHALLENGE_COLUMNS = ('fname', 'label')
SILENCE, UNKNOWN = 'silence', 'unknown'
CHALLENGE_LABELS = (
  'yes', 'no', 'up', 'down', 'left', 'right', 'on', 'off', 'stop', 'go', SILENCE, UNKNOWN,
)  # fmt: skip
# What others call them.
_SILENCES = ('_silence_', '_background_noise_', 'background_noise')
_UNKNOWNS = ('_unknown_', 'unknown_word')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Challenge:
  """What the labels of a model are called in the challenge.

  Attributes:
    names: One of CHALLENGE_LABELS, by the label of the model.
    sentences: What is to be said of it.
  """

  names: Mapping[str, str]
  sentences: tuple[str, ...]

  def name(self, answer: str) -> str:
    """Returns what an answer is called: what is none of the model's labels is unknown."""
    return self.names.get(answer, UNKNOWN)


def challenge(labels: Sequence[str]) -> Challenge:
  """Returns what the labels of a model are called; those that the challenge lacks are unknown.

  Raises:
    ConfigError: if there is none of its words among them.
  """
  names = {label: _challenge_name(label) for label in labels}
  words = set(CHALLENGE_LABELS) - {SILENCE, UNKNOWN}
  if not words & set(names.values()):
    raise errors.ConfigError(
      f'--format={KAGGLE} is for the words {", ".join(CHALLENGE_LABELS[:-2])}, and the model '
      f'knows none of them. Its labels are {errors.some(labels, 5)}. For another competition '
      f'write --format={SUBMISSION}.'
    )
  others = [label for label, name in names.items() if name == UNKNOWN and not _is_unknown(label)]
  lacking = [name for name in CHALLENGE_LABELS if name not in names.values()]
  sentences = []
  if others:
    sentences.append(
      f'{errors.counted(len(others), "label")} of the model that the challenge lacks '
      f'{"is" if len(others) == 1 else "are"} called {UNKNOWN}: {errors.some(others, 5)}.'
    )
  if lacking:
    sentences.append(
      f'The model lacks {", ".join(lacking)} of the challenge: no clip is called so.'
    )
  return Challenge(names=names, sentences=tuple(sentences))


def _challenge_name(label: str) -> str:
  plain = label.strip().lower()
  if plain in _SILENCES:
    return SILENCE
  return plain if plain in CHALLENGE_LABELS else UNKNOWN


def _is_unknown(label: str) -> bool:
  return label.strip().lower() in (UNKNOWN, *_UNKNOWNS)


class Names:
  """What a submission calls its clips: no two alike."""

  def __init__(self, form: str, *, with_folders: bool = False) -> None:
    """Knows no clip yet.

    Args:
      form: SUBMISSION or KAGGLE.
      with_folders: Whether a clip is called by its whole path or id; not in KAGGLE.
    """
    self._with_folders = with_folders
    keep = '' if form == KAGGLE else 'name them with their folders (--submission_names=path), or '
    self._advice = f'{keep}predict one folder at a time.'
    self._paths: dict[str, str] = {}

  def add(self, path: str) -> str:
    """Returns what a clip is called.

    Raises:
      ConfigError: if another one is called so.
    """
    name = path if self._with_folders else path.rpartition('/')[2]
    if name in self._paths:
      first = self._paths[name]
      advice = (
        f'{path!r} is named twice: name it once.'
        if first == path
        else f'{first!r} and {path!r}: {self._advice}'
      )
      raise errors.ConfigError(f'A submission would call two clips {name!r}. {advice}')
    self._paths[name] = path
    return name


def submission_lines(
  rows: Iterable[answer_rows.Row],
  columns: answer_rows.Columns,
  *,
  header: tuple[str, str],
  with_folders: bool = False,
) -> Iterator[str]:
  """Yields the header, and the name and the answer of each clip; whole or not at all.

  The rows, some hundred bytes each, are in memory. Clips of a data set, whose shards have an order
  of their own, come by their ids, files in their order; what cannot be used is left out.

  Args:
    rows: What the model says.
    columns: Whose labels they are, and whether they have ids.
    header: The names of the two columns.
    with_folders: Whether a clip is called by its whole path or id.

  Raises:
    ConfigError: if two clips would be called alike.
  """
  names = Names(SUBMISSION, with_folders=with_folders)
  called = [(row.name, columns.answer(row), names.add(row.name)) for row in rows if not row.error]
  yield answer_rows.csv_line(header)
  for _, label, name in sorted(called) if columns.key == answer_rows.ID else called:
    yield answer_rows.csv_line([name, label])


def challenge_answers(
  rows: Iterable[answer_rows.Row], answer: Callable[[answer_rows.Row], str], found: Challenge
) -> Iterator[tuple[str, str]]:
  """Yields the name of each clip and what it is called; one that cannot be heard is unknown."""
  for row in rows:
    yield row.name, UNKNOWN if row.error else found.name(answer(row))


def challenge_lines(answers: Iterable[tuple[str, str]]) -> Iterator[str]:
  """Yields the answers to the challenge, each clip once, sorted by the name of its file.

  Args:
    answers: Of each clip its path or id, and one of CHALLENGE_LABELS; in any order. They are held,
      some hundred bytes each.

  Raises:
    ConfigError: if two clips have one name.
  """
  names = Names(KAGGLE)
  said = sorted((names.add(path), label) for path, label in answers)
  yield answer_rows.csv_line(CHALLENGE_COLUMNS)
  for name, label in said:
    yield answer_rows.csv_line([name, label])
