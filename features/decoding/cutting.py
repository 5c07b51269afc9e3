"""Brings audio to the length of a clip: which part is kept, and where it stands in the padding."""

import numpy as np
from numpy.typing import NDArray

from schemas import audio as audio_schema

# Position -> share of what is too much, or too little, that lies before.
_SHARE = {audio_schema.START: 0.0, audio_schema.CENTRE: 0.5, audio_schema.END: 1.0}


def offset(num_samples: int, wanted_samples: int, position: str) -> int:
  """Returns where the shorter stands in the longer, in samples from its start, rounded down.

  That is the first sample kept of audio longer than wanted, or the samples of silence before
  audio that is shorter.
  """
  return int(_SHARE[position] * abs(num_samples - wanted_samples))


def cut(samples: NDArray[np.float32], audio: audio_schema.AudioSpec) -> NDArray[np.float32]:
  """Returns the part of samples [num_samples] that `audio.position` names: a view.

  All of them where they are no more than a clip has, or where clips are as long as they are.
  """
  wanted = audio.clip_samples
  if not wanted or len(samples) <= wanted:
    return samples
  start = offset(len(samples), wanted, audio.position)
  return samples[start : start + wanted]


def unpadded(clip: NDArray[np.float32], num_samples: int, position: str) -> NDArray[np.float32]:
  """Returns the samples of a clip [clip_samples] without the padding around them: a view.

  Args:
    clip: As `padded` made it.
    num_samples: How many of the clip are audio; of none one is left.
    position: Where they stand in it.
  """
  length = min(max(1, num_samples), len(clip))
  start = offset(len(clip), length, position)
  return clip[start : start + length]


def padded(samples: NDArray[np.float32], audio: audio_schema.AudioSpec) -> NDArray[np.float32]:
  """Returns samples [num_samples], at most a clip, in zeros [clip_samples]; always a copy."""
  wanted = audio.clip_samples
  if not wanted:
    return np.array(samples, np.float32)
  out = np.zeros(wanted, np.float32)
  start = offset(len(samples), wanted, audio.position)
  out[start : start + len(samples)] = samples
  return out


def filled(samples: NDArray[np.float32], audio: audio_schema.AudioSpec) -> NDArray[np.float32]:
  """Returns what `padded` does; the samples themselves where they are a clip already.

  But not where they are a part of something larger, which would be held in memory with them.
  """
  is_whole = samples.base is None or samples.base.nbytes == samples.nbytes
  if is_whole and len(samples) == (audio.clip_samples or len(samples)):
    return samples
  return padded(samples, audio)


def fitted(
  samples: NDArray[np.float32], audio: audio_schema.AudioSpec
) -> tuple[NDArray[np.float32], int]:
  """Returns samples [num_samples] cut or padded to a clip, and how many of them are audio.

  Args:
    samples: Mono, at the rate of `audio`; not changed.
    audio: Length and position. What else it says, effects too, is not looked at.

  Returns:
    (float32 [clip_samples], or [num_samples] where clips are as long as they are; number of
    samples that are not padding)
  """
  part = cut(samples, audio)
  return padded(part, audio), len(part)
