"""Audio files decoded by TensorFlow's operations: bytes to samples, inside of a graph.

WAV of 16 bits by TensorFlow itself, the others by tensorflow-io, which runs on TensorFlow 2.17.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from trainer.data.raw import files
from trainer.lazy import tfio

# From the bytes of a file, string [], to float32 [frames, channels] in [-1, 1].
Decoder = Callable[[tf.Tensor], tf.Tensor]


def _flac(data: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
  samples = tfio.audio.decode_flac(data, dtype=dtype)
  return tf.cast(samples, tf.float32) / 2.0 ** (8 * dtype.size - 1)


DECODERS: dict[int, Decoder] = {
  files.WAV16: lambda data: tf.audio.decode_wav(data).audio,
  files.FLAC16: lambda data: _flac(data, tf.int16),
  files.FLAC24: lambda data: _flac(data, tf.int32),
  files.OGG: lambda data: tfio.audio.decode_vorbis(data),
  files.MP3: lambda data: tfio.audio.decode_mp3(data),
}


def clip(path: tf.Tensor, codec: tf.Tensor, codecs: Sequence[int], clip_samples: int) -> tf.Tensor:
  """Returns the beginning of a file, mixed to mono, float32 [clip_samples]; zeros behind its end.

  Args:
    path: The file, string [].
    codec: How it is decoded, one of `codecs`, int32 [].
    codecs: All that may come; only these are put into the graph.
    clip_samples: Length of the result.
  """
  data = tf.io.read_file(path)
  if len(codecs) == 1:
    frames = DECODERS[codecs[0]](data)
  else:
    index = tf.argmax(tf.cast(tf.equal(list(codecs), codec), tf.int32), output_type=tf.int32)
    # As defaults of arguments: each branch has a decoder of its own.
    branches = [lambda decode=DECODERS[one]: decode(data) for one in codecs]
    frames = tf.switch_case(index, branches)
  samples = tf.reduce_mean(frames[:clip_samples], axis=1)
  padded = tf.pad(samples, [[0, clip_samples - tf.shape(samples)[0]]])
  return tf.ensure_shape(padded, [clip_samples])
