"""Runs a job: on local worker processes, in process, or on any Beam runner."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator

import apache_beam as beam
from apache_beam import runners
from apache_beam.options import pipeline_options
from apache_beam.runners.portability import flink_runner
from apache_beam.runners.portability.fn_api_runner import fn_runner

from beam_jobs import pipeline, transforms
from beam_jobs.launching import (
  beam_logs,
  cancelling,
  dataflow,
  explaining,
  flags,
  flink_cluster,
  local_runner,
  preparing,
  progress,
)
from beam_jobs.output import folder as folder_lib
from beam_jobs.processes import side_channel
from schemas import errors
from tfrecords.finishing import lock
from tfrecords.finishing import notes as notes_lib
from tfrecords.storage import half_written

_LOG_TAIL_CHARS = 4_000


def run_job(invocation: flags.Invocation) -> None:
  """Makes the corpus where the source makes its own, then runs the job to its end.

  Raises:
    VoxshardError: what a worker found wrong, wherever it ran.
  """
  check_runner(invocation, source=invocation.config.input, output=invocation.config.output)
  config = preparing.prepare(invocation.config)
  with lock.held(config.output), scratch_folder() as scratch:
    folder_lib.prepare(config)
    dataset = folder_lib.unfinished(config)
    channel = channel_of(invocation, dataset.notes, scratch=scratch)
    run_pipeline(
      invocation,
      lambda root: pipeline.build(root, transforms.Job(config, channel)),
      channel,
      scratch=scratch,
      doing='featurizing',
      remove_leftovers=dataset.remove_leftovers,
    )


def check_runner(launch: flags.Launch, *, source: str, output: str) -> None:
  """Finds out, before anything is written, whether a runner can be used with its options.

  Args:
    launch: Names the runner.
    source: The job's --input.
    output: Its --output.

  Raises:
    ConfigError: if not.
  """
  runner = None if launch.is_local else _named_runner(launch.runner)
  is_asked = launch.workers not in (0, flags.Launch.workers)  # 0: there are none, as elsewhere.
  if is_asked and not launch.is_local:
    raise errors.ConfigError(
      f'--workers={launch.workers} are processes of this machine, and have no effect with '
      f'--runner={launch.runner}. Leave it away: the options of that runner say how many there are.'
    )
  if is_asked and _direct(launch):
    raise errors.ConfigError(
      f'--workers={launch.workers} has no effect with {_direct(launch)}, by which Beam says how '
      'this machine is used. Leave one of them away.'
    )
  if launch.runner in dataflow.RUNNERS:
    dataflow.check(flags.beam_options(launch.beam_arguments), source=source, output=output)
  if isinstance(runner, flink_runner.FlinkRunner):
    flink_cluster.check(flags.beam_options(launch.beam_arguments))


def channel_of(
  launch: flags.Launch, notes: notes_lib.Notes, *, scratch: str
) -> side_channel.SideChannel:
  """Returns how workers speak to the launcher: in its scratch folder, or by the output's notes."""
  channel = side_channel.SideChannel(notes)
  channel.forget_failure()
  return side_channel.SideChannel(folder=scratch) if launch.is_local else channel


@contextlib.contextmanager
def scratch_folder() -> Iterator[str]:
  """Gives a folder for what workers on this machine have to say; a killed job's is removed."""
  with contextlib.ExitStack() as stack:
    try:
      folder = stack.enter_context(half_written.scratch('voxshard-job-'))
    except OSError as error:
      raise errors.ConfigError(
        f'No folder can be made in {tempfile.gettempdir()!r}: {error.strerror or error}. Make room '
        'there, or name another place with TMPDIR=FOLDER.'
      ) from error
    yield folder


def run_pipeline(
  launch: flags.Launch,
  build: Callable[[beam.Pipeline], None],
  channel: side_channel.SideChannel,
  *,
  scratch: str,
  doing: str,
  remove_leftovers: Callable[..., object],
) -> None:
  """Runs a pipeline to its end.

  Args:
    launch: On which runner.
    build: Adds the steps to a pipeline.
    channel: How workers speak to the launcher.
    scratch: Folder in which workers on this machine log.
    doing: What the progress bar says.
    remove_leftovers: Removes from the output what a job that ended badly left half-written, and
      says so unless says=False.

  Raises:
    VoxshardError: what a worker found wrong, wherever it ran.
  """
  try:
    _run(launch, build, channel, scratch=scratch, doing=doing)
  except BaseException:
    if launch.is_local:
      remove_leftovers(says=False)  # A full disk needs the room.
    raise


def _run(
  launch: flags.Launch,
  build: Callable[[beam.Pipeline], None],
  channel: side_channel.SideChannel,
  *,
  scratch: str,
  doing: str,
) -> None:
  # Workers print the traceback of every error. The user gets the sentence, which the worker left in
  # the side channel; what it printed is shown only where there is none.
  log_path = '/dev/stderr' if launch.debug else os.path.join(scratch, 'workers.log')
  root = _pipeline(launch, log_path=log_path)
  build(root)
  try:
    with (
      beam_logs.shown(debug=launch.debug, is_local=launch.is_local),
      progress.showing(channel, doing=doing) if launch.is_local else contextlib.nullcontext(),
      explaining.explaining(channel),
    ):
      cancelling.run(root)
  except errors.VoxshardError:
    raise
  except Exception as error:
    if not launch.is_local:
      raise errors.ConfigError(
        f'--runner={launch.runner} did not run the job: {explaining.said_by_runner(error)} '
        '(--debug shows where). Check its options, such as the address of the cluster.'
      ) from error
    if not launch.debug and os.path.exists(log_path):
      with open(log_path, encoding='utf-8', errors='replace') as log:
        print(log.read()[-_LOG_TAIL_CHARS:], file=sys.stderr)
    raise


def _pipeline(launch: flags.Launch, *, log_path: str) -> beam.Pipeline:
  options = flags.beam_options(launch.beam_arguments)
  if not launch.is_local:
    # Some runners ask the options for their own name.
    options.view_as(pipeline_options.StandardOptions).runner = launch.runner
    return beam.Pipeline(runner=_named_runner(launch.runner), options=options)
  if _direct(launch) or not launch.workers:
    return beam.Pipeline(runner=fn_runner.FnApiRunner(), options=options)
  direct = options.view_as(pipeline_options.DirectOptions)
  direct.direct_num_workers = launch.workers
  # The mode stays in_memory: any other would replace the environment, whose command we want.
  direct.direct_running_mode = 'in_memory'
  return beam.Pipeline(runner=local_runner.runner(log_path), options=options)


def _direct(launch: flags.Launch) -> str:
  """Returns the first option of Beam that says how this machine is used; '' for none."""
  words = (word for word in launch.beam_arguments if word.startswith('--direct_'))
  return next(words, '') if launch.is_local else ''


def _named_runner(name: str) -> runners.PipelineRunner:
  """Returns the Beam runner of a name, such as DataflowRunner or a class's dotted path."""
  try:
    return runners.create_runner(name)
  except (AttributeError, ImportError, ValueError) as error:
    raise errors.ConfigError(f'--runner={name} is no runner that can be used: {error}') from error
