"""MODEL_CARD.md: what an export is, what it was trained on, how good it is and how it is loaded.

After Mitchell et al., "Model Cards for Model Reporting" (2019). All is said that the run folder
holds, and nothing else: whoever publishes a model adds what only they know.
"""

from __future__ import annotations

import dataclasses
import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from exports import export_file
from schemas import audio as audio_schema
from schemas import errors, medium, splits, utterance
from tfrecords import held_out
from trainer import config as config_lib
from trainer.export import formats
from trainer.export import made as made_lib
from trainer.export.card import measured as measured_lib
from trainer.export.card import recipes
from trainer.runs import saved_run

FILE = 'MODEL_CARD.md'
NOT_STATED = 'not stated'

_MOST_LABELS, _MOST_WORST, _MOST_WARNINGS = 200, 10, 20
# Below so many, numbers say more of the voices than of the model.
_FEW_VOICES = 10
# What means something in Markdown inside of a line, addresses that become links among it.
_MARKS = re.compile(r'([\\`*_\[\]()#!|~$@]|:(?=//)|(?<=www)\.)', re.IGNORECASE)
# Flags that are told whether or not they are as they are by themselves.
_FLAGS = ('epochs', 'batch_size', 'learning_rate', 'optimizer', 'precision')


def text(made: made_lib.Made, folder: str, *, licence: str) -> str:
  """Returns the card of an export that lies in a folder with its formats.

  Args:
    made: What was exported.
    folder: With export.json.
    licence: Of the model, as its owner says.
  """
  export, report = export_file.load(folder), _report(made.run)
  sections = {
    'What it is': _what(made, export),
    'Use': _use(export),
    'What goes in and out': _form(export),
    'Data': _data(made.run, report),
    'How good it is': _quality(report),
    'Limits': _limits(made.run, export, report),
    'How it was trained': _training(made.run),
    'Files': _files(export, folder),
    'How to load it': recipes.blocks(made, export, _in_order(export)),
    'Licence': [f'Licence of the model: {plain(licence or NOT_STATED)}'],
  }
  parts = [f'# {plain(export.origin["run"])}']
  for title, lines in sections.items():
    parts.append('\n'.join([f'## {title}', '', *lines]))
  return '\n\n'.join(parts) + '\n'


def plain(value: object) -> str:
  """Returns a text that Markdown and HTML show as it is, on one line."""
  shown = ''.join(one if one.isprintable() else ' ' for one in str(value))
  shown = shown.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')
  return _MARKS.sub(r'\\\1', ' '.join(shown.split()))


def _what(made: made_lib.Made, export: export_file.Export) -> Iterator[str]:
  kind = 'clips of audio' if export.audio else 'pictures'
  count = errors.counted(len(export.labels), 'label')
  yield f'A classifier of {kind} into {count}: `{_code(export.model)}`, trained with Voxshard.'
  if made.heard is not made.run:
    yield ''
    yield (
      'Its head learned from what a trunk makes of clips, which is inside: '
      f'`{_code(made.heard.model_text)}`.'
    )
  yield ''
  names = ', '.join(map(plain, export.labels[:_MOST_LABELS]))
  left = len(export.labels) - _MOST_LABELS
  yield f'Labels: {names}{f" and {left:,} more in labels.txt" if left > 0 else ""}.'


def _use(export: export_file.Export) -> Iterator[str]:
  if export.audio:
    yield (
      'For short recordings of the kind that it was trained on (see Data): other microphones, '
      'rooms, languages and voices have to be tried first. Not for decisions about people.'
    )
  else:
    yield (
      'For pictures of the kind that it was trained on (see Data); others have to be tried first. '
      'Not for decisions about people.'
    )


def _form(export: export_file.Export) -> Iterator[str]:
  audio = export.audio
  if audio is None:
    shape = ' x '.join(map(str, export.feature.shape))
    yield f'- In: pixels, uint8 {shape} (height, width, channels), of the whole picture.'
  else:
    yield f'- In: samples, float32 in [-1, 1], one channel, {audio.sample_rate_hz:,} Hz.'
    yield f'- {_length_text(export)}'
    if audio.trim_db:
      yield (
        f'- Silence at both ends, {audio.trim_db:g} dB below the loudest, was cut off in training: '
        'the caller does it.'
      )
    inside = [*(f'`{one}`' for one in audio.effects), f'`{export.feature.name}`']
    yield (
      f'- Inside: {", ".join(inside)}, normalisation, network, softmax. Resampling, mixing to one '
      "channel, trimming and cutting are the caller's."
    )
  temperature = '' if export.temperature == 1 else f', at the temperature {export.temperature:.4g}'
  yield f'- Out: probabilities, one a label in the order of `labels.txt`{temperature}.'
  if export.none_score:
    yield (
      f'- None of these: where the score `{export.none_score}` of the logits is below '
      f'{export.none_threshold:.4g}.'
    )


def _length_text(export: export_file.Export) -> str:
  audio = export.audio
  assert audio
  if audio.clip_samples:
    where = {
      audio_schema.START: 'gets zeros behind it',
      audio_schema.CENTRE: 'is put into the middle of zeros by the model, given `num_samples`',
      audio_schema.END: 'is put behind zeros by the model, given `num_samples`',
    }[audio.position]
    return (
      f'Clips of {audio.clip_s:g} s ({audio.clip_samples:,} samples); a shorter one {where}, a '
      'longer one is cut by the caller.'
    )
  most = export.most_samples
  limit = f', up to {most / audio.sample_rate_hz:.3g} s ({most:,} samples)' if most else ''
  return f'Clips of any length{limit}.'


def _data(run: saved_run.SavedRun, report: Mapping[str, Any]) -> Iterator[str]:
  dataset = run.manifest
  source = dataset.config.get('source')
  yield f'- Data set: {plain(dataset.name)}{f", from `{_code(source)}`" if source else ""}'
  for split in splits.SPLITS:
    count = dataset.num_records(split)
    if not count:
      continue
    voices, speakers = dataset.num_voices(split), dataset.num_speakers.get(split, 0)
    seconds = dataset.seconds(split)[0] if dataset.audio else 0
    said = [errors.counted(count, medium.example(dataset.medium))]
    if seconds:
      said.append(f'{seconds / 60:,.1f} minutes')
    if voices is None and dataset.audio:
      said.append(f'{errors.counted(speakers, "voice")} with recordings of noise, if there are any')
    elif voices and (dataset.audio or voices < count):
      noun = medium.voice(dataset.medium)
      said.append(utterance.counted_groups(voices, speakers - voices, noun))
    yield f'- {split}: {", ".join(said)}'
  yield f'- Manifest: `{run.manifest_sha256}`'
  noted = report.get('dataset_warnings')
  warnings = [*dataset.warnings, *(noted if isinstance(noted, list) else ())]
  for warning in list(dict.fromkeys(map(str, warnings)))[:_MOST_WARNINGS]:
    yield f'- Warning: {plain(warning)}'


def _quality(report: Mapping[str, Any]) -> Iterator[str]:
  if not report:
    yield 'The run has no report: it was not judged.'
    return
  try:
    yield from _scores(report)
  except (AttributeError, KeyError, TypeError, ValueError):
    yield 'The report of the run cannot be read: it is damaged, or of another version.'


def _scores(report: Mapping[str, Any]) -> Iterator[str]:
  noun = str(report.get('examples', 'clips'))
  yield (
    f'On {report["num_examples"]:,} {noun} of the {plain(report["split"])} split, which it did not '
    'learn from:'
  )
  yield ''
  yield f'- Accuracy: {_share(report["accuracy"])}{_interval(report.get("accuracy_interval_95"))}'
  if report.get('interval_note'):
    yield f'- {plain(report["interval_note"])}'
  macro = report['averages']['macro']['f1']
  ends = report.get('macro_f1_interval_95')
  between = f' ({ends["low"]:.3f} to {ends["high"]:.3f})' if ends else ''
  yield f'- Macro F1: {macro:.3f}{between}'
  baseline = report['majority_baseline']
  yield (
    f'- Always saying {plain(baseline["label"])} would be right in {_share(baseline["accuracy"])}.'
  )
  yield from _calibration(report.get('calibration'))
  yield ''
  worst = sorted(
    (one for one in report['labels'] if one['num_examples']),
    key=lambda one: (one['recall'], one['label']),
  )[:_MOST_WORST]
  yield f'| the {len(worst)} labels that it finds least | recall | precision | {noun} |'
  yield '|---|---:|---:|---:|'
  for one in worst:
    yield (
      f'| {plain(one["label"])} | {_share(one["recall"])} | {_share(one["precision"])} | '
      f'{one["num_examples"]:,} |'
    )


def _calibration(found: Mapping[str, Any] | None) -> Iterator[str]:
  if not found or found.get('ece') is None:
    return
  said = f'- Expected calibration error: {_share(found["ece"])}'
  if found.get('calibrated'):
    said += (
      f', and {_share(found["calibrated"]["ece"])} at the temperature {found["temperature"]:.3g} '
      '(`--calibrated`)'
    )
  yield said


def _limits(
  run: saved_run.SavedRun, export: export_file.Export, report: Mapping[str, Any]
) -> Iterator[str]:
  if not export.none_score and not any(map(held_out.is_catch_all, export.labels)):
    yield (
      '- It answers everything with one of its labels, also what is none of them: it never learned '
      'of such, and no threshold is in it (`--none_of_these`).'
    )
  voices = run.manifest.num_voices(splits.TRAIN)
  if export.audio and voices and voices < _FEW_VOICES:
    yield (
      f'- It learned from {errors.counted(voices, "voice")}. Of others it may be right much less '
      'often than here.'
    )
  judged = report.get('num_speakers')
  if isinstance(judged, int) and judged < _FEW_VOICES and export.audio:
    yield f'- It was judged on {errors.counted(judged, "voice")}: too few for an interval.'
  if export.audio:
    yield (
      f'- It hears one channel at {export.audio.sample_rate_hz:,} Hz: what lies above '
      f'{export.audio.sample_rate_hz / 2:,.0f} Hz is not there for it.'
    )
  if export.moved_in_time is False:
    yield (
      '- No clip of its training was moved in time: in running sound it may miss a word that is '
      'elsewhere in a window than it was in the clips.'
    )
  kind = 'recordings' if export.audio else 'pictures'
  yield f'- Numbers above are of {kind} such as those of the data set, and of one training.'


def _training(run: saved_run.SavedRun) -> Iterator[str]:
  config = run.folder.read_config()
  flags = config.get('flags')
  yield f'- Model: `{_code(run.model_text)}` on `{_code(run.feature.name)}`'
  yield f'- Epochs done: {run.folder.num_epochs_done():,}'
  if isinstance(flags, Mapping):
    usual = {field.name: field.default for field in dataclasses.fields(config_lib.TrainConfig)}
    # Paths are of the machine that trained, and no part of what was trained.
    kept = {
      name: value
      for name, value in sorted(flags.items())
      if name in _FLAGS
      or (_is_other(value, usual.get(name)) and not re.search(r'data|dir|model|_from', name))
    }
    yield f'- Flags: {", ".join(f"`{name}={_code(value)}`" for name, value in kept.items())}'
  versions = config.get('versions')
  if isinstance(versions, Mapping):
    yield f'- Versions: {", ".join(f"{plain(k)} {plain(v)}" for k, v in sorted(versions.items()))}'


def _is_other(value: Any, usual: Any) -> bool:
  return value != (list(usual) if isinstance(usual, tuple) else usual)


def _files(export: export_file.Export, folder: str) -> Iterator[str]:
  found, one = export.measured, medium.example(export.medium)
  if found:
    yield from _table(measured_lib.lines(found, export.medium))
    yield ''
    if found.get('num_clips'):
      yield (
        f'Measured on {found["num_clips"]:,} {one}s of the test split, of which the run itself has '
        f'{_share(found["run_accuracy"])} right; milliseconds are the median of one {one} at a '
        'time on the machine that exported.'
      )
    if found.get('note'):
      yield plain(found['note'])
    yield ''
  yield from _table(
    [
      ['file', 'bytes', 'what'],
      *(
        [f'`{file}`', f'{measured_lib.num_bytes(os.path.join(folder, str(file))):,}', name]
        for name, file in _in_order(export)
      ),
      [f'`{export_file.LABELS}`', '', 'labels, one a line'],
      [f'`{export_file.FILE}`', '', 'what goes in and out, for programs'],
    ]
  )


def _in_order(export: export_file.Export) -> list[tuple[str, Any]]:
  return [(name, export.formats[name]) for name in formats.FORMATS if name in export.formats]


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
  head, *others = rows
  marks = '|'.join(['---', *['---:'] * (len(head) - 1)])
  return [f'| {" | ".join(head)} |', f'|{marks}|', *(f'| {" | ".join(row)} |' for row in others)]


def _report(run: saved_run.SavedRun) -> Mapping[str, Any]:
  try:
    return run.folder.read_report()
  except errors.VoxshardError:
    return {}


def _interval(found: Mapping[str, Any] | None) -> str:
  if not found:
    return ''
  return f' (95 % interval {_share(found["low"])} to {_share(found["high"])})'


def _share(value: float) -> str:
  return f'{100 * value:.1f} %'


def _code(value: object) -> str:
  """Returns a text for a span of code, which a backtick would end."""
  shown = ' '.join(''.join(c if c.isprintable() else ' ' for c in str(value)).split())
  return textwrap.shorten(shown.replace('`', "'"), 200, placeholder='...')
