"""What stands behind the addresses: the model's state, and the way of a request to its answer."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent import futures
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import answer_rows, export_file, exported
from exports import windows as windows_lib
from schemas import medium
from trainer.decoders import decoder_pool
from trainer.serve import clip_batcher, intake, meters, refusal, request_body, upload_decoder
from trainer.serve.serve_config import ServeConfig

_MIB = 1 << 20
# So many labels are in an answer at most: some 10 MB.
_MOST_SAID = 200_000
# A decoder looks at the time between blocks. One that does not is ended after so many times
# --max_decode_s, which a file may take that is first counted, then decoded.
_CPU, _WALL, _MARGIN_S = 2, 4, 1.0
# Long recordings that a decoder holds at a time; further ones wait.
_RECORDINGS = 4
# How often it is looked whether all decoders are there.
_MEND_S = 1.0
# The log says of lost decoders no more than a line in so many seconds.
_LOG_S = 10.0
# So long sizes of batches are tried before the server is ready.
_WARM_S = 5.0

# Gives a model for as long as it is asked; called in the model's thread.
Opener = Callable[[], contextlib.AbstractContextManager[exported.Exported]]


class State(enum.Enum):
  """Whether a server answers."""

  LOADING = 'loading its model'
  READY = 'ready'
  ENDING = 'ending'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
  """What a request asks for beside its file.

  Attributes:
    top: How many labels are said of each clip.
    window_s: Length of windows in seconds; 0 for none.
    hop_s: From one to the next; 0 for window_s.
    is_gone: Whether nobody waits for the answer any more.
  """

  top: int
  is_gone: Callable[[], Awaitable[bool]]
  window_s: float = 0.0
  hop_s: float = 0.0


class AnsweringService:
  """A model and its limits.

  Attributes:
    config: The flags.
    meters: What is counted.
    room: What bodies and clips take.
    state: Whether it answers.
    model: While it is READY or ENDING.
  """

  model: exported.Exported

  def __init__(
    self,
    config: ServeConfig,
    *,
    program: str = upload_decoder.PROGRAM,
    pool_type: type[decoder_pool.DecoderPool] = decoder_pool.DecoderPool,
  ) -> None:
    """Takes what is needed; `running` begins.

    Args:
      config: The flags.
      program: What decodes.
      pool_type: How it is started.
    """
    self.config = config
    self.meters = meters.Meters()
    self.room = request_body.Room(config.max_held_mib * _MIB)
    self.state = State.LOADING
    self._num_pending = self._num_coming = 0
    max_s = config.max_decode_s
    self._pool = pool_type(
      program,
      count=config.decoders or decoder_pool.default_count(),
      limits=decoder_pool.Limits(
        cpu_s=_CPU * max_s + _MARGIN_S,
        wall_s=_WALL * max_s + _MARGIN_S,
        memory_bytes=config.max_decoder_mib * _MIB,
      ),
      on_loss=self._lost,
    )
    self._uploads = upload_decoder.UploadDecoder(self._pool)
    self._num_unsaid, self._said_s = 0, -_LOG_S
    # A thread for each: it waits while its decoder works.
    self._decoders = futures.ThreadPoolExecutor(self._pool.count, 'decoder')
    self._model_thread = futures.ThreadPoolExecutor(1, 'model')

  @property
  def export(self) -> export_file.Export:
    """What the model takes and gives."""
    return self.model.export

  @property
  def num_pending(self) -> int:
    """How many requests are decoded, or wait for the model or an answer."""
    return self._num_pending

  @contextlib.asynccontextmanager
  async def running(
    self, open_model: Opener, *, on_warm: Callable[[], None] = lambda: None
  ) -> AsyncIterator[None]:
    """Loads the model, and answers for as long as the body goes on.

    Args:
      open_model: Gives the model.
      on_warm: Called when all is loaded and tried, before it answers.

    Raises:
      VoxshardError: what `open_model` raises; or if no decoder can be started.
    """
    loop = asyncio.get_running_loop()
    held = contextlib.ExitStack()
    tasks: list[asyncio.Task[None]] = []
    try:
      self._pool.start()  # It loads what decodes while the model is loaded.
      self.model = await loop.run_in_executor(
        self._model_thread, lambda: held.enter_context(open_model())
      )
      self._prepare()
      settings = self._uploads.settings(self._intake)
      await loop.run_in_executor(self._decoders, self._pool.set_up, settings)
      await loop.run_in_executor(self._model_thread, self._warm_up)
      on_warm()
      tasks += [asyncio.create_task(self._batcher.run()), asyncio.create_task(self._mend())]
      if self.state is State.LOADING:
        self.state = State.READY
      yield
    finally:
      for task in tasks:
        task.cancel()
      self._pool.close()
      await loop.run_in_executor(self._model_thread, held.close)
      self._model_thread.shutdown()
      self._decoders.shutdown(cancel_futures=True)

  async def _mend(self) -> None:
    """Replaces decoders that end while nobody asks them, such as by a machine without memory."""
    loop = asyncio.get_running_loop()
    while True:
      await asyncio.sleep(_MEND_S)
      await loop.run_in_executor(self._decoders, self._pool.mend)

  def _lost(self, cause: decoder_pool.Cause, sentence: str) -> None:
    """Counts a lost decoder and says so; called in threads."""
    self.meters.decoder_restarts.labels(cause.value).inc()
    self._num_unsaid += 1
    now_s = time.monotonic()
    if now_s - self._said_s < _LOG_S:
      return
    more = f' It is the last of {self._num_unsaid}.' if self._num_unsaid > 1 else ''
    self._num_unsaid, self._said_s = 0, now_s
    print(f'note: {sentence}{more}', file=sys.stderr, flush=True)

  def _prepare(self) -> None:
    config = self.config
    self._intake = intake.Intake(
      export=self.export,
      max_s=config.max_s,
      max_decode_s=config.max_decode_s,
      max_windows=config.max_windows,
    )
    self._recordings = asyncio.Semaphore(_RECORDINGS * self._pool.count)
    self._batcher = clip_batcher.ClipBatcher(
      self._ask,
      self._model_thread,
      max_batch=config.max_batch,
      max_wait_s=config.max_wait_ms / 1000,
      is_more_to_come=lambda: self._num_coming > 0,
      on_batch=self.meters.count_batch,
    )
    self.meters.watch('waiting_clips', 'Clips that wait.', lambda: self._batcher.num_waiting)
    self.meters.watch('pending_requests', 'Requests in work.', lambda: self._num_pending)
    self.meters.watch('decoders', 'Processes that decode.', lambda: self._pool.num_alive)
    self.meters.watch('held_bytes', 'Bodies and clips held.', lambda: self.room.num_taken)

  def _ask(self, inputs: Sequence[NDArray[Any]]) -> exported.Answers:
    if self.export.medium == medium.PICTURES:
      return self.model.of_pictures(np.stack(inputs))
    return self.model.of_clips(inputs)

  def _warm_up(self) -> None:
    """Asks for batches of every size: what is done for the first time takes longer.

    That is some milliseconds of each size, and most of a second of the first. Of a large model,
    sizes that would take too long are left for later.
    """
    audio = self.export.audio
    if audio is None:
      one = np.zeros(self.export.feature.shape, np.uint8)
    else:
      one = np.zeros(audio.clip_samples or max(1, self.export.min_samples), np.float32)
    most = self.config.max_batch
    powers = (1 << i for i in range(most.bit_length()))
    end_s = time.monotonic() + _WARM_S
    for i, count in enumerate(dict.fromkeys((1, most, *powers, *range(1, most)))):
      if i > 1 and time.monotonic() > end_s:
        break
      self._ask([one] * count)

  def check_ready(self) -> None:
    """Raises RefusedError while the model is loaded."""
    if self.state is State.LOADING:
      raise refusal.busy('The server is loading its model. Ask again in a few seconds.')

  def check_decoders(self) -> None:
    """Raises RefusedError where nothing can be decoded."""
    if not self._pool.num_alive and self._pool.why_not:
      raise refusal.busy(self._pool.why_not)

  def check_not_full(self) -> None:
    """Raises RefusedError where so many requests are in work that another would wait too long."""
    if self._num_pending >= self.config.max_pending:
      raise refusal.busy(
        f'The server is full: {self._num_pending} requests are in work (--max_pending). Ask again '
        'later.'
      )

  @contextlib.contextmanager
  def _pending(self) -> Iterator[None]:
    self.check_not_full()
    self._num_pending += 1
    try:
      yield
    finally:
      self._num_pending -= 1

  @contextlib.contextmanager
  def coming(self) -> Iterator[None]:
    """While a request is read or decoded, for which an idle model may wait."""
    self._num_coming += 1
    try:
      yield
    finally:
      self._num_coming -= 1

  async def answer(
    self, body: bytes, content_type: str, asked: Asked, held: request_body.Held
  ) -> dict[str, Any]:
    """Returns what the model says of a body, as JSON.

    Args:
      body: Of the request.
      content_type: Its type.
      asked: What is asked.
      held: Holds the body, and its clips in place of it.

    Raises:
      RefusedError: if it cannot be answered.
    """
    windows = intake.windows_of(self.export, asked.window_s, asked.hop_s)
    loop = asyncio.get_running_loop()
    with self._pending():
      if windows is not None:
        async with self._recordings:
          return await self._of_windows(body, content_type, asked, windows=windows, held=held)
      name = ''
      if self._intake.is_plain(body, content_type):
        with self.coming():
          await asyncio.sleep(0)  # For the others that have come: they are one batch.
        heard = self._intake.whole(request_body.Upload(content=body))
      else:
        with self.coming():
          name, heard = await loop.run_in_executor(
            self._decoders, self._uploads.whole, body, content_type
          )
      held.set(len(body) + heard.values.nbytes)
      [line] = self._lines(await self._batcher.answers([heard.values]), [heard], name, asked)
      if heard.heard_s:
        line['heard_s'] = round(heard.heard_s, 6)
      if heard.whole_s:
        line['whole_s'] = round(heard.whole_s, 6)
      return line

  async def _of_windows(
    self,
    body: bytes,
    content_type: str,
    asked: Asked,
    *,
    windows: windows_lib.Windows,
    held: request_body.Held,
  ) -> dict[str, Any]:
    """Returns the answers of a long recording; between its batches others have their turn."""
    loop = asyncio.get_running_loop()
    said = min(asked.top, len(self.export.labels))
    parts = self._uploads.windows(
      body,
      content_type,
      windows,
      at_once=self.config.max_batch,
      most=max(1, _MOST_SAID // said),
    )
    lines: list[dict[str, Any]] = []
    name, end_s = '', 0.0
    try:
      while not await asked.is_gone():
        with self.coming():
          found = await loop.run_in_executor(self._decoders, next, parts, None)
        if found is None:
          break
        name, part = found
        # The body twice: its decoder has it too.
        held.set(2 * len(body) + sum(one.values.nbytes for one in part))
        answers = await self._batcher.answers([one.values for one in part])
        lines += self._lines(answers, part, '', asked)
        end_s = part[-1].end_s or 0.0
    finally:
      with contextlib.suppress(ValueError):  # It still decodes, for a request that was cancelled.
        await loop.run_in_executor(self._decoders, parts.close)
    named = {answer_rows.FILE: name} if name else {}
    return {**named, 'recording_s': round(end_s, 6), 'windows': lines}

  def _lines(
    self,
    answers: exported.Answers,
    heard: Sequence[intake.Heard],
    name: str,
    asked: Asked,
  ) -> list[dict[str, Any]]:
    has_none = bool(self.export.none_score)
    columns = answer_rows.Columns(
      labels=self.export.labels,
      top=asked.top,
      has_windows=heard[0].start_s is not None,
      has_none=has_none,
    )
    rows = [
      answer_rows.Row(
        name=name,
        probabilities=probabilities,
        is_none=bool(is_none) if has_none else None,
        start_s=one.start_s,
        end_s=one.end_s,
      )
      for one, probabilities, is_none in zip(
        heard, answers.probabilities, answers.is_none, strict=True
      )
    ]
    lines = [json.loads(line) for line in answer_rows.json_lines(rows, columns)]
    if not name:
      for line in lines:
        del line[answer_rows.FILE]
    return lines

  def description(self) -> dict[str, Any]:
    """Returns what the model takes, as JSON."""
    export, config = self.export, self.config
    found: dict[str, Any] = {
      'model': export.model,
      'takes': export.medium,
      'none_of_these': bool(export.none_score),
      'ask': {'POST /predict': 'a file, a form with one, or {"samples": [], "sample_rate_hz": 0}'},
      'max_body_bytes': config.max_body_mib * _MIB,
    }
    if export.audio is None:
      height, width, channels = export.feature.shape
      found |= {'height': height, 'width': width, 'channels': channels}
      found['ask'] = {'POST /predict': 'a picture, or a form with one'}
    else:
      audio = export.audio
      found |= {
        'sample_rate_hz': audio.sample_rate_hz,
        'clip_s': audio.clip_s,
        'most_s': export.most_samples / audio.sample_rate_hz,
        'max_s': config.max_s,
      }
    return {**found, 'labels': list(export.labels)}
