"""Makes the demo corpus on disk: whole or not at all, and only once."""

import dataclasses
import errno
import hashlib
import importlib.metadata
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import official_split
from beam_jobs.sources.synthesis import script
from schemas import errors, json_form, splits, utterance
from tfrecords import storage
from tfrecords.storage import half_written

MARKER = 'corpus.json'
_PACKAGE = 'espeakng-loader'
_SPEAKER = 'beam_jobs.sources.synthesis.speak'


def build(corpus: corpus_lib.Corpus, corpus_plan: script.CorpusPlan) -> None:
  """Speaks the corpus into its folder; one that is there of the same plan is kept.

  Args:
    corpus: Where to; missing or empty, or made by this function before.
    corpus_plan: What is said, by whom and how.

  Raises:
    SourceError: if the folder holds something else or cannot be written, or the synthesizer is
      not installed or fails.
  """
  if corpus.is_remote:
    raise errors.SourceError(
      f'The synthetic corpus is made on the local disk, not in {corpus.folder}. Name a local '
      f'folder with --input=FOLDER, and copy it to the bucket if it has to be there.'
    )
  clips = corpus_plan.clips()
  made_of = _made_of(corpus_plan, clips)
  if _is_made(corpus.folder, made_of):
    return
  try:
    with half_written.folder(f'{corpus.folder}{storage.TEMPORARY_MARK}') as temporary:
      split_of_speaker = script.split_of_speakers(corpus_plan.speakers)
      _speak(clips, split_of_speaker, temporary, seed=corpus_plan.seed)
      _write_lists(clips, split_of_speaker, temporary)
      _write(temporary, MARKER, json_form.dumps({**made_of, 'made_by': _made_by()}))
      _move(temporary, corpus.folder, made_of)
  except OSError as error:
    raise errors.SourceError(
      f'Could not write the synthetic corpus to {corpus.folder}: {error}. Name a folder that can '
      'be written with --input=FOLDER.'
    ) from error


def _made_of(corpus_plan: script.CorpusPlan, clips: Sequence[script.ClipPlan]) -> dict[str, Any]:
  snr_db = corpus_plan.noise_snr_db
  return {
    'language': corpus_plan.language,
    'words': '+'.join(corpus_plan.words),
    'unknown_words': '+'.join(corpus_plan.unknown_words),
    'voices': len(corpus_plan.speakers),
    'takes': corpus_plan.takes,
    'unknown_takes': corpus_plan.unknown_takes,
    'noise_snr_db': list(snr_db) if snr_db else None,
    'seed': corpus_plan.seed,
    'plan': _digest(clips),
  }


def _is_made(folder: str, made_of: Mapping[str, Any]) -> bool:
  """Returns whether the corpus is there; SourceError if the folder holds something else."""
  if not os.path.lexists(folder):
    return False
  if os.path.isdir(folder) and not os.listdir(folder):
    return False
  try:
    found = json.loads(pathlib.Path(folder, MARKER).read_text(encoding='utf-8'))
    changed = {key: found.get(key) for key in made_of if found.get(key) != made_of[key]}
  except (OSError, ValueError, AttributeError) as error:
    raise errors.SourceError(
      f'{folder} is there, but is no synthetic corpus (no readable {MARKER} in it). Name another '
      'folder with --input=FOLDER, or remove this one.'
    ) from error
  if made_of.keys() - found.keys():
    raise errors.SourceError(
      f'The synthetic corpus in {folder} was made by another version of this program. Remove the '
      'folder to have it made anew, or name another one with --input=FOLDER.'
    )
  if len(changed) > 1:
    # Another plan follows from other settings; alone it was made by another version of this job.
    changed.pop('plan', None)
  if changed:
    differences = ', '.join(
      f'{key}={was!r} and not {made_of[key]!r}' for key, was in changed.items()
    )
    raise errors.SourceError(
      f'The synthetic corpus in {folder} was made with other settings: {differences}. '
      'Remove the folder to have it made anew, or name another one with --input=FOLDER.'
    )
  return True


def _speak(
  clips: Sequence[script.ClipPlan], split_of_speaker: Mapping[str, str], folder: str, *, seed: int
) -> None:
  """Lets the synthesizer, in a process of its own, write the clips and the noises."""
  try:
    # Imported here: it comes with an extra, and most jobs do without.
    import espeakng_loader  # type: ignore[import-untyped]  # noqa: PLC0415

    library, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
  except (ImportError, RuntimeError) as error:
    raise errors.SourceError(
      f'The synthetic corpus needs the package {_PACKAGE}, which cannot be used here: {error}. '
      "Install it with `pip install 'voxshard[demo]'`."
    ) from error
  request = {
    'library': library,
    'data': data,
    'folder': folder,
    'clips': [dataclasses.asdict(clip) for clip in clips],
    'noise_folder': utterance.NOISE_FOLDER,
    'babblers': _babblers(clips, split_of_speaker),
    'seed': seed,
    'parent_pid': os.getpid(),
  }
  # The parent's own paths, so that the child finds the same packages however they are installed.
  root = str(pathlib.Path(__file__).parents[3])
  paths = [root, *(path for path in sys.path if path and path != root)]
  done = subprocess.run(
    [sys.executable, '-P', '-m', _SPEAKER],
    input=json.dumps(request),
    encoding='utf-8',
    errors='replace',
    capture_output=True,
    check=False,
    env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
  )
  if done.returncode:
    raise errors.SourceError(
      f'The speech synthesizer failed: {_failure(done)}. Reinstall it with '
      f'`pip install --force-reinstall {_PACKAGE}`.'
    )


def _babblers(clips: Sequence[script.ClipPlan], split_of_speaker: Mapping[str, str]) -> list[str]:
  """Returns the speakers of the babble: no voice that is held out is ever heard in training."""
  names = sorted({clip.speaker_id for clip in clips})
  return [name for name in names if split_of_speaker.get(name, splits.TRAIN) == splits.TRAIN]


def _failure(done: subprocess.CompletedProcess[str]) -> str:
  lines = done.stderr.strip().splitlines()
  if done.returncode < 0:
    return f'it was ended by the signal {signal.Signals(-done.returncode).name}'
  return lines[-1].rstrip('.') if lines else f'it ended with the code {done.returncode}'


def _write_lists(
  clips: Sequence[script.ClipPlan], split_of_speaker: Mapping[str, str], folder: str
) -> None:
  """Writes the two lists of Speech Commands; none where there are no splits."""
  for name, split in (
    (official_split.VALIDATION_LIST, splits.VALIDATION),
    (official_split.TESTING_LIST, splits.TEST),
  ):
    listed = [clip.path for clip in clips if split_of_speaker.get(clip.speaker_id) == split]
    if split_of_speaker:
      _write(folder, name, ''.join(f'{path}\n' for path in sorted(listed)))


def _move(temporary: str, folder: str, made_of: Mapping[str, Any]) -> None:
  try:
    os.rename(temporary, folder)
  except OSError as error:
    # Another process was quicker: then its corpus must be the one that was asked for.
    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not _is_made(folder, made_of):
      raise


def _write(folder: str, name: str, text: str) -> None:
  pathlib.Path(folder, name).write_text(text, encoding='utf-8', newline='\n')


def _digest(clips: Sequence[script.ClipPlan]) -> str:
  text = json.dumps([dataclasses.asdict(clip) for clip in clips], sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def _made_by() -> str:
  try:
    return f'{_PACKAGE} {importlib.metadata.version(_PACKAGE)}'
  except importlib.metadata.PackageNotFoundError:
    return _PACKAGE
