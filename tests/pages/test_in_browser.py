"""The page of explore in Chromium."""

import numpy as np
import pytest
import soundfile

from tests.helpers import browser, exploring, page_layout

pytestmark = pytest.mark.browser


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
  assert page_layout.misfits(page, most_columns=100 if width > 1_000 else 4) == []
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
  assert 'x' in page.errors
  assert page.requests == ['http://voxshard.invalid/x.png']
  page.close()


_LOUDEST_HZ = """(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: {
    echoCancellation: false, noiseSuppression: false, autoGainControl: false}});
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, {fftSize: 4096});
  context.createMediaStreamSource(stream).connect(analyser);
  const levels_db = new Float32Array(analyser.frequencyBinCount);
  do {
    await new Promise(done => setTimeout(done, 50));
    analyser.getFloatFrequencyData(levels_db);
  } while (Math.max(...levels_db) < -60);
  return levels_db.indexOf(Math.max(...levels_db)) * context.sampleRate / 4096;
})()"""


def test_a_file_is_what_the_microphone_hears(chromium, tmp_path):
  (tmp_path / 'page.html').write_text('<title>listens</title>')
  samples = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(3 * 16_000) / 16_000)
  soundfile.write(tmp_path / 'tone.wav', samples, 16_000, subtype='PCM_16')
  with chromium.beside(*browser.hearing(tmp_path / 'tone.wav')) as listening:
    page = listening.opened(tmp_path / 'page.html')
    assert page.evaluate(_LOUDEST_HZ) == pytest.approx(1_000, abs=30)


def test_what_a_page_saves_is_read(chromium, tmp_path):
  (tmp_path / 'page.html').write_text('<a href="data:text/csv,a,b" download="x.csv">save</a>')
  page = chromium.opened(tmp_path / 'page.html')
  saved = page.saved('a', tmp_path / 'there')
  assert (saved.name, saved.read_text()) == ('x.csv', 'a,b')
  page.close()


def test_without_chromium_it_is_skipped_with_a_sentence(monkeypatch, tmp_path):
  monkeypatch.setenv('PATH', str(tmp_path))
  monkeypatch.delenv('VOXSHARD_CHROMIUM', raising=False)
  with pytest.raises(pytest.skip.Exception, match='no Chromium .*apt install chromium'):
    with browser.running():
      pass
