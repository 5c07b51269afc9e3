"""Recordings of noise for the augmentation: found by the launcher, read by the workers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from beam_jobs import sources
from beam_jobs.shards import reading
from beam_jobs.sources import corpus as corpus_lib
from features.augmentations import chain
from features.decoding import clips
from schemas import audio, errors
from schemas.utterance import Excerpt

# The shares of a recording from which train clips take their noise. What comes behind is heard in
# validation and test only, where a source makes clips of silence of it.
TRAIN_WINDOW = (0.0, 0.8)


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
    noise = corpus_lib.Corpus(folder)
    found = [noise.uri(path) for path in noise.entries(corpus_lib.AUDIO_SUFFIXES)]
    if not found:
      raise errors.SourceError(
        f'There is no audio file below {noise.folder}, and noise was wanted. Name a folder of '
        'recordings with --augment=background_noise:folder=FOLDER.'
      )
    return tuple(found)
  paths = source.noise_paths(corpus, settings) if source.noise_paths else []
  if not paths:
    raise errors.ConfigError(
      f'--augment=background_noise: the corpus {corpus.folder!r} brings no noise along. Name a '
      'folder of recordings: --augment=background_noise:folder=FOLDER.'
    )
  return tuple(corpus.uri(path) for path in paths)


class Noise:
  """Noise of any length from a list of recordings, chosen by a generator."""

  def __init__(self, uris: Sequence[str], sample_rate_hz: int) -> None:
    """Takes the recordings and the rate that is wanted."""
    self._uris = tuple(uris)
    self._sample_rate_hz = sample_rate_hz

  def __call__(self, generator: np.random.Generator, num_samples: int) -> NDArray[np.float32]:
    """Returns a piece of a recording, float32 [num_samples]; a short one is repeated.

    Raises:
      SourceError: if the recording cannot be used.
    """
    uri = self._uris[int(generator.integers(len(self._uris)))]
    start, end = TRAIN_WINDOW
    duration_s = num_samples / self._sample_rate_hz
    part = Excerpt(
      duration_s=duration_s,
      window_start=start,
      window_end=end,
      position=float(generator.random()),
    )
    spec = audio.AudioSpec(
      sample_rate_hz=self._sample_rate_hz, clip_s=0, max_clip_s=max(1.0, 2 * duration_s)
    )
    try:
      samples = reading.load(uri, spec, excerpt=part).samples
    except clips.ClipError as error:
      raise errors.SourceError(f'The recording of noise {uri} cannot be used: {error}') from error
    return np.resize(samples, num_samples)
