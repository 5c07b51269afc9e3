"""The server moto, apart from the project's environment: see requirements.in."""

import fcntl
import hashlib
import pathlib
import subprocess
import sys

_REQUIREMENTS = pathlib.Path(__file__).parent / 'requirements.txt'
_CACHE = pathlib.Path(__file__).parents[3] / 'build' / 'engines'


def _folder() -> pathlib.Path:
  content = sys.version.encode() + _REQUIREMENTS.read_bytes()
  folder = _CACHE / f'moto-{hashlib.sha256(content).hexdigest()[:16]}'
  folder.mkdir(parents=True, exist_ok=True)
  # Processes of tests come here at the same time, and one installs for all.
  with (folder / 'lock').open('w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not (folder / 'complete').exists():
      command = [sys.executable, '-m', 'uv', '--system-certs', 'pip', 'install', '--quiet']
      where = ['--python', sys.executable, '--target', str(folder)]
      locked = ['--require-hashes', '--no-deps', '--requirements', str(_REQUIREMENTS)]
      subprocess.run([*command, *where, *locked], check=True)
      (folder / 'complete').touch()
  return folder


def make_importable() -> None:
  """Makes `moto` and `boto3` importable in this process; fetches them the first time."""
  folder = str(_folder())
  if folder not in sys.path:
    sys.path.append(folder)  # Last of all, so that what both have is the project's.
