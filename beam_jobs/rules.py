"""What a user asks of the plan: which clips are taken, what stays together in a split."""

import dataclasses
import functools
import re
from collections.abc import Collection

from schemas import errors, options, splits

ALL = 'all'
NONE = 'none'
UNDERSAMPLE = 'undersample'
OVERSAMPLE = 'oversample'
BALANCES = (NONE, UNDERSAMPLE, OVERSAMPLE)

# What becomes of clips whose samples are the same.
KEEP = 'keep'
DROP = 'drop'
GROUP = 'group'
DUPLICATES = (KEEP, DROP, GROUP)

SPEAKER = 'speaker'
CLIP = 'clip'

_RANGE = re.compile(r'(\d+)-(\d+)\Z')


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelectionRule:
  """What --sample, --max_per_speaker, --max_per_label and --balance ask for, in this order.

  Attributes:
    sample: Share of the clips, by whole speakers; 1 for all.
    max_per_speaker: Clips of a speaker in a split; 0 for all.
    max_per_label: Clips of a label in a split; 0 for all.
    balance: In the train split, of every label as many clips as of the rarest (undersample) or of
      the most frequent one (oversample, by repeating clips).
  """

  sample: float = 1.0
  max_per_speaker: int = 0
  max_per_label: int = 0
  balance: str = NONE

  def __post_init__(self) -> None:
    if not 0 < self.sample <= 1:
      raise errors.ConfigError(f'--sample must be in (0, 1], such as 0.05, got {self.sample}.')
    if self.balance not in BALANCES:
      raise errors.ConfigError(
        f'--balance must be one of {", ".join(BALANCES)}, got {self.balance!r}.'
      )

  @property
  def needs_hashes(self) -> bool:
    """Whether the hash of every clip has to be gathered."""
    return bool(self.max_per_speaker or self.max_per_label or self.balance != NONE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FieldRule:
  """What --fields asks for: which further fields of the source stand in the records.

  Attributes:
    text: ALL, NONE, or names joined by commas.
  """

  text: str = ALL

  def __post_init__(self) -> None:
    if not all(name.strip() for name in self.text.split(',')):
      raise errors.ConfigError(
        f'--fields must be {ALL}, {NONE} or names joined by commas such as age,device, got '
        f'{self.text!r}.'
      )

  @functools.cached_property
  def wanted(self) -> frozenset[str] | None:
    """The names of the fields; None for all."""
    if self.text in (ALL, NONE):
      return None if self.text == ALL else frozenset()
    return frozenset(name.strip() for name in self.text.split(','))

  def check(self, known: Collection[str]) -> None:
    """Raises ConfigError for a name that no clip has."""
    missing = sorted((self.wanted or frozenset()) - set(known))
    if missing:
      there = ', '.join(sorted(known)) or 'none'
      raise errors.ConfigError(
        f'--fields={self.text}: no clip has a field {missing[0]!r}.'
        f'{options.did_you_mean(missing[0], known)} There are: {there}. {ALL} takes all, {NONE} '
        'none of them.'
      )

  def __str__(self) -> str:
    return self.text


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitSettings:
  """Options behind `--split_by=FIELD:`.

  Attributes:
    test: Values of the field that make the test split, such as `jackson+theo` or `0-4`.
    validation: The same for the validation split.
    train: The same for the train split.
    official: Follow the corpus's own lists where it has them; only for the field speaker.
  """

  test: str = ''
  validation: str = ''
  train: str = ''
  official: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitRule:
  """How clips are split.

  Attributes:
    field: `speaker`, `clip` (each clip for itself: voices leak) or a field of the source.
    settings: The named values.
  """

  field: str = SPEAKER
  settings: SplitSettings = SplitSettings()

  def __post_init__(self) -> None:
    seen: dict[str, str] = {}
    for split, values in self._named().items():
      for value in values:
        if value in seen:
          raise errors.ConfigError(
            f'--split_by names {value!r} for {seen[value]} and for {split}. Name it once.'
          )
        seen[value] = split
    if self.field != SPEAKER and not self.settings.official:
      raise errors.ConfigError(
        f'--split_by={self}: official=false has no effect, as the own lists of a corpus are '
        f'followed by --split_by=speaker alone. Write --split_by={self.field} without it.'
      )
    if self.field == CLIP and seen:
      raise errors.ConfigError(
        '--split_by=clip takes no values: clips go by a hash. Use --validation_fraction and '
        '--test_fraction, or split by a field of the source.'
      )

  @classmethod
  def parse(cls, text: str) -> 'SplitRule':
    """Reads `FIELD` or `FIELD:test=VALUES,validation=VALUES`."""
    field = text.partition(':')[0].strip()
    if not field:
      raise errors.ConfigError(
        '--split_by must name a field, such as speaker, clip or take:test=0-4.'
      )
    _, settings = options.parse(text, {field: SplitSettings}, family='split rule')
    return cls(field=field, settings=settings)

  def __str__(self) -> str:
    return options.format_option(self.field, self.settings)

  def named_split(self, group: str) -> str:
    """Returns the split that the settings name for a group, or ''."""
    for split, values in self._named().items():
      if group in values:
        return split
    return ''

  def missing_values(self, groups: Collection[str]) -> list[str]:
    """Returns what is named but not in the corpus, most likely mistyped.

    A range that no value lies in is given as it was written: `0-4`.
    """
    parts = [part for split in splits.SPLITS for part in getattr(self.settings, split).split('+')]
    known = frozenset(groups)
    return [part for part in parts if part and not expand_values(part) & known]

  def _named(self) -> dict[str, frozenset[str]]:
    return {split: expand_values(getattr(self.settings, split)) for split in splits.SPLITS}


def _single_values(text: str) -> list[str]:
  return [part for part in text.split('+') if part and not _RANGE.match(part)]


@functools.cache
def expand_values(text: str) -> frozenset[str]:
  """Returns the values of `jackson+theo` or `0-4+7`; a range stands for its whole numbers."""
  values: set[str] = set(_single_values(text))
  for part in text.split('+'):
    match = _RANGE.match(part)
    if match:
      first, last = int(match[1]), int(match[2])
      if not 0 <= last - first < 1_000_000:
        raise errors.ConfigError(f'A range of --split_by must run upwards, got {part!r}.')
      values.update(str(value) for value in range(first, last + 1))
  return frozenset(values)
