"""export.json that says what cannot be, and a SavedModel that is not the one it tells of."""

import json

import pytest

from exports import export_file
from schemas import errors
from tests.helpers import made_exports


@pytest.mark.parametrize(
  'changes, wanted',
  [
    ({'labels': []}, 'labels must be there and differ'),
    ({'labels': ['no', 'no', 'yes']}, 'labels must be there and differ'),
    ({'labels': ['no', '\ud800', 'yes']}, 'half of a character'),
    ({'temperature': 0}, 'temperature must be positive'),
    ({'none_score': 'odd'}, 'none_score must be softmax, energy'),
    ({'formats': {'saved_model': '../saved_model'}}, 'the name of what lies in the folder'),
    ({'formats': {'saved_model': '/saved_model'}}, 'the name of what lies in the folder'),
    ({'formats': {'saved_model': '..'}}, 'the name of what lies in the folder'),
    ({'formats': {'saved_model': ''}}, 'the name of what lies in the folder'),
    ({'formats': {'saved_model': 3}}, 'the name of what lies in the folder'),
    ({'most_samples': 3}, 'do not fit the clips'),
    ({'audio': None}, 'do not fit the clips'),
    ({'moved_in_time': 'no'}, 'must be true, false or null, got str'),
    ({'model': ['a']}, r"cannot be read \(field 'model' must be a string"),
    ({'most_samples': int('9' * 4000)}, r'9\.\.\.\)'),
  ],
)
def test_what_cannot_be_is_refused(tmp_path, changes, wanted):
  made_exports.make(tmp_path)
  file = tmp_path / export_file.FILE
  file.write_text(json.dumps(json.loads(file.read_text('utf-8')) | changes), encoding='utf-8')
  with pytest.raises(errors.ConfigError, match=wanted) as found:
    export_file.load(str(tmp_path))
  assert '--overwrite' in str(found.value) and len(str(found.value)) < 600


@pytest.mark.parametrize('moved', [True, False, None])
def test_it_is_said_whether_clips_were_moved_in_time(tmp_path, moved):
  made_exports.make(tmp_path, moved_in_time=moved)
  assert export_file.load(str(tmp_path)).moved_in_time is moved


@pytest.mark.parametrize('gone', [('moved_in_time',), ('moved_in_time', 'files')])
def test_exports_of_before_are_read_and_say_nothing_of_it(tmp_path, gone):
  made_exports.make(tmp_path, moved_in_time=True)
  file = tmp_path / export_file.FILE
  value = json.loads(file.read_text('utf-8'))
  for name in gone:
    del value[name]
  file.write_text(json.dumps(value), encoding='utf-8')
  assert export_file.load(str(tmp_path)).moved_in_time is None


@pytest.mark.parametrize('least, is_right', [(1, True), (640, True), (0, False), (10**13, False)])
def test_clips_of_any_length_are_padded_to_little(tmp_path, least, is_right):
  audio = made_exports.audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=0.0)
  if is_right:
    assert made_exports.make(tmp_path, audio=audio, min_samples=least) == export_file.load(
      str(tmp_path)
    )
    return
  with pytest.raises(errors.SchemaError, match='do not fit'):
    made_exports.make(tmp_path, audio=audio, min_samples=least)
