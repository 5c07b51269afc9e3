"""What listening is asked to do, and what of it is wrong before a model is loaded."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Sequence

from exports import answer_rows
from exports import windows as windows_lib
from features.decoding import clips
from schemas import errors, limits
from tfrecords import command_line, storage
from trainer.confidence import caution_flags
from trainer.listen import microphone
from trainer.runs import model_flags
from trainer.streaming import step_model

AUTO, WINDOWS = 'auto', 'windows'
STREAMING = (AUTO, *step_model.KINDS, WINDOWS)
STDIN = '-'

HOP_S = 0.1
# Never detected where nobody names them.
QUIET_LABELS = frozenset(
  ('silence', '_silence_', 'unknown', '_unknown_', 'background_noise', '_background_noise_')
)
# Of the curve over thresholds.
THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(1, 20))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListenConfig(caution_flags.CautionFlags, windows_lib.WindowFlags, model_flags.ModelFlags):
  """One field per flag."""

  input: str = command_line.flag(
    '',
    'A recording of any length in any format that the data job reads; -: standard input, 16-bit '
    "PCM of one channel at the model's rate, raw or as WAV; empty: the microphone.",
    is_path=True,
  )
  device: str = command_line.flag(
    '',
    'The microphone: its number or a part of its name, as python -m sounddevice lists them.',
    idle_with=('input',),
  )
  duration_s: float = command_line.flag(
    0.0, 'Listen for so many seconds; 0: to the end, or to Ctrl-C.', limits=limits.AT_LEAST_0
  )
  window_s: float = command_line.flag(
    0.0, 'What the model hears at a time, in seconds; 0: a clip of its training, or 1 s of any.'
  )
  hop_s: float = command_line.flag(
    0.0,
    'Seconds from the start of a window to that of the next; 0: 0.1 s, or the whole frames of the '
    'feature that are next to it.',
  )
  smoothing_s: float = command_line.flag(
    0.5,
    'Over how many seconds probabilities are averaged; 0: not at all.',
    limits=limits.AT_LEAST_0,
  )
  threshold: float = command_line.flag(
    0.7, 'The least average that is a detection.', limits=limits.within(0, 1)
  )
  refractory_s: float = command_line.flag(
    1.0,
    'For how many seconds nothing is detected after a detection.',
    limits=limits.AT_LEAST_0,
  )
  labels: tuple[str, ...] = command_line.flag(
    (), 'Which labels are detected, several with commas; empty: all but silence, unknown and noise.'
  )
  streaming: str = command_line.flag(
    AUTO,
    'How it is heard. state: each frame once, carrying along what is remembered; ring: the feature '
    'of each frame once, the network all of a window; windows: all of each; auto: the first of '
    'these that the model can. An export can what its litert_streaming file does, or windows.',
    choices=STREAMING,
  )
  format: str = command_line.flag(
    answer_rows.TEXT, 'How detections are written.', choices=tuple(answer_rows.LINES)
  )
  truth: str = command_line.flag(
    '',
    'Table of what was really said: CSV with start_s, end_s and label, or a label track of '
    'Audacity.',
    is_path=True,
  )
  tolerance_s: float = command_line.flag(
    0.75,
    'A detection may come so many seconds before the beginning or after the end of what was said.',
    limits=limits.AT_LEAST_0,
    needs=('truth',),
  )
  picture: str = command_line.flag(
    '', 'The page for detections over the spectrogram, such as heard.html.', is_path=True
  )
  figures: str = command_line.flag(
    '', 'JSON file for the figures of --truth.', is_path=True, needs=('truth',)
  )

  def __post_init__(self) -> None:
    command_line.check(self)
    self.check_model()
    self.check_caution()
    if self.window_s:
      self.check_windows()
    elif self.hop_s:
      # The window is known when the model is. One that is no number is the hop's mistake, not its.
      window_s = max(self.hop_s, HOP_S) if math.isfinite(self.hop_s) else HOP_S
      windows_lib.Windows(window_s=window_s, hop_s=self.hop_s)

  @property
  def name(self) -> str:
    """What the recording is called."""
    return self.input or 'microphone'

  @property
  def is_live(self) -> bool:
    """Whether it ends when somebody ends it."""
    return self.input in ('', STDIN)


def check_written(config: ListenConfig) -> None:
  """Raises ConfigError, before a day is listened to, for files that cannot be written after it."""
  taken = {
    os.path.realpath(path): path for path in (config.input, config.truth) if path not in ('', STDIN)
  }
  for flag, path in (('--picture', config.picture), ('--figures', config.figures)):
    if not path:
      continue
    storage.check_output(path, flag=flag)
    if '://' in path:
      continue
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if target in taken or f'{target}/'.startswith(f'{os.path.realpath(config.path)}/'):
      raise errors.ConfigError(
        f'{flag}={path} would take the place of {taken.get(target, config.path)!r}, or of a part '
        'of it. Name another file.'
      )
    if os.path.isdir(path) or not os.path.isdir(folder):
      wrong = 'is a folder' if os.path.isdir(path) else f'there is no folder {folder!r}'
      raise errors.ConfigError(f'{flag}={path}: {wrong}. Name a file in a folder that is there.')
    taken[target] = path


def check_input(config: ListenConfig) -> None:
  """Raises ConfigError where there is nothing to be heard, before a model is loaded."""
  if config.input == STDIN:
    if sys.stdin is None:
      raise errors.ConfigError(
        '--input=-: standard input is closed. Name a file, or put what is heard into a pipe.'
      )
    return
  if not config.input:
    microphone.check()
    return
  try:
    with clips.opened_file(config.input):
      pass
  except clips.ClipError as error:
    raise errors.ConfigError(f'--input={config.input} cannot be heard: {error}') from error


def detected_labels(labels: Sequence[str], asked: Sequence[str]) -> frozenset[str]:
  """Returns which labels are detected.

  Args:
    labels: Those of the model.
    asked: What --labels names; nothing: all but QUIET_LABELS.

  Raises:
    ConfigError: if the model does not know one, or there are none.
  """
  named = [
    name for text in asked for name in ([text] if text in labels else text.split(',')) if name
  ]
  if asked and not named:
    raise errors.ConfigError(
      f'--labels={",".join(asked)} names none. The model knows {errors.some(labels, 20)}.'
    )
  unknown = [name for name in named if name not in labels]
  if unknown:
    raise errors.ConfigError(
      f'--labels: the model knows no {errors.some(unknown, 5)}, but {errors.some(labels, 20)}.'
    )
  found = frozenset(named or set(labels) - QUIET_LABELS)
  if not found:
    raise errors.ConfigError(
      f'The model knows {", ".join(labels)} alone, none of which is detected unless it is named: '
      'write --labels.'
    )
  return found
