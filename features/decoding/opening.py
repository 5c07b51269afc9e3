"""Opens a recording with the quickest reader that knows its format."""

from features.decoding import byte_ranges, deadline, levels, recording, wav
from schemas.rejects import ClipError

# What libsndfile cannot read, or not all of, goes to FFmpeg.
_FOR_FFMPEG = ('not_audio', 'in_part')


def open_recording(
  data: byte_ranges.Bytes,
  limit: deadline.Deadline | None = None,
  listener: levels.Listener | None = None,
) -> recording.Recording:
  """Returns the recording in a whole file; to be closed.

  Args:
    data: The file.
    limit: When decoding has to be done; None: some time.
    listener: Which channel is heard of it; None for their mix.

  Raises:
    ClipError: reason not_audio, no_decoder, in_part, truncated, wrong_size, no_samples, bad_rate or
      too_slow.
  """
  source = _opened(data, limit or deadline.Deadline())
  source.listener = listener or levels.Listener()
  return source


def _opened(data: byte_ranges.Bytes, limit: deadline.Deadline) -> recording.Recording:
  header = wav.read_header(data)
  if header is not None and header.is_pcm16:
    return wav.Pcm16(data, header)
  # Here, not above: a worker that sees nothing but 16-bit WAV never loads the library.
  from features.decoding import sound_file

  try:
    return sound_file.Decoder(data if header is None else wav.with_size(data, header), limit)
  except ClipError as error:
    if error.reason not in _FOR_FFMPEG:
      raise
    # Here, likewise.
    from features.decoding import ffmpeg

    return ffmpeg.open_instead(data, limit, error)
