"""Which part of a trunk stays as it is in training: what --freeze names.

Frozen layers keep their weights, and their batch normalisation stays in inference, by the
statistics that it has. Dropout of a trunk drops in training, frozen or not.
"""

from __future__ import annotations

import re

from schemas import errors
from trainer.lazy import keras
from trainer.models import anatomy

AUTO, NONE, TRUNK = 'auto', 'none', 'trunk'
WHOLE = 'the trunk'  # What apply says where all of it is frozen.
_BLOCKS = re.compile(r'blocks:([0-9]{1,4})')


def check(text: str) -> None:
  """Raises ConfigError if a text names no part of a model."""
  if text not in (AUTO, NONE, TRUNK) and not _BLOCKS.fullmatch(text):
    raise errors.ConfigError(
      f'--freeze: expected {AUTO}, {NONE}, {TRUNK} or blocks:N (the N lowest blocks of the trunk, '
      f'as in blocks:2), got {text!r}.'
    )


def apply(model: keras.Model, text: str, *, is_pretrained: bool = False) -> str:
  """Lets the named part of a model's trunk train no more; returns what is frozen, in words.

  Args:
    model: Whatever models.build gives, all of it to be trained.
    text: `none`, `trunk`, `blocks:N`, or `auto`: all blocks but the top one where the trunk's
      weights are from elsewhere, and nothing where they are random.
    is_pretrained: Whether they are from elsewhere.

  Returns:
    Such as `4 of 5 blocks of the trunk`; '' for nothing.

  Raises:
    ConfigError: if the trunk has fewer blocks.
  """
  check(text)
  trunk = anatomy.trunk(model)
  if text == NONE or trunk is None or (text == AUTO and not is_pretrained):
    return ''
  if text == TRUNK:
    trunk.trainable = False
    return WHOLE
  blocks = anatomy.blocks(trunk)
  if text == AUTO and len(blocks) == 1:  # A network of a file, which cannot be looked into.
    trunk.trainable = False
    return WHOLE
  match = _BLOCKS.fullmatch(text)
  count = int(match[1]) if match else len(blocks) - 1
  if count > len(blocks):
    raise errors.ConfigError(
      f'--freeze={text}: the trunk of {model.name!r} has '
      f'{errors.counted(len(blocks), "block")} with weights. Write --freeze=trunk for all of them, '
      'or a smaller number.'
    )
  for layer in (layer for block in blocks[:count] for layer in block):
    layer.trainable = False
  return f'{count} of {errors.counted(len(blocks), "block")} of the trunk' if count else ''
