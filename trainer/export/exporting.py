"""Exports the model of a run: it takes raw audio, or pictures, and needs none of our packages.

  python -m trainer.export --run_dir=RUN --output=DIR
  python -m trainer.export --run_dir=RUN --output=DIR --format=keras,litert,onnx --measure
  python -m trainer.export --run_dir=RUN --output=DIR --format=litert_int8 --calibrated

In it are the effects, the feature, its normalisation, the network, the softmax, and with
--calibrated the temperature that the run found on its validation split. One channel, the rate,
trimming and cutting are the caller's: export.json says which. MODEL_CARD.md tells the rest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence

from exports import export_file, file_digests
from pages import text_table
from schemas import command, errors, json_form, limits, splits
from schemas import medium as media
from tfrecords import command_line, storage
from tfrecords.storage import half_written
from trainer.confidence import caution as caution_lib
from trainer.confidence import caution_flags
from trainer.devices import quiet
from trainer.export import (
  formats,
  on_embeddings,
  quantization_clips,
  split_clips,
  waveform_model,
)
from trainer.export import made as made_lib
from trainer.export.card import measured, model_card
from trainer.judging import compatibility
from trainer.models import anatomy, front_end
from trainer.runs import library_versions, run_folder, saved_run

# What lies in an export, whichever formats it has.
_NAMES = (
  export_file.FILE,
  export_file.LABELS,
  export_file.SAVED_MODEL,
  model_card.FILE,
)
# What an export is called while another takes its place.
_OLD = '.old'
_MODEL_FILE = re.compile(r'model\w*\.(keras|tflite|onnx|json)')


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig(caution_flags.CautionFlags):
  """One field per flag."""

  run_dir: str = command_line.flag(
    saved_run.DEFAULT_RUN_DIR, 'Folder of a run of the trainer.', is_path=True
  )
  checkpoint: str = command_line.flag(
    run_folder.BEST, 'Which model of the run.', choices=saved_run.CHECKPOINTS
  )
  output: str = command_line.flag('', 'Folder for the export; it must not exist.', is_path=True)
  overwrite: bool = command_line.flag(False, 'Replace an export that is there.')
  format: tuple[str, ...] = command_line.flag(
    (export_file.SAVED_MODEL,), f'Which of {", ".join(formats.FORMATS)}; several with commas.'
  )
  calibration_data: str = command_line.flag(
    '',
    'Data set whose train split gives the ranges of litert_int8; empty: that of the training.',
    is_path=True,
    needs=(f'format={export_file.LITERT_INT8}',),
  )
  licence: str = command_line.flag('', 'Licence of the model, for MODEL_CARD.md.')
  measure: bool = command_line.flag(
    False,
    'Measure each format: bytes, milliseconds a clip, and accuracy on the test split by the files '
    'that its clips were made of.',
  )
  measure_clips: int = command_line.flag(
    2_000,
    'Clips of the test split that --measure takes at most.',
    limits=limits.COUNT,
    needs=('measure',),
  )

  def __post_init__(self) -> None:
    command_line.check(self)
    self.check_caution(
      other_checkpoint=self.checkpoint if self.checkpoint != run_folder.BEST else ''
    )
    if not self.output:
      raise errors.ConfigError('Name a folder for the export: --output=FOLDER.')
    unknown = [name for name in self.names if name not in formats.FORMATS]
    if unknown or not self.names:
      raise errors.ConfigError(
        f'--format: expected some of {", ".join(formats.FORMATS)}, got '
        f'{", ".join(unknown) or "none"}.'
      )

  @property
  def names(self) -> tuple[str, ...]:
    """The formats, each once."""
    given = (name.strip() for text in self.format for name in text.split(','))
    return tuple(dict.fromkeys(filter(None, given)))


def main(arguments: Sequence[str]) -> None:
  """Exports what the arguments ask for, and says what was written.

  Raises:
    ConfigError: if the run cannot be exported, or the folder is taken.
  """
  config = command_line.parse(ExportConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  run = saved_run.load(config.run_dir)
  check(run, config.names)
  caution = config.caution(run.folder.confidence_file)
  check_output(config.output, overwrite=config.overwrite)
  clips = None
  if any(formats.FORMATS[name].is_calibrated for name in config.names):
    clips = calibration_clips(run, config.calibration_data)
  quiet.import_tensorflow(debug=command.is_on('debug', arguments))
  made = make(run, checkpoint=config.checkpoint, caution=caution, clips=clips)
  found = write(
    made,
    config.output,
    config.names,
    overwrite=config.overwrite,
    licence=config.licence,
    measure_clips=config.measure_clips if config.measure else 0,
    say=functools.partial(print, flush=True),
  )
  for note in (run.versions_note, caution.note, found.measured.get('note', '')):
    if note:
      print(f'note: {note}')
  if found.measured:
    print(text_table.lay_out(measured.lines(found.measured, found.medium)))
  print(f'export   {config.output} ({", ".join(config.names)})')


def check(run: saved_run.SavedRun, names: Sequence[str] = (export_file.SAVED_MODEL,)) -> None:
  """Raises ConfigError, before TensorFlow is loaded, for a run that cannot be exported.

  Args:
    run: What was trained.
    names: The formats.
  """
  run.check_network()
  heard = _heard(run)
  waveform_model.check(heard)
  for name in names:
    formats.check(name, run, heard)


def _heard(run: saved_run.SavedRun) -> saved_run.SavedRun:
  """Returns the run that takes clips: the same, or that whose trunk made its embeddings."""
  return on_embeddings.trunk_run(run) if on_embeddings.is_embedded(run) else run


def calibration_clips(run: saved_run.SavedRun, data_dir: str = '') -> split_clips.Clips:
  """Returns the clips whose values tell the ranges of 8 bits.

  Args:
    run: What was trained.
    data_dir: A data set; '' for that of the training.

  Raises:
    ConfigError: if it is gone, or does not fit.
  """
  heard = _heard(run)
  if not data_dir and heard is not run:
    data_dir = str(run.manifest.config['extracted']['data_dir'])
  try:
    clips = split_clips.load(heard, data_dir=data_dir)
  except errors.VoxshardError as error:
    raise errors.ConfigError(
      f'--format={export_file.LITERT_INT8} needs clips of the train split, whose values tell the '
      f'ranges of 8 bits. {error} Or name a data set of the same settings with --calibration_data.'
    ) from error
  if not clips.dataset.num_records(splits.TRAIN):
    raise errors.ConfigError(
      f'--format={export_file.LITERT_INT8}: the data set in {clips.data_dir!r} has no train split, '
      'whose values tell the ranges of 8 bits. Name another with --calibration_data.'
    )
  return clips


def make(
  run: saved_run.SavedRun,
  *,
  checkpoint: str = run_folder.BEST,
  caution: caution_lib.Caution | None = None,
  clips: split_clips.Clips | None = None,
) -> made_lib.Made:
  """Returns what is exported of a run.

  Args:
    run: What was trained.
    checkpoint: Which of its models.
    caution: How logits become answers; None: the label of the highest, and their softmax.
    clips: What tells the ranges of 8 bits; None where no format needs them.

  Raises:
    ConfigError: if a model cannot compute what the run's model takes.
  """
  caution = caution or caution_lib.Caution()
  check(run)
  # What takes clips: the run itself, or the one whose trunk made its embeddings.
  heard, parts = _heard(run), front_end.parts(run.load_model(checkpoint))
  if heard is not run:
    parts = on_embeddings.joined(run, heard, parts[1])
  computed, network = parts
  network = anatomy.for_any_device(network)
  audio = heard.manifest.audio
  is_variable = heard.feature.is_variable
  return made_lib.Made(
    run=run,
    heard=heard,
    computed=computed,
    network=network,
    needs_lengths=waveform_model.needs_lengths(heard),
    calibration=quantization_clips.values(clips, computed) if clips else (),
    export=export_file.Export(
      model=run.model_text,
      labels=run.manifest.labels,
      audio=audio,
      feature=heard.feature,
      min_samples=waveform_model.min_samples(heard) if audio and is_variable else 1,
      most_samples=_most_samples(run, heard) if audio else 0,
      temperature=caution.temperature,
      none_score=caution.score,
      none_threshold=caution.threshold,
      formats={},
      moved_in_time=run.moved_in_time if audio else None,
      origin={
        'run': os.path.basename(os.path.abspath(run.folder.path)),
        'checkpoint': checkpoint,
        'checkpoint_sha256': run.folder.model_digest(checkpoint),
        'manifest_sha256': run.manifest_sha256,
        'versions': library_versions.here(),
      },
    ),
  )


def _most_samples(*runs: saved_run.SavedRun) -> int:
  """Returns the most samples of a clip that all of these take; 0: any."""
  audio = runs[-1].manifest.audio
  if audio and audio.clip_samples:
    return audio.clip_samples
  return min(filter(None, map(compatibility.most_samples, runs)), default=0)


def write(
  made: made_lib.Made,
  folder: str,
  names: Sequence[str],
  *,
  overwrite: bool,
  licence: str = '',
  measure_clips: int = 0,
  say: Callable[[str], None] = lambda line: None,
) -> export_file.Export:
  """Writes an export, whole or not at all, and returns what it is.

  Args:
    made: What is exported.
    folder: Its folder.
    names: Of formats.FORMATS.
    overwrite: Whether an export that is there is replaced.
    licence: Of the model, as its owner says.
    measure_clips: So many clips of the test split measure each format; 0: it is not measured.
    say: Gets a line before each step that may take long.

  Raises:
    ConfigError: if something else is there, or the model has no such format.
    StorageError: if the disk does not take it.
  """
  with replaced(folder, overwrite=overwrite) as path:
    written = {}
    for name in names:
      say(f'writes   {name}')
      written[name] = formats.FORMATS[name].write(made, path)
    export = dataclasses.replace(
      made.export, formats=written, files=file_digests.of(path), licence=licence
    )
    _put(path, export_file.LABELS, export_file.labels_text(export.labels))
    _put(path, export_file.FILE, json_form.dumps(export.to_json()))
    if measure_clips:
      noun = media.example(export.medium)
      say(f'asks     each about up to {measure_clips:,} {noun}s of the test split')
      found = measured.measure(made, path, names, most_clips=measure_clips)
      export = dataclasses.replace(export, measured=found)
      _put(path, export_file.FILE, json_form.dumps(export.to_json()))
    _put(path, model_card.FILE, model_card.text(made, path, licence=licence))
  return export


def _put(folder: str, name: str, text: str) -> None:
  # Labels may hold bytes that are no UTF-8.
  storage.write_atomically(os.path.join(folder, name), text.encode('utf-8', 'surrogateescape'))


def check_output(folder: str, *, overwrite: bool) -> None:
  """Raises ConfigError if a folder may not be written to; nothing is touched."""
  storage.check_output(folder)
  if '://' in folder:
    raise errors.ConfigError(
      f'--output={folder}: an export is written to a folder of this machine. Copy it from there.'
    )
  if not os.path.lexists(folder):
    return
  if not os.path.isdir(folder):
    kind = 'a link to nothing' if os.path.islink(folder) else 'a file'
    raise errors.ConfigError(f'--output={folder} is {kind}. Name a folder.')
  names = sorted(os.listdir(folder))
  # All of it is replaced: what no export writes, such as a whole run, would be lost.
  others = [name for name in names if not _is_written(name)]
  if names and (others or export_file.FILE not in names):
    raise errors.ConfigError(
      f'--output={folder} holds something else than an export'
      f'{f", such as {others[0]!r}" if others else ""}. Name another folder.'
    )
  if names and not overwrite:
    raise errors.ConfigError(
      f'--output={folder} holds an export already. Write --overwrite to replace it, or name '
      'another folder.'
    )


def _is_written(name: str) -> bool:
  """Whether something of this name is part of an export, whichever formats it has."""
  return name in _NAMES or _MODEL_FILE.fullmatch(name) is not None


@contextlib.contextmanager
def replaced(folder: str, *, overwrite: bool) -> Iterator[str]:
  """Gives a folder to write to, which takes the place of `folder` when all went well."""
  check_output(folder, overwrite=overwrite)
  folder = os.path.realpath(folder)  # A link stays one, and what it names is replaced.
  prefix = f'{folder}{storage.TEMPORARY_MARK}'
  with storage.naming_failures('the export', path=folder):
    _give_back(folder, prefix)
    with half_written.folder(prefix) as temporary:
      old = f'{temporary}{_OLD}'
      try:
        yield temporary
        if os.path.isdir(folder):
          check_output(folder, overwrite=overwrite)  # Another process may have been quicker.
          with _held(folder):
            os.rename(folder, old)
            os.rename(temporary, folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
          os.rename(temporary, folder)
      except BaseException:
        if os.path.isdir(old) and not os.path.lexists(folder):
          os.rename(old, folder)  # Stopped between the two.
        raise


@contextlib.contextmanager
def _held(folder: str) -> Iterator[None]:
  """Lets nobody take what is being replaced for what a killed process left."""
  with contextlib.ExitStack() as stack:
    with contextlib.suppress(OSError):  # A file system without locks.
      stack.callback(os.close, half_written.locked(folder))
    yield


def _give_back(folder: str, prefix: str) -> None:
  """Gives the old export its name again, if a process was killed while it replaced it."""
  for old in half_written.of_prefix(prefix):
    if not old.endswith(_OLD):
      continue
    try:
      os.close(half_written.locked(old))
    except BlockingIOError:
      continue
    except OSError:  # A file system without locks.
      pass
    if not os.path.lexists(folder):
      os.rename(old, folder)
      print(f'note: {folder!r} is again the export that a killed process was about to replace.')


def run_program() -> int:
  """Runs the program with the arguments of the process; returns its exit code."""
  return command.run(main, sys.argv[1:], stopped=command.AGAIN)
