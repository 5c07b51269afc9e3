"""What a corpus to download is: its archive, and what is typed when it is there."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from schemas import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Archive:
  """One file that holds a corpus.

  Attributes:
    url: Where its makers keep it.
    name: Its last part, which a mirror must have too; it ends with .zip, .tar or .tar.gz.
    sha256: Of the archive, as its makers or TensorFlow Datasets publish it; '' where nobody does.
    num_bytes: Its size; 0 where it is made on demand.
    unpacked_bytes: What is in it, about, for the room on the disk. Twice that is refused.
    num_files: Files in it, about, likewise.
    holds: Files and folders that the unpacked corpus must have.
  """

  url: str
  name: str
  sha256: str = ''
  num_bytes: int = 0
  unpacked_bytes: int
  num_files: int
  holds: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offered:
  """One corpus.

  Attributes:
    what: What is in it, in a line.
    settings: Frozen, keyword-only dataclass.
    archive: Returns the archive that settings ask for; None where an account is wanted.
    featurize: Returns the arguments of `python -m beam_jobs.featurize` for the unpacked folder.
    by_hand: Where there is no archive, what to do instead.
  """

  what: str
  settings: type
  archive: Callable[[Any], Archive] | None = None
  featurize: Callable[[str, Any], list[str]]
  by_hand: str = ''


def check_version(version: str, archives: Mapping[str, Archive]) -> None:
  """Raises ConfigError for a version of which there is no archive."""
  if version not in archives:
    raise errors.ConfigError(f'version must be one of {", ".join(archives)}, got {version!r}.')
