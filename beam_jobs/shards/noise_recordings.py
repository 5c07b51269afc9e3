"""Recordings of noise for the augmentation: found by the launcher, read by the workers."""

import concurrent.futures
import os
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from beam_jobs import sources
from beam_jobs.processes import worker_page
from beam_jobs.shards import reading
from beam_jobs.sources import corpus as corpus_lib
from features.augmentations import chain
from features.decoding import clips, held_recordings
from schemas import audio, errors, rejects
from schemas import medium as media
from schemas.utterance import Excerpt

_SETTING = '--augment=background_noise:folder=FOLDER'
# So much of each recording is decoded before the job, to see whether it can be.
_TRIED_S = 0.1
# A recording that is silent where it was drawn is looked through in pieces of so many seconds; in
# each second, sound is looked for once.
_PIECE_S = 10


def find(
  augmentations: Sequence[str], source: sources.Source, corpus: corpus_lib.Corpus, settings: object
) -> tuple[str, ...]:
  """Returns the recordings that the augmentations need, sorted; () where they need none.

  Raises:
    ConfigError: if the corpus brings none along and no folder is named.
    SourceError: if the folder cannot be read or holds no audio file.
  """
  folder = chain.noise_folder(augmentations)
  if folder is None:
    return ()
  if folder:
    noise = corpus_lib.Corpus(folder, said_by=f'a folder of recordings with {_SETTING}')
    if _is_recording(noise):
      return (noise.folder,)
    found = [noise.uri(path) for path in noise.entries(media.AUDIO_SUFFIXES)]
    if not found:
      raise errors.SourceError(
        f'There is no audio file below {noise.folder}, and noise was wanted. Name {noise.said_by}.'
      )
    return tuple(found)
  paths = source.noise_paths(corpus, settings) if source.noise_paths else []
  if not paths:
    raise errors.ConfigError(
      f'--augment=background_noise: the corpus {corpus.folder!r} brings no noise along. Name a '
      f'folder of recordings: {_SETTING}.'
    )
  return tuple(corpus.uri(path) for path in paths)


def _is_recording(noise: corpus_lib.Corpus) -> bool:
  """Whether an audio file is named in place of a folder."""
  if not noise.folder.lower().endswith(media.AUDIO_SUFFIXES):
    return False
  return noise.is_file() if noise.is_remote else os.path.isfile(noise.folder)


def usable(
  uris: Sequence[str], sample_rate_hz: int
) -> tuple[tuple[str, ...], tuple[rejects.Noted, ...]]:
  """Returns the recordings whose beginning can be decoded, and a note of the others.

  Raises:
    SourceError: if none can be, or a bucket does not answer.
  """
  spec = audio.AudioSpec(sample_rate_hz=sample_rate_hz, clip_s=0)
  start, end = held_recordings.TRAIN_WINDOW
  tried = Excerpt(duration_s=_TRIED_S, window_start=start, window_end=end)

  def complaint(uri: str) -> str:
    try:
      reading.load(uri, spec, excerpt=tried)
    except clips.ClipError as error:
      return str(error)
    except OSError as error:
      raise errors.SourceError(
        f'{error}. It is a recording of noise. Run the same command again.'
      ) from error
    return ''

  with concurrent.futures.ThreadPoolExecutor(worker_page.MAX_THREADS) as pool:
    complaints = dict(zip(uris, pool.map(complaint, uris), strict=True))
  bad = [uri for uri, said in complaints.items() if said]
  if uris and len(bad) == len(uris):
    raise errors.SourceError(
      f'None of '
      f'{errors.counted(len(uris), "recording")} of noise can be used. The first, {bad[0]}: '
      f'{complaints[bad[0]]}'
    )
  notes = [rejects.Noted(reason='noise_unusable', names=(uri,)) for uri in bad]
  return tuple(uri for uri in uris if not complaints[uri]), rejects.merged(notes)


class Noise:
  """Noise of any length from a list of recordings, chosen by a generator.

  What was drawn first is taken, unless it is silent or cannot be decoded. Of a recording that is
  silent there a part that sounds is taken, and where it has none, or is damaged, another recording.
  """

  def __init__(self, uris: Sequence[str], sample_rate_hz: int) -> None:
    """Takes the recordings and the rate that is wanted."""
    self._uris = tuple(uris)
    self._sample_rate_hz = sample_rate_hz
    self._sounding_s: dict[str, tuple[float, tuple[float, ...]]] = {}
    self._of_thread = threading.local()

  def __call__(self, generator: np.random.Generator, num_samples: int) -> NDArray[np.float32]:
    """Returns a piece of a recording, float32 [num_samples]; a short one is repeated.

    Zeros where no recording has any sound.
    """
    damaged = self._of_thread.damaged = []
    left = list(self._uris)
    while left:
      uri = left.pop(int(generator.integers(len(left))))
      position = float(generator.random())
      duration_s = num_samples / self._sample_rate_hz
      try:
        samples = self._part(uri, duration_s, position=position)
        if not samples.any():
          samples = self._sounding_part(uri, duration_s, generator)
      except clips.ClipError:
        damaged.append(uri)
        continue
      if samples.any():
        return np.resize(samples, num_samples)
    return np.zeros(num_samples, np.float32)

  def take_damaged(self) -> tuple[str, ...]:
    """Returns the recordings that could not be decoded since this thread last asked."""
    damaged = tuple(getattr(self._of_thread, 'damaged', ()))
    self._of_thread.damaged = []
    return damaged

  def _part(
    self, uri: str, duration_s: float, *, start_s: float = 0.0, position: float = 0.0
  ) -> NDArray[np.float32]:
    """Returns a part of the window for train clips: what there is of it, from start_s on."""
    start, end = held_recordings.TRAIN_WINDOW
    part = Excerpt(
      start_s=start_s,
      duration_s=duration_s,
      window_start=start,
      window_end=end,
      position=position,
    )
    spec = audio.AudioSpec(
      sample_rate_hz=self._sample_rate_hz, clip_s=0, max_clip_s=max(1.0, 2 * duration_s)
    )
    return reading.load(uri, spec, excerpt=part).samples

  def _sounding_part(
    self, uri: str, duration_s: float, generator: np.random.Generator
  ) -> NDArray[np.float32]:
    """Returns a part with sound anywhere in it; none of a recording that is silent."""
    if uri not in self._sounding_s:
      self._sounding_s[uri] = self._look_through(uri)
    window_s, sounding_s = self._sounding_s[uri]
    if not sounding_s:
      return np.zeros(0, np.float32)
    sound_s = sounding_s[int(generator.integers(len(sounding_s)))]
    # Two samples less, so that rounding does not lose the one that is known to sound.
    before_s = max(0.0, duration_s - 2 / self._sample_rate_hz) * float(generator.random())
    start_s, free_s = max(0.0, sound_s - before_s), window_s - duration_s
    return self._part(uri, duration_s, position=min(1.0, start_s / free_s) if free_s > 0 else 0.0)

  def _look_through(self, uri: str) -> tuple[float, tuple[float, ...]]:
    """Returns the length of the window in s, and where in each second of it sound begins."""
    rate_hz = self._sample_rate_hz
    num_samples, found = 0, []
    # As long as pieces are whole, there may be more.
    while num_samples % (_PIECE_S * rate_hz) == 0:
      try:
        piece = self._part(uri, _PIECE_S, start_s=num_samples / rate_hz)
      except clips.ClipError as error:
        if num_samples and error.reason == 'bad_excerpt':  # The window ended with a piece.
          break
        raise
      for start in range(0, len(piece), rate_hz):
        (sounding,) = np.nonzero(piece[start : start + rate_hz])
        if len(sounding):
          found.append((num_samples + start + int(sounding[0])) / rate_hz)
      num_samples += len(piece)
      if not len(piece):
        break
    return num_samples / rate_hz, tuple(found)
