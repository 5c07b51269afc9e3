"""A data set in the making: shard by shard, each with its note, and the manifest last.

A shard's note is written after the shard. So whoever makes the same data set again takes over the
shards that are whole and were made of the same, and no manifest speaks for shards that are not.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable
from typing import Any

from schemas import errors, naming, rejects
from schemas.manifest import DatasetManifest
from tfrecords import manifest_file, storage
from tfrecords.finishing import notes, shard_result
from tfrecords.storage import half_written, passing_faults


class Unfinished:
  """The folder of a data set that is being written; picklable, workers write into it too.

  Attributes:
    folder: The folder.
    files: Where it lies.
    notes: What is remembered beside the shards.
  """

  def __init__(
    self,
    folder: str,
    files: storage.Storage = storage.LOCAL,
    *,
    is_ours: Callable[[str], bool] | None = None,
  ) -> None:
    """Takes the folder; nothing is made yet.

    Args:
      folder: The folder.
      files: Where it lies.
      is_ours: Which names in it are those of what is made; by default those of a data set.
    """
    self._is_ours = is_ours
    self.folder = folder
    self.files = files
    self.notes = notes.Notes(folder, files)

  def path(self, file_name: str) -> str:
    """Returns the path of a file of the data set."""
    return self.files.join(self.folder, file_name)

  def earlier_shard(self, file_name: str) -> tuple[shard_result.ShardResult, dict[str, Any]] | None:
    """Returns the result and the whole note of a shard that was there whole; None without a note.

    Whether it is still whole, and was made of the same, is_whole and the note's `key` tell.
    """
    note = self.notes.read(f'{file_name}.json')
    if note is None:
      return None
    try:
      return shard_result.ShardResult.from_json(note, where='note of a shard'), note
    except errors.SchemaError:
      return None

  def is_whole(self, result: shard_result.ShardResult) -> bool:
    """Whether a shard's file is as it was written: reads all of it."""
    return self.holds(result.info.file_name, result.info.sha256)

  def holds(self, file_name: str, sha256: str) -> bool:
    """Whether a file is there with this digest: reads all of it."""
    path = self.path(file_name)
    return self.files.exists(path) and _sha256(path, self.files) == sha256

  def note_shard(self, key: str, result: shard_result.ShardResult, **more: Any) -> None:
    """Remembers a shard that is whole, with what else the caller wants to find in its note.

    Args:
      key: A digest of all that decides the shard's bytes.
      result: What it holds.
      more: What else to remember.
    """
    self.notes.write(f'{result.info.file_name}.json', {'key': key, **more, **result.to_json()})

  def forget_manifest(self) -> None:
    """Removes the manifest: it must not speak for shards that are about to change.

    So do the files by which TFDS opens the folder, and they go first: they never outlive it.
    """
    if not self.files.exists(self.path(naming.MANIFEST)):
      return
    for name in (*naming.TFDS_FILES, naming.MANIFEST):
      storage.remove_if_there(self.path(name), self.files)

  def check_room(self, file_names: Iterable[str], num_bytes: int) -> None:
    """Refuses what the disk has no room for, before hours are spent on it.

    Args:
      file_names: All shards. What is there already of them needs no room.
      num_bytes: What they will have together, about.

    Raises:
      DatasetError: with what is needed and what is free; never where nobody can tell.
    """
    free_bytes = storage.free_bytes(self.path(naming.MANIFEST))
    if free_bytes is None:
      return
    for name in file_names:
      with contextlib.suppress(OSError):
        num_bytes -= os.path.getsize(self.path(name))
    # A tenth less: the size is known only about, and clips may be rejected.
    if num_bytes * 0.9 > free_bytes:
      raise errors.DatasetError(
        f'The data set needs about {num_bytes:,} bytes more, {free_bytes:,} bytes are free at '
        f'{self.folder!r}. Make room or choose another --output; no audio was read yet.'
      )

  def write_rejects(self, rejected: Iterable[rejects.Reject]) -> None:
    """Writes rejects.jsonl: a line for everything that is left out.

    Raises:
      DatasetError: if the storage refuses.
    """
    lines = (json.dumps(item.to_json(), sort_keys=True, ensure_ascii=False) for item in rejected)
    content = ''.join(f'{line}\n' for line in lines).encode('utf-8', 'surrogateescape')
    storage.write_or_refuse(self.path(naming.REJECTS), content, self.files)

  def finish(self, manifest: DatasetManifest) -> None:
    """Removes what is no part of the data set, such as shards of an earlier state, and finishes it.

    Raises:
      DatasetError: if the storage refuses.
    """
    current = {info.file_name for info in manifest.shards}
    for name in self.files.list_dir(self.folder):
      if naming.is_shard_name(_final(name)) and name not in current:
        self.files.remove(self.path(name))
    manifest_file.save(manifest, self.folder, self.files)

  def remove_leftovers(self, *, says: bool = True) -> None:
    """Removes what killed processes left half-written. Nobody may be writing at this time.

    Args:
      says: Whether a line says so; not of a job that ends badly, whose error tells enough.
    """
    ours = self._is_ours or is_ours
    removed = []
    for folder in (self.folder, self.notes.path):
      # A new data set has no notes; what cannot be removed is in nobody's way.
      with contextlib.suppress(OSError):
        for name in self.files.list_dir(folder):
          if storage.TEMPORARY_MARK in name and (folder == self.notes.path or ours(name)):
            with contextlib.suppress(OSError):
              self.files.remove(self.files.join(folder, name))
              removed.append(self.files.join(folder, name))
    if says:
      half_written.say_removed(removed)

  def remove_all(self, names: Collection[str]) -> None:
    """Removes files of the folder and the notes, to begin anew.

    The manifest goes first, so that none speaks for missing shards, and the notes last, so that a
    killed process leaves nothing of which nobody knows how it was made.
    """
    order = {naming.MANIFEST: 0, notes.FOLDER: 2}
    for name in sorted(names, key=lambda name: (order.get(name, 1), name)):
      if name == notes.FOLDER:
        self.notes.remove_all()
      else:
        storage.remove_if_there(self.path(name), self.files)


def is_ours(name: str) -> bool:
  """Whether a name in a data set's folder, or what comes before `.tmp-`, is one that we give."""
  base = _final(name)
  known = (naming.MANIFEST, naming.REJECTS, notes.FOLDER, *naming.TFDS_FILES)
  return base in known or naming.is_shard_name(base)


def _final(name: str) -> str:
  return name.partition(storage.TEMPORARY_MARK)[0]


def _sha256(path: str, files: storage.Storage) -> str:
  digest = hashlib.sha256()
  with passing_faults.opened_patiently(lambda: files.open_read(path), path) as stream:
    while block := stream.read(1 << 20):
      digest.update(block)
  return digest.hexdigest()
