"""docs/reference.md is what the code says."""

import dataclasses

from tests.helpers import reference_page


def test_the_reference_is_that_of_the_code():
  reference_page.load_all()
  written = reference_page.PATH.read_text(encoding='utf-8')
  assert written == reference_page.page(), 'make reference'


def test_every_setting_says_what_it_is():
  reference_page.load_all()
  silent = [
    f'{cls.__name__}.{name}'
    for family in reference_page.FAMILIES
    for _, cls, _ in reference_page._groups(family.members)
    if dataclasses.is_dataclass(cls)
    for name in (one.name for one in dataclasses.fields(cls))
    if not reference_page.attributes(cls).get(name)
  ]
  assert not silent
