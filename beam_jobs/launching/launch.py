"""Runs a job: on local worker processes, in process, or on any Beam runner."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

import apache_beam as beam
from apache_beam import runners
from apache_beam.options import pipeline_options
from apache_beam.runners.portability.fn_api_runner import fn_runner

from beam_jobs import config as config_lib
from beam_jobs import pipeline, transforms
from beam_jobs.launching import (
  beam_logs,
  cancelling,
  dataflow,
  explaining,
  flags,
  local_runner,
  preparing,
  progress,
)
from beam_jobs.output import folder as folder_lib
from beam_jobs.processes import held_folder, side_channel
from schemas import errors
from tfrecords.finishing import lock

_LOG_TAIL_CHARS = 4_000


def run_job(invocation: flags.Invocation) -> None:
  """Makes the corpus where the source makes its own, then runs the job to its end.

  Raises:
    VoxshardError: what a worker found wrong, wherever it ran.
  """
  if not invocation.is_local:
    _named_runner(invocation.runner)  # Before anything is written.
  if invocation.runner in dataflow.RUNNERS:
    dataflow.check(flags.beam_options(invocation.beam_arguments), invocation.config)
  config = preparing.prepare(invocation.config)
  with lock.held(config.output), _scratch_folder() as scratch:
    folder_lib.prepare(config)
    dataset = folder_lib.unfinished(config)
    channel = side_channel.SideChannel(dataset.notes)
    channel.forget_failure()
    if invocation.is_local:
      channel = side_channel.SideChannel(folder=scratch)
    try:
      _run(invocation, config, channel, scratch=scratch)
    except BaseException:
      if invocation.is_local:
        dataset.remove_leftovers()  # A full disk needs the room.
      raise


@contextlib.contextmanager
def _scratch_folder() -> Iterator[str]:
  """Gives a folder for what workers on this machine have to say; a killed job's is removed."""
  prefix = os.path.join(tempfile.gettempdir(), 'voxshard-job-')
  with contextlib.ExitStack() as stack:
    try:
      folder = stack.enter_context(held_folder.held(prefix))
    except OSError as error:
      raise errors.ConfigError(
        f'No folder can be made in {tempfile.gettempdir()!r}: {error.strerror or error}. Make room '
        'there, or name another place with TMPDIR=FOLDER.'
      ) from error
    yield folder


def _run(
  invocation: flags.Invocation,
  config: config_lib.FeaturizeConfig,
  channel: side_channel.SideChannel,
  *,
  scratch: str,
) -> None:
  """Runs the pipeline; workers on this machine log in the folder `scratch`."""
  # Workers print the traceback of every error. The user gets the sentence, which the worker left in
  # the side channel; what it printed is shown only where there is none.
  log_path = '/dev/stderr' if invocation.debug else os.path.join(scratch, 'workers.log')
  root = _pipeline(invocation, log_path=log_path)
  pipeline.build(root, transforms.Job(config, channel))
  try:
    with (
      beam_logs.shown(debug=invocation.debug, is_local=invocation.is_local),
      progress.showing(channel) if invocation.is_local else contextlib.nullcontext(),
      explaining.explaining(channel),
    ):
      cancelling.run(root)
  except errors.VoxshardError:
    raise
  except Exception as error:
    if not invocation.is_local:
      raise errors.ConfigError(
        f'--runner={invocation.runner} did not run the job: {explaining.said_by_runner(error)} '
        '(--debug shows where). Check its options, such as the address of the cluster.'
      ) from error
    if not invocation.debug and os.path.exists(log_path):
      with open(log_path, encoding='utf-8', errors='replace') as log:
        print(log.read()[-_LOG_TAIL_CHARS:], file=sys.stderr)
    raise


def _pipeline(invocation: flags.Invocation, *, log_path: str) -> beam.Pipeline:
  options = flags.beam_options(invocation.beam_arguments)
  if not invocation.is_local:
    # Some runners ask the options for their own name.
    options.view_as(pipeline_options.StandardOptions).runner = invocation.runner
    return beam.Pipeline(runner=_named_runner(invocation.runner), options=options)
  asked_of_beam = any(word.startswith('--direct_') for word in invocation.beam_arguments)
  if asked_of_beam or not invocation.workers:
    return beam.Pipeline(runner=fn_runner.FnApiRunner(), options=options)
  direct = options.view_as(pipeline_options.DirectOptions)
  direct.direct_num_workers = invocation.workers
  # The mode stays in_memory: any other would replace the environment, whose command we want.
  direct.direct_running_mode = 'in_memory'
  return beam.Pipeline(runner=local_runner.runner(log_path), options=options)


def _named_runner(name: str) -> runners.PipelineRunner:
  """Returns the Beam runner of a name, such as DataflowRunner or a class's dotted path."""
  try:
    return runners.create_runner(name)
  except (AttributeError, ImportError, ValueError) as error:
    raise errors.ConfigError(f'--runner={name} is no runner that can be used: {error}') from error
