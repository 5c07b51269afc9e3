"""Fetches Flink from PyPI and builds Beam's job server from Maven Central, once per version."""

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

from tests.engines import error

_HERE = pathlib.Path(__file__).parent
_POM = _HERE / 'pom.xml'
_REQUIREMENTS = _HERE / 'requirements.txt'
# Another release of Beam's Java parts than the pom's, such as 2.77.0 with the lines of its Flink.
BEAM_VERSION_VARIABLE = 'VOXSHARD_FLINK_BEAM_VERSION'
_FETCH_TIMEOUT_S = 1_800


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distribution:
  """What a cluster is started from.

  Attributes:
    java: The program.
    libraries: Folder with Flink's jars.
    job_server: Beam's job server.
    flink_line: Such as 1.19, for --flink_version.
    beam_version: Of the job server.
  """

  java: str
  libraries: pathlib.Path
  job_server: pathlib.Path
  flink_line: str
  beam_version: str


def fetch() -> Distribution:
  """Returns the distribution from the user's cache, filling the cache first.

  Raises:
    MissingToolError: if there is no Java or no Maven.
    EngineError: if something cannot be fetched.
  """
  java, maven = find_java(), _find('mvn', 'Maven', package='maven')
  versions = _versions()
  folder = cache_folder() / f'flink-{versions["flink.version"]}-beam-{versions["beam.version"]}'
  folder.mkdir(parents=True, exist_ok=True)
  with _locked(folder / 'lock'):
    return Distribution(
      java=java,
      libraries=_fetch_libraries(folder),
      job_server=_build_job_server(folder, maven, versions['beam.version']),
      flink_line=versions['flink.line'],
      beam_version=versions['beam.version'],
    )


def cache_folder() -> pathlib.Path:
  """Returns the folder that keeps what was fetched."""
  root = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return pathlib.Path(root) / 'voxshard' / 'engines'


def find_java() -> str:
  """Returns the Java that Beam would take; MissingToolError where there is none."""
  home = os.environ.get('JAVA_HOME')
  if home and shutil.which('java', path=os.path.join(home, 'bin')):
    return os.path.join(home, 'bin', 'java')
  return _find('java', 'Java', package='openjdk-17-jre-headless')


def _find(program: str, name: str, *, package: str) -> str:
  found = shutil.which(program)
  if not found:
    raise error.MissingToolError(f'There is no {name} here (Debian: apt install {package}).')
  return found


def _versions() -> dict[str, str]:
  """Returns the properties of the pom."""
  text = _POM.read_text(encoding='utf-8')
  found = dict(re.findall(r'<([a-z.]+)>([0-9.]+)</\1>', text))
  found['beam.version'] = os.environ.get(BEAM_VERSION_VARIABLE) or found['beam.version']
  return found


def _fetch_libraries(folder: pathlib.Path) -> pathlib.Path:
  target = folder / 'libraries'
  if not target.exists():
    partial = _emptied(folder / 'libraries.partial')
    _run(
      [
        sys.executable, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check',
        '--no-deps', '--no-compile', '--require-hashes', '--target', str(partial),
        '--requirement', str(_REQUIREMENTS),
      ],
      what='Flink from PyPI',
    )  # fmt: skip
    # Only now, so that an interrupted download starts afresh.
    partial.rename(target)
  return target / 'pyflink' / 'lib'


def _build_job_server(folder: pathlib.Path, maven: str, beam_version: str) -> pathlib.Path:
  key = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
  target = folder / f'job-server-{key}.jar'
  if not target.exists():
    build = _emptied(folder / 'build')
    shutil.copy(_POM, build)
    _run(
      [
        maven, '--batch-mode', '--quiet', '--strict-checksums', '--file', str(build / 'pom.xml'),
        f'-Dbeam.version={beam_version}', 'package',
      ],
      what="Beam's Flink job server from Maven Central",
    )  # fmt: skip
    (build / 'target' / 'flink-job-server.jar').rename(target)
    shutil.rmtree(build)
  return target


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
  """Lets one program at a time fill the cache."""
  with path.open('w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield


def _emptied(folder: pathlib.Path) -> pathlib.Path:
  shutil.rmtree(folder, ignore_errors=True)
  folder.mkdir(parents=True)
  return folder


def _run(command: Sequence[str], *, what: str) -> None:
  try:
    done = subprocess.run(
      command, capture_output=True, text=True, check=False, timeout=_FETCH_TIMEOUT_S
    )
  except subprocess.TimeoutExpired as expired:
    raise error.EngineError(f'Fetching {what} took more than {_FETCH_TIMEOUT_S} s.') from expired
  if done.returncode:
    raise error.EngineError(
      f'Could not fetch {what}: {" ".join(command[:3])} ... ended with {done.returncode}:\n'
      f'{(done.stdout + done.stderr)[-3_000:]}'
    )
