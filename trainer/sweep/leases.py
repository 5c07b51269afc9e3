"""Who works on which trial, told by files that are refreshed: the journal itself has no heartbeat.

A lease is a small file named after what it is of, with the process that holds it. Who dies leaves
it behind. On the same machine the process is asked for; of another one only the file tells, and a
lease that was not refreshed for three minutes of *this* process's clock is taken for that of a dead
one: the clocks of two machines are never compared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

from tfrecords import storage
from trainer.child_processes import child
from trainer.runs import run_folder

# How often a lease is refreshed, and how long it may stay as it is until its holder counts as dead.
REFRESH_S = 10.0
PATIENCE_S = 180.0

_ENDING = '.lease'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Process:
  """A process, as others on its machine and elsewhere may know it.

  Attributes:
    machine: Of which it is, by its name and the number of its installation.
    boot: Since which start of the machine; '' where nobody can tell.
    namespace: In which numbers of processes count; '' as well.
    pid: Its number.
    start: When it began, in ticks of the machine; '' as well.
  """

  machine: str
  boot: str
  namespace: str
  pid: int
  start: str

  @classmethod
  def of(cls, pid: int) -> Process:
    """Returns a process of this machine."""
    machine, boot, namespace = _here()
    return cls(machine=machine, boot=boot, namespace=namespace, pid=pid, start=_start(pid))

  @property
  def is_local(self) -> bool:
    """Whether its number means something here."""
    return (self.machine, self.boot, self.namespace) == _here()

  @property
  def is_dead(self) -> bool:
    """Whether it is known to be gone; of another machine nobody knows."""
    machine, boot, _ = _here()
    if self.machine == machine and self.boot != boot:
      return True  # The machine was started again since.
    return self.is_local and not self.lives

  @property
  def lives(self) -> bool:
    """Whether a process of this machine is there, and is not another of the same number."""
    try:
      os.kill(self.pid, 0)
    except ProcessLookupError:
      return False
    except PermissionError:
      pass
    return _start(self.pid) == self.start and not _is_zombie(self.pid)


@functools.cache
def _here() -> tuple[str, str, str]:
  """Returns the machine, its start, and the namespace of its processes."""
  installation = _read('/etc/machine-id')
  try:
    namespace = os.readlink('/proc/self/ns/pid')
  except OSError:
    namespace = ''
  boot = _read('/proc/sys/kernel/random/boot_id')
  return f'{socket.gethostname()} {installation}'.strip(), boot, namespace


def _read(path: str) -> str:
  try:
    with open(path, encoding='utf-8', errors='replace') as stream:
      return stream.read().strip()
  except OSError:
    return ''


def _stat(pid: int) -> list[str]:
  """Returns what Linux says of a process behind its name, which may hold spaces and brackets."""
  return _read(f'/proc/{pid}/stat').rpartition(')')[2].split()


def _start(pid: int) -> str:
  fields = _stat(pid)
  return fields[19] if len(fields) > 19 else ''


def _is_zombie(pid: int) -> bool:
  return _stat(pid)[:1] == ['Z']


class Leases:
  """The leases in a folder."""

  def __init__(self, folder: str) -> None:
    self._folder = folder
    self._token = uuid.uuid4().hex
    self._held: dict[str, float] = {}
    self._seen: dict[str, tuple[Any, float]] = {}
    with run_folder.writing(folder):
      os.makedirs(folder, exist_ok=True)

  @contextlib.contextmanager
  def locked(self) -> Iterator[None]:
    """Lets one process of all at a time decide who takes what."""
    from optuna.storages import journal

    lock = journal.JournalFileSymlinkLock(os.path.join(self._folder, 'taking'))
    with run_folder.writing(self._folder):
      lock.acquire()
    try:
      yield
    finally:
      with contextlib.suppress(RuntimeError):  # Whoever waited for very long took it away.
        lock.release()

  def is_free(self, name: str) -> bool:
    """Whether nobody holds a lease, or only a dead process does."""
    path = self._path(name)
    try:
      content = _read(path)
      changed = os.stat(path).st_mtime_ns
    except FileNotFoundError:
      return True
    holder = _holder(content)
    if holder is not None and holder['token'] == self._token:
      return False
    if holder is not None and holder['sweep'].is_dead:
      return True
    seen, since_s = self._seen.get(name, (None, 0.0))
    if seen != (content, changed):
      self._seen[name] = ((content, changed), time.monotonic())
      return False
    return time.monotonic() - since_s > PATIENCE_S

  def take(self, name: str) -> None:
    """Makes a lease ours, inside of `locked`; a trainer that the dead one left is ended first."""
    holder = _holder(_read(self._path(name)))
    if holder is not None and holder['trainer'] is not None:
      _end(holder['trainer'])
    self.note_trainer(name, None)

  def note_trainer(self, name: str, pid: int | None) -> None:
    """Writes into a lease that is ours which process works on it."""
    content = {
      'token': self._token,
      'sweep': dataclasses.asdict(Process.of(os.getpid())),
      'trainer': dataclasses.asdict(Process.of(pid)) if pid is not None else None,
    }
    with run_folder.writing(self._path(name)):
      storage.write_atomically(self._path(name), json.dumps(content).encode())
    self._held[name] = time.monotonic()

  def refresh(self, name: str) -> bool:
    """Says that we are alive, now and then; returns whether the lease is still ours."""
    if time.monotonic() - self._held[name] < REFRESH_S:
      return True
    return self.is_ours(name) and self._touch(name)

  def is_ours(self, name: str) -> bool:
    """Whether nobody took the lease, as from a machine that slept for long."""
    holder = _holder(_read(self._path(name)))
    return holder is not None and holder['token'] == self._token

  def _touch(self, name: str) -> bool:
    with contextlib.suppress(OSError):
      os.utime(self._path(name))
    self._held[name] = time.monotonic()
    return True

  def release(self, name: str) -> None:
    """Gives a lease back."""
    self._held.pop(name, None)
    if self.is_ours(name):
      with contextlib.suppress(FileNotFoundError):
        os.remove(self._path(name))

  def _path(self, name: str) -> str:
    return os.path.join(self._folder, name + _ENDING)


def _holder(content: str) -> dict[str, Any] | None:
  """Returns what a lease says; None where it is no such thing."""
  try:
    fields = json.loads(content)
    trainer = fields['trainer']
    return {
      'token': fields['token'],
      'sweep': Process(**fields['sweep']),
      'trainer': Process(**trainer) if trainer else None,
    }
  except (ValueError, KeyError, TypeError):
    return None


def _end(trainer: Process, *, patience_s: float = 60.0) -> None:
  """Ends a process of this machine: it writes a checkpoint, if it is given the time."""
  if trainer.is_local and trainer.lives:
    child.end(trainer.pid, lambda: not trainer.lives, patience_s=patience_s)
