"""The optimizers that --optimizer can name, and the rule for the learning rate of a batch."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from schemas import errors, options

if TYPE_CHECKING:
  import keras


def _check(settings: Any) -> None:
  """Raises ConfigError for a setting out of its range; all of these dataclasses share names."""
  for field in dataclasses.fields(settings):
    value = getattr(settings, field.name)
    if isinstance(value, bool):
      continue
    if field.name in ('beta_1', 'beta_2', 'rho', 'momentum') and not 0 <= value < 1:
      raise errors.ConfigError(f'{field.name} must be in [0, 1), got {value}.')
    if not (math.isfinite(value) and value >= 0):
      raise errors.ConfigError(f'{field.name} must be 0 or more, got {value}.')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adam:
  """Settings of Adam (Kingma & Ba 2015).

  Attributes:
    beta_1: How slowly the mean of the gradients moves.
    beta_2: How slowly the mean of their squares moves.
    epsilon: Added to the root of the latter.
  """

  beta_1: float = 0.9
  beta_2: float = 0.999
  epsilon: float = 1e-7

  def __post_init__(self) -> None:
    _check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
  """Settings of Adam with decoupled weight decay (Loshchilov & Hutter 2019).

  Attributes:
    weight_decay: Every step takes this share times the learning rate off the weights; biases and
      the scales of normalisation are left alone.
  """

  weight_decay: float = 0.004


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sgd:
  """Settings of gradient descent.

  Attributes:
    momentum: How much of the last step goes into the next.
    nesterov: Whether the gradient is taken as if that had been done already.
    weight_decay: See AdamW.
  """

  momentum: float = 0.9
  nesterov: bool = False
  weight_decay: float = 0.0

  def __post_init__(self) -> None:
    _check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RmsProp:
  """Settings of RMSprop.

  Attributes:
    rho: How slowly the mean of the squared gradients moves.
    momentum: How much of the last step goes into the next.
    epsilon: Added to the root of the former.
    weight_decay: See AdamW.
  """

  rho: float = 0.9
  momentum: float = 0.0
  epsilon: float = 1e-7
  weight_decay: float = 0.0

  def __post_init__(self) -> None:
    _check(self)


# From a name to the settings and Keras's class, whose arguments have the names of the settings.
OPTIMIZERS: Mapping[str, tuple[type, str]] = types.MappingProxyType(
  {
    'adam': (Adam, 'Adam'),
    'adamw': (AdamW, 'AdamW'),
    'rmsprop': (RmsProp, 'RMSprop'),
    'sgd': (Sgd, 'SGD'),
  }
)

SETTINGS: Mapping[str, type] = {name: settings for name, (settings, _) in OPTIMIZERS.items()}

# The batch that a learning rate is meant for where it is scaled: the default --batch_size.
REFERENCE_BATCH = 64

# From a rule's name to the factor for a batch that is `ratio` times the reference.
SCALINGS: Mapping[str, Callable[[float], float]] = types.MappingProxyType(
  {
    'none': lambda ratio: 1.0,
    'linear': lambda ratio: ratio,  # Goyal et al. 2017, for sgd.
    'sqrt': math.sqrt,  # Granziol et al. 2022, for adam and its like.
  }
)


def parse(text: str) -> tuple[str, Any]:
  """Returns the name and the settings that `name:key=value,...` asks for.

  Raises:
    ConfigError: names the unknown optimizer or setting, or the wrong value, and what is known.
  """
  return options.parse(text, SETTINGS, family='optimizer')


def scaled(learning_rate: float, rule: str, *, batch_size: int) -> float:
  """Returns the rate for a batch of `batch_size` over all devices, by one of SCALINGS."""
  return learning_rate * SCALINGS[rule](batch_size / REFERENCE_BATCH)


def make(
  text: str, learning_rate: Any, variables: list[keras.Variable]
) -> keras.optimizers.Optimizer:
  """Returns the optimizer, not yet built.

  Args:
    text: Such as `sgd:momentum=0.9`.
    learning_rate: A number or a Keras schedule.
    variables: What it is going to train; vectors among them are spared weight decay.

  Raises:
    ConfigError: if the text is wrong.
  """
  import keras

  name, settings = parse(text)
  arguments = dataclasses.asdict(settings)
  if not arguments.get('weight_decay', 1):
    del arguments['weight_decay']  # Keras takes 0 for a wish, and computes with it.
  optimizer = getattr(keras.optimizers, OPTIMIZERS[name][1])(learning_rate, **arguments)
  optimizer.exclude_from_weight_decay(
    var_list=[variable for variable in variables if len(variable.shape) < 2]
  )
  return optimizer
