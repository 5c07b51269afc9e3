"""How the streaming file of an export is fed: what of its description is refused."""

import json

import pytest

from exports import export_file, streaming_file
from schemas import errors
from tests.helpers import made_exports

FILE = 'model_streaming.tflite'


@pytest.fixture
def folder(tmp_path):
  formats = {export_file.LITERT_STREAMING: FILE}
  made_exports.make(tmp_path / 'export', formats=formats)
  made_exports.write_feeding(tmp_path / 'export')
  return tmp_path / 'export'


def loaded(folder, **changes):
  path = folder / streaming_file.DESCRIPTION
  path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
  return streaming_file.load(str(folder), export_file.load(str(folder)))


def test_how_a_file_is_fed_is_read_as_it_was_written(folder):
  found = loaded(folder)
  assert found == made_exports.FEEDING
  assert streaming_file.Feeding.from_json(found.to_json(), where='x') == found
  # 24 frames of 40 ms, 20 ms apart; five of them at a time.
  assert (found.window_samples, found.least_samples) == (4_000, 160 + 5 * 800)


@pytest.mark.parametrize(
  ('changes', 'text'),
  [
    ({'kind': 'windows'}, 'kind or a number is none'),
    ({'block_samples': 0}, 'kind or a number is none'),
    ({'block_samples': '800'}, "field 'block_samples' must be a whole number"),
    ({'block_samples': 810}, 'the first of the blocks of 810 samples .* is not number 5'),
    ({'first_block': 10**12}, 'is not number 1000000000000'),
    ({'window_frames': 5 * 10**9, 'first_block': 10**9}, 'a window has more than 67,108,864'),
    ({'states': [{'name': 'x', 'shape': [1, 160]}] * 2}, 'two states have the same name'),
    ({'states': []}, 'the first state must be of the 160 samples in front'),
    ({'states': [{'name': 'state_0', 'shape': [1, 161]}]}, 'must be of the 160 samples'),
    ({'states': [{'name': 'x', 'shape': [1, 160, 10**12]}]}, 'more than 67,108,864 values'),
    ({'sample_rate_hz': 16_000}, 'is of another export than the export.json beside it'),
  ],
)
def test_a_description_that_cannot_be_is_refused(changes, text, folder):
  with pytest.raises(errors.ConfigError, match=f'{text}.*[Ee]xport the run again'):
    loaded(folder, **changes)


@pytest.mark.parametrize('content', [None, b'', b'{', b'[' * 100_000, b'\xff', b'[]'])
def test_a_damaged_description_is_refused(content, folder):
  path = folder / streaming_file.DESCRIPTION
  path.unlink() if content is None else path.write_bytes(content)
  with pytest.raises(errors.ConfigError, match=r"model_streaming.json' cannot be read \(.*\)"):
    streaming_file.load(str(folder), export_file.load(str(folder)))
