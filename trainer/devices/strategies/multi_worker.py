"""`multi_worker`: several machines, each with its devices, take a part of each batch."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from schemas import errors
from trainer.devices.strategies import strategy
from trainer.lazy import tf

_EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:9000", "10.0.0.2:9000"]}, "task": {"type": "worker", "index": 0}}'  # noqa: E501


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultiWorker:
  """There is nothing to set: TF_CONFIG in the environment says who takes part."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
  """Which of the workers this process is.

  Attributes:
    index: Its number, from 0, which is the chief: the one that writes and speaks.
    addresses: `host:port` of each.
  """

  index: int
  addresses: tuple[str, ...]


def task(environment: Mapping[str, str]) -> Task:
  """Returns what TF_CONFIG says.

  Raises:
    ConfigError: if it is missing or does not say who takes part.
  """
  text = environment.get('TF_CONFIG', '')
  if not text:
    raise errors.ConfigError(
      '--strategy=multi_worker needs TF_CONFIG in the environment of each worker, such as '
      f"TF_CONFIG='{_EXAMPLE}'. On one machine write --strategy=mirrored."
    )
  try:
    config = json.loads(text)
    addresses = _addresses(config['cluster'])
    kind, index = config['task']['type'], config['task']['index']
  except (ValueError, KeyError, TypeError) as error:
    raise errors.ConfigError(
      f"TF_CONFIG is not as wanted ({type(error).__name__}: {error}). Write TF_CONFIG='{_EXAMPLE}' "
      'with the addresses of all workers, and another index on each.'
    ) from error
  has_chief = 'chief' in config['cluster']
  place = index + 1 if kind == 'worker' and has_chief else index
  if kind not in ('worker', 'chief') or not isinstance(index, int) or place >= len(addresses):
    raise errors.ConfigError(
      f'TF_CONFIG: the task must be a worker with an index below {len(addresses)}, got type '
      f'{kind!r}, index {index!r}.'
    )
  return Task(index=place, addresses=addresses)


def _addresses(cluster: Any) -> tuple[str, ...]:
  others = sorted(set(cluster) - {'chief', 'worker'})
  if others:
    raise ValueError(f'the cluster may have a chief and workers, not {", ".join(others)}')
  found = [*cluster.get('chief', []), *cluster['worker']]
  if not all(isinstance(one, str) and one.rpartition(':')[2].isdecimal() for one in found):
    raise ValueError(f'addresses are host:port, got {found}')
  return tuple(found)


def make(devices: Sequence[str], settings: MultiWorker) -> tf.distribute.Strategy:
  """Returns TensorFlow's MultiWorkerMirroredStrategy; waits until all workers are there.

  Raises:
    ConfigError: if TF_CONFIG is missing or wrong.
  """
  del devices, settings  # TensorFlow takes all GPUs of each worker, or its CPU.
  task(os.environ)
  return tf.distribute.MultiWorkerMirroredStrategy()


FAMILY = strategy.StrategyFamily(
  settings=MultiWorker, summary='all GPUs of several machines, as TF_CONFIG names them', make=make
)
