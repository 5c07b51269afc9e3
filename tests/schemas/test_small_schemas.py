"""Splits, rejects, utterances and the record schema."""

import dataclasses
import json
import math
import re

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from schemas import errors, record, rejects, splits, utterance

SPEC = record.FeatureSpec(name='log_mel', shape=(98, 80), dtype='float16', settings={'a': 1})
UTTERANCE = utterance.Utterance(
  utterance_id='yes/ann_0.wav',
  speaker_id='ann',
  label='yes',
  uri='/data/yes/ann_0.wav',
  fields=(('take', '0'),),
)


@hypothesis.given(
  validation=st.floats(0, 0.5),
  test=st.floats(0, 0.49),
  units=st.lists(st.floats(0, 1, exclude_max=True)),
)
def test_the_three_intervals_cover_the_unit_and_do_not_overlap(validation, test, units):
  fractions = splits.SplitFractions(validation=validation, test=test)
  for unit in units:
    wanted = 'test' if unit < test else 'validation' if unit < test + validation else 'train'
    assert fractions.split_of(unit) == wanted


def test_no_fractions_give_all_to_train():
  assert splits.SplitFractions(validation=0.0, test=0.0).split_of(0.0) == 'train'


@pytest.mark.parametrize(
  ('validation', 'test'), [(-0.1, 0.1), (0.1, -0.1), (1.0, 0.0), (0.5, 0.5), (math.nan, 0.1)]
)
def test_fractions_that_leave_nothing_for_train_are_refused(validation, test):
  sentence = (
    'Split fractions must be in [0, 1) and leave something for train, got '
    f'validation={validation} and test={test}.'
  )
  with pytest.raises(errors.SchemaError, match=re.escape(sentence)):
    splits.SplitFractions(validation=validation, test=test)


@pytest.mark.parametrize('reason', rejects.ADVICE)
def test_a_reject_carries_advice_and_survives_json(reason):
  reject = rejects.Reject(utterance_id='a.wav', uri='/d/a.wav', reason=reason, detail='0 bytes.')
  line = json.dumps(reject.to_json())
  assert json.loads(line)['advice'] == rejects.ADVICE[reason]
  assert rejects.Reject.from_json(json.loads(line), where='line 1') == reject


@pytest.mark.parametrize('advice', rejects.ADVICE.values())
def test_advice_is_sentences(advice):
  assert advice.endswith('.')


def test_notes_merge_to_the_same_whatever_their_order():
  notes = [rejects.Noted(reason='silent', names=(f'{i}.wav',)) for i in range(7)]
  notes += [rejects.Noted(reason='silent', what='odd', count=3)]
  merged = rejects.merged(notes)
  names = tuple(f'{i}.wav' for i in range(5))
  assert merged == (
    rejects.Noted(reason='silent', count=7, names=names),
    rejects.Noted(reason='silent', what='odd', count=3),
  )
  assert rejects.merged(reversed(notes)) == merged == rejects.merged([*merged[1:], *merged[:1]])
  assert str(merged[0]) == (
    f'7 silent: {rejects.NOTED["silent"]} (0.wav, 1.wav, 2.wav, 3.wav, 4.wav, ...)'
  )
  one_name = rejects.Noted(reason='renamed', what='label', count=4, names=("'a ' to 'a'",))
  assert str(one_name).endswith(" ('a ' to 'a')")


def test_an_unknown_note_is_refused():
  with pytest.raises(errors.SchemaError, match="No note on clips is called 'odd'"):
    rejects.Noted(reason='odd')


def test_an_unknown_reason_is_refused():
  with pytest.raises(errors.SchemaError, match="No reject reason is called 'odd'"):
    rejects.Reject(utterance_id='a', uri='a', reason='odd', detail='')


def test_a_reject_without_a_field_names_the_line():
  with pytest.raises(errors.SchemaError, match="line 7: field 'uri' is missing"):
    rejects.Reject.from_json({'utterance_id': 'a'}, where='line 7')


@pytest.mark.parametrize('field', ['utterance_id', 'speaker_id', 'label', 'uri'])
def test_an_utterance_without_a_field_is_refused(field):
  with pytest.raises(errors.SchemaError, match=f'has no {field}'):
    dataclasses.replace(UTTERANCE, **{field: ''})


def test_an_utterance_of_an_unknown_split_is_refused():
  with pytest.raises(errors.SchemaError, match="must be one of train, validation, test, got 'dev'"):
    dataclasses.replace(UTTERANCE, split='dev')


def test_fields_of_an_utterance_by_name():
  assert [UTTERANCE.field(name) for name in ('speaker', 'label', 'take', 'age')] == [
    'ann',
    'yes',
    '0',
    None,
  ]


@pytest.mark.parametrize('dtype', record.ITEM_BYTES)
def test_item_sizes_are_numpys(dtype):
  spec = dataclasses.replace(SPEC, dtype=dtype)
  assert spec.num_bytes == np.zeros(spec.shape, dtype).nbytes


def test_bins_are_the_last_axis_and_one_for_a_waveform():
  assert SPEC.num_bins == 80
  assert dataclasses.replace(SPEC, shape=(16_000,)).num_bins == 1


@hypothesis.given(
  st.builds(
    record.FeatureSpec,
    name=st.from_regex(r'[a-z_]{1,9}x', fullmatch=True),
    shape=st.lists(st.integers(1, 10**6), min_size=1, max_size=4).map(tuple),
    dtype=st.sampled_from(sorted(record.ITEM_BYTES)),
    settings=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)),
  )
)
def test_a_feature_spec_survives_json(spec):
  text = json.dumps(spec.to_json())
  assert record.FeatureSpec.from_json(json.loads(text), where='features[0]') == spec


@pytest.mark.parametrize(
  ('change', 'sentence'),
  [
    ({'name': 'label'}, "A feature may not be called 'label': it is a field."),
    ({'name': 'id'}, "A feature may not be called 'id'"),
    (
      {'dtype': 'float64'},
      "Feature 'log_mel': dtype must be one of float16, float32, int16, uint8, got 'float64'.",
    ),
    ({'shape': ()}, "Feature 'log_mel' would have the shape (): nothing would be stored."),
    ({'shape': (0, 80)}, 'would have the shape (0, 80)'),
    ({'shape': (98, -1)}, 'would have the shape (98, -1)'),
  ],
)
def test_a_feature_that_cannot_be_stored_is_refused(change, sentence):
  with pytest.raises(errors.SchemaError, match=re.escape(sentence)):
    dataclasses.replace(SPEC, **change)


@pytest.mark.parametrize(
  'name', [name for name in vars(errors) if name.endswith('Error') and name != 'VoxshardError']
)
def test_every_error_is_of_the_family_and_a_value_error(name):
  cls = getattr(errors, name)
  assert issubclass(cls, errors.VoxshardError)
  assert issubclass(cls, ValueError)


@pytest.mark.parametrize(
  ('shape', 'words'),
  [
    ((98, 80), '98 rows x 80 bins'),
    ((None, 40), 'any number of rows x 40 bins'),
    ((8_000,), '8,000 values'),
    ((None,), 'any number of values'),
    ((32, 40, 3), '32 x 40 x 3'),
    ((None, 40, 3), 'any number of rows x 40 x 3'),
  ],
)
def test_shapes_in_words(shape, words):
  assert dataclasses.replace(SPEC, shape=shape).shape_words == words


def test_copies_are_told_by_their_ids_and_by_what_was_done_to_them():
  assert record.copy_id('a.wav', 0) == 'a.wav'
  assert record.is_copy(record.copy_id('a\n.wav', 12), '')
  assert record.is_copy('a.wav', 'gain:gain_db=3')
  for name in ('a.wav', '#copy1', 'a#copy', 'a#copyx', 'a#copy1\n', 'a#copy\u00b2'):
    assert not record.is_copy(name, '')
