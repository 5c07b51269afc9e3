"""Runs the data job as its users do: as a program, in a process that can be killed."""

import hashlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from tests.beam_jobs import corpora
from tfrecords import reader

ROOT = pathlib.Path(__file__).parent.parent.parent
TIMEOUT_S = 900

NUM_TAKES = 25

_PROGRESS = re.compile(r'clips/s|^listing the corpus and starting the workers$')


def make_corpus(root: pathlib.Path) -> pathlib.Path:
  """Writes 300 clips of six speakers."""
  return corpora.make_words(root, takes=NUM_TAKES)


def argv(corpus: pathlib.Path, output: pathlib.Path, *more: str) -> list[str]:
  """A job of 16 to 20 shards that works on each for a good while: copies are made slowly."""
  slow = ['--feature=mfcc', '--augment=pitch_shift', '--augment_copies=3', '--shard_mib=1']
  return corpora.argv(corpus, output, *slow, *more)


def start(arguments: list[str], **kwargs) -> subprocess.Popen[str]:
  """Starts a job; its words come on stderr."""
  return subprocess.Popen(
    [sys.executable, '-m', 'beam_jobs.featurize', *arguments],
    cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs,
  )  # fmt: skip


def run(arguments: list[str], **kwargs) -> subprocess.CompletedProcess[str]:
  """Runs a job to its end."""
  with start(arguments, **kwargs) as process:
    try:
      out, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
      process.kill()
      raise
  return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def sentence(said: str) -> str:
  """Returns the one line on stderr that is not about how far the job is."""
  lines = [line for line in said.splitlines() if not _PROGRESS.search(line)]
  assert len(lines) == 1, said
  return lines[0]


def kill(process: subprocess.Popen[str]) -> None:
  """Ends a process as a machine without memory does, and sees it gone."""
  process.send_signal(signal.SIGKILL)
  process.communicate(timeout=TIMEOUT_S)


def children(pid: int) -> list[int]:
  """Returns the processes that a process started."""
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
    try:
      fields = path.read_text().rpartition(')')[2].split()
    except OSError:
      continue
    if int(fields[1]) == pid and fields[0] != 'Z':
      found.append(int(path.parent.name))
  return sorted(found)


def wait_for(condition, *, what: str, timeout_s: float = TIMEOUT_S):
  """Returns the first truth that `condition` gives."""
  end_s = time.monotonic() + timeout_s
  while not (found := condition()):
    assert time.monotonic() < end_s, f'waited in vain for {what}'
    time.sleep(0.005)
  return found


def is_alive(pid: int) -> bool:
  """Whether a process runs: a zombie does not."""
  try:
    return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] not in 'ZX'
  except OSError:
    return False


def digests(folder: pathlib.Path) -> dict[str, str]:
  """Returns the SHA-256 of every file of a data set by name, without the job's own notes."""
  return {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(folder.iterdir())
    if path.is_file()
  }


def finished(folder: pathlib.Path) -> dict[str, tuple[int, int]]:
  """Returns (inode, time of change) of every shard that the job has noted as finished."""
  notes = sorted((folder / '.voxshard').glob('*.tfrecord-*.json'))
  stats = {note.stem: os.stat(folder / note.stem) for note in notes if '.tmp-' not in note.name}
  return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


def temporaries(folder: pathlib.Path) -> list[str]:
  """Returns what lies under temporary names, also among the notes."""
  return sorted(path.name for path in folder.rglob('*.tmp-*'))


def check_whole(folder: pathlib.Path, wanted: dict[str, str]) -> int:
  """Holds every file under a final name against an undisturbed run; returns how many shards."""
  shards = [path for path in folder.glob('*.tfrecord-*') if '.tmp-' not in path.name]
  for path in shards:
    for _ in reader.read_records(str(path)):  # Raises on a wrong checksum, or at a cut.
      pass
  present = {
    name: digest
    for name, digest in digests(folder).items()
    if '.tmp-' not in name and name != '.voxshard.lock'
  }
  assert present.items() <= wanted.items()
  return len(shards)
