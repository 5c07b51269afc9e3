"""Makes the clip of every record: read, decoded, augmented; a few files ahead of the features."""

import collections
import concurrent.futures
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

import features
from beam_jobs import config as config_lib
from beam_jobs.processes import at_work
from beam_jobs.shards import noise_recordings, reading, reference
from features.augmentations import chain
from features.decoding import clips
from schemas import rejects

# Threads that wait for files. Local files come from the page cache, where more threads only take
# turns; a bucket answers after some 50 ms, in which 16 requests can be under way.
LOCAL_THREADS = 1
REMOTE_THREADS = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
  """What has become of one record.

  Attributes:
    item: The record that was to be made.
    clip: Its samples or pixels; None if the file cannot be used.
    error: Why it cannot be used.
    augmentation: What was done to the clip; '' for an original.
  """

  item: reference.Item
  clip: clips.Clip | None
  error: clips.ClipError | None = None
  augmentation: str = ''

  @property
  def reject(self) -> rejects.Reject | None:
    """The entry in rejects.jsonl; None for a good clip. Of a clip's copies one is enough."""
    if self.error is None:
      return None
    ref = self.item.reference
    return rejects.Reject(
      utterance_id=ref.utterance_id,
      uri=ref.uri,
      reason=self.error.reason,
      detail=f'{ref.origin}: {self.error.detail}' if ref.origin else self.error.detail,
    )


class Loader:
  """Makes clips as a configuration says. To be closed."""

  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    self._config = config
    self._at_work = at_work.AtWork(config.progress_dir, num_slots=REMOTE_THREADS)
    self._chain: chain.Chain | None = None
    if config.augmentations and config.audio:
      source = (
        noise_recordings.Noise(config.noise, config.audio.sample_rate_hz) if config.noise else None
      )
      self._chain = chain.Chain(config.augmentations, config.audio.sample_rate_hz, source)

  def load(self, item: reference.Item) -> Loaded:
    """Returns the clip of a record, or why there is none."""
    slot = self._at_work.begin(item.reference.uri)
    try:
      clip = self._decoded(item.reference)
    except clips.ClipError as error:
      return Loaded(item=item, clip=None, error=error)
    finally:
      self._at_work.end(slot)
    # Of a clip that is repeated for balance, each repetition has its copies.
    if self._chain is None or item.copy % (1 + self._config.augment_copies) == 0:
      return Loaded(item=item, clip=clip)
    return self._augmented(self._chain, item, clip)

  def load_all(self, items: Sequence[reference.Item]) -> Iterator[Loaded]:
    """Yields every record with its clip, in the given order."""
    remote = any(reading.is_remote(item.reference.uri) for item in items)
    return _map_ahead(self.load, items, REMOTE_THREADS if remote else LOCAL_THREADS)

  def close(self) -> None:
    """Removes the notes of what is being read."""
    self._at_work.close()

  def _decoded(self, ref: reference.Reference) -> clips.Clip:
    if self._config.audio is None:
      # Here, not above: most workers never see a picture.
      from features.decoding import pictures  # noqa: PLC0415

      (spec,) = self._config.features
      return pictures.decode(reading.read(ref.uri), features.settings_of(spec))
    return reading.load(
      ref.uri, self._config.audio, excerpt=ref.excerpt, min_clip_s=self._config.min_clip_s
    )

  def _augmented(self, steps: chain.Chain, item: reference.Item, clip: clips.Clip) -> Loaded:
    samples, done = steps.apply(
      clip.samples,
      clip_id=item.reference.utterance_id,
      copy=item.copy,
      seed=self._config.seed,
    )
    fitted, num_samples = clips.fitted(samples, self._config.audio)
    if not self._config.audio.is_variable:
      # The steps took the padding for audio: of it, what is still zero at the end is padding.
      (sounding,) = np.nonzero(fitted)
      num_samples = int(sounding[-1]) + 1 if len(sounding) else clip.num_samples
    copy = dataclasses.replace(clip, samples=fitted, num_samples=num_samples)
    return Loaded(item=item, clip=copy, augmentation=done)


def _map_ahead(
  function: Callable[[reference.Item], Loaded],
  items: Sequence[reference.Item],
  num_threads: int,
) -> Iterator[Loaded]:
  """Maps in order with a bounded number of results waiting: memory stays flat."""
  if num_threads == 1:
    yield from map(function, items)
    return
  waiting: collections.deque[concurrent.futures.Future[Loaded]] = collections.deque()
  with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
    for item in items:
      waiting.append(pool.submit(function, item))
      if len(waiting) >= 2 * num_threads:
        yield waiting.popleft().result()
    while waiting:
      yield waiting.popleft().result()
