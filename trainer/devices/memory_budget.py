"""What is wanted of a memory, held against what is there, before any of it is taken."""

from __future__ import annotations

import dataclasses

from schemas import errors

MACHINE, GPU = 'on this machine', 'on a GPU'
# Of the memory, what is proposed to be used: what is wanted is estimated low.
_ROOMY = 0.8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
  """What is wanted of one memory.

  Attributes:
    place: Where it is, such as MACHINE.
    free_bytes: What it has; None if nobody can tell.
    model_bytes: Whatever the batch: weights and what learning keeps beside them.
    buffer_bytes: Whatever the batch: records that wait.
    example_bytes: For each example of a batch.
    batch_size: Examples of a batch, over all that share this memory.
  """

  place: str
  free_bytes: int | None
  model_bytes: int
  buffer_bytes: int = 0
  example_bytes: int
  batch_size: int

  @property
  def batch_bytes(self) -> int:
    """What a batch takes."""
    return self.example_bytes * self.batch_size

  @property
  def wanted_bytes(self) -> int:
    """All together."""
    return self.model_bytes + self.buffer_bytes + self.batch_bytes

  @property
  def is_too_much(self) -> bool:
    """Whether it is not there."""
    return self.free_bytes is not None and self.wanted_bytes > self.free_bytes

  @property
  def largest_batch(self) -> int:
    """The most examples that fit with room to spare, rounded down to two digits; 0 for none."""
    left = int(_ROOMY * (self.free_bytes or 0)) - self.model_bytes - self.buffer_bytes
    fitting = max(0, left) // max(1, self.example_bytes)
    digits = 10 ** max(0, len(str(fitting)) - 2)
    return fitting // digits * digits

  def __str__(self) -> str:
    free = '' if self.free_bytes is None else f' of {size_text(self.free_bytes)} {self.place}'
    return (
      f'about {size_text(self.wanted_bytes)}{free}: a batch {size_text(self.batch_bytes)}, '
      f'the model {size_text(self.model_bytes)}, buffers {size_text(self.buffer_bytes)}'
    )


def check(
  budget: Budget,
  *,
  asked: int,
  model: str,
  what_of_model: str = '',
  what_of_buffers: str = '',
  num_memories: int = 1,
  can_accumulate: bool = False,
) -> None:
  """Refuses what cannot fit.

  Args:
    budget: What is wanted.
    asked: The --batch_size.
    model: What the model is called.
    what_of_model: Sentences that say why it is as large as it is.
    what_of_buffers: The same of the buffers, and what to do about it; '' if they can be left out of
      account.
    num_memories: How many such memories share a whole batch.
    can_accumulate: Whether a step may learn from several batches.

  Raises:
    ConfigError: whether the model, the buffers or the batch are too large, and the largest batch
      that fits.
  """
  if not budget.is_too_much:
    return
  free = f'{size_text(budget.free_bytes or 0)} {budget.place}'
  if budget.model_bytes > (budget.free_bytes or 0):
    raise errors.ConfigError(
      f'The model {model} is too large: it needs {size_text(budget.model_bytes)}, and there are '
      f'{free}. {what_of_model} Make the model smaller, or take a machine with more memory; a '
      'smaller batch does not help.'
    )
  if what_of_buffers and budget.model_bytes + budget.buffer_bytes > (budget.free_bytes or 0):
    raise errors.ConfigError(
      f'{what_of_buffers} That is {size_text(budget.buffer_bytes)}, the model {model} needs '
      f'{size_text(budget.model_bytes)}, and there are {free}.'
    )
  largest = budget.largest_batch * num_memories
  advice = (
    f'The largest batch that fits is about {largest}: write --batch_size={largest} or less.'
    if largest
    else 'Not even one example fits: make the model or the clips smaller.'
  )
  if largest and can_accumulate:
    advice += ' With --accumulate a step learns from several of them as from one.'
  raise errors.ConfigError(
    f'--batch_size={asked} is too large: with the model {model} it '
    f'needs about {size_text(budget.wanted_bytes)}, and there are {free}. {advice}'
  )


def size_text(num_bytes: int) -> str:
  """Returns such as `3.2 GB`, `27 MB` or `4 kB`."""
  if num_bytes >= 1e9:
    return f'{num_bytes / 1e9:,.1f} GB'
  return f'{num_bytes / 1e6:.0f} MB' if num_bytes >= 1e6 else f'{num_bytes / 1e3:.0f} kB'
