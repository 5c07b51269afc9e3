"""The page of a comparison in Chromium."""

import numpy as np
import pytest

from tests.helpers import page_layout, prediction_files
from trainer import compare

pytestmark = pytest.mark.browser


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
  folder = tmp_path_factory.mktemp('compared')
  labels = ('<script>alert(1)</script>', 'no', '零' * 40, 'n' * 80)
  truth, rng = np.arange(200) % 4, np.random.default_rng(0)
  speakers = [f'<img src=x onerror=alert({i % 20})>' for i in range(200)]
  ids = [f'{"long_folder/" * 12}{i}.wav' for i in range(200)]
  for name, gain in (('one & "only"', 1), ('t' * 90, 2), ('three', 1.5)):
    (folder / name).mkdir()
    logits = rng.normal(size=(200, 4)) + gain * np.eye(4)[truth]
    file = folder / name / 'predictions.parquet'
    prediction_files.write(file, labels, truth, logits, speakers=speakers, ids=ids)
  page = folder / 'page.html'
  compare.main([*map(str, sorted(folder.iterdir())), f'--output={page}'])
  return page


@pytest.mark.parametrize(('width', 'dark'), [(1280, False), (400, True)])
def test_it_stands_alone_and_fits(chromium, compared, width, dark):
  page = chromium.opened(compared, width=width, dark=dark)
  assert not page.is_too_wide()
  assert page.errors == []
  assert page_layout.misfits(page, most_columns=100 if width > 1_000 else 4) == []
  assert page.requests == []
  # The marks of the intervals are in their fields.
  assert page.evaluate(
    '[...document.querySelectorAll("svg")].every(svg => [...svg.children].every(mark => '
    'mark.getBoundingClientRect().left >= svg.getBoundingClientRect().left - 1 && '
    'mark.getBoundingClientRect().right <= svg.getBoundingClientRect().right + 1))'
  )
  assert page.evaluate('document.querySelectorAll("svg").length') == 3
  page.close()
