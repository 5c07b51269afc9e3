"""Which split a clip goes to: official lists, named values, else a stable hash of its group.

A group is what must stay together, by default a speaker: a voice that was heard in training must
not be in the test, or the numbers flatter.
"""

import dataclasses
import re
from collections.abc import Collection, Mapping

from schemas import errors, group_splits, options, splits
from schemas.utterance import Utterance

SPEAKER = 'speaker'
CLIP = 'clip'

_RANGE = re.compile(r'(\d+)-(\d+)\Z')


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
    """Returns single values that are named but not in the corpus: most likely mistyped."""
    return [
      value
      for split in splits.SPLITS
      for value in _single_values(getattr(self.settings, split))
      if value not in groups
    ]

  def _named(self) -> dict[str, frozenset[str]]:
    return {split: expand_values(getattr(self.settings, split)) for split in splits.SPLITS}


def _single_values(text: str) -> list[str]:
  return [part for part in text.split('+') if part and not _RANGE.match(part)]


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


def group_of(
  utterance: Utterance, rule: SplitRule, fractions: splits.SplitFractions, seed: int
) -> str:
  """Returns what an utterance is kept together with.

  Clips that go for themselves are hashed here and now, and their group is the name of the split:
  there is no list of groups that would grow with the corpus.

  Raises:
    SourceError: if the source gives the utterance no such field.
  """
  if rule.field == CLIP:
    return group_splits.hashed(utterance.utterance_id, fractions, seed)
  group = utterance.field(rule.field)
  if group is None:
    known = [SPEAKER, 'label', CLIP, *(name for name, _ in utterance.fields)]
    raise errors.SourceError(
      f'--split_by={rule.field}: {utterance.utterance_id!r} has no field {rule.field!r}.'
      f'{options.did_you_mean(rule.field, known)} Its fields: {", ".join(known)}.'
    )
  return group


def assign_splits(
  groups: Mapping[str, Collection[str]],
  rule: SplitRule,
  fractions: splits.SplitFractions,
  seed: int = 0,
) -> dict[str, str]:
  """Returns the split of every group.

  Args:
    groups: From a group to the official splits of its clips ('' for none).
    rule: Named values win over official lists, these over the hash.
    fractions: Shares of the hashed groups.
    seed: Salts the hash.

  Raises:
    ConfigError: if the rule names a value that no clip has.
  """
  if rule.field == CLIP:
    return {group: group for group in sorted(groups)}
  missing = rule.missing_values(groups)
  if missing:
    shown = sorted(groups)
    listed = ', '.join(shown[:10]) + (f', ... ({len(shown)} in all)' if len(shown) > 10 else '')
    raise errors.ConfigError(
      f'--split_by={rule}: no clip has {rule.field} {missing[0]!r}.'
      f'{options.did_you_mean(missing[0], shown)} There are: {listed}.'
    )
  result: dict[str, str] = {}
  hashed: list[str] = []
  for group in sorted(groups):
    split = rule.named_split(group) or _official_split(groups[group], rule)
    if split:
      result[group] = split
    else:
      hashed.append(group)
  # A split whose values are named is those values, and no more.
  fractions = splits.SplitFractions(
    validation=0.0 if rule.settings.validation else fractions.validation,
    test=0.0 if rule.settings.test else fractions.test,
  )
  result.update(group_splits.hashed_groups(hashed, set(result.values()), fractions, seed))
  return result


def _official_split(official: Collection[str], rule: SplitRule) -> str:
  if not rule.settings.official or rule.field != SPEAKER:
    return ''
  return group_splits.official(official)
