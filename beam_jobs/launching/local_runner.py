"""Beam's local runner with worker processes of ours, whose end it notices.

By itself it notices when a worker ends that is at work. One that ends before it has said hello, as
when the memory is full from the start, it would await for ever.
"""

import contextlib
import os
import shlex
import sys
import threading

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner import fn_runner, worker_handlers
from apache_beam.transforms import environments

# What a worker runs. One BLAS thread each: two pools on two cores fight over them. Decoders print
# to both streams.
_COMMAND = (
  'OPENBLAS_NUM_THREADS=1 exec {python} -m beam_jobs.launching.local_worker {launcher} >>{log} 2>&1'
)
# What Beam says of a worker process that is gone (data_plane.py).
_IS_GONE = 'Channel closed prematurely'
_AGAIN_S = 0.1


def runner(log_path: str) -> fn_runner.FnApiRunner:
  """Returns a runner whose workers are processes that print to the file `log_path`."""
  # Beam's own handler of such processes, and what it lacks.
  worker_handlers.WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(
    _WatchedWorker
  )
  command = _COMMAND.format(
    python=shlex.quote(sys.executable), launcher=os.getpid(), log=shlex.quote(log_path)
  )
  return fn_runner.FnApiRunner(environments.SubprocessSDKEnvironment.from_command_string(command))


def is_gone(error: BaseException) -> bool:
  """Whether this is how Beam fails when a worker process has ended before its time."""
  return _IS_GONE in str(error)


class _WatchedWorker(worker_handlers.SubprocessSdkWorkerHandler):
  """A worker process, of which nobody waits for an answer when it is gone."""

  def start_worker(self) -> None:
    super().start_worker()
    self._stopped = threading.Event()
    self._watch = threading.Thread(target=self._end_waiting, daemon=True)
    self._watch.start()

  def stop_worker(self) -> None:
    self._stopped.set()
    # Beam tells those that have said hello. Another one would say it later, and wait for work.
    self.control_conn.push(worker_handlers.BeamFnControlServicer._DONE_MARKER)
    super().stop_worker()

  def _end_waiting(self) -> None:
    self.worker_thread.join()
    # For data and for answers, of questions that are still to be asked, too.
    while not self._stopped.wait(_AGAIN_S):
      self.data_conn.close()
      with contextlib.suppress(RuntimeError):  # A question more while it counts them.
        self.control_conn.abort(RuntimeError(_IS_GONE))
