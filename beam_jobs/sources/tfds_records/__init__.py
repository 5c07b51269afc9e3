"""Clips inside of the record files of a TensorFlow Datasets (TFDS) data set, without TensorFlow."""

from beam_jobs.sources.tfds_records.clip_uri import is_uri as is_uri


def read_bytes(uri: str) -> bytes:
  """Returns the audio that a `tfds:` URI names as the bytes of a whole audio file.

  What is stored as a file comes as it is, samples come as a WAV file of theirs.

  Raises:
    clips.ClipError: with the reason, if there is none.
  """
  # Here, not above: the listing of a data set needs neither NumPy nor protobuf.
  from beam_jobs.sources.tfds_records import stored_audio  # noqa: PLC0415

  return stored_audio.read_bytes(uri)
