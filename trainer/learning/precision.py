"""The number formats that a model may compute in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from trainer.lazy import keras

FLOAT32 = 'float32'
MIXED_FLOAT16 = 'mixed_float16'
MIXED_BFLOAT16 = 'mixed_bfloat16'

POLICIES = (FLOAT32, MIXED_FLOAT16, MIXED_BFLOAT16)


@contextlib.contextmanager
def policy(name: str) -> Iterator[None]:
  """Lets the Keras layers that are made inside the block compute in `name`, one of POLICIES.

  A layer keeps the policy it was made with, so nothing global is left behind.
  """
  before = keras.config.dtype_policy()
  keras.config.set_dtype_policy(name)
  try:
    yield
  finally:
    keras.config.set_dtype_policy(before)


def protect(optimizer: keras.optimizers.Optimizer, name: str) -> keras.optimizers.Optimizer:
  """Returns the optimizer with loss scaling where the policy needs it.

  The least float16 is 6e-8: gradients vanish below it, unless the loss is multiplied first. With
  bfloat16, which reaches as far as float32, they do not.
  """
  return keras.optimizers.LossScaleOptimizer(optimizer) if name == MIXED_FLOAT16 else optimizer
