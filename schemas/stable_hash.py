"""The one hash behind splits and orders: the same on every machine, in every run.

Python's own hash() is salted per process, so it must not be used for anything that is kept.
A change of a value here changes every data set: it must bump RECORD_VERSION (schemas/record.py).
"""

import hashlib


def digest(text: str, *, salt: str) -> bytes:
  """Returns 8 bytes of BLAKE2b of `text`; uses with different salts are independent."""
  salt_bytes = salt.encode()
  if len(salt_bytes) > hashlib.blake2b.SALT_SIZE:  # Such as one that ends in a long seed.
    salt_bytes = hashlib.blake2b(salt_bytes, digest_size=hashlib.blake2b.SALT_SIZE).digest()
  return hashlib.blake2b(
    text.encode('utf-8', 'surrogateescape'), digest_size=8, salt=salt_bytes
  ).digest()


def unit_interval(text: str, *, salt: str) -> float:
  """Returns a number in [0, 1), uniform over texts."""
  # 53 bits: what a float holds exactly, so that the result never rounds up to 1.0.
  return (int.from_bytes(digest(text, salt=salt), 'big') >> 11) / 2**53
