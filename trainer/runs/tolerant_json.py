"""The JSON files of a run for who only shows them: a damaged one is named, and taken for none.

Who goes on with a run reads them by run_folder, which refuses damage.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any


def epochs(path: str, damage: list[str] | None = None) -> Sequence[Mapping[str, Any]]:
  """Returns the epochs that a history.json tells of; none where it is not there, or is damaged.

  Args:
    path: The file.
    damage: To this is added what is wrong with it.
  """
  damage = [] if damage is None else damage
  found = _read(path, damage)
  if found is None:
    return []
  if not isinstance(found, list) or not all(isinstance(epoch, Mapping) for epoch in found):
    damage.append(f'{os.path.basename(path)} is no list of epochs')
    return []
  return found


def fields(
  path: str, damage: list[str] | None = None, *, is_needed: bool = False
) -> Mapping[str, Any]:
  """Returns the object that a file holds, as of report.json; {} where it is not there, or damaged.

  Args:
    path: The file.
    damage: To this is added what is wrong with it.
    is_needed: Whether it is damage that there is none.
  """
  damage = [] if damage is None else damage
  found = _read(path, damage, is_needed=is_needed)
  if found is None:
    return {}
  if not isinstance(found, Mapping):
    damage.append(f'{os.path.basename(path)} is no object')
    return {}
  return found


def _read(path: str, damage: list[str], *, is_needed: bool = False) -> Any:
  """Returns what a file holds; None where there is none, or it is damaged, which is noted."""
  name = os.path.basename(path)
  try:
    with open(path, 'rb') as stream:
      return json.loads(stream.read())
  except FileNotFoundError:
    if is_needed:
      damage.append(f'there is no {name}')
  except OSError as error:
    damage.append(f'{name} cannot be read: {error.strerror or error}')
  except (ValueError, RecursionError) as error:
    damage.append(f'{name} is damaged: {error or type(error).__name__}')
  return None
