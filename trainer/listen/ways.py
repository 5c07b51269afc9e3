"""How a model hears what is asked: frame by frame where it can, whole windows otherwise."""

from __future__ import annotations

import dataclasses

from exports import export_file, runtimes, streaming_file
from schemas import errors
from trainer.listen import listen_config
from trainer.runs import saved_run
from trainer.streaming import step_model


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Way:
  """How a model hears.

  Attributes:
    kind: One of STREAMING but AUTO.
    hop_samples: From one score to the next.
    feeding: Of the file of an export that hears frame by frame; None for any other way.
    file: Its name.
    note: Why it is not frame by frame, where that is to be said.
  """

  kind: str
  hop_samples: int
  feeding: streaming_file.Feeding | None = None
  file: str = ''
  note: str = ''

  @property
  def name(self) -> str:
    """What it is called in the summary, such as `ring` or `state by model_streaming.tflite`."""
    return f'{self.kind} by {self.file}' if self.file else self.kind


def of_export(
  export: export_file.Export,
  config: listen_config.ListenConfig,
  window_samples: int,
  hop_samples: int,
) -> Way:
  """Returns how an export hears: by its file for frame by frame, where it has one that fits."""
  windows = Way(kind=listen_config.WINDOWS, hop_samples=hop_samples)
  if config.streaming == listen_config.WINDOWS:
    return windows
  is_auto = config.streaming == listen_config.AUTO
  reason = _reason_against_file(export)
  if not reason:
    feeding = streaming_file.load(config.path, export)
    reason = _reason_against_feeding(feeding, export, config, window_samples)
    if not reason:
      # Blocks are whole; how far apart scores are is asked in seconds.
      num_blocks = round(hop_samples / feeding.block_samples) if config.hop_s else 1
      hop_samples = num_blocks * feeding.block_samples
      file = export.formats[export_file.LITERT_STREAMING]
      return Way(kind=feeding.kind, hop_samples=hop_samples, feeding=feeding, file=file)
  if not is_auto:
    raise errors.ConfigError(f'--streaming={config.streaming}: {reason} Or leave --streaming away.')
  return dataclasses.replace(windows, note=f'whole windows are heard. {reason}')


def _reason_against_file(export: export_file.Export) -> str:
  """Returns why an export cannot hear frame by frame, and what to do; '' where it can."""
  file = export.formats.get(export_file.LITERT_STREAMING)
  if file is None:
    return (
      'The export has no file that hears frame by frame, which is less work. Export its run again '
      f'with --format={",".join([*export.formats, export_file.LITERT_STREAMING])} --overwrite: '
      'models that look ahead are refused.'
    )
  if not runtimes.is_installed(export_file.LITERT):
    package = runtimes.package(export_file.LITERT)
    return (
      f'{file} of the export is run by {package}, which is not installed: pip install {package}.'
    )
  return ''


def _reason_against_feeding(
  feeding: streaming_file.Feeding,
  export: export_file.Export,
  config: listen_config.ListenConfig,
  window_samples: int,
) -> str:
  """Returns why the file of an export cannot hear as is asked, and what to do; '' where it can."""
  file = export.formats[export_file.LITERT_STREAMING]
  if config.streaming not in (listen_config.AUTO, feeding.kind):
    return f'{file} of the export hears by {feeding.kind}: write --streaming={feeding.kind}.'
  rate_hz = feeding.sample_rate_hz
  window_frames = 1 + max(0, window_samples - feeding.frame_samples) // feeding.hop_samples
  if window_frames != feeding.window_frames:
    window_s = feeding.window_samples / rate_hz
    return (
      f'--window_s={config.window_s:g} is not what {file} of the export hears: write '
      f'--window_s={window_s:g}.'
    )
  block_s = feeding.block_samples / rate_hz
  num_blocks = config.hop_s / block_s
  if config.hop_s and (round(num_blocks) < 1 or abs(num_blocks - round(num_blocks)) > 1e-6):
    return (
      f'--hop_s={config.hop_s:g} is no multiple of the {block_s:g} s that {file} of the export '
      'takes at a time: write such a one.'
    )
  return ''


def of_run(
  run: saved_run.SavedRun,
  config: listen_config.ListenConfig,
  window_samples: int,
  hop_samples: int,
) -> Way:
  """Returns how a run hears: where frame by frame, with a hop of whole frames."""
  windows = Way(kind=listen_config.WINDOWS, hop_samples=hop_samples)
  if config.streaming == listen_config.WINDOWS:
    return windows
  is_auto = config.streaming == listen_config.AUTO
  for kind in step_model.KINDS if is_auto else (config.streaming,):
    reason = step_model.reason_against(run, kind)
    if not reason:
      form = step_model.framing(run)
      frames = max(1, round(hop_samples / form.hop_samples))
      if config.hop_s and frames * form.hop_samples != hop_samples:
        reason = (
          f'--hop_s={config.hop_s:g} is no multiple of the '
          f'{form.hop_samples / form.audio.sample_rate_hz:g} s between two frames of the feature.'
        )
      elif window_samples < form.frame_samples:
        reason = f'--window_s={config.window_s:g} is shorter than a frame of the feature.'
      else:
        return Way(kind=kind, hop_samples=frames * form.hop_samples)
    if not is_auto:
      raise errors.ConfigError(
        f'--streaming={kind}: {reason} Write --streaming={listen_config.AUTO}.'
      )
  return windows
