"""The page of explore in Chromium."""

import pytest

from tests.helpers import browser, exploring

pytestmark = pytest.mark.browser


@pytest.fixture(scope='module')
def chromium(tmp_path_factory):
  with browser.running(tmp_path_factory.mktemp('chromium')) as found:
    yield found


@pytest.fixture(scope='module')
def explored(tmp_path_factory):
  folder = tmp_path_factory.mktemp('explored')
  for i, label in enumerate(('<script>alert(1)</script>', 'no', '零')):
    name = label.replace('/', '\u2215')
    for take in range(2):
      exploring.write(folder / 'corpus' / name / f'{take}.wav', exploring.voice(2 * i + take))
  page = folder / 'page.html'
  assert exploring.run('--source=folders', f'--input={folder}/corpus', f'--output={page}') == 0
  return page


@pytest.mark.parametrize('width', [1280, 400])
@pytest.mark.parametrize('dark', [False, True])
def test_it_stands_alone_and_fits(chromium, explored, width, dark):
  page = chromium.opened(explored, width=width, dark=dark)
  assert not page.is_too_wide()
  lightness = page.evaluate(
    'getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).reduce((a, b) => a + +b, 0)'
  )
  assert (lightness < 200) == dark
  assert page.evaluate('[...document.querySelectorAll("audio")].every(a => a.readyState > 0)')
  assert page.errors == []
  assert page.requests == []
  page.close()


def test_the_browser_tells_what_is_wrong_with_a_page(chromium, tmp_path):
  (tmp_path / 'page.html').write_text(
    '<body style="width: 700px"><script>console.error("x")</script>'
    '<img src="http://voxshard.invalid/x.png">'
  )
  page = chromium.opened(tmp_path / 'page.html', width=400)
  assert page.is_too_wide()
  assert ['x'] in page.errors
  assert page.requests == ['http://voxshard.invalid/x.png']
  page.close()
