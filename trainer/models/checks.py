"""Refuses settings that make no sense, with the setting's name in the sentence."""

from schemas import errors


def at_least(minimum: int, **values: int) -> None:
  """Raises ConfigError for the first value that is below `minimum`."""
  for name, value in values.items():
    if value < minimum:
      raise errors.ConfigError(f'{name} must be at least {minimum}, got {value}.')


def is_rate(**values: float) -> None:
  """Raises ConfigError for the first value outside [0, 1)."""
  for name, value in values.items():
    if not 0 <= value < 1:
      raise errors.ConfigError(f'{name} must be in [0, 1), got {value}.')
