"""The optimizers that --optimizer can name, and the rule for the learning rate of a batch."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from schemas import limits, options
from trainer.lazy import keras


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adam(limits.Limited):
  """Settings of Adam (Kingma & Ba 2015).

  Attributes:
    beta_1: How slowly the mean of the gradients moves.
    beta_2: How slowly the mean of their squares moves.
    epsilon: Added to the root of the latter.
  """

  LIMITS = {'beta_1': limits.RATE, 'beta_2': limits.RATE, 'epsilon': limits.AT_LEAST_0}

  beta_1: float = 0.9
  beta_2: float = 0.999
  epsilon: float = 1e-7


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
  """Settings of Adam with decoupled weight decay (Loshchilov & Hutter 2019).

  Attributes:
    weight_decay: Every step takes this share times the learning rate off the weights; biases and
      the scales of normalisation are left alone.
  """

  LIMITS = {'weight_decay': limits.AT_LEAST_0}

  weight_decay: float = 0.004


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sgd(limits.Limited):
  """Settings of gradient descent.

  Attributes:
    momentum: How much of the last step goes into the next.
    nesterov: Whether the gradient is taken as if that had been done already.
    weight_decay: See AdamW.
  """

  LIMITS = {'momentum': limits.RATE, 'weight_decay': limits.AT_LEAST_0}

  momentum: float = 0.9
  nesterov: bool = False
  weight_decay: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class RmsProp(limits.Limited):
  """Settings of RMSprop.

  Attributes:
    rho: How slowly the mean of the squared gradients moves.
    momentum: How much of the last step goes into the next.
    epsilon: Added to the root of the former.
    weight_decay: See AdamW.
  """

  LIMITS = {
    'rho': limits.RATE,
    'momentum': limits.RATE,
    'epsilon': limits.AT_LEAST_0,
    'weight_decay': limits.AT_LEAST_0,
  }

  rho: float = 0.9
  momentum: float = 0.0
  epsilon: float = 1e-7
  weight_decay: float = 0.0


# From a name to the settings and Keras's class, whose arguments have the names of the settings.
OPTIMIZERS: Mapping[str, tuple[type, str]] = {
  'adam': (Adam, 'Adam'),
  'adamw': (AdamW, 'AdamW'),
  'rmsprop': (RmsProp, 'RMSprop'),
  'sgd': (Sgd, 'SGD'),
}

SETTINGS: Mapping[str, type] = {name: settings for name, (settings, _) in OPTIMIZERS.items()}

# The batch that a learning rate is meant for where it is scaled: the default --batch_size.
REFERENCE_BATCH = 64

# From a rule's name to the factor for a batch that is `ratio` times the reference.
SCALINGS: Mapping[str, Callable[[float], float]] = {
  'none': lambda ratio: 1.0,
  'linear': lambda ratio: ratio,  # Goyal et al. 2017, for sgd.
  'sqrt': math.sqrt,  # Granziol et al. 2022, for adam and its like.
}


# From a text, such as `sgd:momentum=0.9`, to the name and the settings; ConfigError.
parse = functools.partial(options.parse, settings_by_name=SETTINGS, family='optimizer')


def scaled(learning_rate: float, rule: str, *, batch_size: int) -> float:
  """Returns the rate for a batch of `batch_size` over all devices, by one of SCALINGS."""
  return learning_rate * SCALINGS[rule](batch_size / REFERENCE_BATCH)


def make(
  text: str,
  learning_rate: Any,
  variables: list[keras.Variable],
  *,
  slow: Sequence[keras.Variable] = (),
  factor: float = 1.0,
) -> keras.optimizers.Optimizer:
  """Returns the optimizer, not yet built.

  Args:
    text: Such as `sgd:momentum=0.9`.
    learning_rate: A number or a Keras schedule.
    variables: What it is going to train; vectors among them are spared weight decay.
    slow: Those of them that have a learning rate of their own.
    factor: That rate, as a share of `learning_rate`.

  Raises:
    ConfigError: if the text is wrong.
  """
  name, settings = parse(text)
  arguments = dataclasses.asdict(settings)
  if not arguments.get('weight_decay', 1):
    del arguments['weight_decay']  # Keras takes 0 for a wish, and computes with it.
  kind = getattr(keras.optimizers, OPTIMIZERS[name][1])
  keys: set[Any] = set()
  if slow and factor != 1:
    kind = _with_two_rates(kind, factor, keys)
  optimizer = kind(learning_rate, **arguments)
  keys |= {optimizer._var_key(variable) for variable in slow}
  optimizer.exclude_from_weight_decay(
    var_list=[variable for variable in variables if len(variable.shape) < 2]
  )
  return optimizer


def slow_factor(optimizer: keras.optimizers.Optimizer) -> float:
  """Returns the rate of the slow variables as a share of the others'; 1 where all have the same."""
  return getattr(getattr(optimizer, 'inner_optimizer', optimizer), 'factor_of_slow', 1.0)


def _with_two_rates(kind: type, factor: float, slow: Collection[Any]) -> type:
  """Returns an optimizer of Keras that moves the variables of some keys by another learning rate.

  All that it keeps (means of gradients, the count of steps) is what two optimizers would keep, one
  for each rate, so the weights are those that these would give. Scaling the gradients or the
  updates would not do: Adam is blind to the scale of gradients, and weight decay is no gradient.
  """

  class TwoRates(kind):  # type: ignore[misc, valid-type]
    """An optimizer with a factor for the rate of some variables."""

    factor_of_slow = factor

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
      rate = learning_rate * factor if self._var_key(variable) in slow else learning_rate
      if self.weight_decay is not None and self._use_weight_decay(variable):
        share = keras.ops.cast(self.weight_decay * rate, variable.dtype)
        self.assign_sub(variable, variable * share)
      super().update_step(gradient, variable, rate)

    def _apply_weight_decay(self, variables: Any) -> None:
      """Nothing: Keras would do it here by one rate for all; update_step does it."""

  return TwoRates
