import pytest

from beam_jobs.launching import flags
from schemas import errors

BASE = ('--source=folders', '--input=/x', '--output=/y')


def config(*argv):
  return flags.parse([*BASE, *argv]).config


def test_without_flags_the_demo_corpus_is_featurized():
  invocation = flags.parse([])
  assert (invocation.config.source, invocation.config.output) == ('synthetic', 'demo/data')
  assert invocation.runner == ''
  assert [spec.name for spec in invocation.config.features] == ['log_mel']


def test_values_arrive_where_they_belong():
  result = config(
    '--feature=log_mel:num_mels=64', '--feature=waveform', '--clip_seconds=0.5',
    '--sample_rate_hz=8000', '--split_by=take:test=0-4', '--validation_fraction=0',
    '--shard_mib=1', '--seed=7', '--name=digits', '--min_clip_seconds=0.1',
  )  # fmt: skip
  assert [(spec.name, spec.dtype) for spec in result.features] == [
    ('log_mel', 'float16'), ('waveform', 'int16'),
  ]  # fmt: skip
  assert result.features[0].shape == (48, 64)
  assert result.features[1].shape == (4_000,)
  assert result.split_by.settings.test == '0-4'
  assert result.fractions.validation == 0
  assert (result.shard_bytes, result.seed, result.name) == (1 << 20, 7, 'digits')
  assert result.min_clip_s == 0.1


def test_the_default_name_is_the_source():
  assert config().name == 'folders'


def test_options_of_beam_stand_beside_ours():
  argv = ['--runner=DataflowRunner', '--project=p', '--temp_location', 'gs://b/t', '--streaming']
  invocation = flags.parse([*BASE, *argv])
  assert invocation.runner == 'DataflowRunner'
  assert invocation.beam_arguments == ('--project=p', '--temp_location', 'gs://b/t', '--streaming')
  everything = flags.beam_options(invocation.beam_arguments).get_all_options()
  assert (everything['project'], everything['temp_location']) == ('p', 'gs://b/t')


def test_no_flag_of_ours_hides_one_of_beam():
  assert {f'--{name}' for name in flags.define()} & set(flags._beam_options()) == {'--runner'}


def test_the_local_runner_goes_by_several_names():
  assert flags.parse(BASE).is_local
  assert flags.parse([*BASE, '--runner=DirectRunner']).is_local
  assert not flags.parse([*BASE, '--runner=FlinkRunner']).is_local


@pytest.mark.parametrize(
  ('argv', 'sentence'),
  [
    (['--sourc=folders'], "No flag is called '--sourc'.* Did you mean '--source'"),
    (['--projct=p'], "Did you mean '--project'"),
    (['/data/audio'], "Expected flags such as --input=FOLDER, got '/data/audio'"),
    (['--source=foldrs'], "No source is called 'foldrs'. Did you mean 'folders'"),
    (['--feature=log_mle'], "No feature is called 'log_mle'. Did you mean 'log_mel'"),
    (['--feature=log_mel:mels=3'], "feature 'log_mel' has no setting 'mels'"),
    (['--feature=log_mel:num_mels=x'], "expected int, got 'x'"),
    (['--feature=log_mel', '--feature=log_mel:num_mels=64'], 'each kind once'),
    (['--clip_seconds=0.00001'], 'at least one sample long'),
    (['--balance=over'], 'undersample'),
    (['--sample=0'], r'--sample must be in \(0, 1\]'),
    (['--augment_copies=2'], 'give both or neither|Give both or neither'),
    (['--effect=low_pass:hz=9000'], 'below half the sample rate'),
    (['--feature=image'], 'pictures'),
    (['--clip_seconds=0.01'], 'window'),
    (['--clip_seconds=-1'], 'clip_seconds'),
    (['--workers=-1'], 'workers'),
    (['--workers=two'], 'workers'),
    (['--sample_rate_hz=0'], 'sample_rate_hz'),
    (['--test_fraction=0.7', '--validation_fraction=0.5'], 'leave something for train'),
    (['--max_reject_fraction=2'], r'must be in \[0, 1\]'),
    (['--min_clip_seconds=2'], 'must not be larger than --clip_seconds'),
    (['--min_clip_seconds=nan'], 'must not be larger than --clip_seconds'),
    (['--name=My Data'], "got 'My Data'"),
    (['--split_by=speaker:test=a,validation=a'], "names 'a' for validation and for test"),
    (['--streaming', 'x'], "got 'x'"),
  ],
)
def test_a_wrong_command_line_is_refused_with_a_sentence(argv, sentence):
  with pytest.raises(errors.VoxshardError, match=sentence):
    flags.parse([*BASE, *argv])


@pytest.mark.parametrize(
  ('argv', 'sentence'),
  [
    (['--source=folders', '--output=/y'], '--source=folders needs --input=FOLDER'),
    (['--source=folders', '--input=/x'], '--output=FOLDER, the folder for the data set'),
  ],
)
def test_what_must_be_given_is_asked_for(argv, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    flags.parse(argv)


def test_a_value_that_beam_refuses_is_a_sentence():
  with pytest.raises(errors.ConfigError, match='Beam says: .*invalid int value'):
    flags.beam_options(['--num_workers=many'])


def test_the_help_heads_every_flag_by_what_it_is_about_and_lists_families_with_defaults():
  text = flags.help_text('What it does.')
  grouped = [name for names in flags._GROUPS.values() for name in names]
  assert len(set(grouped)) == len(grouped)
  assert set(grouped) == set(flags.define()), 'Give each flag a place in flags._GROUPS.'
  for name in grouped:
    assert f'  --{name}' in text or f'  --[no]{name}' in text
  assert text.startswith('What it does.\n\nWhat is read:\n  --source=synthetic\n')
  assert '  --[no]tfds_metadata\n' in text and '  --overwrite\n' in text
  assert '  file_names: pattern={label}_{speaker}_{take}.wav\n' in text
  assert '  pre_emphasis: coefficient=0.97\n' in text
  assert '  time_shift: probability=1.0, max_shift_s=0.1\n' in text
  assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
  ('argument', 'sentence'),
  [
    ('--sample_rate_hz=8k', "--sample_rate_hz: expected a whole number, got '8k'. Write 8000."),
    ('--sample_rate_hz=22.05 kHz', "expected a whole number, got '22.05 kHz'. Write 22050."),
    ('--sample_rate_hz=fast', "--sample_rate_hz: expected a whole number, got 'fast'."),
    ('--clip_seconds=-1', "--clip_seconds: expected a number of at least 0, got '-1'."),
    ('--workers=-2', "--workers: expected a whole number of at least 0, got '-2'."),
    ('--max_clip_seconds=0', '--max_clip_seconds=0 has no effect without --clip_seconds=0.'),
    (['--clip_seconds=0', '--max_clip_seconds=0'], '--max_clip_seconds must be positive, got 0.0'),
    ('--clip_seconds=1e-9', '--clip_seconds must be 0 (clips as long as they are), or positive'),
    ('--channel=top', '--channel must be mix, loudest, left, right, or a number from 1'),
    ('--clip_seconds=1s', "--clip_seconds: expected a number, got '1s'."),
    ('--clip_position=left', "--clip_position: expected one of start, centre, end, got 'left'."),
    ('--plan=perhaps', "--plan: expected true or false, got 'perhaps'."),
    ('--feature', 'Missing value for flag --feature'),
  ],
)
def test_a_value_of_another_type_is_a_sentence(argument, sentence):
  with pytest.raises(errors.ConfigError) as caught:
    flags.parse([*BASE, *([argument] if isinstance(argument, str) else argument)])
  assert sentence in str(caught.value)


def test_a_comma_that_parts_a_value_is_told_how_to_write():
  with pytest.raises(errors.ConfigError) as caught:
    flags.parse(['--source=file_names:pattern={label},{take}.wav', '--input=/x', '--output=/y'])
  assert r"written '\,', in quotes: 'pattern={label}\,{take}.wav'." in str(caught.value)
  text = r'file_names:pattern={label}\,{take}.wav'
  assert config(f'--source={text}').source_settings.pattern == '{label},{take}.wav'


def test_an_underscore_in_a_number_is_python_s():
  assert config('--sample_rate_hz=16_000').audio.sample_rate_hz == 16_000
