"""Fills templates: whatever comes from a file's name or a label is shown, and never run."""

import functools
from typing import Any

from pages import words
from schemas import errors

try:
  import jinja2
except ImportError as error:
  raise errors.ConfigError(
    "Pages are made by Jinja2, which is not installed: pip install 'voxshard[report]'."
  ) from error


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
  environment.filters.update({function.__name__: function for function in filters})
  return environment
