"""One command at a time: a second one on the same output is refused, and told of the first.

On a disk the lock is the kernel's (flock), which ends with the process that holds it, however that
ends; the file only says who it is. Where there are no such locks, in buckets and on some network
disks, a note with a heartbeat stands for it, which only one launcher can create. That of a process
of this machine that is gone, or one without a heartbeat for ten minutes, is taken over.
"""

import contextlib
import dataclasses
import datetime
import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator

from schemas import errors, json_form
from tfrecords import storage

FILE = '.voxshard.lock'

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_BEAT_S = 30.0
_ABANDONED_S = 600.0
_SETTLE_S = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Holder:
  """Who holds an output.

  Attributes:
    host: Name of the machine.
    pid: The launcher's process there.
    started: When the kernel started the process, in its own count: process ids are used again.
    since: Time of day in words.
    token: Of no other launcher.
    beat_s: Seconds since 1970 of the last sign of life.
  """

  host: str
  pid: int
  started: str
  since: str
  token: str
  beat_s: float

  @classmethod
  def here(cls) -> 'Holder':
    """Returns this process."""
    now = datetime.datetime.now(datetime.UTC)
    return cls(
      host=socket.gethostname(),
      pid=os.getpid(),
      started=_started(os.getpid()),
      since=f'{now:%Y-%m-%d %H:%M:%S} UTC',
      token=uuid.uuid4().hex,
      beat_s=now.timestamp(),
    )

  @property
  def is_gone(self) -> bool:
    """Whether it can hold nothing any more."""
    if self.host == socket.gethostname():
      return _started(self.pid) != self.started
    return time.time() - self.beat_s > _ABANDONED_S

  def to_bytes(self) -> bytes:
    """Returns the content of the file."""
    return json_form.dumps(dataclasses.asdict(self)).encode()

  @classmethod
  def from_bytes(cls, data: bytes) -> 'Holder | None':
    """Reads what to_bytes wrote; None for anything else."""
    try:
      obj = json_form.Reader(json.loads(data), FILE)
      texts = {name: obj.text(name) for name in ('host', 'started', 'since', 'token')}
      return cls(pid=obj.integer('pid'), beat_s=obj.number('beat_s'), **texts)
    except (ValueError, errors.SchemaError):
      return None


@contextlib.contextmanager
def held(output: str) -> Iterator[None]:
  """Makes the folder `output` and holds it while the body runs.

  Raises:
    ConfigError: if another launcher holds it, or it cannot be used as a folder.
  """
  files = storage.storage_of(output)
  path = files.join(output, FILE)
  with contextlib.ExitStack() as stack:
    try:
      files.make_dirs(output)
      if files is not storage.LOCAL or not stack.enter_context(_locked(output, path)):
        stack.enter_context(_noted(output, path, files))
    except OSError as error:
      raise errors.ConfigError(
        f'--output={output!r} cannot be used as a folder: {error.strerror or error}.'
      ) from error
    yield


@contextlib.contextmanager
def _locked(output: str, path: str) -> Iterator[bool]:
  """Holds the kernel's lock on a file; gives False where the file system has none."""
  descriptor = _open_locked(output, path)
  if descriptor is None:
    yield False
    return
  try:
    with contextlib.suppress(OSError):  # A full disk: then nobody knows our name.
      os.ftruncate(descriptor, 0)
      os.pwrite(descriptor, Holder.here().to_bytes(), 0)
    yield True
  finally:
    # While the lock is held: who waits for this very file sees that it is gone.
    with contextlib.suppress(OSError):
      os.remove(path)
    os.close(descriptor)


def _open_locked(output: str, path: str) -> int | None:
  while True:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
      fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
      with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
          return descriptor
      # Its holder has ended and removed it between our two calls.
      os.close(descriptor)
    except BlockingIOError:
      holder = Holder.from_bytes(os.pread(descriptor, 4_096, 0))
      os.close(descriptor)
      raise _refusal(output, holder) from None
    except OSError as error:
      os.close(descriptor)
      if error.errno not in _NO_LOCKS:
        raise
      return None


@contextlib.contextmanager
def _noted(output: str, path: str, files: storage.Storage) -> Iterator[None]:
  """Holds a place without locks by a note."""
  other = _read(path, files)
  if other and not other.is_gone:
    raise _refusal(output, other, path)
  mine = Holder.here()
  try:
    is_taken_over = files.exists(path)  # A dead launcher's, or one that says nothing.
    if is_taken_over:
      with contextlib.suppress(FileNotFoundError):
        files.remove(path)
    files.create(path, mine.to_bytes())
  except FileExistsError:
    raise _refusal(output, _read(path, files), path) from None
  if is_taken_over:
    time.sleep(_SETTLE_S)  # Of two that take over at once, the later one stays.
    other = _read(path, files)
    if other and other.token != mine.token:
      raise _refusal(output, other, path)
  stop = threading.Event()
  beating = threading.Thread(target=_beat, args=(path, mine, files, stop), daemon=True)
  beating.start()
  try:
    yield
  finally:
    stop.set()
    beating.join()
    with contextlib.suppress(OSError):
      current = _read(path, files)
      if current and current.token == mine.token:
        files.remove(path)


def _beat(path: str, mine: Holder, files: storage.Storage, stop: threading.Event) -> None:
  while not stop.wait(_BEAT_S):
    with contextlib.suppress(Exception):  # The next one may come through.
      _write(path, dataclasses.replace(mine, beat_s=time.time()), files)


def _read(path: str, files: storage.Storage) -> Holder | None:
  with contextlib.suppress(FileNotFoundError), files.open_read(path) as stream:
    return Holder.from_bytes(stream.read())
  return None


def _write(path: str, holder: Holder, files: storage.Storage) -> None:
  storage.write_atomically(path, holder.to_bytes(), files)


def _refusal(output: str, holder: Holder | None, note: str = '') -> errors.ConfigError:
  who = (
    f'process {holder.pid} on {holder.host}, since {holder.since}'
    if holder
    else 'it has just begun'
  )
  gone = f' If it is gone for sure, remove {note!r}.' if note else ''
  return errors.ConfigError(
    f'Another command is writing to --output={output!r}: {who}. Wait for its end, or end it, or '
    f'choose another --output.{gone}'
  )


def _started(pid: int) -> str:
  """Returns when a process of this machine was started; '' if there is none."""
  try:
    with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as stream:
      # The name, in parentheses, may hold anything; the start is field 22.
      fields = stream.read().rpartition(')')[2].split()
    return '' if fields[0] in 'ZX' else fields[19]
  except FileNotFoundError:
    if os.path.isdir('/proc/self'):
      return ''
  try:  # No Linux.
    os.kill(pid, 0)
  except ProcessLookupError:
    return ''
  except PermissionError:
    pass
  return 'running'
