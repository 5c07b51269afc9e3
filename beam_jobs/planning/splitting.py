"""Which split a clip goes to: official lists, named values, else a stable hash of its group.

A group is what must stay together, by default a speaker: a voice that was heard in training must
not be in the test, or the numbers flatter.
"""

import collections
import difflib
import functools
from collections.abc import Collection, Iterable, Mapping, Sequence

from beam_jobs import rules
from schemas import errors, options, splits
from schemas import utterance as utterance_lib
from schemas.utterance import Utterance

# So many values of a field are named where one is wanted that is not there.
_MOST_VALUES = 20


def group_of(
  utterance: Utterance, rule: rules.SplitRule, fractions: splits.SplitFractions, seed: int
) -> str:
  """Returns what an utterance is kept together with.

  Clips that go for themselves are hashed here and now, and their group is the name of the split:
  there is no list of groups that would grow with the corpus.

  Raises:
    SourceError: if the source gives the utterance no such field.
  """
  if rule.field == rules.CLIP:
    return splits.hashed(utterance.same_as or utterance.utterance_id, fractions, seed)
  group = utterance.field(rule.field)
  if group is None:
    known = [rules.SPEAKER, 'label', rules.CLIP, *(name for name, _ in utterance.fields)]
    raise errors.SourceError(
      f'--split_by={rule.field}: {utterance.utterance_id!r} has no field {rule.field!r}.'
      f'{options.did_you_mean(rule.field, known)} Its fields: {", ".join(known)}.'
    )
  return group


def assign_splits(
  groups: Mapping[str, Collection[str]],
  rule: rules.SplitRule,
  fractions: splits.SplitFractions,
  seed: int = 0,
  *,
  sharing: Iterable[Collection[str]] = (),
) -> dict[str, str]:
  """Returns the split of every group.

  Args:
    groups: From a group to the official splits of its clips ('' for none).
    rule: Named values win over official lists, these over the hash.
    fractions: Shares of the hashed groups.
    seed: Salts the hash.
    sharing: Groups that have audio in common and are to be in one split: the strictest that is
      named or listed for one of them, else that of most, or of the first of these by name.

  Raises:
    ConfigError: if the rule names a value that no clip has.
  """
  if rule.field == rules.CLIP:
    return {group: group for group in sorted(groups)}
  missing = rule.missing_values(groups)
  if missing:
    known = sorted(groups)
    raise errors.ConfigError(
      f'--split_by={rule}: no clip has {rule.field} {missing[0]!r}.'
      f'{options.did_you_mean(missing[0], known)} There are: {_nearest(missing[0], known)}.'
    )
  result: dict[str, str] = {}
  hashed: list[str] = []
  for group in sorted(groups):
    split = _given_split(group, groups[group], rule)
    if split:
      result[group] = split
    else:
      hashed.append(group)
  by_hash = set(hashed)
  start = ring_start(groups, rule, seed)
  noises = set(filter(utterance_lib.is_noise, groups)) if rule.field == rules.SPEAKER else set()
  result |= splits.hashed_apart(
    hashed, result, _of_hashed(rule, fractions), seed, noises=noises, start=start
  )
  trains = splits.TRAIN in result.values()
  free = []
  for together in _joined(sharing):
    given = {result[group] for group in together if group not in by_hash}
    # What most of them have: else half a corpus that hangs together might be the test.
    counts = collections.Counter(result[group] for group in together)
    most = [result[group] for group in together if counts[result[group]] == max(counts.values())]
    result.update(dict.fromkeys(together, splits.official(given) or most[0]))
    free += [] if given else [together]
  if free and trains and splits.TRAIN not in result.values():
    result.update(dict.fromkeys(max(free, key=len), splits.TRAIN))
  return result


def check_fractions(
  groups: Mapping[str, Collection[str]], rule: rules.SplitRule, fractions: splits.SplitFractions
) -> None:
  """Refuses shares of splits that decide nothing, as other things say where every voice goes.

  A share that is what it is by default is taken for one that was not given. Recordings of noise do
  not count: who gives a share means voices.

  Args:
    groups: As assign_splits takes them.
    rule: The same.
    fractions: The same.

  Raises:
    ConfigError: if one was given for nothing.
  """
  shares = {split: getattr(fractions, split) for split in (splits.VALIDATION, splits.TEST)}
  idle = [s for s, share in shares.items() if share != getattr(splits.SplitFractions, s)]
  if not idle or rule.field == rules.CLIP:
    return
  voices = [group for group in groups if not utterance_lib.is_noise(group)] or groups
  given = {_given_split(group, groups[group], rule) for group in voices}
  # Who wants no split has none where nobody is in it.
  idle = [split for split in idle if shares[split] or split in given]
  if '' in given or not idle:
    return
  named = sum(bool(rule.named_split(group)) for group in voices)
  if named:
    who = f'--split_by={rule}' + (' and the corpus itself' if named < len(voices) else '')
    remedy = 'Leave it away, or name fewer values.'
  else:
    who = 'the corpus itself'
    remedy = (
      'Leave it away, or write --split_by=speaker:official=false, which sets its lists aside.'
    )
  verb = 'say' if ' and ' in who else 'says'
  raise errors.ConfigError(
    f'--{idle[0]}_fraction={shares[idle[0]]:g} has no effect: {who} {verb} of '
    f'every {rule.field} in which split it is. {remedy}'
  )


def _joined(sharing: Iterable[Collection[str]]) -> list[list[str]]:
  """Returns groups that are bound to one another, also by way of others; each list sorted."""
  parents: dict[str, str] = {}

  def root(group: str) -> str:
    while (parent := parents.setdefault(group, group)) != group:
      parents[group] = group = parents[parent]
    return group

  for groups in sharing:
    first, *others = sorted(groups)
    for other in others:
      parents[root(other)] = root(first)
  members: dict[str, list[str]] = collections.defaultdict(list)
  for group in sorted(parents):
    members[root(group)].append(group)
  return [members[name] for name in sorted(members) if len(members[name]) > 1]


def ring_start(groups: Collection[str], rule: rules.SplitRule, seed: int) -> float:
  """Returns where the ring of hashes begins: behind the groups that the rule names for the test.

  Args:
    groups: All that there are.
    rule: What is named.
    seed: Salts the hash.
  """
  if not rule.settings.test:
    return 0.0
  tested = [group for group in groups if rule.named_split(group) == splits.TEST]
  return splits.start_behind(tested, seed)


def tests_listed_voices_only(groups: Mapping[str, Collection[str]], rule: rules.SplitRule) -> bool:
  """Whether the corpus's own lists keep all groups out of train that the rule names for the test.

  Then train is what it is without naming them, and the same for every such fold.
  """
  tested = [set(groups[group]) for group in groups if rule.named_split(group) == splits.TEST]
  is_listed = rule.settings.official and rule.field == rules.SPEAKER
  return (
    is_listed
    and bool(tested)
    and all(splits.official(listed) in (splits.VALIDATION, splits.TEST) for listed in tested)
  )


def _nearest(wanted: str, known: Sequence[str]) -> str:
  """Returns the values that there are; of very many, those most like the wanted and the first."""
  if len(known) <= _MOST_VALUES:
    return ', '.join(known)
  near = difflib.get_close_matches(wanted, known, n=_MOST_VALUES // 2, cutoff=0.5)
  shown = list(dict.fromkeys([*near, *known[:_MOST_VALUES]]))[:_MOST_VALUES]
  return f'{", ".join(shown)}, ... ({len(known):,} in all)'


def split_by_itself(
  group: str,
  official: str,
  rule: rules.SplitRule,
  fractions: splits.SplitFractions,
  *,
  seed: int,
  start: float = 0.0,
) -> str:
  """Returns the split that a group has where no other group, and no other clip of it, matters.

  That is so for nearly all: assign_splits says which are different. `official` is the official
  split of its clips, '' for none; `start` is of ring_start; the rest is as there.
  """
  if rule.field == rules.CLIP:
    return group
  given = _given_split(group, (official,), rule)
  return given or splits.hashed(group, _of_hashed(rule, fractions), seed, start=start)


def _given_split(group: str, official: Collection[str], rule: rules.SplitRule) -> str:
  """Returns the split that the settings or the corpus name for a group; '' if neither does."""
  return rule.named_split(group) or (splits.official(official) if follows_lists(rule) else '')


def follows_lists(rule: rules.SplitRule) -> bool:
  """Whether the corpus's own lists say where a group goes."""
  return rule.settings.official and rule.field == rules.SPEAKER


@functools.cache
def _of_hashed(rule: rules.SplitRule, fractions: splits.SplitFractions) -> splits.SplitFractions:
  """A split whose values are named is those values, and no more: nothing is hashed into it."""
  return splits.SplitFractions(
    validation=0.0 if rule.settings.validation else fractions.validation,
    test=0.0 if rule.settings.test else fractions.test,
  )
