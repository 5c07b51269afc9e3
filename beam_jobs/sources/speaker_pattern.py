"""A regular expression that finds the speaker in a text: the setting speaker_pattern."""

import re

from schemas import errors


def check(pattern: str, example: str) -> None:
  """Raises ConfigError, with an example, for what is no expression or has no group."""
  try:
    regex = re.compile(pattern)
  except re.error as error:
    raise errors.ConfigError(
      f'speaker_pattern {pattern!r} is no regular expression: {error}. Write it like {example}.'
    ) from error
  if not regex.groups:
    raise errors.ConfigError(
      f'speaker_pattern {pattern!r} has no group (in round brackets) for the speaker. Write it '
      f'like {example}.'
    )


def found(text: str, pattern: str) -> str:
  """Returns what the group `speaker`, or the first, finds in a text; '' if nothing."""
  match = re.search(pattern, text)
  return (match['speaker' if 'speaker' in match.groupdict() else 1] or '') if match else ''
