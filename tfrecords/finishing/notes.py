"""Notes beside a data set in the making, in a hidden folder of its own: small files of JSON."""

import json
import shutil
from typing import Any

from schemas import json_form
from tfrecords import storage
from tfrecords.storage import passing_faults

FOLDER = '.voxshard'
# A name of a file or a label may be no UTF-8.
_ENCODING = ('utf-8', 'surrogateescape')


class Notes:
  """The notes of one data set; picklable, workers write them too."""

  def __init__(self, output: str, files: storage.Storage = storage.LOCAL) -> None:
    """Takes the folder of the data set and where it lies."""
    self._files = files
    self.path = files.join(output, FOLDER)

  def make_folder(self) -> None:
    """Makes the folder, before the first note.

    Raises:
      DatasetError: if the storage refuses.
    """
    with storage.naming_failures(self._what, path=self.path):
      self._files.make_dirs(self.path)

  def read(self, name: str) -> dict[str, Any] | None:
    """Returns a note; None if there is none, or none that can be read as an object of JSON."""
    path = self._files.join(self.path, name)

    def attempt() -> bytes | None:
      if not self._files.exists(path):
        return None
      with self._files.open_read(path) as stream:
        return stream.read()

    data = passing_faults.patiently(attempt, path)
    if data is None:
      return None
    try:
      value = json.loads(data.decode(*_ENCODING))
    except ValueError:
      return None
    return value if isinstance(value, dict) else None

  def write(self, name: str, value: Any) -> None:
    """Writes a note, whole or not at all.

    Raises:
      DatasetError: if the storage refuses.
    """
    content = json_form.dumps(value).encode(*_ENCODING)
    path = self._files.join(self.path, name)
    storage.write_or_refuse(path, content, self._files, what=self._what)

  def remove(self, name: str) -> None:
    """Removes a note, if there is one."""
    storage.remove_if_there(self._files.join(self.path, name), self._files)

  def remove_all(self) -> None:
    """Removes every note, and the folder where that is one."""
    if '://' not in self.path:
      shutil.rmtree(self.path)
      return
    for name in self._files.list_dir(self.path):
      self._files.remove(self._files.join(self.path, name))

  @property
  def _what(self) -> str:
    return f"the job's notes in {self.path!r}"
