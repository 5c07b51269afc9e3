"""The flags of python -m trainer.serve."""

from __future__ import annotations

import dataclasses

from schemas import errors, limits
from tfrecords import command_line
from trainer.confidence import caution_flags
from trainer.runs import model_flags

_SECONDS = limits.Limits(lambda value: 0 < value <= 86_400, 'above 0 and at most 86,400 seconds')


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeConfig(caution_flags.CautionFlags, model_flags.ModelFlags):
  """One field per flag."""

  host: str = command_line.flag(
    '127.0.0.1',
    'The address at which it listens. The default is heard on this machine alone; 0.0.0.0 by all '
    'who reach it: there is no password and no encryption.',
  )
  port: int = command_line.flag(
    8000,
    'Where it listens; 0: at any free port, which is printed.',
    limits=limits.PORT,
  )
  top: int = command_line.flag(
    3, 'How many labels are said of each clip, where a request does not say.', limits=limits.COUNT
  )
  max_batch: int = command_line.flag(
    32, 'The most clips that the model is asked for at once.', limits=limits.within(1, 4096)
  )
  max_wait_ms: float = command_line.flag(
    5.0,
    'How long an idle model waits for further clips of requests that are on their way. Who is '
    'alone waits for nobody; 0: nobody waits.',
    limits=limits.within(0, 10_000),
  )
  max_pending: int = command_line.flag(
    512, 'The most requests in work; further ones are turned away (503).', limits=limits.COUNT
  )
  max_held_mib: int = command_line.flag(
    512,
    'The most MiB of bodies and clips that are held of all requests; further ones are turned away '
    '(503).',
    limits=limits.within(1, 1 << 20),
  )
  max_body_mib: int = command_line.flag(
    16, 'The longest body of a request, in MiB.', limits=limits.within(1, 1 << 20)
  )
  max_s: float = command_line.flag(600.0, 'The longest recording, in seconds.', limits=_SECONDS)
  max_windows: int = command_line.flag(
    1000, 'The most windows of a recording (?window_s=1&hop_s=0.5).', limits=limits.COUNT
  )
  max_decode_s: float = command_line.flag(
    10.0,
    'Processor time for the decoding of a clip, in seconds. A decoder that does not look at the '
    'time is ended after twice as much, or after four times as much by the clock.',
    limits=_SECONDS,
  )
  decoders: int = command_line.flag(
    0,
    'How many processes decode; 0: as many as there are cores, at least 2 and at most 8.',
    limits=limits.within(0, 256),
  )
  max_decoder_mib: int = command_line.flag(
    2_048,
    'The most MiB that each of them may take beside what it starts with. A file that takes more is '
    'refused.',
    limits=limits.within(64, 1 << 20),
  )
  max_read_s: float = command_line.flag(
    30.0, 'How long the head of a request may take to arrive, and its body.', limits=_SECONDS
  )
  drain_s: float = command_line.flag(
    0.0,
    'After SIGTERM or Ctrl-C: seconds in which /health answers 503 and all else is answered as '
    'before, so that a load balancer looks elsewhere. Then no connection is taken any more.',
    limits=limits.within(0, 3600),
  )

  def __post_init__(self) -> None:
    command_line.check(self)
    self.check_model()
    if self.max_held_mib < self.max_body_mib:
      raise errors.ConfigError(
        f'--max_held_mib={self.max_held_mib} has no room for a body of '
        f'--max_body_mib={self.max_body_mib}. Raise it.'
      )
    self.check_caution()
