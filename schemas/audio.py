"""How audio is brought to one form, and how it is cut into frames."""

import dataclasses
import math

from schemas import errors, json_form

MAX_SAMPLE_RATE_HZ = 768_000
# An Example of such a clip is larger than protobuf writes, and its arrays than most memories.
MAX_CLIP_SAMPLES = 2**31 - 1

START = 'start'
CENTRE = 'centre'
END = 'end'
POSITIONS = (START, CENTRE, END)

MIX = 'mix'
LOUDEST = 'loudest'
# The number of the channel that is on a side.
SIDES = {'left': 1, 'right': 2}
_MAX_CHANNELS = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioSpec(json_form.Fields):
  """The form that every clip has before features are computed: mono, one rate, one length.

  A recording is brought to one channel, resampled, trimmed, cut, put through the effects, and
  padded, in this order.

  Attributes:
    sample_rate_hz: Samples per second; audio of another rate is resampled.
    clip_s: Length in seconds: longer audio is cut, shorter is padded with zeros. 0 leaves each
      clip as long as it is.
    max_clip_s: Where clip_s is 0, longer recordings are refused: one clip is held in memory.
    position: One of POSITIONS: which part of longer audio is kept, and where shorter audio stands
      in the padding.
    trim_db: Silence at both ends is dropped: what stays that far below the loudest part of the
      recording. 0 drops nothing.
    effects: What is done to the samples of a clip, in this order, each as `name:key=value,...` of
      the table features.effects.EFFECTS.
    channel: Which channel is heard: MIX, the mean of all; LOUDEST, that with the most power in the
      clip; one of SIDES; or a number from 1 on. The one channel of a mono file is all but the last.
    full_scale: The amplitude that is full scale in files of floating-point samples; those of
      others have their own.
  """

  sample_rate_hz: int = 16_000
  clip_s: float = 1.0
  max_clip_s: float = 60.0
  position: str = START
  trim_db: float = 0.0
  effects: tuple[str, ...] = ()
  channel: str = MIX
  full_scale: float = 1.0

  def __post_init__(self) -> None:
    object.__setattr__(self, 'effects', tuple(self.effects))  # JSON has lists only.
    if not 1_000 <= self.sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
      raise errors.SchemaError(
        f'sample_rate_hz must be in [1000, {MAX_SAMPLE_RATE_HZ}], got {self.sample_rate_hz}.'
      )
    if not (0 <= self.clip_s < math.inf and (self.is_variable or self.clip_samples >= 1)):
      raise errors.SchemaError(
        'clip_s must be 0 (clips as long as they are), or positive and at least one sample long, '
        f'got {self.clip_s} seconds.'
      )
    if self.clip_samples > MAX_CLIP_SAMPLES:
      raise errors.SchemaError(
        f'clip_s must be at most {MAX_CLIP_SAMPLES} samples long, got {self.clip_s} seconds.'
      )
    if not 0 < self.max_clip_s < math.inf:
      raise errors.SchemaError(f'max_clip_s must be positive, got {self.max_clip_s} seconds.')
    if self.position not in POSITIONS:
      raise errors.SchemaError(f'position must be {", ".join(POSITIONS)}, got {self.position!r}.')
    if not 0 <= self.trim_db < math.inf:
      raise errors.SchemaError(
        f'trim_db must be 0 (no trimming) or positive, such as 40, got {self.trim_db}.'
      )
    if not (self.channel in (MIX, LOUDEST, *SIDES) or _is_channel_number(self.channel)):
      raise errors.SchemaError(
        f'channel must be {MIX}, {LOUDEST}, {", ".join(SIDES)}, or a number from 1 (left) to '
        f'{_MAX_CHANNELS}, got {self.channel!r}.'
      )
    if not 0 < self.full_scale < math.inf:
      raise errors.SchemaError(
        f'full_scale must be positive, such as 32768, got {self.full_scale}.'
      )

  @property
  def is_variable(self) -> bool:
    """Whether each clip has a length of its own."""
    return self.clip_s == 0

  @property
  def clip_samples(self) -> int:
    """Samples per clip; 0 where each has a length of its own."""
    return round(self.clip_s * self.sample_rate_hz)


def _is_channel_number(text: str) -> bool:
  is_number = text.isascii() and text.isdigit() and len(text) <= 4
  return is_number and text == str(int(text)) and 1 <= int(text) <= _MAX_CHANNELS


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameSpec:
  """How audio is cut into frames.

  Attributes:
    sample_rate_hz: Samples per second of the mono input.
    window_s: Length of one analysis window, in seconds.
    hop_s: Distance between the starts of two windows, in seconds, in (0, window_s].
    fft_samples: Length of the Fourier transform; 0 picks the next power of two of the window.
  """

  sample_rate_hz: int = 16_000
  window_s: float = 0.025
  hop_s: float = 0.010
  fft_samples: int = 0

  def __post_init__(self) -> None:
    if not 0 < self.hop_s <= self.window_s < math.inf:
      raise errors.SchemaError(
        f'hop_s must be in (0, window_s={self.window_s}] seconds, got {self.hop_s}. '
        'A hop longer than the window skips audio.'
      )
    if self.window_samples < 2 or self.hop_samples < 1:
      raise errors.SchemaError(
        f'window_s={self.window_s} and hop_s={self.hop_s} must be at least 2 and 1 samples at '
        f'{self.sample_rate_hz} Hz.'
      )
    if self.fft_samples and self.fft_samples < self.window_samples:
      raise errors.SchemaError(
        f'fft_samples must be 0 or at least the window of {self.window_samples} samples, '
        f'got {self.fft_samples}.'
      )

  @property
  def window_samples(self) -> int:
    """Samples per window."""
    return round(self.window_s * self.sample_rate_hz)

  @property
  def hop_samples(self) -> int:
    """Samples between the starts of two windows."""
    return round(self.hop_s * self.sample_rate_hz)

  @property
  def transform_samples(self) -> int:
    """Length of the Fourier transform: fft_samples, or the next power of two of the window."""
    return self.fft_samples or 1 << (self.window_samples - 1).bit_length()

  @property
  def num_bins(self) -> int:
    """Bins of the one-sided spectrum, from 0 Hz to half the sample rate."""
    return self.transform_samples // 2 + 1

  def num_frames(self, num_samples: int) -> int:
    """Whole windows that fit; a tail shorter than one window is dropped."""
    return max(0, 1 + (num_samples - self.window_samples) // self.hop_samples)
