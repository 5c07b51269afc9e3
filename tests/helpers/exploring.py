"""Reads a page as a browser would, for tests."""

import html.parser
import io
import re

import numpy as np
import soundfile

from beam_jobs import explore
from schemas import command

_VOID = {'meta', 'br', 'img', 'input'}


class Page(html.parser.HTMLParser):
  """What a page holds; fails on tags that do not fit together.

  Attributes:
    text: What a reader sees, all spaces alike.
    tags: Every (tag, attributes).
    addresses: All that a browser would fetch.
    ids: All anchors.
  """

  def __init__(self, source):
    super().__init__(convert_charrefs=True)
    self.tags, self.addresses, self.ids, self._open = [], [], [], []
    self._words, self._sections, self._section = [], {}, ''
    self.feed(source)
    self.close()
    assert not self._open, f'never closed: {self._open}'
    self.text = _joined(self._words)

  def section(self, name):
    """The text of the part with this anchor."""
    return _joined(self._sections[name])

  def handle_starttag(self, tag, attrs):
    if tag == 'wbr':  # A place where a name may be broken: it shows nothing.
      return
    values = dict(attrs)
    self.tags.append((tag, values))
    self.addresses += [values[key] for key in ('src', 'href', 'srcset', 'data') if key in values]
    self.ids += [values['id']] if 'id' in values else []
    if tag == 'section':
      self._section = values['id']
    if tag not in _VOID:
      self._open.append(tag)
    self._add(' ')

  def handle_startendtag(self, tag, attrs):
    self.handle_starttag(tag, attrs)
    if tag not in _VOID:
      self._open.pop()

  def handle_endtag(self, tag):
    assert self._open and self._open[-1] == tag, f'</{tag}> closes {self._open[-3:]}'
    self._open.pop()
    if tag == 'section':
      self._section = ''
    self._add(' ')

  def handle_data(self, data):
    if self._open and self._open[-1] not in ('style', 'script'):
      self._add(data)

  def _add(self, words):
    self._words.append(words)
    self._sections.setdefault(self._section, []).append(words)


def _joined(words):
  return re.sub(r'\s+', ' ', ''.join(words)).strip()


def explored(tmp_path, *argv, name='report.html'):
  """Runs the program, which must succeed, and returns the page."""
  output = tmp_path / name
  assert run(*argv, f'--output={output}') == 0
  return Page(output.read_text(encoding='utf-8'))


def run(*argv):
  """The exit code of the program."""
  return command.run(explore.main, [str(word) for word in argv])


def voice(seed, *, seconds=0.5, rate_hz=8_000):
  """Something like a vowel: harmonics of a gliding pitch with an envelope, and some noise."""
  rng = np.random.default_rng(seed)
  time_s = np.arange(round(seconds * rate_hz)) / rate_hz
  pitch_hz = rng.uniform(90, 250) * (1 + rng.uniform(-0.3, 0.3) * time_s / seconds)
  phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
  tone = sum(rng.uniform(0.1, 1) / k * np.sin(k * phase + rng.uniform(0, 6)) for k in range(1, 12))
  envelope = np.sin(np.pi * time_s / seconds) ** rng.uniform(0.3, 2)
  return 0.15 * tone * envelope + 0.003 * rng.standard_normal(len(time_s))


def write(path, samples, rate_hz=8_000, **options):
  """Writes an audio file, and its folder."""
  path.parent.mkdir(parents=True, exist_ok=True)
  soundfile.write(path, samples, rate_hz, **options)


def re_encoded(samples, rate_hz, *, format, **options):
  """Samples after a codec and back."""
  stream = io.BytesIO()
  soundfile.write(stream, samples, rate_hz, format=format, **options)
  stream.seek(0)
  return soundfile.read(stream)
