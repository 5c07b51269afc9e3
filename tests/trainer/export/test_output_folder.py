"""Where an export is written to: nothing else is lost, and nothing is left half-written."""

import os
import signal
import subprocess
import sys
import types

import pytest

from exports import export_file
from schemas import errors
from trainer.export import exporting, saved_model_format


def write(folder, *names):
  folder.mkdir(exist_ok=True)
  for name in names:
    (folder / name).write_text(f'the old {name}')
  return str(folder)


def replace(folder):
  with exporting.replaced(folder, overwrite=True) as path:
    with open(os.path.join(path, export_file.FILE), 'w', encoding='utf-8') as stream:
      stream.write('new')


WHOLE = (
  export_file.FILE, export_file.LABELS, 'MODEL_CARD.md', 'saved_model', 'model.keras', 'model.onnx',
  'model.tflite', 'model_int8.tflite', 'model_streaming.tflite', 'model_streaming.json',
)  # fmt: skip


@pytest.mark.parametrize('names', [(), WHOLE])
def test_an_export_or_nothing_is_replaced(tmp_path, names):
  replace(write(tmp_path / 'x', *names))
  assert os.listdir(tmp_path) == ['x'] and os.listdir(tmp_path / 'x') == [export_file.FILE]


@pytest.mark.parametrize(
  'names', [('notes.txt',), (*WHOLE, 'notes.txt'), (*WHOLE, 'checkpoints'), WHOLE[1:]]
)
def test_what_else_lies_there_is_not_lost(tmp_path, names):
  folder = write(tmp_path / 'x', *names)
  with pytest.raises(errors.ConfigError, match='something else than an export'):
    replace(folder)
  assert os.listdir(tmp_path) == ['x'] and sorted(os.listdir(folder)) == sorted(names)


def test_a_link_stays_one(tmp_path):
  write(tmp_path / 'x', export_file.FILE)
  os.symlink('x', tmp_path / 'link')
  replace(str(tmp_path / 'link'))
  assert sorted(os.listdir(tmp_path)) == ['link', 'x'] and os.readlink(tmp_path / 'link') == 'x'
  assert (tmp_path / 'x' / export_file.FILE).read_text() == 'new'
  os.symlink('nowhere', tmp_path / 'broken')
  with pytest.raises(errors.ConfigError, match='a link to nothing'):
    replace(str(tmp_path / 'broken'))


def test_the_old_export_comes_back_where_the_new_one_cannot_come(tmp_path, monkeypatch):
  folder = write(tmp_path / 'x', export_file.FILE)
  rename, calls = os.rename, []

  def stopped(source, target):
    calls.append(target)
    if len(calls) == 2:
      raise KeyboardInterrupt
    rename(source, target)

  monkeypatch.setattr(os, 'rename', stopped)
  with pytest.raises(KeyboardInterrupt):
    replace(folder)
  assert os.listdir(tmp_path) == ['x']
  assert (tmp_path / 'x' / export_file.FILE).read_text() == f'the old {export_file.FILE}'


def test_a_disk_that_is_full_in_tensorflow_is_one_in_python(tmp_path, monkeypatch):
  import tensorflow as tf

  def save(module, path, signatures):
    raise tf.errors.ResourceExhaustedError(None, None, f'{path}/x.pb; No space left on device')

  monkeypatch.setattr(saved_model_format, 'served', lambda made, labels_file: (None, {}))
  monkeypatch.setattr(tf.saved_model, 'save', save)
  made = types.SimpleNamespace(export=types.SimpleNamespace(labels=('no', 'yes')))
  with (
    pytest.raises(errors.DatasetError, match='the export: No space left on device '),
    exporting.replaced(str(tmp_path / 'x'), overwrite=False) as path,
  ):
    saved_model_format.write(made, path)
  assert not os.listdir(tmp_path)


def test_calibration_data_without_what_needs_it_is_refused():
  with pytest.raises(errors.ConfigError, match='no effect without --format=litert_int8'):
    exporting.ExportConfig(output='x', calibration_data='y')


KILLED = """
import os, signal, sys
from trainer.export import exporting
folder, step = sys.argv[1:]
rename, done = os.rename, []
def last(source, target):
  rename(source, target)
  os.kill(os.getpid(), signal.SIGKILL)
with exporting.replaced(folder, overwrite=True) as path:
  with open(path + '/export.json', 'w') as stream:
    stream.write('new')
  if step == 'writing':
    os.kill(os.getpid(), signal.SIGKILL)
  os.rename = last
"""


@pytest.mark.parametrize('step', ['writing', 'replacing'])
def test_what_a_killed_export_left_goes_with_the_next_and_the_old_one_comes_back(
  tmp_path, step, capsys
):
  folder = write(tmp_path / 'x', export_file.FILE)
  (tmp_path / 'x2.tmp-mine').mkdir()
  done = subprocess.run([sys.executable, '-c', KILLED, folder, step], check=False)
  assert done.returncode == -signal.SIGKILL and len(os.listdir(tmp_path)) == 3
  with pytest.raises(RuntimeError), exporting.replaced(folder, overwrite=True):
    assert capsys.readouterr().err.startswith(f"note: removed '{folder}.tmp-")
    assert len(os.listdir(tmp_path)) == 3  # The new one.
    raise RuntimeError
  assert sorted(os.listdir(tmp_path)) == ['x', 'x2.tmp-mine']
  assert (tmp_path / 'x' / export_file.FILE).read_text() == f'the old {export_file.FILE}'


def test_who_is_late_replaces_no_export_without_being_told_to(tmp_path):
  folder = str(tmp_path / 'x')
  with (
    pytest.raises(errors.ConfigError, match='holds an export already'),
    exporting.replaced(folder, overwrite=False) as path,
  ):
    (tmp_path / path / 'of the second').touch()
    with exporting.replaced(folder, overwrite=False) as first:
      (tmp_path / first / export_file.FILE).touch()
  assert os.listdir(tmp_path) == ['x'] and os.listdir(folder) == [export_file.FILE]
