"""`name:key=value,...`: what is read, what is written back, and every sentence of refusal."""

import dataclasses
import re

import hypothesis
import pytest
from hypothesis import strategies as st

from schemas import errors, options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mel:
  num_mels: int = 80
  low_hz: float = 20.0
  centred: bool = False
  window: str = 'hann'

  def __post_init__(self):
    if self.num_mels < 1:
      raise errors.SchemaError(f'num_mels must be at least 1, got {self.num_mels}.')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pattern:
  pattern: str
  folder: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bare:
  pass


TABLE = {'mel': Mel, 'pattern': Pattern, 'bare': Bare}


def parse(text):
  return options.parse(text, TABLE, family='feature')


@pytest.mark.parametrize(
  ('text', 'wanted'),
  [
    ('mel', Mel()),
    ('mel:', Mel()),
    (' mel ', Mel()),
    ('mel:num_mels=40', Mel(num_mels=40)),
    ('mel:num_mels=40,low_hz=60', Mel(num_mels=40, low_hz=60.0)),
    ('mel: num_mels = 40 , low_hz = 1e2', Mel(num_mels=40, low_hz=100.0)),
    ('mel:centred=true', Mel(centred=True)),
    ('mel:centred=Yes', Mel(centred=True)),
    ('mel:centred=1', Mel(centred=True)),
    ('mel:centred=on', Mel(centred=True)),
    ('mel:centred=false', Mel(centred=False)),
    ('mel:centred=OFF', Mel(centred=False)),
    ('mel:centred=0', Mel(centred=False)),
    ('mel:centred=no', Mel(centred=False)),
    ('mel:window=', Mel(window='')),
    ('bare', Bare()),
    ('pattern:pattern={label}_{speaker}.wav', Pattern(pattern='{label}_{speaker}.wav')),
    ('pattern:pattern=gs://b/c=d', Pattern(pattern='gs://b/c=d')),
    (r'pattern:pattern=a\,b,folder=c', Pattern(pattern='a,b', folder='c')),
    (r'pattern:pattern=(\d+)\.wav', Pattern(pattern=r'(\d+)\.wav')),
  ],
)
def test_texts_are_read(text, wanted):
  name, settings = parse(text)
  assert (name, settings) == (text.strip().partition(':')[0].strip(), wanted)


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('patern', "No feature is called 'patern'. Did you mean 'pattern'? Known: bare, mel, pattern."),
    ('mell', "No feature is called 'mell'. Did you mean 'mel'? Known: bare, mel, pattern."),
    ('', "No feature is called ''. Known: bare, mel, pattern."),
    ('xyz:a=1', "No feature is called 'xyz'. Known: bare, mel, pattern."),
    (
      'mel:num_mel=4',
      "feature 'mel' has no setting 'num_mel'. Did you mean 'num_mels'? "
      'It has: num_mels, low_hz, centred, window.',
    ),
    ('bare:a=1', "feature 'bare' has no setting 'a'. It has: no settings."),
    (
      'mel:40',
      "feature 'mel': expected key=value, got '40'. Write mel:key=value,key=value; "
      'keys: num_mels, low_hz, centred, window.',
    ),
    ('mel:num_mels=4,', "feature 'mel': expected key=value, got ''."),
    ('mel:num_mels=4,num_mels=5', "feature 'mel': setting 'num_mels' is given twice."),
    ('mel:num_mels=many', "feature 'mel', num_mels: expected int, got 'many'."),
    ('mel:num_mels=4.5', "feature 'mel', num_mels: expected int, got '4.5'."),
    ('mel:low_hz=low', "feature 'mel', low_hz: expected float, got 'low'."),
    ('mel:centred=maybe', "feature 'mel', centred: expected true or false, got 'maybe'."),
    ('mel:num_mels=0', "feature 'mel': num_mels must be at least 1, got 0."),
    ('pattern', "feature 'pattern': "),
  ],
)
def test_what_is_wrong_is_said(text, sentence):
  with pytest.raises(errors.ConfigError, match=re.escape(sentence)):
    parse(text)


# A backslash before a comma makes it a part of the value, so a value may not end with one.
TEXTS = st.text(st.characters(exclude_categories=['Cs']), max_size=20).filter(
  lambda text: not text.endswith('\\')
)


@hypothesis.given(
  st.builds(
    Mel,
    num_mels=st.integers(1, 10**30),
    low_hz=st.floats(allow_nan=False),
    centred=st.booleans(),
    window=TEXTS,
  )
)
def test_every_setting_survives_its_text(settings):
  assert parse(options.format_option('mel', settings)) == ('mel', settings)


@hypothesis.given(st.builds(Pattern, pattern=TEXTS, folder=TEXTS))
def test_texts_with_commas_and_signs_survive(settings):
  assert parse(options.format_option('pattern', settings)) == ('pattern', settings)


@hypothesis.given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_sentence(text):
  try:
    parse(f'mel:{text}')
  except errors.ConfigError as error:
    assert 'mel' in str(error)


def test_defaults_are_not_written():
  assert options.format_option('mel', Mel()) == 'mel'
  assert options.format_option('mel', Mel(centred=True)) == 'mel:centred=true'
  assert options.format_option('pattern', Pattern(pattern='a,b')) == r'pattern:pattern=a\,b'


def test_a_table_of_good_settings_passes():
  options.check_table(TABLE)


def test_a_table_with_settings_that_no_text_can_give_is_refused():
  @dataclasses.dataclass(frozen=True)
  class Lists:
    sizes: tuple[int, ...] = ()

  @dataclasses.dataclass
  class Thawed:
    size: int = 1

  with pytest.raises(errors.SchemaError, match='lists.sizes: settings are of type bool, int'):
    options.check_table({'lists': Lists})
  with pytest.raises(errors.SchemaError, match='thawed: settings must be a frozen dataclass'):
    options.check_table({'thawed': Thawed})
  with pytest.raises(errors.SchemaError, match='plain: settings must be a frozen dataclass'):
    options.check_table({'plain': int})


@pytest.mark.parametrize(
  ('wrong', 'near'),
  [
    ('float16', ' Did you mean \'mixed_float16\'?'),
    ('bfloat16', ' Did you mean \'mixed_bfloat16\'?'),
    ('float23', ' Did you mean \'float32\'?'),
    ('double', ''),
  ],
)  # fmt: skip
def test_a_whole_part_of_a_name_is_nearer_than_another_name(wrong, near):
  assert options.did_you_mean(wrong, ('float32', 'mixed_float16', 'mixed_bfloat16')) == near
