"""The LiteRT file of an export that hears frame by frame: how it is fed, and what feeds it.

`model_streaming.json` beside the file says how; trainer.export.litert_streaming_format writes both
and tells what goes in and comes out. It is run by `ai-edge-litert`, without TensorFlow.
"""

import dataclasses
import json
import os

import numpy as np
from numpy.typing import NDArray

from exports import export_file, file_digests
from schemas import errors, json_form
from tfrecords.resources import held_stderr

DESCRIPTION = 'model_streaming.json'
STATE, RING = KINDS = ('state', 'ring')
# What is held: far more than any model remembers, far less than a machine has.
_MOST_VALUES = 1 << 26
_AGAIN = 'export the run again: python -m trainer.export --overwrite.'


@dataclasses.dataclass(frozen=True, kw_only=True)
class State(json_form.Fields):
  """Something that a model remembers.

  Attributes:
    name: What it is called, as it goes in and as it comes out.
    shape: [1, ...].
  """

  name: str
  shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feeding(json_form.Fields):
  """How a file is fed.

  Attributes:
    kind: STATE: it hears each frame once; RING: it holds the frames of a window.
    sample_rate_hz: Of the samples.
    block_samples: So many come at a time.
    primed_samples: So many come in front of the first block, as the first state.
    frame_samples: Of one frame.
    hop_samples: From one frame to the next.
    window_frames: Over how many frames a score goes.
    first_block: Which block has the first score, counted from 1.
    states: What it remembers, all zeros in the beginning.
  """

  kind: str
  sample_rate_hz: int
  block_samples: int
  primed_samples: int
  frame_samples: int
  hop_samples: int
  window_frames: int
  first_block: int
  states: tuple[State, ...]

  def __post_init__(self) -> None:
    counts = (
      self.sample_rate_hz, self.block_samples, self.frame_samples, self.hop_samples,
      self.window_frames, self.first_block, *(size for one in self.states for size in one.shape),
    )  # fmt: skip
    if self.kind not in KINDS or min(counts) < 1 or self.primed_samples < 0:
      raise errors.SchemaError('kind or a number is none that there can be.')
    if len({one.name for one in self.states}) < len(self.states):
      raise errors.SchemaError('two states have the same name.')
    block_frames, rest = divmod(self.block_samples, self.hop_samples)
    if rest or self.first_block != -(-self.window_frames // block_frames):
      raise errors.SchemaError(
        f'the first of the blocks of {self.block_samples} samples that has {self.window_frames} '
        f'frames in front of its end is not number {self.first_block}.'
      )
    if self.least_samples > _MOST_VALUES:
      raise errors.SchemaError(f'a window has more than {_MOST_VALUES:,} samples.')
    if sum(int(np.prod(one.shape, dtype=object)) for one in self.states) > _MOST_VALUES:
      raise errors.SchemaError(f'the states have more than {_MOST_VALUES:,} values.')
    if self.primed_samples:
      first = self.states[0].shape if self.states else ()
      if first != (1, self.primed_samples):
        raise errors.SchemaError(
          f'the first state must be of the {self.primed_samples} samples in front, got {first}.'
        )

  @property
  def window_samples(self) -> int:
    """How many samples the frames of a window are of."""
    return self.frame_samples + (self.window_frames - 1) * self.hop_samples

  @property
  def least_samples(self) -> int:
    """How many samples of a recording the first score takes."""
    return self.primed_samples + self.first_block * self.block_samples


def load(folder: str, export: export_file.Export) -> Feeding:
  """Returns how the streaming file of an export is fed.

  Args:
    folder: Of the export.
    export: What it is; it has the format LITERT_STREAMING.

  Raises:
    ConfigError: if that cannot be read, or is of another export.
  """
  path = os.path.join(folder, DESCRIPTION)
  try:
    with open(path, encoding='utf-8') as stream:
      found = Feeding.from_json(json.load(stream), where=path)
  except (OSError, ValueError, RecursionError) as error:  # A SchemaError is a ValueError.
    reason = str(error).rstrip('.')
    raise errors.ConfigError(
      f'{path!r} cannot be read ({reason}). {_AGAIN.capitalize()}'
    ) from error
  if export.audio is None or found.sample_rate_hz != export.audio.sample_rate_hz:
    raise errors.ConfigError(
      f'{path!r} is of another export than the {export_file.FILE} beside it. Copy the whole folder '
      f'again, or {_AGAIN}'
    )
  return found


class Ear:
  """Hears one recording, from its start on, block by block.

  Attributes:
    feeding: How it is fed.
  """

  def __init__(self, folder: str, export: export_file.Export) -> None:
    """Loads the file of an export.

    Raises:
      ConfigError: if it cannot be read, is not what was exported, or does not fit what stands
        beside it.
    """
    self.feeding = load(folder, export)
    file_digests.check(folder, export, export_file.LITERT_STREAMING)
    path = os.path.join(folder, export.formats[export_file.LITERT_STREAMING])
    shapes = {
      export_file.SAMPLES: (1, self.feeding.block_samples),
      **{one.name: one.shape for one in self.feeding.states},
    }
    self._states = {one.name: np.zeros(one.shape, np.float32) for one in self.feeding.states}
    try:
      from ai_edge_litert import interpreter

      # It tells of its own inside when it is asked for the first time.
      with held_stderr.held_back(shows_failures=False):
        runner = interpreter.Interpreter(model_path=path).get_signature_runner()
        taken, given = _shapes(runner.get_input_details()), _shapes(runner.get_output_details())
        runner(**{name: np.zeros(shape, np.float32) for name, shape in taken.items()})
    except Exception as error:  # The library raises what it happens to raise.
      raise errors.ConfigError(
        f'{path!r} cannot be read ({type(error).__name__}). {_AGAIN.capitalize()}'
      ) from error
    wanted = {**shapes, export_file.LOGITS: (1, len(export.labels))}
    del wanted[export_file.SAMPLES]
    if taken != shapes or wanted.items() - given.items():
      raise errors.ConfigError(
        f'{path!r} takes or gives something else than {DESCRIPTION} and {export_file.FILE} beside '
        f'it say. Copy the whole folder again, or {_AGAIN}'
      )
    self._ask = runner

  def prime(self, samples: NDArray[np.float32]) -> None:
    """Takes the first `primed_samples` of the recording, float32; where there are any."""
    self._states[self.feeding.states[0].name] = samples[np.newaxis]

  def hear(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Takes the next block, and returns logits, float32 [labels]."""
    found = self._ask(**{export_file.SAMPLES: samples[np.newaxis]}, **self._states)
    self._states = {name: found[name] for name in self._states}
    logits: NDArray[np.float32] = found[export_file.LOGITS][0]
    return logits


def _shapes(details: dict[str, dict[str, object]]) -> dict[str, tuple[int, ...]]:
  return {name: tuple(np.asarray(one['shape']).tolist()) for name, one in details.items()}
