"""Opens one clip of a corpus where the data job does, and keeps its own rate and channels."""

import io

import numpy as np
from numpy.typing import NDArray

from beam_jobs.exploration import sound as sound_lib
from beam_jobs.shards import reading
from beam_jobs.sources.tfds_records import clip_uri
from schemas import audio, utterance
from tfrecords.storage import passing_faults

# Pictures are shown and compared no larger than this, in pixels.
_THUMBNAIL_PIXELS = 160


def sound(
  clip: utterance.Utterance,
  spec: audio.AudioSpec = audio.AudioSpec(),  # noqa: B008 - Frozen.
) -> sound_lib.Sound:
  """Returns the audio of a clip, of which `spec` says the channel and what full scale is.

  Raises:
    ClipError: where it cannot be used.
  """
  if clip_uri.is_uri(clip.uri):
    return sound_lib.decode(io.BytesIO(reading.read(clip.uri)), clip.excerpt, spec)

  def attempt() -> sound_lib.Sound:
    with reading.opened(clip.uri) as stream:
      return sound_lib.decode(stream, clip.excerpt, spec)

  return passing_faults.patiently(attempt, clip.uri)


def picture(clip: utterance.Utterance) -> NDArray[np.uint8]:
  """Returns a picture in a small size, uint8 [height, width, 3].

  Raises:
    ClipError: where it cannot be used.
  """
  # Here, not above: who looks at audio does not need Pillow.
  from features import image
  from features.decoding import pictures

  settings = image.Image(height=_THUMBNAIL_PIXELS, width=_THUMBNAIL_PIXELS, fit=image.PAD)
  return pictures.decode(reading.read(clip.uri), settings).samples.astype(np.uint8)
