"""What a model says, as a piece of the page: player, pictures, bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pages import analysis, embedded, panels, rendering, words
from trainer.app import asked_models
from trainer.judging.report import wrong_clips

_MOST_OTHERS = 100
_MOST_NAME_CHARS = 80
_TEMPLATE = 'app.html.j2'


def heading(models: Sequence[asked_models.AskedModel]) -> str:
  """Returns the top of the page: who is asked."""
  export = models[0].export
  return _piece(
    'heading',
    names=[f'{model.name}: {model.export.model}' for model in models],
    num_labels=len(export.labels),
    labels=', '.join(export.labels[:30]) + (', …' if len(export.labels) > 30 else ''),
    is_sound=export.audio is not None,
  )


def welcome(*, is_sound: bool, is_kept: bool) -> str:
  """Returns what stands in the place of the answer before there is one.

  Args:
    is_sound: Whether models hear; else they see.
    is_kept: Whether the visitor may keep what was heard.
  """
  return _piece('welcome', is_sound=is_sound, is_kept=is_kept)


def sentence(text: str, *, is_bad: bool = False) -> str:
  """Returns a sentence, of what went wrong or of what was done."""
  return _piece('sentence', text=text, is_bad=is_bad)


def answers(
  name: str,
  given: Sequence[asked_models.Answer],
  *,
  label: str | None = None,
  speaker: str = '',
) -> str:
  """Returns what models say of a clip or a picture.

  Args:
    name: What it is called.
    given: What each says, one or two.
    label: What it is; None where nobody knows.
    speaker: Who speaks, or ''.
  """
  return _piece(
    'answers',
    name=name if len(name) <= _MOST_NAME_CHARS else name[: _MOST_NAME_CHARS - 1] + '…',
    heard=_heard(given),
    answers=[_shown(answer, label) for answer in given],
    label=label,
    speaker=speaker if speaker != name else '',
  )


def clip_name(clip: wrong_clips.WrongClip) -> str:
  """Returns a line of the list of clips."""
  answer, share = clip.top[0]
  said = '' if answer == clip.label else f' (taken for {answer}, {words.percent(share)})'
  return words.printable(f'{clip.label}{said} · {clip.clip_id}')


def _heard(given: Sequence[asked_models.Answer]) -> dict[str, Any] | None:
  """Returns what is heard and seen of a clip, as the first model that has it has it."""
  for answer in given:
    if answer.pixels is not None:
      return {'picture': embedded.picture(answer.pixels), 'audio': '', 'panels': (), 'place': ''}
    if len(answer.samples):
      start = analysis.beginning(answer.samples, answer.rate_hz)
      return {
        'picture': '',
        'audio': embedded.audio(start, answer.rate_hz),
        'panels': panels.of(start, answer.rate_hz)[:2],
        'place': _place(answer),
      }
  return None


def _place(answer: asked_models.Answer) -> str:
  """Returns a sentence on which part of a recording was heard; '' where it is the whole."""
  shown = ''
  if len(answer.samples) > analysis.MAX_SECONDS * answer.rate_hz:
    shown = f' Heard and seen here are the first {analysis.MAX_SECONDS:g} s of it.'
  length_s = answer.end_s - answer.start_s
  if answer.others or answer.whole_s > length_s + 0.02:
    how = 'the loudest part' if answer.whole_s > length_s + 0.02 and answer.others else 'a part'
    return (
      f'The model hears {words.duration(length_s)} at a time. This is {how}, from '
      f'{answer.start_s:.2f} to {answer.end_s:.2f} s of {words.duration(answer.whole_s)}.{shown}'
    )
  return f'{words.duration(length_s)} long.{shown}'


def _shown(answer: asked_models.Answer, label: str | None) -> dict[str, Any]:
  best = answer.top[0][0] if answer.top else ''
  return {
    'model': answer.model,
    'bars': [
      {'label': name, 'share': share, 'text': words.percent(share), 'is_true': name == label}
      for name, share in answer.top
    ],
    'best': best,
    'share': words.percent(answer.top[0][1]) if answer.top else '',
    'is_none': answer.is_none,
    'verdict': None if label is None or not answer.top else best == label and not answer.is_none,
    'note': answer.note,
    'others': answer.others[:_MOST_OTHERS],
    'num_more': max(0, len(answer.others) - _MOST_OTHERS),
  }


def _piece(piece: str, **values: Any) -> str:
  return rendering.render(_TEMPLATE, piece=piece, **values)
