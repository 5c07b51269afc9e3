"""Makes the clip of every record: read, decoded, augmented; a few files ahead of the features."""

import collections
import concurrent.futures
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

import features
from beam_jobs import config as config_lib
from beam_jobs.processes import worker_page
from beam_jobs.shards import items as items_lib
from beam_jobs.shards import noise_recordings, reading
from features.augmentations import chain
from features.decoding import clips
from schemas import rejects
from schemas.utterance import Utterance

# Threads that wait for files. Local files come from the page cache, where more threads only take
# turns; a bucket answers after some 50 ms, in which 16 requests can be under way.
LOCAL_THREADS = 1
REMOTE_THREADS = worker_page.MAX_THREADS

_Item = TypeVar('_Item')
_Result = TypeVar('_Result')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
  """What has become of one record.

  Attributes:
    item: The record that was to be made.
    clip: Its samples or pixels; None if the file cannot be used.
    reject: Why it cannot be used: the entry in rejects.jsonl.
    augmentation: What was done to the clip; '' for an original.
    noted: What is to be said of that.
  """

  item: items_lib.Item
  clip: clips.Clip | None = None
  reject: rejects.Reject | None = None
  augmentation: str = ''
  noted: tuple[rejects.Noted, ...] = ()


class Loader:
  """Makes clips as a configuration says."""

  def __init__(self, config: config_lib.FeaturizeConfig, page: worker_page.WorkerPage) -> None:
    """Takes the configuration, and where files are named that are being read."""
    self._config = config
    self._page = page
    self._chain: chain.Chain | None = None
    self._noise: noise_recordings.Noise | None = None
    if config.augmentations and config.audio:
      rate_hz = config.audio.sample_rate_hz
      self._noise = noise_recordings.Noise(config.noise, rate_hz) if config.noise else None
      self._chain = chain.Chain(config.augmentations, rate_hz, self._noise)

  def load(self, item: items_lib.Item) -> Loaded:
    """Returns the clip of a record, or why there is none."""
    utterance = item.utterance
    try:
      with self._page.decoding(utterance.uri):
        clip = self._decoded(utterance)
    except clips.ClipError as error:
      reject = error.reject(utterance.utterance_id, utterance.uri, utterance.origin)
      return Loaded(item=item, reject=reject)
    # Of a clip that is repeated for balance, each repetition has its copies.
    if self._chain is None or item.copy % (1 + self._config.augment_copies) == 0:
      return Loaded(item=item, clip=clip)
    return self._augmented(self._chain, item, clip)

  def load_all(self, items: Sequence[items_lib.Item]) -> Iterator[Loaded]:
    """Yields every record with its clip, in the given order."""
    remote = any(reading.is_remote(item.utterance.uri) for item in items)
    return map_ahead(self.load, items, REMOTE_THREADS if remote else LOCAL_THREADS)

  def _decoded(self, utterance: Utterance) -> clips.Clip:
    if self._config.audio is None:
      # Here, not above: most workers never see a picture.
      from features.decoding import pictures  # noqa: PLC0415

      (spec,) = self._config.features
      return pictures.decode(reading.read(utterance.uri), features.settings_of(spec))
    return reading.load(
      utterance.uri,
      self._config.audio,
      excerpt=utterance.excerpt,
      min_clip_s=self._config.min_clip_s,
      max_decode_s=self._config.max_decode_s,
    )

  def _augmented(self, steps: chain.Chain, item: items_lib.Item, clip: clips.Clip) -> Loaded:
    samples, done = steps.apply(
      clip.samples,
      clip_id=item.utterance.utterance_id,
      copy=item.copy,
      seed=self._config.seed,
    )
    fitted, num_samples = clips.fitted(samples, self._config.audio)
    if not self._config.audio.is_variable:
      # The steps took the padding for audio: of it, what is still zero at the end is padding.
      (sounding,) = np.nonzero(fitted)
      num_samples = int(sounding[-1]) + 1 if len(sounding) else clip.num_samples
    copy = dataclasses.replace(clip, samples=fitted, num_samples=num_samples)
    return Loaded(item=item, clip=copy, augmentation=done, noted=self._noted(item, done))

  def _noted(self, item: items_lib.Item, done: str) -> tuple[rejects.Noted, ...]:
    """Returns what is to be said of the noise of a copy that was just made."""
    if self._noise is None:
      return ()
    damaged = [
      rejects.Noted(reason='noise_damaged', names=(uri,)) for uri in self._noise.take_damaged()
    ]
    if chain.lacks_noise(done):
      names = (item.utterance.utterance_id,)
      return (*damaged, rejects.Noted(reason='noise_silent', names=names))
    return tuple(damaged)


def map_ahead(
  function: Callable[[_Item], _Result], items: Sequence[_Item], num_threads: int
) -> Iterator[_Result]:
  """Maps in order with a bounded number of results waiting: memory stays flat."""
  if num_threads == 1:
    yield from map(function, items)
    return
  waiting: collections.deque[concurrent.futures.Future[_Result]] = collections.deque()
  with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
    for item in items:
      waiting.append(pool.submit(function, item))
      if len(waiting) >= 2 * num_threads:
        yield waiting.popleft().result()
    while waiting:
      yield waiting.popleft().result()
