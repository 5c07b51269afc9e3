"""A Beam job as it is written in an afternoon: one clip after another, then WriteToTFRecord.

python -m benchmarks.contenders.beam_per_element INPUT OUTPUT NUM_PROCESSES

Its worker processes and its runner are those of our job, so is its feature; it decodes with
soundfile, transforms clip by clip, and shuffles what it has computed into the shards.
"""

import io
import pathlib
import sys

import apache_beam as beam
import numpy as np
import scipy.signal
import soundfile
from apache_beam.io import tfrecordio
from apache_beam.options import pipeline_options
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.transforms import environments

from benchmarks.contenders import bare


class Decode(beam.DoFn):
  """Path -> samples, float32 [RATE_HZ]."""

  def process(self, path):
    """Yields the decoded clip."""
    samples, _ = soundfile.read(io.BytesIO(pathlib.Path(path).read_bytes()), dtype='float32')
    samples = samples[: bare.RATE_HZ]
    yield np.pad(samples, (0, bare.RATE_HZ - len(samples)))


class LogMel(beam.DoFn):
  """Samples -> bytes of a log mel spectrogram."""

  def setup(self):
    """Makes the tables once a worker."""
    self._window = scipy.signal.get_window('hann', bare.WINDOW).astype(np.float32)
    self._weights = bare.filterbank()

  def process(self, samples):
    """Yields float16 [98, 80] as bytes."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, bare.WINDOW)[:: bare.HOP]
    spectrum = scipy.fft.rfft(frames * self._window, bare.TRANSFORM)
    power = spectrum.real**2 + spectrum.imag**2
    yield np.log(power @ self._weights + np.float32(1e-6)).astype(np.float16).tobytes()


def main(source: str, output: str, num_processes: str) -> None:
  """Featurizes a folder."""
  paths = sorted(str(path) for path in pathlib.Path(source).rglob('*.wav'))
  options = pipeline_options.PipelineOptions([])
  direct = options.view_as(pipeline_options.DirectOptions)
  direct.direct_num_workers = int(num_processes)
  direct.direct_running_mode = 'in_memory'
  command = f'OPENBLAS_NUM_THREADS=1 {sys.executable} -m apache_beam.runners.worker.sdk_worker_main'
  environment = environments.SubprocessSDKEnvironment.from_command_string(command)
  with beam.Pipeline(runner=fn_runner.FnApiRunner(environment), options=options) as root:
    _ = (
      root
      | beam.Create(paths)
      | beam.Reshuffle()
      | beam.ParDo(Decode())
      | beam.ParDo(LogMel())
      | tfrecordio.WriteToTFRecord(f'{output}/features', num_shards=16)
    )


if __name__ == '__main__':
  # Beam pickles what is defined here: by the module's name, not as `__main__`.
  from benchmarks.contenders import beam_per_element

  beam_per_element.main(*sys.argv[1:])
