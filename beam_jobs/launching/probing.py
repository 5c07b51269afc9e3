"""How long the clips of a corpus are, before any of them is decoded: headers of some are read."""

import collections
import heapq
from collections.abc import Iterator

from beam_jobs import config as config_lib
from beam_jobs.output import cut_clips
from beam_jobs.shards import reading
from features.decoding import clips
from pages import words
from schemas import audio, rejects, stable_hash
from schemas.utterance import Utterance
from tfrecords.finishing import durations

# So many clips are looked at: a share of them is right within 2 %.
MOST_CLIPS = 2_000


class Sample:
  """The clips that are looked at: those with the lowest hashes, in whatever order they come."""

  def __init__(self) -> None:
    self._heap: list[tuple[int, str, Utterance]] = []  # The highest first.
    self.num_clips = 0

  def offer(self, utterance: Utterance) -> None:
    """Takes a clip of the corpus, or not."""
    self.num_clips += 1
    place = -int.from_bytes(stable_hash.digest(utterance.utterance_id, salt='probe'), 'big')
    if len(self._heap) < MOST_CLIPS:
      heapq.heappush(self._heap, (place, utterance.utterance_id, utterance))
    elif place > self._heap[0][0]:
      heapq.heapreplace(self._heap, (place, utterance.utterance_id, utterance))

  def clips(self) -> list[Utterance]:
    """Returns those that are looked at, by id."""
    return [utterance for _, _, utterance in sorted(self._heap, key=lambda item: item[1])]


def rows(sample: Sample, config: config_lib.FeaturizeConfig) -> Iterator[tuple[str, str]]:
  """Reads the lengths of a sample; yields what they are, and which length to choose.

  Raises:
    StorageError: if a disk or a bucket does not deliver.
  """
  spec = config.audio
  if spec is None:
    yield 'probed', 'nothing: pictures have no length'
    return
  counter = durations.Counter(spec.sample_rate_hz)
  unusable: collections.Counter[str] = collections.Counter()
  looked_at = sample.clips()
  for one in looked_at:
    try:
      whole_s = reading.length_s(one.uri, one.excerpt, max_decode_s=config.max_decode_s)
    except clips.ClipError as error:
      unusable[error.reason] += 1
      continue
    whole = round(whole_s * spec.sample_rate_hz)
    counter.add(min(whole, spec.clip_samples or whole), whole)
  found = counter.durations()
  part = words.counted(found.num_clips, 'clip')
  if len(looked_at) < sample.num_clips:
    part = f'{found.num_clips:,} of {words.counted(sample.num_clips, "clip")}, picked by a hash'
  for reason, count in sorted(unusable.items()):
    yield 'probed', f'{count:,} {reason}: {rejects.ADVICE[reason]}'
  yield from (('probed', sentence) for sentence in _sentences(found, spec, part))


def _sentences(found: durations.Durations, spec: audio.AudioSpec, part: str) -> Iterator[str]:
  if not found.num_clips:
    return
  trimmed = ', before silence is trimmed' if spec.trim_db else ''
  lengths = ', '.join(
    f'{share:.0%} up to {cut_clips.length(found, share)} s'.replace('%', ' %')
    for share in (0.5, 0.9, 0.99)
  )
  yield (
    f'lengths of {part}{trimmed}: {lengths}, the longest {cut_clips.length(found, 1.0)} s; '
    f'{words.duration(found.whole_s)} in all'
  )
  if spec.is_variable:
    longest_s = found.length_s(1.0)
    if longest_s > spec.max_clip_s:
      yield (
        f'those longer than {spec.max_clip_s:g} s are rejected: '
        f'{cut_clips.keeping_all(found, spec)} keeps them'
      )
    return
  said = list(cut_clips.warnings(found, spec))
  yield from said
  if not said:
    padding = words.percent(cut_clips.padding(found, spec))
    yield (
      f'--clip_seconds={spec.clip_s:g} fits: it keeps every clip whole, and {padding} of what is '
      'stored is padding'
    )
