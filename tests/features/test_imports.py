"""What a worker pays for: importing this package must not bring in the heavy ones."""

import subprocess
import sys

PROGRAM = """
import sys
import features
from features import extractor, stored_form
from features.decoding import clips, wav
heavy = {heavy!r}
found = sorted(set(heavy) & {{name.partition('.')[0] for name in sys.modules}})
print(','.join(found))
"""


def heavy_after(program: str, *heavy: str) -> str:
  completed = subprocess.run(
    [sys.executable, '-c', program.format(heavy=heavy)], capture_output=True, text=True, check=True
  )
  return completed.stdout.strip()


def test_importing_features_imports_no_framework():
  assert heavy_after(PROGRAM, 'tensorflow', 'keras', 'librosa', 'apache_beam', 'tfrecords') == ''


def test_decoders_are_loaded_when_they_are_needed():
  assert heavy_after(PROGRAM, 'soundfile', 'soxr', 'PIL', 'matplotlib') == ''


def test_the_test_sees_what_is_imported():
  assert heavy_after('import soundfile\n' + PROGRAM, 'soundfile', 'keras') == 'soundfile'
