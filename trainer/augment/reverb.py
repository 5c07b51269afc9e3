"""The sound of a room: each clip is convolved with an impulse response, recorded or simulated.

As T. Ko et al. do it (A study on data augmentation of reverberant speech for robust speech
recognition, ICASSP 2017) with Kaldi's wav-reverberate: the loudest sample of a response is the
direct sound and stays where the clip had it, and the clip is as loud as before (--shift-output and
--normalize-output).
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from features.augmentations import shoebox
from features.decoding import held_recordings
from tfrecords import paths
from trainer.augment import augmentation, bank
from trainer.lazy import tf

# Of a response, what is kept in front of the direct sound: the rise of a real loudspeaker.
BEFORE_S = 0.0025
# A recording may begin before the sound does.
_LEAD_S = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reverb(augmentation.Settings):
  """Settings of the rooms.

  Attributes:
    folder: Recorded impulse responses on this machine; nothing: simulated rooms.
    max_s: Longest response behind the direct sound, in seconds.
    max_mb: Of recordings so much is held in memory, in MiB.
    rooms: How many are simulated (features/augmentations/shoebox.py).
    min_rt60_s: Least time until the sound of a simulated room has fallen by 60 dB, in seconds.
    max_rt60_s: Greatest.
    seed: Of the simulated rooms.
  """

  LIMITS = {
    'max_s': (0.01, 10.0),
    'max_mb': (1, 65_536),
    'rooms': (1, 1_000),
    'rt60_s': (0.05, 1.0),
    'seed': (0, 99_999),
  }

  folder: str = ''
  max_s: float = 1.0
  max_mb: int = 256
  rooms: int = 64
  min_rt60_s: float = 0.1
  max_rt60_s: float = 0.5
  seed: int = 0


def recordings(settings: Reverb, sample_rate_hz: int) -> held_recordings.Held:
  """Returns the responses at a rate, each with BEFORE_S in front of its direct sound.

  Raises:
    ConfigError: if there are none.
  """
  settings = dataclasses.replace(settings, probability=1.0, folder=paths.expand(settings.folder))
  return _made(settings, sample_rate_hz, bank.changed_ns(settings.folder))


@functools.lru_cache(maxsize=2)  # A run asks for the same several times.
def _made(settings: Reverb, sample_rate_hz: int, changed_ns: int) -> held_recordings.Held:
  del changed_ns  # Only tells a folder from what it was before.
  if not settings.folder:
    rooms = (
      shoebox.drawn(
        number,
        seed=settings.seed,
        min_rt60_s=settings.min_rt60_s,
        max_rt60_s=settings.max_rt60_s,
      )
      for number in range(settings.rooms)
    )
    found = [shoebox.response(room, sample_rate_hz, max_s=settings.max_s) for room in rooms]
    notes = [f'{len(found)} simulated rooms']
  else:
    read = held_recordings.read(
      settings.folder,
      sample_rate_hz,
      window=held_recordings.WHOLE,
      max_bytes=settings.max_mb << 20,
      max_s=settings.max_s + _LEAD_S,
      said_by='a folder of impulse responses: --augment=reverb:folder=FOLDER',
    )
    found = [
      read.samples[start : start + length].astype(np.float32)
      for start, length in zip(read.starts, read.lengths, strict=True)
    ]
    notes = list(read.notes)
  aligned = [_aligned(part, sample_rate_hz, settings.max_s) for part in found]
  return held_recordings.packed(aligned, notes)


def _aligned(
  response: NDArray[np.floating], sample_rate_hz: int, max_s: float
) -> NDArray[np.floating]:
  """Returns a response with the same time in front of its loudest sample, cut to its length."""
  before, most = before_samples(sample_rate_hz), max(1, round(max_s * sample_rate_hz))
  loudest = int(np.abs(response).argmax())
  kept = response[max(0, loudest - before) : loudest + most]
  return np.pad(kept, (max(0, before - loudest), 0))


def before_samples(sample_rate_hz: int) -> int:
  """Returns how many samples of a response lie in front of its direct sound."""
  return round(BEFORE_S * sample_rate_hz)


def pick(
  recorded: bank.Bank, settings: Reverb, draws: tf.Tensor, num_samples: tf.Tensor
) -> tf.Tensor:
  """Returns a response for each clip, int16 [batch, longest]."""
  del settings, num_samples
  return recorded.wholes(draws[:, 0])


def apply(
  examples: augmentation.Examples,
  settings: Reverb,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Puts each clip into a room; what sounds on behind its end is cut."""
  del settings, draws
  values = examples.values
  size = tf.shape(values)[1]
  response = tf.cast(examples.picked, tf.float32)
  whole = size + tf.shape(response)[1]
  length = augmentation.power_of_two(whole)
  spectra = [tf.signal.rfft(x, fft_length=[length]) for x in (values, response)]
  found = tf.signal.irfft(spectra[0] * spectra[1], fft_length=[length])
  before = before_samples(context.sample_rate_hz)
  found = found[:, before : before + size]
  found = tf.where(examples.is_real(), found, 0.0)
  # All of a clip, padding too: that does not change the ratio.
  had, has = (tf.reduce_sum(tf.square(x), axis=1, keepdims=True) for x in (values, found))
  factor = tf.where(has > 0, tf.sqrt(had / tf.maximum(has, 1e-30)), 0.0)
  return dataclasses.replace(examples, values=found * factor)


AUGMENTATION = augmentation.Augmentation(
  settings=Reverb,
  apply=apply,
  num_draws=lambda settings: 1,
  takes=augmentation.SAMPLES,
  identity={'probability': 0.0},
  recordings=recordings,
  pick=pick,
)
