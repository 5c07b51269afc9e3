"""Samples in JSON, as a file in memory: so they go the way that every recording goes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from features.decoding import wav
from schemas import audio as audio_schema
from trainer.serve import refusal

_WANTED = 'Wanted {"samples": [numbers in [-1, 1]], "sample_rate_hz": whole number}, got '


def to_wav(body: bytes) -> bytes:
  """Returns a WAVE file of the samples.

  Raises:
    RefusedError: if the body is anything else.
  """
  # Counted before it is parsed: a million empty lists, or lists in lists, take much memory.
  if body.count(b'{') != 1 or body.count(b'[') != 1 or body.count(b'"') != 4:
    raise _refused('something else')
  try:
    given = json.loads(body, parse_constant=_constant)
  except (ValueError, RecursionError) as error:
    raise _refused('something that is no JSON') from error
  if not isinstance(given, dict) or sorted(given) != ['sample_rate_hz', 'samples']:
    raise _refused('other names')
  return _wav(given['samples'], given['sample_rate_hz'])


def _wav(samples: Any, rate_hz: Any) -> bytes:
  most_hz = audio_schema.MAX_SAMPLE_RATE_HZ
  if type(rate_hz) is not int or not 1 <= rate_hz <= most_hz:
    raise _refused(f'a sample_rate_hz that is no whole number from 1 to {most_hz:,}')
  if not isinstance(samples, list) or not {float, int}.issuperset(map(type, samples)):
    raise _refused('samples that are no list of numbers')
  if not samples:
    raise _refused('no samples')
  try:
    with np.errstate(over='ignore'):  # What becomes infinite, the decoder refuses with its place.
      data = np.array(samples, np.float64).astype('<f4').tobytes()
  except OverflowError as error:
    raise _refused('numbers that are far too large') from error
  return wav.header_bytes(wav.FLOAT, len(data), channels=1, rate_hz=rate_hz, sample_bytes=4) + data


def _constant(name: str) -> None:
  raise ValueError(name)


def _refused(got: str) -> refusal.RefusedError:
  return refusal.RefusedError(refusal.NOT_USABLE, f'{_WANTED}{got}.')
