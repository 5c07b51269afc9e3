"""What listens: a run or an export, opened, and how it hears."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator

import numpy as np

from exports import export_file, streaming_file
from schemas import audio as audio_schema
from schemas import errors
from trainer.confidence import caution as caution_lib
from trainer.devices import quiet
from trainer.export import exporting, opened
from trainer.judging import compatibility
from trainer.listen import block_scores, listen_config, listener, ways, window_scores
from trainer.runs import saved_run
from trainer.streaming import step_model, stepping

# What is said of a model that may know words at one place of a clip alone.
_NEVER_MOVED = (
  'no clip of its training was moved in time. If they all begin with the word, it is missed '
  'wherever else it is in a window: docs/listening.md, "A model that listens well".'
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Named:
  """What the flags name.

  Attributes:
    source: The run, or the export.
    labels: Their names.
    audio: The form of its clips; None for pictures.
    most_samples: The most that it takes; 0: any.
    caution: How its logits become answers.
    moved_in_time: Whether clips of its training were; None where nobody knows.
  """

  source: saved_run.SavedRun | export_file.Export
  labels: tuple[str, ...]
  audio: audio_schema.AudioSpec | None
  most_samples: int
  caution: caution_lib.Caution
  moved_in_time: bool | None


def load(config: listen_config.ListenConfig, *, debug: bool) -> listener.Model:
  """Returns what listens; all that can be wrong is told before TensorFlow is loaded."""
  named = _export(config) if opened.is_export(config.path) else _run(config)
  source, audio, labels = named.source, named.audio, named.labels
  if audio is None:
    raise errors.ConfigError(
      f'The model in {config.path!r} takes pictures, and has nothing to listen to. Name one of '
      'audio.'
    )
  listen_config.detected_labels(labels, config.labels)
  if named.moved_in_time is False:
    print(f'note: {_NEVER_MOVED}', file=sys.stderr)
  rate_hz = audio.sample_rate_hz
  window_s = config.window_s or _window_s(audio, named.most_samples)
  hop_s = config.hop_s or min(listen_config.HOP_S, window_s)
  dataclasses.replace(config, window_s=window_s, hop_s=hop_s).windows_for(
    audio, most_samples=named.most_samples
  )
  window_samples, hop_samples = round(window_s * rate_hz), max(1, round(hop_s * rate_hz))
  listen_config.check_input(config)
  if isinstance(source, export_file.Export):
    way = ways.of_export(source, config, window_samples, hop_samples)
  else:
    quiet.import_tensorflow(debug=debug)
    way = ways.of_run(source, config, window_samples, hop_samples)
  if way.note:
    print(f'note: {way.note}', file=sys.stderr)

  @contextlib.contextmanager
  def scores() -> Iterator[listener.Scores]:
    if isinstance(source, export_file.Export) and way.feeding:
      ear = streaming_file.Ear(config.path, source)
      yield block_scores.BlockScores(ear, hop_blocks=way.hop_samples // way.feeding.block_samples)
      return
    if isinstance(source, saved_run.SavedRun) and way.kind != listen_config.WINDOWS:
      step = step_model.load(source, kind=way.kind, window_samples=window_samples)
      yield stepping.Stepping(step, hop_frames=way.hop_samples // step.framing.hop_samples)
      return
    with opened.opened(config.path, caution=named.caution, debug=debug) as exported:
      yield window_scores.WindowScores(
        exported, window_samples=window_samples, hop_samples=way.hop_samples
      )

  return listener.Model(
    labels=labels, audio=audio, caution=named.caution, window_samples=window_samples,
    least_samples=way.feeding.least_samples if way.feeding else window_samples,
    hop_samples=way.hop_samples, how=way.name, scores=scores,
  )  # fmt: skip


def _export(config: listen_config.ListenConfig) -> _Named:
  export = export_file.load(config.path)
  config.check_export(config.path)
  return _Named(
    source=export,
    labels=export.labels,
    audio=export.audio,
    most_samples=export.most_samples,
    caution=caution_lib.Caution(
      temperature=export.temperature, score=export.none_score, threshold=export.none_threshold
    ),
    moved_in_time=export.moved_in_time,
  )


def _run(config: listen_config.ListenConfig) -> _Named:
  run = saved_run.load(config.path)
  exporting.check(run)
  caution = config.caution(run.folder.confidence_file)
  if run.versions_note:
    print(run.versions_note, file=sys.stderr)
  if caution.note:
    print(f'note: {caution.note}', file=sys.stderr)
  audio = run.manifest.audio
  return _Named(
    source=run,
    labels=run.manifest.labels,
    audio=audio,
    most_samples=compatibility.most_samples(run) if audio else 0,
    caution=caution,
    moved_in_time=run.moved_in_time,
  )


def _window_s(audio: audio_schema.AudioSpec, most_samples: int) -> float:
  """Returns what is heard at a time where nobody says: a clip of the training, or 1 s of any."""
  if audio.clip_s:
    return audio.clip_s
  longest_s = most_samples / audio.sample_rate_hz if most_samples else np.inf
  return min(1.0, audio.max_clip_s, longest_s)
