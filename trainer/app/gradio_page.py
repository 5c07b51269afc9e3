"""The page: what can be pressed on it, by Gradio, and what happens then."""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from pages import rendering, words
from schemas import errors
from trainer.app import answer_cards, app_server, asked_models, judged_clips, kept_clips
from trainer.decoders import file_decoder

_EVEN, _WRONG = 'from all of it', 'what it got wrong'
# What was uploaded and never asked about is deleted after so long.
_FORGOTTEN_S = 600.0
_QUEUE = 'models'
_FONTS = ('system-ui', '-apple-system', 'Segoe UI', 'Roboto', 'Noto Sans', 'sans-serif')
_MONO_FONTS = ('ui-monospace', 'Consolas', 'monospace')


def build(
  models: Sequence[asked_models.AskedModel],
  split: judged_clips.JudgedClips | None,
  kept: kept_clips.KeptClips | None,
  *,
  decoder: file_decoder.FileDecoder,
  uploads: str,
  max_bytes: int,
) -> app_server.Guarded:
  """Returns the application that serves the page.

  Args:
    models: One or two.
    split: The clips that the first was judged by; None where nobody knows.
    kept: Where clips may be kept; None for nowhere.
    decoder: Decodes what is uploaded, for these models.
    uploads: An empty folder for what is uploaded.
    max_bytes: The largest file that is taken.
  """
  # Read when Gradio is imported, and when it is used.
  os.environ |= {
    'GRADIO_ANALYTICS_ENABLED': 'False',
    'GRADIO_TEMP_DIR': uploads,
    'GRADIO_RUN_HISTORY': 'False',
    'HF_HUB_OFFLINE': '1',
    'HF_HUB_DISABLE_TELEMETRY': '1',
  }
  import fastapi
  import gradio

  page = _Page(models, split, kept, decoder=decoder, uploads=uploads, max_bytes=max_bytes)
  with gradio.Blocks(title='Voxshard', analytics_enabled=False, fill_width=False) as blocks:
    page.lay_out(gradio)
  # One clip after the other goes through the models, whoever asks.
  blocks.queue(default_concurrency_limit=1, max_size=64, api_open=False)
  outer = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
  gradio.mount_gradio_app(
    outer,
    blocks,
    '/',
    footer_links=[],
    run_history=False,
    show_error=False,
    max_file_size=max_bytes,
    ssr_mode=False,
    enable_monitoring=False,
    pwa=False,
    mcp_server=False,
    theme=gradio.themes.Base(
      primary_hue='blue', neutral_hue='slate', font=_FONTS, font_mono=_MONO_FONTS
    ),
    css=rendering.render('app.css'),
  )
  return app_server.Guarded(outer, uploads=uploads, max_bytes=max_bytes)


class _Page:
  """The parts of the page and what they do."""

  def __init__(
    self,
    models: Sequence[asked_models.AskedModel],
    split: judged_clips.JudgedClips | None,
    kept: kept_clips.KeptClips | None,
    *,
    decoder: file_decoder.FileDecoder,
    uploads: str,
    max_bytes: int,
  ) -> None:
    self._models = models
    self._decoder = decoder
    self._split = split
    self._kept = kept
    self._uploads = uploads
    self._max_bytes = max_bytes
    self._is_sound = models[0].export.audio is not None
    self._welcome = answer_cards.welcome(is_sound=self._is_sound, is_kept=kept is not None)

  def lay_out(self, gradio: Any) -> None:
    """Puts the parts on the page, in a `gradio.Blocks`."""
    _html(gradio, answer_cards.heading(self._models))
    with gradio.Row(equal_height=False):
      with gradio.Column(scale=2, min_width=320):
        inputs = self._inputs(gradio)
      with gradio.Column(scale=3, min_width=320, elem_id='answers'):
        answers = _html(gradio, self._welcome)
        keeping = self._keeping(gradio) if self._kept else None
    word = gradio.State('')
    outputs = [answers, word]
    for part, listen, ask in inputs:
      # What was given is in the answer: its part is empty again, for the next.
      cleared = [part] if ask != self._ask_split else []
      on = functools.partial(
        listen, inputs=[part], outputs=[*outputs, *cleared], show_progress='minimal',
        concurrency_id=_QUEUE, api_visibility='private', trigger_mode='once',
      )  # fmt: skip
      on(_told(ask, num_more=len(cleared)))
    if keeping:
      label, speaker, button, said = keeping
      button.click(
        self._keep, inputs=[word, label, speaker], outputs=[said], show_progress='hidden',
        api_visibility='private',
      )  # fmt: skip

  def _inputs(self, gradio: Any) -> list[tuple[Any, Callable[..., Any], Callable[..., Any]]]:
    """Makes what can be given to the models; returns (part, its event, what happens) of each."""
    found = []
    with gradio.Tabs():
      if self._is_sound:
        with gradio.Tab('Speak'):
          microphone = gradio.Audio(
            sources=['microphone'], type='filepath', label='Microphone', editable=False,
            buttons=[], elem_id='microphone',
          )  # fmt: skip
          found.append((microphone, microphone.stop_recording, self._ask_microphone))
      with gradio.Tab('A file'):
        upload = gradio.File(
          label=f'A sound, up to {self._max_bytes >> 20} MiB'
          if self._is_sound
          else f'A picture, up to {self._max_bytes >> 20} MiB',
          file_count='single', type='filepath', elem_id='upload', height=160,
        )  # fmt: skip
        found.append((upload, upload.upload, self._ask_file))
      if self._split:
        with gradio.Tab('Test clips' if self._is_sound else 'Test pictures'):
          found.append(self._picking(gradio))
    return found

  def _picking(self, gradio: Any) -> tuple[Any, Callable[..., Any], Callable[..., Any]]:
    split = self._split
    assert split
    if split.why_none:
      _html(gradio, answer_cards.sentence(split.why_none))
    which = gradio.Radio(
      [_EVEN, _WRONG], value=_EVEN, label='Which', visible=not split.why_none, elem_id='which'
    )
    clip = gradio.Dropdown(
      self._choices(_EVEN), value=None, label=_of_all(split, is_sound=self._is_sound),
      visible=not split.why_none, elem_id='clip',
    )  # fmt: skip
    another = gradio.Button('The next one', visible=not split.why_none, elem_id='next')
    which.change(
      lambda of: gradio.Dropdown(self._choices(of), value=None),
      inputs=[which], outputs=[clip], show_progress='hidden', api_visibility='private',
    )  # fmt: skip
    another.click(
      self._next, inputs=[which, clip], outputs=[clip], show_progress='hidden',
      api_visibility='private',
    )  # fmt: skip
    return clip, clip.change, self._ask_split

  def _keeping(self, gradio: Any) -> tuple[Any, Any, Any, Any]:
    with gradio.Group(elem_id='keeping'):
      label = gradio.Dropdown(
        list(self._models[0].export.labels), value=None, allow_custom_value=True,
        label='Keep it for the next training as', elem_id='label',
      )  # fmt: skip
      speaker = gradio.Textbox(
        label='Who spoke', placeholder='a name, or nothing', max_length=40, elem_id='speaker'
      )
      button = gradio.Button('Keep', variant='primary', elem_id='keep')
    said = _html(gradio, '', elem_id='kept')
    return label, speaker, button, said

  def _choices(self, which: str) -> list[tuple[str, str]]:
    """Returns the clips of a list, as (what is read, what is sent)."""
    assert self._split
    offered = self._split.wrong if which == _WRONG else self._split.offered
    return [(answer_cards.clip_name(clip), f'{which}:{i}') for i, clip in enumerate(offered)]

  def _next(self, which: str, chosen: str | None) -> str | None:
    values = [value for _, value in self._choices(which)]
    if not values:
      return None
    return values[(values.index(chosen) + 1) % len(values) if chosen in values else 0]

  def _ask_microphone(self, path: str | None) -> tuple[str, str]:
    return self._ask_upload(path, 'Microphone')

  def _ask_file(self, path: str | None) -> tuple[str, str]:
    return self._ask_upload(path, os.path.basename(path or ''))

  def _ask_upload(self, path: str | None, name: str) -> tuple[str, str]:
    """Returns the answers to a file, which is gone afterwards, and the word to keep it by."""
    if not path:
      return self._welcome, ''
    try:
      answers = [self._ask(number, path) for number in range(len(self._models))]
    finally:
      with contextlib.suppress(FileNotFoundError):  # Two may upload the same at once.
        os.unlink(path)
      _forget(self._uploads)
    return answer_cards.answers(name, answers), self._hold(answers[0])

  def _ask(self, number: int, path: str) -> asked_models.Answer:
    model = self._models[number]
    if not self._is_sound:
      return model.see_pixels(self._decoder.picture(path, number))
    return model.hear_parts(self._decoder.sound(path, number))

  def _hold(self, answer: asked_models.Answer) -> str:
    if self._kept is None or not len(answer.samples):
      return ''
    heard_as = answer.top[0][0] if answer.top else ''
    held = kept_clips.Held(
      samples=answer.samples, rate_hz=answer.rate_hz, heard_as=heard_as, model=answer.model
    )
    return self._kept.hold(held)

  def _ask_split(self, chosen: str | None) -> tuple[str, str]:
    """Returns the answers to a clip of the split. It is not kept: tests are not trained on."""
    split = self._split
    if not split or not chosen:
      return self._welcome, ''
    which, _, number = chosen.rpartition(':')
    offered = split.wrong if which == _WRONG else split.offered
    clip = offered[int(number)]
    return answer_cards.answers(
      clip.clip_id, split.asked(clip, self._models), label=clip.label, speaker=clip.speaker
    ), ''

  def _keep(self, word: str, label: str | None, speaker: str | None) -> str:
    assert self._kept
    now = datetime.datetime.now().astimezone()
    try:
      if not word:
        raise errors.ConfigError(
          'There is nothing to keep yet: speak, or give it a file. Test clips are not kept, as no '
          'model may be trained on what it is tested by.'
        )
      path = self._kept.keep(word, label or '', speaker or '', now=now)
    except errors.VoxshardError as error:
      return answer_cards.sentence(str(error), is_bad=True)
    return answer_cards.sentence(f'It is kept as {words.printable(path)}.')


def _told(ask: Callable[..., tuple[str, str]], *, num_more: int) -> Callable[..., Any]:
  """Returns `ask` with errors as a sentence on the page, and nothing for each further output."""

  def told(given: Any) -> Any:
    try:
      answers, word = ask(given)
    except errors.VoxshardError as error:
      answers, word = answer_cards.sentence(str(error), is_bad=True), ''
    return (answers, word, *[None] * num_more)

  return told


def _html(gradio: Any, text: str, **settings: Any) -> Any:
  """Returns a piece of our own: without Gradio's styles for texts, and without a script."""
  return gradio.HTML(text, apply_default_css=False, js_on_load=None, **settings)


def _of_all(split: judged_clips.JudgedClips, *, is_sound: bool) -> str:
  total, shown = split.num_clips, len(split.offered)
  of = f'{shown:,} of {total:,}' if shown < total else f'{total:,}'
  noun = 'Clips' if is_sound else 'Pictures'
  return f'{noun} of the {split.split} split: {of}'


def _forget(folder: str) -> None:
  """Deletes what lies in a folder for long; Gradio leaves empty files there too."""
  before = time.time() - _FORGOTTEN_S
  for here, _, names in os.walk(folder):
    for name in names:
      path = os.path.join(here, name)
      with contextlib.suppress(FileNotFoundError):
        if os.stat(path).st_mtime < before:
          os.unlink(path)
