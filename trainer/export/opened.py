"""What a path names, opened to be asked: an export, or a run, which is exported first."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from exports import export_file, exported
from tfrecords.storage import half_written
from trainer.confidence import caution as caution_lib
from trainer.confidence import caution_flags
from trainer.devices import quiet
from trainer.export import exporting
from trainer.runs import run_folder, saved_run


def is_export(path: str) -> bool:
  """Whether a path names an export, and not a run."""
  return os.path.exists(os.path.join(path, export_file.FILE))


def caution_of(path: str, flags: caution_flags.CautionFlags) -> caution_lib.Caution:
  """Returns how the model of a run answers, for `opened`; an export answers as it was made.

  Args:
    path: Folder of an export or of a run.
    flags: What is asked.

  Raises:
    ConfigError: if the run does not say, or something is asked of an export.
  """
  if is_export(path):
    flags.check_export(path)
    return caution_lib.Caution()
  return flags.caution(run_folder.RunFolder(path).confidence_file)


@contextlib.contextmanager
def opened(
  path: str, *, caution: caution_lib.Caution | None = None, debug: bool = False
) -> Iterator[exported.Exported]:
  """Gives the model of an export, or of a run by an export that is gone afterwards.

  Args:
    path: Folder of an export or of a run.
    caution: How the logits of a run become answers; an export has its own.
    debug: Whether TensorFlow may say what it likes.

  Raises:
    ConfigError: if there is neither, or the run cannot be exported.
  """
  if is_export(path):
    export_file.load(path)  # What is wrong is told before TensorFlow is loaded.
    quiet.import_tensorflow(debug=debug)
    yield exported.Exported(path)
    return
  run = saved_run.load(path)
  exporting.check(run)
  quiet.import_tensorflow(debug=debug)
  with half_written.scratch('voxshard-export-') as folder:
    export = os.path.join(folder, 'export')  # Not the folder itself, which is held.
    made = exporting.make(run, caution=caution)
    exporting.write(made, export, [export_file.SAVED_MODEL], overwrite=False)
    yield exported.Exported(export)
