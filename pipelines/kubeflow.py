"""Compiles pipelines for Kubeflow Pipelines, which run the programs of this project as steps.

  python -m pipelines.kubeflow --image=REGISTRY/voxshard-python:1
  python -m pipelines.kubeflow --image=REGISTRY/voxshard-python:1 --gpus=1 --memory=16G

Writes into --output training.yaml (featurize, train, evaluate, export), pretraining.yaml (with a
transfer to data of one's own before it is judged), transfer_learning.yaml (the same from a run that
is there) and components/ (each step by itself, for other pipelines). The same flags give the same
bytes.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Sequence

from schemas import command, errors, limits, version
from tfrecords import command_line, storage

COMPONENTS = 'components'
# A name, a registry in front, a tag or a digest behind; no more is known of it here.
_IMAGE = re.compile(r'[\w][\w.:/@-]*', re.ASCII)
_MEMORY = re.compile(r'[0-9]+(\.[0-9]+)?([KMGTPE]i?)?')
_CPUS = re.compile(r'[0-9]+(\.[0-9]+)?m?')
_GPU_TYPE = re.compile(r'[\w.-]+(/[\w.-]+)?', re.ASCII)


@dataclasses.dataclass(frozen=True, kw_only=True)
class KubeflowConfig:
  """One field per flag."""

  output: str = command_line.flag('build/kubeflow', 'Folder for the YAML files.', is_path=True)
  image: str = command_line.flag(
    f'voxshard-python:{version.VERSION}',
    'Image of every step, as pipelines/Dockerfile makes it, where the cluster finds it.',
  )
  gpus: int = command_line.flag(
    0, 'GPUs of the steps that train and judge.', limits=limits.within(0, 1024)
  )
  gpu_type: str = command_line.flag(
    'nvidia.com/gpu', 'What the cluster calls them.', needs=('gpus',)
  )
  memory: str = command_line.flag('', 'Most memory of a step, as in 16G. Empty: no limit is set.')
  cpus: str = command_line.flag('', 'Most cores of a step, as in 4. Empty: no limit is set.')

  def __post_init__(self) -> None:
    command_line.check(self)
    for name, pattern, example in (
      ('image', _IMAGE, 'registry.example/voxshard-python:1'),
      ('memory', _MEMORY, '16G'),
      ('cpus', _CPUS, '4'),
      ('gpu_type', _GPU_TYPE, 'nvidia.com/gpu'),
    ):
      value = getattr(self, name)
      may_be_empty = name in ('memory', 'cpus') and not value
      if not (may_be_empty or pattern.fullmatch(value)):
        raise errors.ConfigError(f'--{name}: expected such as {example}, got {value!r}.')


def main(arguments: Sequence[str]) -> None:
  """Compiles what the arguments ask for, and says what was written.

  Raises:
    ConfigError: without kfp, or if the folder cannot be written.
  """
  config = command_line.parse(KubeflowConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  if '://' in config.output:
    raise errors.ConfigError(
      f'--output={config.output}: the files are written to a folder of this machine.'
    )
  if importlib.util.find_spec('kfp') is None:
    raise errors.ConfigError(
      "kfp is not installed here. `make kubeflow` sets it up, or: pip install 'voxshard[kubeflow]'."
    )
  for name, text in compiled(config).items():
    path = os.path.join(config.output, name)
    with storage.naming_failures('The pipeline', path=path):
      os.makedirs(os.path.dirname(path), exist_ok=True)
      storage.write_atomically(path, text.encode('utf-8'))
    print(path)


def compiled(config: KubeflowConfig) -> dict[str, str]:
  """Returns the YAML of every pipeline and component, by the name of its file."""
  from kfp import compiler  # --help needs no kfp.

  from pipelines import graphs

  machine = graphs.Machine(
    image=config.image,
    gpus=config.gpus,
    gpu_type=config.gpu_type,
    memory=config.memory,
    cpus=config.cpus,
  )
  made = {f'{name}.yaml': one for name, one in graphs.make_pipelines(machine).items()}
  for name, one in graphs.make_components(config.image).items():
    made[f'{COMPONENTS}/{name}.yaml'] = one
  texts = {}
  with tempfile.TemporaryDirectory() as folder:
    for name, one in made.items():
      path = os.path.join(folder, os.path.basename(name))
      compiler.Compiler().compile(one, path)
      with open(path, encoding='utf-8') as stream:
        texts[name] = stream.read()
  return texts


if __name__ == '__main__':
  sys.exit(command.run(main, stopped=command.AGAIN))
