"""Opens each entry of a shard and hands its clips to who asks the model: whole, or in windows."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_jobs.asking import ask_config, clip_asker
from beam_jobs.processes import worker_page
from beam_jobs.shards import loading, reading
from exports import clip_input
from exports import windows as windows_lib
from features.decoding import clips
from schemas import utterance as utterance_lib
from schemas.utterance import Excerpt, Utterance
from tfrecords.storage import passing_faults


class Hearer:
  """Opens what a job lists as its configuration says."""

  def __init__(
    self,
    config: ask_config.AskConfig,
    asker: clip_asker.Asker,
    page: worker_page.WorkerPage,
  ) -> None:
    """Takes the configuration, who asks the model, and where files are named that are read."""
    self._config = config
    self._asker = asker
    self._page = page
    self._audio = clip_input.spec(config.export) if config.audio else None

  def entries(self, utterances: Sequence[Utterance]) -> Iterator[clip_asker.Asked]:
    """Yields each entry in the given order, when all its clips are handed over."""
    if self._config.windows:
      # One by one: of each no more is held than a window, and that is read ahead by the storage.
      yield from map(self._in_windows, utterances)
      return
    remote = any(reading.is_remote(utterance.uri) for utterance in utterances)
    threads = loading.REMOTE_THREADS if remote else loading.LOCAL_THREADS
    for asked, values in loading.map_ahead(self._whole, utterances, threads):
      if values is not None:
        self._asker.add(asked, values)
      yield asked

  def _whole(self, utterance: Utterance) -> tuple[clip_asker.Asked, NDArray[Any] | None]:
    asked = clip_asker.Asked(utterance=utterance)
    try:
      with self._page.decoding(utterance.uri):
        clip = self._decoded(utterance)
    except clips.ClipError as error:
      return _rejected(utterance, error), None
    _count(asked, clip, span_s=_span_s(clip) if utterance.excerpt else (None, None))
    asked.is_cut = self._audio is not None and clip.whole_samples > clip.num_samples
    return asked, clip.samples

  def _decoded(self, utterance: Utterance) -> clips.Clip:
    if self._audio is None:
      clip = clip_input.picture(reading.read(utterance.uri), self._config.export)
      return dataclasses.replace(clip, samples=clip.samples.astype(np.uint8))
    clip = reading.load(
      utterance.uri,
      self._audio,
      excerpt=utterance.excerpt,
      max_decode_s=self._config.max_decode_s,
    )
    return clip_input.taken(clip, self._config.export)

  def _in_windows(self, utterance: Utterance) -> clip_asker.Asked:
    """Hears a recording window by window: all of it or, where a part is damaged, nothing."""
    try:
      with self._page.decoding(utterance.uri):
        return passing_faults.patiently(
          lambda: self._all_windows(utterance), reading.file_of(utterance.uri)
        )
    except clips.ClipError as error:
      return _rejected(utterance, error)

  def _all_windows(self, utterance: Utterance) -> clip_asker.Asked:
    asked = clip_asker.Asked(utterance=utterance)  # Another one for each attempt.
    assert self._audio and self._config.windows
    parts = _Parts(self._config.windows, utterance.excerpt)
    with reading.seekable(utterance.uri) as data:
      for clip in clips.decode_parts(
        data, self._audio, parts.of, max_decode_s=self._config.max_decode_s
      ):
        taken = clip_input.taken(clip, self._config.export)
        _count(asked, taken, span_s=_span_s(clip))
        self._asker.add(asked, taken.samples)
    return asked


@dataclasses.dataclass(frozen=True)
class _Parts:
  """The windows of an entry: of the whole recording, or of its excerpt."""

  windows: windows_lib.Windows
  excerpt: utterance_lib.Excerpt | None

  def of(self, recording_s: float) -> Iterator[Excerpt]:
    """Yields the windows of a recording of so many seconds."""
    if self.excerpt is None:
      yield from self.windows.excerpts(recording_s)
      return
    clips.check_excerpt(self.excerpt, recording_s)
    begin_s, end_s = self.excerpt.bounds_s(recording_s)
    for start_s, stop_s in self.windows.spans(end_s - begin_s):
      yield Excerpt(
        start_s=begin_s + start_s, duration_s=stop_s - start_s, gain_db=self.excerpt.gain_db
      )


def _count(
  asked: clip_asker.Asked, clip: clips.Clip, *, span_s: tuple[float | None, float | None]
) -> None:
  asked.spans_s.append(span_s)
  asked.noted.update(clip.noted)
  asked.audio_s += clip.source_s


def _span_s(clip: clips.Clip) -> tuple[float, float]:
  return clip.start_s, clip.start_s + clip.source_s


def _rejected(utterance: Utterance, error: clips.ClipError) -> clip_asker.Asked:
  reject = error.reject(utterance.utterance_id, utterance.uri, utterance.origin)
  return clip_asker.Asked(utterance=utterance, reject=reject)
