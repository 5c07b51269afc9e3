"""The table of formats. A new one is a file of this folder with `write`, and a line here."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping

from exports import export_file
from schemas import errors
from trainer.export import (
  keras_format,
  litert_format,
  litert_streaming_format,
  onnx_format,
  saved_model_format,
)
from trainer.export import made as made_lib
from trainer.runs import saved_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
  """One form of a model.

  Attributes:
    write: From what is exported and a folder to the name of what was written into it.
    check: Raises ConfigError, before TensorFlow is loaded, for a run that has no such form.
    package: The module that is needed to write it, beside TensorFlow; '' for none.
    extra: What of setup.py brings it, and the library that runs such a file.
    is_calibrated: Whether it needs clips of the train split.
  """

  write: Callable[[made_lib.Made, str], str]
  check: Callable[[saved_run.SavedRun], None] = lambda run: None
  package: str = ''
  extra: str = ''
  is_calibrated: bool = False


FORMATS: Mapping[str, Format] = {
  export_file.SAVED_MODEL: Format(write=saved_model_format.write),
  export_file.KERAS: Format(write=keras_format.write, check=keras_format.check),
  export_file.LITERT: Format(write=litert_format.write_float, extra='litert'),
  export_file.LITERT_DYNAMIC: Format(write=litert_format.write_dynamic, extra='litert'),
  export_file.LITERT_INT8: Format(
    write=litert_format.write_int8, extra='litert', is_calibrated=True
  ),
  export_file.LITERT_STREAMING: Format(
    write=litert_streaming_format.write, check=litert_streaming_format.check, extra='litert'
  ),
  export_file.ONNX: Format(write=onnx_format.write, package='tf2onnx', extra='onnx'),
}


def check(name: str, *runs: saved_run.SavedRun) -> None:
  """Raises ConfigError, before TensorFlow is loaded, where a format cannot be made of runs.

  Args:
    name: A key of FORMATS.
    *runs: The one whose model it is, and that of the trunk where there is another.
  """
  form = FORMATS[name]
  if form.package and importlib.util.find_spec(form.package) is None:
    raise errors.ConfigError(
      f'--format={name} needs {form.package}, which is not installed: '
      f"pip install 'voxshard[{form.extra}]'."
    )
  for run in runs:
    form.check(run)
