"""Listens to a microphone, a file or a stream, and says what it hears when.

  python -m trainer.listen --run_dir=runs/words
  python -m trainer.listen --run_dir=runs/words --input=an_hour.webm --format=audacity > track.txt
  python -m trainer.listen --model=exports/words --input=day.flac --truth=day.csv --picture=day.html
  arecord -t raw -f S16_LE -r 16000 | python -m trainer.listen --run_dir=runs/words --input=-

A model hears a window again and again, `--hop_s` later each time. What it says is averaged over
`--smoothing_s`; a label whose average reaches `--threshold` is detected, and then none for
`--refractory_s`. Labels such as silence, unknown and background noise are not detected, unless they
are named.

Where the model can, it hears each frame once, with a state that it carries along, or computes the
feature of new frames alone (`--streaming`). A recording of any length takes the same memory.

Detections go to stdout, a line each as soon as it comes; what listens, and a summary at the end, go
to stderr. With --truth the detections are held against a table of times: how many were found, and
how many false alarms there are in an hour, also at other thresholds. Ctrl-C ends it with the
summary.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import answer_rows
from pages import words
from schemas import audio as audio_schema
from schemas import command, errors
from tfrecords import command_line, storage
from trainer.listen import (
  detection_figures,
  heard_text,
  listen_config,
  listening_model,
  microphone,
  sound_input,
  sound_picture,
  triggers,
  true_times,
)
from trainer.listen import listener as listener_lib


def main(arguments: Sequence[str]) -> None:
  """Listens to what the arguments name, and says what it hears.

  Raises:
    ConfigError: for what cannot be heard, or asked.
  """
  config = command_line.parse(listen_config.ListenConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  listen_config.check_written(config)
  events = true_times.load(config.truth) if config.truth else []
  model = listening_model.load(config, debug=command.is_on('debug', arguments))
  events = _events(events, model.labels, config)
  with model.scores() as scores, _opened(config, model.audio) as blocks:
    listener = listener_lib.Listener(model, scores, config)
    columns = answer_rows.Columns(labels=model.labels, top=1, has_windows=True)
    _print(heard_text.beginning(model, config))
    # For a person, times of a clock; what programs read is as of every model.
    is_text = config.format == answer_rows.TEXT
    lines_of = heard_text.detections if is_text else answer_rows.LINES[config.format]
    for line in lines_of(listener.rows(blocks), columns):
      sys.stdout.buffer.write(answer_rows.to_bytes(line))
      sys.stdout.buffer.flush()
  _say(listener, model, events, config)
  if listener.interrupted and not config.is_live:
    listener.interrupted.args = (f'{listener.heard_s:.2f} s of {config.name} were heard.',)
    raise listener.interrupted


@contextlib.contextmanager
def _opened(
  config: listen_config.ListenConfig, audio: audio_schema.AudioSpec
) -> Iterator[Iterator[NDArray[np.float32]]]:
  """Gives the samples as they come."""
  if config.input == listen_config.STDIN:
    yield sound_input.of_stream(sys.stdin.buffer, audio.sample_rate_hz)
    return
  if config.input:
    yield sound_input.of_file(config.input, audio)
    return
  heard = microphone.Microphone(audio.sample_rate_hz, config.device)
  print('listening; Ctrl-C ends it.', file=sys.stderr)
  with contextlib.closing(heard.blocks()) as blocks:
    yield blocks
  if heard.lost_s or heard.num_overflows:
    print(
      f'note: {heard.lost_s:.2f} s were not heard, as the model is slower than the sound, and the '
      f'system lost samples {words.counted(heard.num_overflows, "time")}. Try a longer --hop_s, or '
      'a smaller model.',
      file=sys.stderr,
    )


def _events(
  events: Sequence[true_times.Event], labels: Sequence[str], config: listen_config.ListenConfig
) -> list[true_times.Event]:
  """Returns the events that can be detected; says which are left out."""
  names = listen_config.detected_labels(labels, config.labels)
  kept = [event for event in events if event.label in names]
  others = sorted({event.label for event in events} - names)
  if events and not kept:
    raise errors.ConfigError(
      f'--truth={config.truth} names none of the labels that are detected '
      f'({errors.some(sorted(names), 10)}), but {errors.some(others, 10)}.'
    )
  if others:
    print(
      f'note: of --truth={config.truth} are left out, as they are not detected: '
      f'{errors.some(others, 10)}.',
      file=sys.stderr,
    )
  return kept


def _say(
  listener: listener_lib.Listener,
  model: listener_lib.Model,
  events: Sequence[true_times.Event],
  config: listen_config.ListenConfig,
) -> None:
  """Says what was heard, and writes the page and the figures."""
  labels, rate_hz = model.labels, model.audio.sample_rate_hz
  heard_s = listener.heard_s
  found = listener.detections[None]
  _print(
    heard_text.ending(
      found, listener.nearest, labels=labels, heard_s=heard_s, num_windows=listener.num_windows
    )
  )
  counts: dict[str, detection_figures.Count] = {}
  if config.truth:
    behind = sum(event.start_s > heard_s for event in events)
    if behind:
      print(
        f'note: of --truth={config.truth} {errors.counted(behind, "line", "begins", "begin")} '
        f'behind the {heard_s:.2f} s that were heard, and what does is left out.',
        file=sys.stderr,
      )
    events = [event for event in events if event.start_s <= heard_s]
    curve = {
      key: detection_figures.count(
        ((one.time_s, labels[one.label]) for one in detections),
        events,
        heard_s=heard_s,
        tolerance_s=config.tolerance_s,
      )
      for key, detections in listener.detections.items()
    }
    counts = curve.pop(None)
    over = {float(key): found[''] for key, found in curve.items() if key is not None}
    _print(heard_text.figures(counts, over, config))
    if config.figures:
      _write_figures(counts, over, heard_s, config)
      _print([f'figures  {config.figures}'])
  if config.picture and listener.spectrogram:
    marks = _marks(found, model)
    page = sound_picture.page(
      name=os.path.basename(config.name),
      facts={
        'recording': config.name, 'model': config.path, 'way': model.how,
        'window': f'{model.window_samples / rate_hz:g} s',
        'hop': f'{model.hop_samples / rate_hz:g} s',
        'smoothing': f'{config.smoothing_s:g} s', 'threshold': f'{config.threshold:g}',
        'refractory time': f'{config.refractory_s:g} s',
        **({'truth': config.truth, 'tolerance': f'{config.tolerance_s:g} s'} if counts else {}),
      },
      spectrogram=listener.spectrogram, rate_hz=rate_hz, marks=marks, num_marks=len(found),
      events=events, counts=counts,
    )  # fmt: skip
    storage.write_or_refuse(config.picture, page.encode('utf-8', 'surrogateescape'))
    _print([f'picture  {config.picture}'])


def _print(lines: Iterable[str]) -> None:
  """Prints what is no detection, which stdout is for."""
  for line in lines:
    print(line, file=sys.stderr, flush=True)


def _marks(
  found: Sequence[triggers.Detection], model: listener_lib.Model
) -> list[sound_picture.Mark]:
  window_s = model.window_samples / model.audio.sample_rate_hz
  return [
    sound_picture.Mark(
      start_s=max(0.0, one.time_s - window_s),
      end_s=one.time_s,
      label=model.labels[one.label],
      probability=one.probability,
    )
    for one in found[: sound_picture.MOST_DRAWN]
  ]


def _write_figures(
  counts: Mapping[str, detection_figures.Count],
  over: Mapping[float, detection_figures.Count],
  heard_s: float,
  config: listen_config.ListenConfig,
) -> None:
  value: dict[str, Any] = {
    'input': config.name,
    'truth': config.truth,
    'heard_s': round(heard_s, 6),
    'tolerance_s': config.tolerance_s,
    'threshold': config.threshold,
    'all': counts[''].to_json(),
    'labels': {label: count.to_json() for label, count in counts.items() if label},
    'thresholds': [{'threshold': key, **one.to_json()} for key, one in over.items()],
  }
  text = json.dumps(value, indent=2, ensure_ascii=True) + '\n'
  storage.write_or_refuse(config.figures, text.encode())


def run_program() -> int:
  """Runs the program with the arguments of the process; returns its exit code."""
  return command.run(main, sys.argv[1:], stopped=command.AGAIN)
