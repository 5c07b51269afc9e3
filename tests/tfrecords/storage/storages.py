"""Storages that behave as the worst of buckets and disks do."""

import contextlib
import errno
import io


class _Upload(io.RawIOBase):
  """A stream that only goes forward, as an upload does."""

  def __init__(self, files, path, fail_on_write):
    self._files = files
    self._path = path
    self._parts = []
    self._fail_on_write = fail_on_write
    self.num_writes = 0

  def writable(self):
    return True

  def seekable(self):
    return False

  def seek(self, *args):
    raise io.UnsupportedOperation('seek')

  def tell(self):
    raise io.UnsupportedOperation('tell')

  def write(self, data):
    self.num_writes += 1
    if self.num_writes == self._fail_on_write:
      raise OSError(errno.ENOSPC, 'No space left on device')
    self._parts.append(bytes(data))
    return len(data)

  def finish(self):
    self._files[self._path] = b''.join(self._parts)


class _Download(io.RawIOBase):
  """A stream that only goes forward and delivers little at a time, as a network does."""

  def __init__(self, data):
    self._data = io.BytesIO(data)

  def readable(self):
    return True

  def seekable(self):
    return False

  def read(self, size=-1):
    return self._data.read(min(size, 7) if size >= 0 else size)


class MemoryStorage:
  """A Storage in a dictionary; nothing in it can seek."""

  def __init__(self, *, fail_on_write=0, fail_at_end=False):
    self.files = {}
    self.uploads = []
    self._fail_on_write = fail_on_write
    self._fail_at_end = fail_at_end

  @contextlib.contextmanager
  def writing(self, path):
    self.uploads.append(_Upload(self.files, path, self._fail_on_write))
    yield self.uploads[-1]
    if self._fail_at_end:
      raise PermissionError(errno.EACCES, 'Permission denied')
    self.uploads[-1].finish()

  def create(self, path, data):
    if path in self.files:
      raise FileExistsError(errno.EEXIST, 'File exists', path)
    self.files[path] = data

  def open_read(self, path, piece_bytes=0):
    if path not in self.files:
      raise FileNotFoundError(errno.ENOENT, 'No such file', path)
    return _Download(self.files[path])

  def remove(self, path):
    if path not in self.files:
      raise FileNotFoundError(errno.ENOENT, 'No such file', path)
    del self.files[path]

  def exists(self, path):
    return path in self.files or any(name.startswith(f'{path}/') for name in self.files)

  def make_dirs(self, path):
    pass

  def list_dir(self, path):
    return sorted(name[len(path) + 1 :] for name in self.files if name.startswith(f'{path}/'))

  def sizes(self, path):
    return {name: len(self.files[f'{path}/{name}']) for name in self.list_dir(path)}

  def join(self, folder, name):
    return f'{folder}/{name}'
