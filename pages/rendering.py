"""Fills templates: whatever comes from a file's name or a label is shown, and never run."""

import functools
import re
from typing import Any

from pages import words
from schemas import errors

try:
  import jinja2
  import markupsafe
except ImportError as error:
  raise errors.ConfigError(
    "Pages are made by Jinja2, which is not installed: pip install 'voxshard[report]'."
  ) from error


# Hebrew, Arabic and what is written like them, with the spaces between their words.
_RIGHT_TO_LEFT_SIGNS = '[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+'
_RIGHT_TO_LEFT = re.compile(rf'({_RIGHT_TO_LEFT_SIGNS}(?: +{_RIGHT_TO_LEFT_SIGNS})*)')

# Behind these a name may go on in the next line; not within numbers.
_JOINTS = re.compile(r"(?<=\S)(?:[^\w\s.'’]+(?=[^\W\d_])|[_/]+(?=\w))")


def named(text: Any) -> Any:
  """Returns a name that goes on in the next line behind a joint, rather than within a word."""
  if not isinstance(text, str) or hasattr(text, '__html__'):
    return text
  parts = _JOINTS.sub('\\g<0>\0', words.printable(text)).split('\0')
  return markupsafe.Markup('<wbr>').join(parts)


def isolated(text: str) -> markupsafe.Markup:
  """Returns a sentence in which words from right to left do not move the numbers behind them."""
  if isinstance(text, markupsafe.Markup):
    return text  # Escaped already.
  parts = _RIGHT_TO_LEFT.split(words.printable(text))
  return markupsafe.Markup().join(
    markupsafe.Markup('<bdi>{}</bdi>').format(part) if i % 2 else named(part)
    for i, part in enumerate(parts)
  )


def render(template: str, **values: Any) -> str:
  """Returns a page: the same text for the same values.

  Args:
    template: A file of pages/templates.
    values: What it shows. Text in them is escaped, on no other terms.
  """
  return _environment().get_template(template).render(values)


@functools.cache
def _environment() -> jinja2.Environment:
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader('pages'),
    autoescape=True,
    finalize=words.printable,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  filters = (words.number, words.counted, words.percent, words.duration, words.dbfs, words.pixels)
  environment.filters.update(isolated=isolated, named=named)
  environment.filters.update({function.__name__: function for function in filters})
  return environment
