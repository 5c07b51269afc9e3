"""Starts a standalone Flink cluster on loopback: one JobManager, some TaskManagers."""

import contextlib
import json
import pathlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from tests.engines import error, free_ports, process
from tests.engines.flink import distribution, settings

_JOB_MANAGER = 'org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint'
_TASK_MANAGER = 'org.apache.flink.runtime.taskexecutor.TaskManagerRunner'
# flink-dist is the runtime; the rest of the distribution is for tables.
_JARS = ('flink-dist-*.jar', 'log4j-*.jar')
_START_TIMEOUT_S = 400.0
_REST_TIMEOUT_S = 100.0


class Cluster:
  """A running cluster.

  Attributes:
    address: HOST:PORT for --flink_master.
  """

  def __init__(self, made_of: distribution.Distribution, folder: pathlib.Path) -> None:
    """Prepares a cluster whose files and logs go to `folder`; `start` starts it."""
    rpc_port, rest_port = free_ports.free_ports(2)
    self.address = f'127.0.0.1:{rest_port}'
    self._java = made_of.java
    jars = [str(path) for pattern in _JARS for path in sorted(made_of.libraries.glob(pattern))]
    self._class_path = ':'.join([*jars, str(made_of.job_server)])
    self._folder = folder
    self._processes: list[process.Process] = []
    settings.write(folder, rpc_port=rpc_port, rest_port=rest_port)

  def start(self, num_task_managers: int) -> None:
    """Starts all and returns when the cluster takes jobs.

    Raises:
      EngineError: with the logs, if it does not come up.
    """
    self._launch('job-manager', _JOB_MANAGER)
    # A TaskManager that finds no JobManager waits for long before it looks again.
    self._await(lambda: bool(self.rest('overview')))
    for number in range(num_task_managers):
      self._launch(f'task-manager-{number}', _TASK_MANAGER)
    self._await_slots(num_task_managers)

  def stop(self) -> None:
    """Ends all processes of the cluster."""
    for one in reversed(self._processes):
      one.stop()

  def kill_task_manager(self, number: int) -> None:
    """Takes a TaskManager away, as a machine that fails would."""
    self._processes[1 + number].kill()

  def replace_task_manager(self, number: int) -> None:
    """Starts another in place of one that was killed, whose workers end too."""
    self._processes[1 + number].stop()
    self._launch(f'task-manager-{number}-again', _TASK_MANAGER)
    self._processes[1 + number] = self._processes.pop()
    self._await_slots(len(self._processes) - 1)

  def num_task_managers(self) -> int:
    """Returns how many TaskManagers the JobManager knows."""
    return int(self.rest('overview')['taskmanagers'])

  def jobs(self) -> list[dict[str, Any]]:
    """Returns what the cluster says of every job, the first one first."""
    found = sorted(self.rest('jobs/overview')['jobs'], key=lambda job: job['start-time'])
    return [self.rest(f'jobs/{job["jid"]}') for job in found]

  def failures(self, job_id: str) -> list[dict[str, Any]]:
    """Returns the losses and errors from which a job was restarted."""
    return list(self.rest(f'jobs/{job_id}/exceptions')['exceptionHistory']['entries'])

  def rest(self, path: str) -> Any:
    """Returns an answer of the cluster's REST service."""
    with urllib.request.urlopen(f'http://{self.address}/{path}', timeout=_REST_TIMEOUT_S) as answer:
      return json.load(answer)

  def log_tails(self) -> str:
    """Returns the ends of all logs, for messages."""
    return '\n'.join(one.log_tail() for one in self._processes)

  def _launch(self, name: str, main_class: str) -> None:
    command = [
      self._java, *settings.JVM_OPTIONS,
      f'-Dlog4j.configurationFile=file:{self._folder / "log4j.properties"}',
      '-cp', self._class_path, main_class, '--configDir', str(self._folder),
    ]  # fmt: skip
    log_path = self._folder / f'{name}.log'
    self._processes.append(process.Process(name, command, log_path=log_path))

  def _await_slots(self, num_task_managers: int) -> None:
    # A TaskManager is known before its slots are: a job would get all those of another one.
    wanted = num_task_managers * int(settings.SETTINGS['taskmanager.numberOfTaskSlots'])
    self._await(lambda: self.rest('overview')['slots-total'] == wanted)

  def _await(self, is_ready: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while True:
      with contextlib.suppress(urllib.error.URLError, OSError):
        if is_ready():
          return
      if not all(one.is_running for one in self._processes) or time.monotonic() > deadline_s:
        raise error.EngineError(f'Flink did not start.\n{self.log_tails()}')
      time.sleep(0.2)


@contextlib.contextmanager
def running(
  made_of: distribution.Distribution, folder: pathlib.Path, *, num_task_managers: int = 2
) -> Iterator[Cluster]:
  """Gives a cluster that takes jobs, and ends it afterwards whatever happens."""
  cluster = Cluster(made_of, folder)
  try:
    cluster.start(num_task_managers)
    yield cluster
  finally:
    cluster.stop()
