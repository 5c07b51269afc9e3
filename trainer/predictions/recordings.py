"""Where the audio of judged clips comes from: the files that their records name, if still there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import audio, errors, manifest, utterance
from tfrecords import manifest_file, storage

if TYPE_CHECKING:
  from features.decoding import clips

_RAW = ('table:', 'folders:')  # How --data begins where it names raw files.
_ROOT = 'root='  # Of the source `table`: where its paths start from.


class Heard(NamedTuple):
  """What can be heard of a clip.

  Attributes:
    samples: Mono, float32 [num_samples].
    sample_rate_hz: Samples per second.
  """

  samples: NDArray[np.float32]
  sample_rate_hz: int


class Recordings:
  """The files that a data set was made of."""

  def __init__(self, dataset: manifest.DatasetManifest, data_dir: str) -> None:
    """Takes the manifest of a data set, and what --data names."""
    self._dataset = dataset
    self.folder = _folder(dataset, data_dir)

  def path(self, file: str) -> str:
    """Returns where a file of a record lies on this machine; '' where it does not.

    Args:
      file: As in the records. Nothing is fetched from buckets or the web.
    """
    path = os.path.join(self.folder, file) if self.folder or os.path.isabs(file) else ''
    if not file or not path or '://' in file or '://' in path or '\0' in path:
      return ''
    return path if os.path.isfile(path) else ''

  def heard(self, file: str, *, start_s: float, end_s: float, max_s: float) -> Heard | None:
    """Returns the beginning of a clip, at the rate of the data set, or None if it is not there.

    It is what the model heard, but for what the data job did to it: trimming, effects, a gain.

    Args:
      file: As in the records.
      start_s: Where the clip begins there.
      end_s: Where it ends; 0: at the end of the file.
      max_s: No more than so many seconds.
    """
    form = self._dataset.audio
    if form is None:
      return None
    spec = audio.AudioSpec(
      sample_rate_hz=form.sample_rate_hz,
      clip_s=min(end_s - start_s, max_s) if end_s > start_s else max_s,
      channel=form.channel,
      full_scale=form.full_scale,
    )
    clip = self.decoded(file, spec, start_s=start_s, end_s=end_s, max_s=max_s)
    if clip is None:
      return None
    return Heard(clip.samples[: max(1, clip.num_samples)], spec.sample_rate_hz)

  def decoded(
    self, file: str, spec: audio.AudioSpec, *, start_s: float, end_s: float, max_s: float
  ) -> clips.Clip | None:
    """Returns the beginning of a clip in a form of its own, or None if it cannot be had."""
    # Here, as whatever only some programs need.
    from features.decoding import byte_ranges, clips

    path = self.path(file)
    if not path:
      return None
    excerpt = None
    if end_s > start_s:
      excerpt = utterance.Excerpt(start_s=start_s, duration_s=min(end_s - start_s, max_s))
    try:
      with clips.opened_file(path) as stream:
        return clips.decode(byte_ranges.ByteRanges(stream), spec, excerpt)
    except (clips.ClipError, errors.VoxshardError):
      return None  # It was replaced by something else, holds records, or is too long as a whole.

  def picture(self, file: str, *, side: int) -> NDArray[np.uint8] | None:
    """Returns a picture in a square of so many pixels, uint8 [side, side, 3], or None."""
    # Here, as whatever only some programs need.
    from features import image
    from features.decoding import clips, pictures

    path = self.path(file)
    if not path:
      return None
    try:
      settings = image.Image(height=side, width=side, fit=image.PAD)
      found = pictures.decode(clips.read_bytes(path), settings).samples.astype(np.uint8)
    except (clips.ClipError, errors.VoxshardError):
      return None
    return found


def _folder(dataset: manifest.DatasetManifest, data_dir: str) -> str:
  """Returns the folder that the files of records are named from; '' where nobody says."""
  config: dict[str, Any] = dict(dataset.config)
  if config.get('raw_files'):
    place, root = data_dir.partition(':')[2], ''
  else:
    place = str(config.get('input') or '')
    parts = str(config.get('source') or '').partition(':')[2].split(',')
    root = next((part[len(_ROOT) :] for part in parts if part.startswith(_ROOT)), '')
  if not place or '://' in place:
    return ''
  place = os.path.abspath(os.path.expanduser(place))
  if os.path.isfile(place):  # A table.
    place = os.path.dirname(place)
  return os.path.join(place, os.path.expanduser(root)) if root else place


def dataset_of(
  trained: manifest.DatasetManifest, trained_digest: str, *, data_dir: str, digest: str
) -> manifest.DatasetManifest | None:
  """Returns the manifest of the data that was judged; None where it is gone or another now.

  Args:
    trained: That of the training, a copy of which is in the run.
    trained_digest: Its SHA-256.
    data_dir: The data set that was judged.
    digest: Its SHA-256 at that time.
  """
  if digest == trained_digest:
    return trained
  return stored(data_dir, digest)[0]


def stored(data_dir: str, digest: str) -> tuple[manifest.DatasetManifest | None, str]:
  """Returns the manifest of a data set that is still there as it was; else why it is not.

  Args:
    data_dir: What --data named.
    digest: The SHA-256 of its manifest at that time.
  """
  if data_dir.startswith(_RAW):
    return None, 'The clips are raw files, without records.'
  try:
    files = storage.storage_of(data_dir)
    if manifest_file.digest(data_dir, files) != digest:
      return None, f'The data set in {data_dir} is another one now.'
    return manifest_file.load(data_dir, files), ''
  except errors.VoxshardError:
    return None, f'The data set is not in {data_dir} any more.'
