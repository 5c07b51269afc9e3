"""Samples, limits and balance: exact numbers, and the same clips wherever the job runs."""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs import rules
from beam_jobs.planning import selection
from schemas import errors

CLIPS = st.lists(
  st.tuples(st.sampled_from('abcdefgh'), st.sampled_from(('no', 'yes', 'zero'))),
  min_size=1,
  max_size=80,
)


def cells_of(clips):
  """Returns the cells of clips, [(speaker, label)], whose ids are their places."""
  hashes = collections.defaultdict(list)
  for number, key in enumerate(clips):
    hashes[key].append(selection.clip_hash(f'clip{number}', seed=3))
  return [
    selection.Cell(speaker=speaker, label=label, count=len(found), hashes=found)
    for (speaker, label), found in sorted(hashes.items())
  ]


def taken(clips, rule, *, split='train'):
  """Returns the selection, and [(number, speaker, label, times)] of what it takes."""
  chosen = selection.select(cells_of(clips), rule, split=split, seed=3)
  found = []
  for number, (speaker, label) in enumerate(clips):
    times = chosen.times(speaker, label, selection.clip_hash(f'clip{number}', seed=3))
    if times:
      found.append((number, speaker, label, times))
  return chosen, found


RULES = st.builds(
  rules.SelectionRule,
  sample=st.sampled_from((0.1, 0.5, 1.0)),
  max_per_speaker=st.sampled_from((0, 1, 3)),
  max_per_label=st.sampled_from((0, 1, 5)),
  balance=st.sampled_from(rules.BALANCES),
)


@given(clips=CLIPS, rule=RULES, split=st.sampled_from(('train', 'test')))
def test_the_books_balance(clips, rule, split):
  chosen, found = taken(clips, rule, split=split)
  records = collections.Counter()
  for _, speaker, _, times in found:
    records[speaker] += times
  assert dict(records) == dict(chosen.num_records)
  assert len(clips) == len(found) + sum(chosen.left_out.values())
  assert all(chosen.left_out.values())


@given(clips=CLIPS, most=st.integers(1, 9))
def test_a_limit_is_met_exactly(clips, most):
  _, found = taken(clips, rules.SelectionRule(max_per_label=most))
  before = collections.Counter(label for _, label in clips)
  after = collections.Counter(label for _, _, label, _ in found)
  assert after == {label: min(count, most) for label, count in before.items()}
  _, found = taken(clips, rules.SelectionRule(max_per_speaker=most))
  before = collections.Counter(speaker for speaker, _ in clips)
  after = collections.Counter(speaker for _, speaker, _, _ in found)
  assert after == {speaker: min(count, most) for speaker, count in before.items()}


@given(clips=CLIPS)
def test_balance_gives_every_label_as_much(clips):
  before = collections.Counter(label for _, label in clips)
  for balance, wanted in (
    ('undersample', min(before.values())),
    ('oversample', max(before.values())),
  ):
    _, found = taken(clips, rules.SelectionRule(balance=balance))
    after = collections.Counter()
    for _, _, label, times in found:
      after[label] += times
    assert set(after) == set(before)
    assert set(after.values()) == {wanted}
  # No clip is repeated more than once more often than another of its label.
  by_label = collections.defaultdict(set)
  for _, _, label, times in found:
    by_label[label].add(times)
  assert all(max(times) - min(times) <= 1 for times in by_label.values())


def test_only_the_train_split_is_balanced():
  clips = [('a', 'no')] * 5 + [('a', 'yes')]
  for balance in rules.BALANCES:
    _, found = taken(clips, rules.SelectionRule(balance=balance), split='test')
    assert [times for *_, times in found] == [1] * 6


@given(clips=CLIPS, share=st.sampled_from((0.05, 0.3, 0.7)))
def test_a_sample_has_whole_speakers_and_all_labels(clips, share):
  _, found = taken(clips, rules.SelectionRule(sample=share))
  speakers = {speaker for _, speaker, _, _ in found}
  assert len(found) == sum(speaker in speakers for speaker, _ in clips)
  assert {label for _, _, label, _ in found} == {label for _, label in clips}


def test_a_sample_of_many_speakers_is_as_large_as_asked():
  clips = [(f'speaker{i % 200}', 'no' if i % 2 else 'yes') for i in range(4_000)]
  clips = [(s, label) for i, (s, _) in enumerate(clips) for label in ('no', 'yes') if i < 2_000]
  _, found = taken(clips, rules.SelectionRule(sample=0.05))
  assert len(found) == 200


def test_a_larger_limit_takes_the_same_clips_and_more():
  clips = [('a', 'no')] * 40
  _, few = taken(clips, rules.SelectionRule(max_per_label=5))
  _, more = taken(clips, rules.SelectionRule(max_per_label=12))
  assert {number for number, *_ in few} < {number for number, *_ in more}


def test_the_order_of_the_listing_does_not_matter():
  clips = [('a', 'no')] * 30 + [('b', 'yes')] * 20
  cells = cells_of(clips)
  rule = rules.SelectionRule(max_per_speaker=11, balance='oversample')
  turned = [
    selection.Cell(speaker=c.speaker, label=c.label, count=c.count, hashes=c.hashes[::-1])
    for c in cells
  ]
  assert selection.select(cells, rule, split='train', seed=3) == selection.select(
    turned, rule, split='train', seed=3
  )


@pytest.mark.parametrize(
  ('wrong', 'sentence'),
  [
    ({'sample': 0.0}, r'--sample must be in \(0, 1\], such as 0\.05, got 0\.0'),
    ({'sample': 1.5}, r'got 1\.5'),
    ({'balance': 'over'}, "--balance must be one of none, undersample, oversample, got 'over'"),
  ],
)
def test_wrong_values_are_refused(wrong, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    rules.SelectionRule(**wrong)
