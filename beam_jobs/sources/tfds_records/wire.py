"""The wire format of protocol buffers, as far as tf.train.Example needs it.

Source: protobuf.dev/programming-guides/encoding. A field is a varint of number * 8 + wire type and
what follows; with wire type 2 a varint of the length and so many bytes.
"""

from tfrecords.wire.example_wire import varint

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def field(number: int, data: bytes) -> bytes:
  """Returns a field of wire type 2."""
  return varint(number << 3 | BYTES) + varint(len(data)) + data


def entry(key: bytes, feature: bytes) -> bytes:
  """Returns one entry of the map `feature` of tf.train.Features."""
  return field(1, field(1, key) + field(2, feature))


def example(entries: bytes) -> bytes:
  """Returns a tf.train.Example of entries."""
  return field(1, entries)


def bytes_feature(value: bytes) -> bytes:
  """Returns a tf.train.Feature of one value of bytes."""
  return field(1, field(1, value))


def int_feature(*values: int) -> bytes:
  """Returns a tf.train.Feature of whole numbers."""
  # Negative numbers are written as the 64 bits of their two's complement.
  return field(3, field(1, b''.join(varint(value & (1 << 64) - 1) for value in values)))
