"""Clips inside of the record files of a TensorFlow Datasets (TFDS) data set, without TensorFlow."""

from typing import TYPE_CHECKING

from beam_jobs.tfds_records.clip_uri import is_uri as is_uri

if TYPE_CHECKING:
  from features import clips
  from schemas import audio


def read_clip(uri: str, spec: 'audio.AudioSpec', *, min_clip_s: float = 0.0) -> 'clips.Clip':
  """Returns the decoded clip that a `tfds:` URI names, as clips.decode gives those of files.

  Raises:
    clips.ClipError: with the reason, if there is none.
  """
  # Here, not above: the listing of a data set needs neither NumPy nor a decoder.
  from features import clips  # noqa: PLC0415

  return clips.decode(read_bytes(uri), spec, min_clip_s=min_clip_s)


def read_bytes(uri: str) -> bytes:
  """Returns the audio that a `tfds:` URI names as the bytes of a whole audio file.

  What is stored as a file comes as it is, samples come as a WAV file of theirs.

  Raises:
    clips.ClipError: with the reason, if there is none.
  """
  from beam_jobs.tfds_records import stored_audio  # noqa: PLC0415

  return stored_audio.read_bytes(uri)
