"""Files of an export that are not what was exported are noticed before they are loaded."""

import dataclasses
import os
import shutil

import pytest

from exports import export_file, exported, file_digests, runtimes
from schemas import errors
from tests.helpers import made_exports

DATA = 'saved_model/variables/variables.index'


@pytest.fixture
def folder(tmp_path):
  folder = tmp_path / 'export'
  formats = {'saved_model': 'saved_model', 'litert': 'model.tflite'}
  export = made_exports.make(folder, formats=formats)
  (folder / 'model.tflite').write_bytes(b'no model')
  found = file_digests.of(str(folder))
  files = {name: digest for name, digest in found.items() if name != export_file.FILE}
  made_exports.write_description(folder, dataclasses.replace(export, files=files))
  return folder


def ask(folder, form):
  return runtimes.load(str(folder), form) if form == 'litert' else exported.Exported(str(folder))


@pytest.mark.parametrize(('form', 'file'), [('saved_model', DATA), ('litert', 'model.tflite')])
def test_a_file_that_was_changed_or_is_gone_is_named(folder, form, file):
  with pytest.raises(errors.ConfigError, match='cannot be read') as unchanged:
    ask(folder, form)  # It is no model, and yet what was written.
  assert 'whole' not in str(unchanged.value)
  (folder / file).write_bytes(b'other weights')
  with pytest.raises(errors.ConfigError, match=f"is not what was exported: '{file}' was changed"):
    ask(folder, form)
  os.remove(folder / file)
  with pytest.raises(errors.ConfigError, match=f"is not whole: '{file}' cannot be read"):
    ask(folder, form)


def test_what_is_not_asked_is_not_read_and_exports_of_before_are_believed(folder):
  export = export_file.load(str(folder))
  assert list(export.files) == ['model.tflite', 'saved_model/saved_model.pb', DATA]
  shutil.rmtree(folder / 'saved_model')
  file_digests.check(str(folder), export, 'litert')
  (folder / 'model.tflite').write_bytes(b'other weights')
  text = made_exports.json_form.dumps(
    {name: value for name, value in export.to_json().items() if name != 'files'}
  )
  (folder / export_file.FILE).write_text(text, encoding='utf-8')
  file_digests.check(str(folder), export_file.load(str(folder)), 'litert')


@pytest.mark.parametrize('files', [{'../x': '0' * 64}, {'/x': '0' * 64}, {'x': '0'}, {'x': 3}])
def test_digests_of_what_lies_elsewhere_are_refused(folder, files):
  value = {**export_file.load(str(folder)).to_json(), 'files': files}
  (folder / export_file.FILE).write_text(made_exports.json_form.dumps(value), encoding='utf-8')
  with pytest.raises(errors.ConfigError, match='files'):
    export_file.load(str(folder))
