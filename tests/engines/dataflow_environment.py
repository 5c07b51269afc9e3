"""The worker's own virtual environment: what Dataflow's image holds, and the staged package."""

import email
import hashlib
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tarfile

# Kept between runs, so that only the package itself is installed anew; one for each process of
# tests, which would install into one another's. Ignored by git.
_CACHE = pathlib.Path(__file__).parents[2] / 'build' / 'engines'


def requirements_of(sdist: pathlib.Path) -> list[str]:
  """Returns what a package asks for without its extras."""
  with tarfile.open(sdist) as archive:
    name = min((n for n in archive.getnames() if n.endswith('/PKG-INFO')), key=len)
    metadata = email.message_from_bytes(archive.extractfile(name).read())
  return [text for text in metadata.get_all('Requires-Dist', []) if 'extra ==' not in text]


def install(sdist: pathlib.Path) -> pathlib.Path:
  """Returns the Python of an environment that holds the package and what it asks for.

  Dataflow's image brings Beam with Google's clients in the launcher's version; pip installs the
  staged package into it. So it is here, with uv in pip's place: it takes seconds.
  """
  image = f'apache-beam[gcp]=={importlib.metadata.version("apache-beam")}'
  process = os.environ.get('PYTEST_XDIST_WORKER', '')
  content = '\n'.join([sys.version, image, process, *requirements_of(sdist)])
  folder = _CACHE / f'worker-{hashlib.sha256(content.encode()).hexdigest()[:16]}'
  python = folder / 'bin' / 'python'
  if not (folder / 'complete').exists():
    _uv('venv', '--clear', '--python', sys.executable, str(folder))
    _uv('pip', 'install', '--python', str(python), image)
    (folder / 'complete').touch()
  _uv(
    'pip', 'install', '--python', str(python), '--reinstall-package', 'voxshard', str(sdist)
  )  # fmt: skip
  return python


def has_module(python: pathlib.Path, name: str) -> bool:
  """Whether an environment can import a module."""
  code = f'import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)'
  # Isolated: the folder of the tests is no part of the worker.
  return subprocess.run([python, '-I', '-c', code], check=False).returncode == 0


def _uv(*words: str) -> None:
  environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
  done = subprocess.run(
    [sys.executable, '-m', 'uv', '--system-certs', *words],
    env=environment,
    capture_output=True,
    text=True,
  )
  if done.returncode:
    raise RuntimeError(f'uv {" ".join(words[:2])} failed: {done.stderr}')
