"""From a command line to answers: what is found out before, and the job on its runner."""

import dataclasses
import os
import sys

from beam_jobs import sources, transforms
from beam_jobs.asking import (
  answer_steps,
  answers_folder,
  ask_config,
  ask_flags,
  finding_model,
  model_place,
)
from beam_jobs.launching import launch, preparing
from exports import submissions
from schemas import errors
from tfrecords import storage
from tfrecords.finishing import lock
from tfrecords.storage import cloud_errors


def run_job(invocation: ask_flags.AskInvocation) -> None:
  """Asks the model about everything that the source lists.

  Raises:
    VoxshardError: what is wrong with the model, the corpus or the output; what a worker found
      wrong, wherever it ran.
  """
  asked = invocation.asked
  launch.check_runner(invocation, source=invocation.input, output=asked.output)
  if invocation.is_local:
    model_place.check_tensorflow()
  is_export = finding_model.is_export(asked.model)
  if is_export and asked.export_flags:
    raise errors.ConfigError(
      f'--export_flags={asked.export_flags!r} are for a run, and the export in {asked.model!r} '
      'answers as it was made. Leave them away, or export the run again with them.'
    )
  with launch.scratch_folder() as scratch:
    model = asked.model
    if is_export and '://' in model:
      model = _fetched(model, os.path.join(scratch, finding_model.FOLDER))
    if is_export:  # What is wrong with it is told before anything is written.
      config_of(invocation, model)
    source = sources.SOURCES[invocation.source]
    preparing.opened(
      source, invocation.input, settings=invocation.source_settings, all_files=asked.all_files
    )
    with lock.held(asked.output):
      folder = answers_folder.AnswersFolder(asked.output)
      folder.claim(invocation.settings(), overwrite=asked.overwrite)
      if not is_export:
        model = _exported(invocation, folder, scratch)
      config = config_of(invocation, model)
      for sentence in _said(config):
        print(f'note: {sentence}', file=sys.stderr)
      if not invocation.is_local:
        config = dataclasses.replace(config, model=_packed(config, folder))
      _run(invocation, config, folder, scratch)


def _run(
  invocation: ask_flags.AskInvocation,
  config: ask_config.AskConfig,
  folder: answers_folder.AnswersFolder,
  scratch: str,
) -> None:
  channel = launch.channel_of(invocation, folder.notes, scratch=scratch)
  launch.run_pipeline(
    invocation,
    lambda root: answer_steps.build(root, transforms.Job(config, channel)),
    channel,
    scratch=scratch,
    doing='asking',
    remove_leftovers=folder.remove_leftovers,
  )


def _fetched(model: str, target: str) -> str:
  """Copies an export out of a bucket; returns where it lies now."""
  try:
    model_place.fetch(model, target)
  except OSError as error:
    raise errors.ConfigError(
      f'--model={model!r} cannot be read: {cloud_errors.why(error)}.'
    ) from error
  return target


def _exported(
  invocation: ask_flags.AskInvocation, folder: answers_folder.AnswersFolder, scratch: str
) -> str:
  """Exports the run that is named as the model; returns where the export lies."""
  asked = invocation.asked
  # In a bucket there would be no disk for it; workers get it packed then.
  place = folder.folder if folder.files is storage.LOCAL else scratch
  return finding_model.export_run(
    asked.model,
    finding_model.check_flags(asked.export_flags),
    target=os.path.join(place, finding_model.FOLDER),
  )


def config_of(invocation: ask_flags.AskInvocation, model: str) -> ask_config.AskConfig:
  """Returns the configuration of the job, with a model that was found to fit."""
  asked = invocation.asked
  export = finding_model.load(model)
  return ask_config.AskConfig(
    source=invocation.source,
    source_settings=invocation.source_settings,
    input=invocation.input,
    output=asked.output,
    export=export,
    model=model_place.ModelPlace(
      path=os.path.abspath(model), digest=model_place.digest(model), threads=asked.model_threads
    ),
    all_files=asked.all_files,
    format=asked.format,
    top=asked.top,
    probabilities=asked.probabilities,
    windows=asked.windows_for(export.audio, most_samples=export.most_samples),
    batch_clips=asked.batch_clips,
    shard_clips=asked.shard_clips,
    max_decode_s=asked.max_decode_s,
    max_reject_fraction=asked.max_reject_fraction,
    settings=invocation.settings(),
  )


def _said(config: ask_config.AskConfig) -> tuple[str, ...]:
  """Returns what is to be said of the labels of a submission."""
  if not config.is_submission:
    return ()
  return submissions.challenge(config.export.labels).sentences


def _packed(
  config: ask_config.AskConfig, folder: answers_folder.AnswersFolder
) -> model_place.ModelPlace:
  """Puts the model where all workers see it: into the output, among the notes."""
  name = model_place.packed_name(config.model.digest)
  path = folder.files.join(folder.notes.path, name)
  for other in folder.files.list_dir(folder.notes.path):
    if model_place.is_packed(other) and other != name:
      folder.files.remove(folder.files.join(folder.notes.path, other))
  if not folder.files.exists(path):
    model_place.pack(config.model.path, path, folder.files)
  return dataclasses.replace(config.model, path=path)
