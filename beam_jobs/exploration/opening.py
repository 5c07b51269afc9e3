"""Opens one clip of a corpus as the data job does, and keeps its own rate and channels."""

import numpy as np
from numpy.typing import NDArray

from beam_jobs import reading
from beam_jobs.exploration import sound as sound_lib
from schemas import audio, utterance

_TFDS = 'tfds:'
# TFDS hands out decoded samples: at this rate, whatever the recordings had.
_TFDS_SPEC = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.0)

# Pictures are shown and compared no larger than this, in pixels.
_THUMBNAIL_PIXELS = 160


def sound(clip: utterance.Utterance) -> sound_lib.Sound:
  """Returns the audio of a clip.

  Raises:
    clips.ClipError: where it cannot be used.
  """
  if clip.uri.startswith(_TFDS):
    samples = reading.load(clip.uri, _TFDS_SPEC).samples
    return sound_lib.of_samples(samples, _TFDS_SPEC.sample_rate_hz, coding='TFDS')
  with reading.opened(clip.uri) as stream:
    return sound_lib.decode(stream, clip.excerpt)


def picture(clip: utterance.Utterance) -> NDArray[np.uint8]:
  """Returns a picture in a small size, uint8 [height, width, 3].

  Raises:
    clips.ClipError: where it cannot be used.
  """
  # Here, not above: who looks at audio does not need Pillow.
  from features import image, pictures

  settings = image.Image(height=_THUMBNAIL_PIXELS, width=_THUMBNAIL_PIXELS, fit=image.PAD)
  return pictures.decode(reading.read(clip.uri), settings).samples.astype(np.uint8)
