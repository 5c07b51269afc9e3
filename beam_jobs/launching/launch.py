"""Runs a pipeline: on local worker processes, in process, or on any Beam runner."""

import contextlib
import dataclasses
import logging
import os
import shlex
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam import runners
from apache_beam.options import pipeline_options
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.transforms import environments

from beam_jobs import config as config_lib
from beam_jobs import pipeline, sources
from beam_jobs.launching import (
  cancelling,
  dataflow,
  flags,
  progress,
  worker_watch,
)
from beam_jobs.output import folder as folder_lib
from beam_jobs.output import lock, notes
from beam_jobs.processes import at_work, held_folder
from beam_jobs.shards import noise_recordings
from beam_jobs.sources import corpus
from schemas import errors
from tfrecords import paths
from tfrecords.storage import cloud_errors

# What a worker runs. One BLAS thread each: two pools on two cores fight over them. Decoders print
# to both streams.
_WORKER_COMMAND = (
  'OPENBLAS_NUM_THREADS=1 exec {python} -m beam_jobs.launching.local_worker {launcher} {folder} '
  '>>{log} 2>&1'
)
_LOG_TAIL_CHARS = 4_000
_LOG_LINE_CHARS = 400
# What Beam says of a worker process that is gone (data_plane.py).
_WORKER_IS_GONE = 'Channel closed prematurely'
# Loggers that say where a remote job is to be found, and how it stands.
_RUNNER_LOGS = ('apache_beam.runners.dataflow', 'apache_beam.runners.portability.portable_runner')


def run_job(invocation: flags.Invocation) -> None:
  """Makes the corpus where the source makes its own, then runs the job to its end.

  Raises:
    VoxshardError: what a worker found wrong, wherever it ran.
  """
  if not invocation.is_local:
    _named_runner(invocation.runner)  # Before anything is written.
  if invocation.runner in dataflow.RUNNERS:
    dataflow.check(flags.beam_options(invocation.beam_arguments), invocation.config)
  config = prepare_input(invocation.config)
  with lock.held(config.output), _scratch_folder() as scratch:
    folder_lib.prepare(config)
    if invocation.is_local:
      config = dataclasses.replace(config, progress_dir=os.path.join(scratch, 'progress'))
    work = notes.WorkFolder(config.output, config.progress_dir)
    work.remove_leftovers()
    work.write_settings(config)
    try:
      _run(invocation, config, work, scratch=scratch)
    except BaseException:
      if invocation.is_local:
        work.remove_leftovers()  # A full disk needs the room.
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


def prepare_input(config: config_lib.FeaturizeConfig) -> config_lib.FeaturizeConfig:
  """Makes or checks the corpus; returns the configuration with the noise that there is.

  Raises:
    SourceError: if the corpus is not there, or its table cannot be read.
    ConfigError: if noise is wanted and there is none.
  """
  source = sources.SOURCES[config.source]
  if source.prepare:
    source.prepare(paths.expand(config.input), config.source_settings)
  folder = corpus.Corpus(config.input)
  if not source.takes_file:
    folder.check()
  if source.is_streamed:
    next(source.list_utterances(folder, config.source_settings), None)
  found = noise_recordings.find(config.augmentations, source, folder, config.source_settings)
  return dataclasses.replace(config, noise=found)


def _run(
  invocation: flags.Invocation,
  config: config_lib.FeaturizeConfig,
  work: notes.WorkFolder,
  *,
  scratch: str,
) -> None:
  """Runs the pipeline; workers on this machine count and log in the folder `scratch`."""
  # Workers print the traceback of every error. The user gets the sentence, which the worker left in
  # the work folder; what it printed is shown only where there is none.
  log_path = '/dev/stderr' if invocation.debug else os.path.join(scratch, 'workers.log')
  showing: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
  if config.progress_dir:
    showing = progress.showing(config.progress_dir)
  worker_folder = os.path.join(scratch, 'workers')
  root = _pipeline(invocation, log_path=log_path, worker_folder=worker_folder)
  pipeline.build(root, config)
  try:
    with (
      _beam_logs(invocation),
      showing,
      _explaining(work, config),
      worker_watch.watching(worker_folder),
    ):
      cancelling.run(root)
  except errors.VoxshardError:
    raise
  except Exception as error:
    if not invocation.is_local:
      raise errors.ConfigError(
        f'--runner={invocation.runner} did not run the job: {_without_frames(_said(error))} '
        '(--debug shows where). Check its options, such as the address of the cluster.'
      ) from error
    if not invocation.debug and os.path.exists(log_path):
      with open(log_path, encoding='utf-8', errors='replace') as log:
        print(log.read()[-_LOG_TAIL_CHARS:], file=sys.stderr)
    raise


def _without_frames(text: str) -> str:
  """Returns what a Java or Python error says, without the lines that tell where it was raised."""
  lines = [line for line in text.strip().splitlines() if not line[:1].isspace()]
  said = dict.fromkeys(line for line in lines if line != 'Traceback (most recent call last):')
  return ' '.join(said)


def _said(error: Exception) -> str:
  # Of a request that was refused, the service's words; of a job that failed, all of them.
  return cloud_errors.why(error) if cloud_errors.status_of(error) else str(error)


@contextlib.contextmanager
def _explaining(work: notes.WorkFolder, config: config_lib.FeaturizeConfig) -> Iterator[None]:
  """Turns Beam's error into the sentence that a worker left, or that says how it ended."""
  try:
    yield
  except Exception as error:
    sentence = work.failure()
    is_gone = isinstance(error, worker_watch.WorkerGoneError) or _WORKER_IS_GONE in str(error)
    if not sentence and config.progress_dir and is_gone:
      sentence = _how_a_worker_ended(at_work.of_dead_workers(config.progress_dir))
    if sentence:
      raise errors.DatasetError(sentence) from error
    raise


def _how_a_worker_ended(reading: Sequence[str]) -> str:
  at = f' It was decoding {" and ".join(map(repr, reading))}.' if reading else ''
  again = ' If it ends there again, take the file out: the decoder cannot stand it.' if at else ''
  return (
    'A worker process ended before its time: it was killed, or the memory did not suffice (fewer '
    f'--workers need less).{at} Whole shards are kept: run the same command again.{again}'
  )


def _pipeline(invocation: flags.Invocation, *, log_path: str, worker_folder: str) -> beam.Pipeline:
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
  command = _WORKER_COMMAND.format(
    python=shlex.quote(sys.executable),
    launcher=os.getpid(),
    folder=shlex.quote(worker_folder),
    log=shlex.quote(log_path),
  )
  environment = environments.SubprocessSDKEnvironment.from_command_string(command)
  return beam.Pipeline(runner=fn_runner.FnApiRunner(environment), options=options)


def _named_runner(name: str) -> runners.PipelineRunner:
  """Returns the Beam runner of a name, such as DataflowRunner or a class's dotted path."""
  try:
    return runners.create_runner(name)
  except (AttributeError, ImportError, ValueError) as error:
    raise errors.ConfigError(f'--runner={name} is no runner that can be used: {error}') from error


@contextlib.contextmanager
def _beam_logs(invocation: flags.Invocation) -> Iterator[None]:
  """Shows all that Beam logs in --debug; of remote runners, where the job is and how it stands.

  Workers log the traceback of every error; its sentence comes from the work folder.
  """
  if invocation.debug:
    # Forced: Beam may have set up logging before, to a stderr that is no more.
    logging.basicConfig(level=logging.INFO, force=True)
    yield
    return
  level, hook = logging.root.manager.disable, threading.excepthook
  if invocation.is_local:
    logging.disable(logging.ERROR)
  else:
    _show_runner_only()
  # Threads that waited for a worker complain when it ends before its time, as after Ctrl-C.
  threading.excepthook = lambda args: None
  interrupted = False
  try:
    yield
  except KeyboardInterrupt:
    # The program ends now, and so do its workers: neither is worth a traceback.
    interrupted = True
    raise
  finally:
    if not interrupted:
      logging.disable(level)
      threading.excepthook = hook


def _show_runner_only() -> None:
  """Shows what the runner says of the job, not what the parts of Beam say of themselves."""
  shown = logging.StreamHandler()
  shown.addFilter(lambda record: record.name.startswith(_RUNNER_LOGS) and _is_short(record))
  logging.basicConfig(level=logging.INFO, format='%(message)s', handlers=[shown], force=True)


def _is_short(record: logging.LogRecord) -> bool:
  """Whether it is a line for people: Dataflow's client also lists all options and requests."""
  text = record.getMessage()
  return '\n' not in text and len(text) <= _LOG_LINE_CHARS
