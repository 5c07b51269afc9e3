"""What is said of a data set, from its plan: no audio is needed."""

import pytest

from beam_jobs import config as config_lib
from beam_jobs import rules
from beam_jobs.launching import summary
from beam_jobs.output import warnings
from beam_jobs.planning import plan
from schemas import audio, record, splits
from schemas.utterance import Utterance


def config(**changes):
  spec = record.FeatureSpec(name='log_mel', shape=(2, 2), dtype='float16', settings={})
  values = {
    'source': 'file_names', 'source_settings': None, 'input': '/in', 'output': '/out',
    'name': 'data', 'features': (spec,), 'audio': audio.AudioSpec(), **changes,
  }  # fmt: skip
  return config_lib.FeaturizeConfig(**values)


def planned(clips, **changes):
  """Returns the plan of (speaker, label, split) and its warnings."""
  job = config(**changes)
  census = plan.Census()
  for number, (speaker, label, split) in enumerate(clips):
    name = f'{number}.wav'
    census.add(
      Utterance(utterance_id=name, speaker_id=speaker or name, label=label, uri=name, split=split),
      job,
    )
  made = plan.make_plan(census, job)
  return made, list(warnings.planned(made, job))


def clips(counts):
  """Returns clips of two speakers a split: {split: {label: count}}."""
  return [
    (f'{split} voice{" 2" * (number % 2)}', label, split)
    for split, by_label in counts.items()
    for label, count in by_label.items()
    for number in range(count)
  ]


def test_a_good_corpus_has_no_warning():
  _, said = planned(clips({split: {'no': 5, 'yes': 6} for split in splits.SPLITS}))
  assert said == []


@pytest.mark.parametrize('split', ['train', 'validation', 'test'])
def test_labels_with_few_clips_or_none_are_said_of_every_split(split):
  counts = {name: {'no': 5, 'stop': 5, 'yes': 5} for name in splits.SPLITS}
  counts[split] = {'no': 1, 'yes': 9}
  _, said = planned(clips(counts))
  assert said == [
    f'The {split} split has no clip of 1 label: stop.',
    f'The {split} split has fewer than 5 clips of 1 label: no (1).',
  ]


def test_several_labels_are_a_plural_and_the_first_are_named():
  counts = {name: dict.fromkeys('abcdefgh', 5) for name in splits.SPLITS}
  counts['test'] = {'a': 5}
  _, (said,) = planned(clips(counts))
  assert said == 'The test split has no clip of 7 labels: b, c, d, e, f, ....'


def test_a_split_that_is_missing_is_said_unless_it_was_not_wanted():
  listed = clips({'train': {'no': 5, 'yes': 5}, 'test': {'no': 5, 'yes': 5}})
  _, (said,) = planned(listed)
  assert said.startswith('There is no validation split: ')
  assert '--split_by=speaker:validation=NAME+NAME' in said
  assert planned(listed, fractions=splits.SplitFractions(validation=0.0))[1] == []


def test_copies_and_limits_do_not_count_as_clips():
  listed = clips({split: {'no': 8, 'yes': 8} for split in splits.SPLITS})
  _, said = planned(
    listed,
    augmentations=('gain',),
    augment_copies=9,
    selection=rules.SelectionRule(max_per_label=4),
  )
  assert said == [
    f'The {split} split has fewer than 5 clips of 2 labels: no (4), yes (4).'
    for split in splits.SPLITS
  ]


def test_labels_that_look_alike_are_said():
  labels = ('Yes', 'yes', 'ice cream', 'ice  cream', 'ｎｏ', 'no', 'cafe', 'café')
  _, (said,) = planned(clips({split: dict.fromkeys(labels, 5) for split in splits.SPLITS}))
  assert "'Yes' and 'yes'" in said
  assert "'ice  cream' and 'ice cream'" in said
  assert "'no' and 'ｎｏ'" in said
  assert 'cafe' not in said


def test_shared_and_mixed_voices_are_counted_and_named():
  listed = [('ann', 'yes', split) for split in splits.SPLITS for _ in range(5)]
  listed += [(name, 'yes', 'train') for name in ('bob', 'cyd') for _ in range(5)]
  made, said = planned(listed)
  assert made.mixed_groups == ('ann',)
  assert said[0].startswith('1 speaker stands in more than one official split (ann).')
  _, said = planned(listed * 40, split_by=rules.SplitRule(field='clip'))
  assert said[0].startswith('3 speakers are in train and in another split (ann, bob, cyd): ')


@pytest.mark.parametrize(
  ('rule', 'is_said'),
  [
    ('speaker:test=validation voice', True),
    ('speaker:test=train more', False),
    ('speaker:test=validation voice,official=false', False),
    ('speaker', False),
  ],
)
def test_folds_that_the_lists_of_the_corpus_make_alike_are_said(rule, is_said):
  listed = clips({split: {'no': 5, 'yes': 5} for split in splits.SPLITS})
  listed += [('train more', label, 'train') for label in ('no', 'yes') for _ in range(5)]
  _, said = planned(listed, split_by=rules.SplitRule.parse(rule))
  assert any('the same for every such fold' in sentence for sentence in said) == is_said


def test_who_is_in_which_split_is_named_up_to_twenty():
  listed = [(f's{number:03}', 'yes', 'train') for number in range(30)]
  listed += [('t1', 'yes', 'test'), ('t0', 'yes', 'test')]
  made, _ = planned(listed)
  assert made.speakers == {
    'train': tuple(f's{number:03}' for number in range(20)), 'test': ('t0', 't1'),
  }  # fmt: skip
  assert made.num_speakers == {'train': 30, 'validation': 0, 'test': 2}


def of_voices(**names):
  """Returns ten clips of every speaker: validation=('ann',)."""
  return [
    (name, label, split)
    for split, voices in names.items()
    for name in voices
    for label in ('no', 'yes')
    for _ in range(5)
  ]


NOISES = ('_background_noise_/hum', '_background_noise_/tap', '_background_noise_/wind')


def test_a_split_of_noises_alone_is_named_with_what_to_do():
  _, (said,) = planned(
    of_voices(train=('ann', 'bob'), validation=('cyd', 'dan', NOISES[2]), test=NOISES[:2])
  )
  assert said == (
    'The test split has no voice: all its clips are cut from 2 recordings of noise, so figures on '
    'it say nothing of voices. Name its voices, with --split_by=speaker:test=NAME+NAME, or let '
    'every voice judge once: `python -m trainer --data=FOLDER --folds=speaker:all`.'
  )


def test_splits_of_one_voice_are_named_unless_somebody_wants_them_so():
  train = tuple('abcdefg')
  listed = of_voices(train=train, validation=('eve', NOISES[0]), test=('fay',))
  _, (said,) = planned(listed)
  assert said.startswith('2 splits have one voice (validation: eve, test: fay), which may be an ')
  assert '--split_by=speaker:test=NAME+NAME, or let every voice judge once: ' in said
  assert said.endswith('--folds=speaker:5`.')
  for rule, wanted in (
    ('speaker:test=fay', ['1 split has one voice (validation: eve)']),
    ('speaker:test=fay,validation=eve', []),
    ('clip', []),
  ):
    _, said = planned(listed, split_by=rules.SplitRule.parse(rule))
    assert [text.partition(', which')[0] for text in said if 'one voice' in text] == wanted
  _, (said,) = planned(of_voices(train=('eve', *NOISES), test=train[:4], validation=train[4:]))
  assert said.startswith('1 split has one voice (train: eve), ')
  assert 'Leave it more, with a smaller --validation_fraction' in said


def test_one_voice_alone_is_told_how_it_is_judged_on_new_clips():
  _, said = planned(of_voices(**{'': ('ann',)}))
  assert said[-1].startswith('All clips are of one voice (ann): ')
  assert said[-1].endswith('is said by --split_by=clip.')
  _, said = planned(of_voices(**{'': ('ann', *NOISES)}))  # The noises fill no split for her.
  assert [text for text in said if 'voice' in text] == [
    '1 split has one voice (train: ann), which may be an easy or a hard one: what is found on one '
    'says little of others. Leave it more, with a smaller --validation_fraction and '
    '--test_fraction, or name the voices of the others with '
    '--split_by=speaker:validation=NAME,test=NAME.'
  ]


def test_voices_are_counted_and_noises_beside_them():
  made, _ = planned(of_voices(train=('ann', 'bob', *NOISES), test=('cyd', 'dan')))
  found = {split: (one.count, one.first, one.num_noises) for split, one in made.voices.items()}
  assert found == {'train': (2, 'ann', 3), 'validation': (0, '', 0), 'test': (2, 'cyd', 0)}
  names = made.speakers['train']
  assert summary.speakers(2, 3, names, 'audio') == '2 speakers (ann, bob) and 3 noises'
  assert summary.speakers(2, 0, ('ann', 'bob'), 'pictures') == '2 groups (ann, bob)'
  assert summary.speakers(2, 0, made.speakers['test'], 'audio') == '2 speakers (cyd, dan)'
  assert summary.speakers(30, 3, made.speakers['train'], 'audio') == '30 speakers and 3 noises'
  assert summary.speakers(0, 3, NOISES, 'audio') == '0 speakers and 3 noises'
  assert summary.speakers(9, 0, (), 'audio') == ''


def test_where_nobody_knows_who_speaks_nobody_is_named():
  made, _ = planned([('', label, '') for label in ('no', 'yes') for _ in range(50)])
  assert made.speakers == {}
