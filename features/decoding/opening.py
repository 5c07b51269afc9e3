"""Opens a recording with the quickest reader that knows its format."""

from features.decoding import byte_ranges, recording, wav


def open_recording(data: byte_ranges.Bytes) -> recording.Recording:
  """Returns the recording in a whole file; to be closed.

  Raises:
    ClipError: reason not_audio, truncated, no_samples or bad_rate.
  """
  header = wav.read_header(data)
  if header is not None and header.is_pcm16:
    return wav.Pcm16(data, header)
  # Here, not above: a worker that sees nothing but 16-bit WAV never loads the library.
  from features.decoding import sound_file

  return sound_file.Decoder(data if header is None else wav.with_size(data, header))
