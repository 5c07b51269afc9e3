"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable

import prometheus_client

# From a millisecond to a minute.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CLIPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST


class Meters:
  """The counters of one server; two servers of a process count apart.

  Attributes:
    requests: Responses by path and status.
    request_seconds: From the head of a request until its answer is sent, by path.
    clips: Clips, windows and pictures that were answered.
    batch_clips: How many of them were in a batch.
    model_seconds: How long the model took for a batch.
    decoder_restarts: Decoders that were replaced, by what ended them.
  """

  def __init__(self) -> None:
    self._registry = registry = prometheus_client.CollectorRegistry()
    self.requests = prometheus_client.Counter(
      'voxshard_requests', 'Responses.', ['path', 'status'], registry=registry
    )
    self.request_seconds = prometheus_client.Histogram(
      'voxshard_request_seconds', 'Time until the answer is sent.', ['path'],
      buckets=_SECONDS, registry=registry,
    )  # fmt: skip
    self.clips = prometheus_client.Counter(
      'voxshard_clips', 'Clips, windows and pictures that were answered.', registry=registry
    )
    self.batch_clips = prometheus_client.Histogram(
      'voxshard_batch_clips', 'Clips of a batch.', buckets=_CLIPS, registry=registry
    )
    self.model_seconds = prometheus_client.Histogram(
      'voxshard_model_seconds', 'Time of the model for a batch.', buckets=_SECONDS,
      registry=registry,
    )  # fmt: skip
    self.decoder_restarts = prometheus_client.Counter(
      'voxshard_decoder_restarts', 'Decoders that were replaced.', ['cause'], registry=registry
    )

  def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
    """Shows a number as it is when somebody asks."""
    gauge = prometheus_client.Gauge(f'voxshard_{name}', text, registry=self._registry)
    gauge.set_function(value)

  def count_batch(self, num_clips: int, seconds: float) -> None:
    """Counts a batch that the model has answered."""
    self.clips.inc(num_clips)
    self.batch_clips.observe(num_clips)
    self.model_seconds.observe(seconds)

  def text(self) -> bytes:
    """Returns all of them in the format of CONTENT_TYPE."""
    return prometheus_client.generate_latest(self._registry)
