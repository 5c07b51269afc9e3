import pytest

from schemas import errors
from trainer.sweep import asked_space, axes, left_out


def space(*over, passed=()):
  return asked_space.make(over, passed)


@pytest.mark.parametrize(
  ('text', 'wanted'),
  [
    ('batch_size=32|64', ('32', '64')),
    ('--batch_size = 32 | 64', ('32', '64')),
    ('model=cnn|tc_resnet:width=1.5,kernel=3', ('cnn', 'tc_resnet:width=1.5,kernel=3')),
    (r'model=saved_model:path=a\|b.keras|cnn', ('saved_model:path=a|b.keras', 'cnn')),
    ('augment=|shift+spec_augment', ('', 'shift+spec_augment')),
    ('tf32=true|false', ('true', 'false')),
    ('accumulate=1..3', ('1', '2', '3')),
    ('batch_size=16..60:16', ('16', '32', '48')),
    ('model.dropout=0..0.3:0.1', ('0', '0.1', '0.2', '0.3')),
    ('learning_rate=log:1e-4..1e-2', ()),
    ('ema=lin:0.9..0.999', ()),
  ],
)
def test_values_are_a_list_or_a_range(text, wanted):
  assert axes.parse(text).values.listed() == wanted


def test_a_range_knows_its_scale_and_whether_it_is_whole():
  assert axes.parse('learning_rate=log:1e-4..1e-2').values == axes.Range(
    low=1e-4, high=1e-2, is_log=True, is_integer=False, step=None
  )
  assert axes.parse('batch_size=log:8..64').values.is_integer
  assert axes.parse('model.dropout=0..0.5').name == 'model.dropout'


def test_a_drawn_number_has_four_digits_and_stays_in_its_range():
  values = axes.parse('learning_rate=log:0.00123449..0.9').values
  assert values.text(0.0333333333) == '0.03333'
  assert float(values.text(0.00123449)) == 0.00123449
  assert axes.parse('batch_size=1..9').values.text(3.0) == '3'


@pytest.mark.parametrize(
  ('text', 'said'),
  [
    ('batch_size', 'expected FLAG=VALUES'),
    ('batch_sise=1|2', "no flag --batch_sise. Did you mean 'batch_size'"),
    ('batch_size=32', 'one value, so there is nothing to choose'),
    ('model=0..1', 'Ranges .* are for numbers'),
    ('batch_size=32|32', "names '32' twice"),
    ('batch_size=64..32', 'the range is empty, as 64 is not below 32'),
    ('batch_size=1.5..3', 'takes whole numbers only'),
    ('learning_rate=log:0..1', 'the logarithm wants a range above 0, and 0 is not'),
    ('learning_rate=lg:1..2', 'expected LOW..HIGH'),
    ('learning_rate=1..nan', 'expected LOW..HIGH'),
    ('ema=0..0.5:2', 'a step is above 0 and at most 0.5'),
    ('learning_rate=log:1..9:2', 'log: has no steps'),
    ('tf32=yes|no', 'expected true|false'),
    ('data.x=1|2', '--data has no settings inside'),
    ('model.dropuot=0..1', "no model has a setting 'dropuot'. Did you mean 'dropout'"),
  ],
)
def test_what_is_no_axis_is_refused_with_what_to_write(text, said):
  with pytest.raises(errors.ConfigError, match=said):
    axes.parse(text)


def test_a_grid_has_every_combination_the_last_axis_the_quickest():
  found = space('accumulate=1|2', 'batch_size=8|16').grid()
  assert [tuple(one.values()) for one in found] == [
    ('1', '8'), ('1', '16'), ('2', '8'), ('2', '16')
  ]  # fmt: skip


def test_a_setting_goes_to_the_members_that_have_it_and_do_not_fix_it():
  found = space('model.dropout=0..0.2:0.2', 'model=linear|cnn:filters=4|cnn:dropout=0.1')
  assert [found.arguments(one) for one in found.grid()] == [
    ['--model=linear'],
    ['--model=cnn:filters=4,dropout=0'],
    ['--model=cnn:filters=4,dropout=0.2'],
    ['--model=cnn:dropout=0.1'],
  ]


def test_a_setting_of_a_flag_that_all_trials_have():
  found = space('model.filters=4|8', passed=['--model=cnn:dropout=0', '--epochs=2'])
  config = found.config({'model.filters': '8'})
  assert (config.model, config.epochs) == ('cnn:dropout=0,filters=8', 2)


def test_several_augmentations_are_one_value_and_none_is_one_too():
  found = space('augment=|gain|shift+spec_augment:time_masks=1')
  assert [found.config(one).augment for one in found.grid()] == [
    (), ('gain',), ('shift', 'spec_augment:time_masks=1')
  ]  # fmt: skip


@pytest.mark.parametrize(
  ('over', 'passed', 'said'),
  [
    ([], [], 'Name what the sweep goes over'),
    (['seed=0|1', 'seed=2|3'], [], '--over=seed=... is given twice'),
    (['run_dir=a|b'], [], 'takes no --run_dir: every trial has a folder of its own'),
    (['seed=0|1'], ['--overwrite'], 'takes no --overwrite'),
    (['seed=0|1'], ['--notest'], 'takes no --test: no trial sees the test split'),
    (['seed=0|1'], ['--seed', '3'], '--seed is given for all trials, and --over goes over it'),
    (['monitor=loss|accuracy'], [], 'trials are compared by it'),
    (['model.filters=1|2'], ['--model=linear'], 'no --model of this sweep has such a setting'),
    (['batch_size=8|0'], [], '--batch_size must be at least 1'),
    (['model=cnn|cnm'], [], "No model is called 'cnm'"),
    (['learning_rate=-1..1'], [], '--learning_rate must be'),
    (['seed=0|1'], ['--epoch=3'], "There is no flag --epoch. Did you mean '--epochs'"),
    (['seed=0|1'], ['--help'], 'python -m trainer --help'),
    (['strategy=none|multi_worker'], [], 'a trial is one process'),
  ],
)
def test_what_no_trial_may_have_is_refused_before_the_first(over, passed, said):
  with pytest.raises(errors.ConfigError, match=said):
    space(*over, passed=passed)


def test_a_grid_wants_values_and_not_too_many():
  with pytest.raises(errors.ConfigError, match='is a range, and a grid wants every value'):
    space('learning_rate=log:1e-4..1e-2').grid()
  with pytest.raises(errors.ConfigError, match='more than 10,000 combinations'):
    space('seed=0..200', 'batch_size=1..200').grid()


TEACHERS = 'teacher=|/tmp'


@pytest.mark.parametrize(
  ('over', 'passed', 'wanted', 'said'),
  [
    (
      # Also where the flag that decides comes last.
      ['teacher_weight=0.5|0.7', TEACHERS], [],
      [{'teacher': ''}, {'teacher_weight': '0.5', 'teacher': '/tmp'},
       {'teacher_weight': '0.7', 'teacher': '/tmp'}],
      ['4 combinations of --over are 3 trainings', 'teacher_weight has no effect without --'],
    ),
    (
      [TEACHERS, 'teacher_weight=0.5|1', 'label_smoothing=0|0.1'], [],
      [{'teacher': '', 'label_smoothing': '0'}, {'teacher': '', 'label_smoothing': '0.1'},
       {'teacher': '/tmp', 'teacher_weight': '0.5', 'label_smoothing': '0'},
       {'teacher': '/tmp', 'teacher_weight': '0.5', 'label_smoothing': '0.1'},
       {'teacher': '/tmp', 'teacher_weight': '1'}],
      ['8 combinations of --over are 5 trainings', 'teacher_weight has no effect',
       'label_smoothing has no effect with --teacher_weight=1: such a trial goes without it'],
    ),
    (
      ['freeze=trunk|none'], ['--epochs=3', '--trunk_learning_rate', '1e-4'],
      [{'freeze': 'trunk'}, {'freeze': 'none', 'trunk_learning_rate': '0.0001'}],
      ['trunk_learning_rate has no effect with --freeze=trunk'],
    ),
    (
      ['model=cnn|cnn:filters=32|linear', 'model.filters=4|32', 'ema=0.5|0.50'], [],
      [{'model': 'cnn', 'ema': '0.5', 'model.filters': '4'},
       {'model': 'cnn', 'ema': '0.5', 'model.filters': '32'}, {'model': 'linear', 'ema': '0.5'}],
      ['12 combinations of --over are 3 trainings', 'model.filters is of some --model only',
       'model=cnn, ema=0.50, model.filters=4 is the same as model=cnn, ema=0.5, model.filters=4',
       'filters=32 is the same as', 'filters=32, ema=0.5 is the same as', 'ema=0.50 is the same as',
       'and 1 combination more'],
    ),
    (
      # What all trials can use stays a flag of all.
      ['seed=1|2', 'teacher_weight=0.5|0.7'], ['--teacher=/tmp', '--label_smoothing=0.1'],
      [{'seed': '1', 'teacher_weight': '0.5'}, {'seed': '1', 'teacher_weight': '0.7'},
       {'seed': '2', 'teacher_weight': '0.5'}, {'seed': '2', 'teacher_weight': '0.7'}],
      [],
    ),
  ],
)  # fmt: skip
def test_what_would_be_the_same_training_is_one_of_a_grid_and_is_named(over, passed, wanted, said):
  found = space(*over, passed=passed)
  assert found.grid() == wanted
  assert len({repr(found.config(one).to_json()) for one in found.grid()}) == len(wanted)
  lines = left_out.lines(found, is_grid=True)
  assert len(lines) == len(said)
  for line, part in zip(lines, said, strict=True):
    assert part in line
  assert not {'--trunk_learning_rate', '1e-4'} & {*found.passed}


@pytest.mark.parametrize(
  ('over', 'passed', 'said'),
  [
    (['seed=1|2', 'teacher_weight=0.5|0.7'], [], '--over=teacher_weight: in every trial it has no'),
    (['teacher_weight=0.5|0.7', 'ema=0..0.9'], [], 'in every trial it has no effect without --te'),
    (['seed=1|2'], ['--teacher_weight=0.5'], '--teacher_weight=0.5 has no effect without --te'),
    (
      ['teacher_weight=0.5|0.7'], ['--freeze=trunk', '--trunk_learning_rate=1e-4'],
      '--trunk_learning_rate=0.0001 has no effect with --freeze=trunk',
    ),
    (
      ['strategy=none|none:'], ['--virtual_devices=2'],
      '--virtual_devices=2: in every trial it has no effect without --strategy=mirrored',
    ),
  ],
)  # fmt: skip
def test_a_flag_that_no_trial_can_use_is_refused(over, passed, said):
  with pytest.raises(errors.ConfigError, match=said):
    space(*over, passed=passed)


def test_more_combinations_than_are_checked_still_show_what_hangs_on_another():
  many = ['seed=0..999', 'freeze=trunk|none', 'trunk_learning_rate=1e-4..1e-2']
  found = space(*many)
  assert any('trunk_learning_rate' in one for one in found.samples())
  assert left_out.lines(found, is_grid=False) == [
    'trunk_learning_rate has no effect with --freeze=trunk: such a trial goes without it'
  ]
