"""Which libraries a run was made with, and whether they are those of here."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable, Mapping
from typing import Any

from schemas import version

# Those that decide what a checkpoint means and how numbers are rounded, and what they are called.
_DECISIVE = {'keras': 'Keras', 'tensorflow': 'TensorFlow', 'scikit-learn': 'scikit-learn'}
OF_NETWORKS, OF_BASELINES = ('keras', 'tensorflow'), ('scikit-learn', 'skops')


def here(names: Iterable[str] = OF_NETWORKS) -> dict[str, str]:
  """Returns the versions of the programs and libraries of this process, for config.json."""
  libraries = {name: importlib.metadata.version(name) for name in (*names, 'numpy')}
  return {'voxshard': version.VERSION, 'python': platform.python_version(), **libraries}


def note(config: Mapping[str, Any]) -> str:
  """Returns what is to be said where a run was made with others; '' where it was not.

  Args:
    config: What config.json of the run says; older runs say nothing of it.
  """
  recorded = config.get('versions')
  if not isinstance(recorded, Mapping):
    return ''
  asked = [name for name in _DECISIVE if name in recorded]
  now = here(asked)
  others = [name for name in asked if recorded[name] != now[name]]
  if not others:
    return ''
  then, today = (
    ' and '.join(f'{_DECISIVE[name]} {versions[name]}' for name in others)
    for versions in (recorded, now)
  )
  return f'note: the run was made with {then}, here is {today}: its numbers may come out otherwise.'
