"""Audio files as FFmpeg writes them, made in memory: M4A, WebM, WMA and others."""

import io

import av
import numpy as np
from numpy.typing import NDArray

# Name -> encoder, container, rate, and the bit rate where the encoder wants one.
CODINGS = {
  'm4a': ('aac', 'ipod', 16_000, 0),
  'alac': ('alac', 'ipod', 16_000, 0),
  'mp4': ('aac', 'mp4', 44_100, 0),
  'mov': ('aac', 'mov', 48_000, 0),
  'fragments': ('aac', 'ismv', 16_000, 0),
  'adts': ('aac', 'adts', 16_000, 0),
  'mka': ('aac', 'matroska', 16_000, 0),
  'webm': ('libopus', 'webm', 48_000, 0),
  'opus': ('libopus', 'ogg', 48_000, 0),
  'wma': ('wmav2', 'asf', 16_000, 64_000),
  'wma1': ('wmav1', 'asf', 44_100, 128_000),
  'ac3': ('ac3', 'ac3', 48_000, 0),
  'eac3': ('eac3', 'eac3', 48_000, 0),
  'wavpack': ('wavpack', 'wv', 16_000, 0),
  'tta': ('tta', 'tta', 16_000, 0),
  'mp3': ('libmp3lame', 'mp3', 16_000, 0),
  'mp2': ('mp2', 'mp2', 48_000, 128_000),
  'flac': ('flac', 'flac', 16_000, 0),
  'amr': ('libopencore_amrnb', 'amr', 8_000, 12_200),
  '3gp': ('libopencore_amrnb', '3gp', 8_000, 12_200),
  'ts': ('aac', 'mpegts', 48_000, 0),
  'wav': ('pcm_s16le', 'wav', 16_000, 0),
  'wav24': ('pcm_s24le', 'wav', 16_000, 0),
  'adpcm': ('adpcm_ima_wav', 'wav', 16_000, 0),
  'w64': ('pcm_s16le', 'w64', 16_000, 0),
  'aiff': ('pcm_s16be', 'aiff', 16_000, 0),
  'au': ('pcm_s16be', 'au', 16_000, 0),
  'caf': ('pcm_s16be', 'caf', 16_000, 0),
}
MONO_ONLY = ('amr', '3gp')


def encoded(
  name: str,
  samples: NDArray[np.float32],
  *,
  rate_hz: int = 0,
  options: dict[str, str] | None = None,
) -> bytes:
  """Returns a file of samples [num_frames] or [num_frames, channels] in one of CODINGS."""
  codec, container, usual_hz, bit_rate = CODINGS[name]
  rate_hz = rate_hz or usual_hz
  layout = 'stereo' if samples.ndim == 2 and samples.shape[1] == 2 else 'mono'
  planes = np.ascontiguousarray(np.atleast_2d(samples.T), np.float32)
  file = io.BytesIO()
  with av.open(file, 'w', format=container, options=options or {}) as out:
    stream = out.add_stream(codec, rate=rate_hz, layout=layout)
    if bit_rate:
      stream.bit_rate = bit_rate
    stream.codec_context.open()
    frame = av.AudioFrame.from_ndarray(planes, format='fltp', layout=layout)
    frame.rate = rate_hz
    cutter = av.AudioResampler(
      format=stream.codec_context.format,
      layout=layout,
      rate=rate_hz,
      frame_size=stream.codec_context.frame_size or 1_024,
    )
    for part in (*cutter.resample(frame), *cutter.resample(None), None):
      out.mux(stream.encode(part))
  return file.getvalue()


def seconds(data: bytes) -> float:
  """Returns how long the first stream of audio is when FFmpeg decodes it, past all damage."""
  num_frames, rate_hz = 0, 1
  with av.open(io.BytesIO(data)) as container:
    packets = container.demux(audio=0)
    while True:
      try:
        packet = next(packets, None)
        frames = packet.decode() if packet else []
      except av.error.InvalidDataError:
        continue
      for frame in frames:
        num_frames, rate_hz = num_frames + frame.samples, frame.sample_rate
      if packet is None:
        return num_frames / rate_hz
