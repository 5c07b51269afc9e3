"""A Beam job that asks a model as Beam's documentation has it: RunInference on decoded clips.

python -m benchmarks.contenders.run_inference INPUT OUTPUT NUM_PROCESSES EXPORT

Its worker processes and its runner are those of our job, so are the model and its one thread; it
decodes clip by clip with soundfile, and Beam makes batches of up to 64. With NUM_PROCESSES=0 it
runs in this process.
"""

import pathlib
import sys

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference import base
from apache_beam.options import pipeline_options
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.transforms import environments

from benchmarks.contenders import asking


class Handler(base.ModelHandler):
  """Gives Beam our exported model."""

  def __init__(self, export):
    super().__init__()
    self._export = export

  def load_model(self):
    """Returns the model, once a process."""
    return asking.model(self._export)

  def run_inference(self, batch, model, inference_args=None):
    """Returns (path, label, probability) of each (path, samples)."""
    lengths = np.full(len(batch), len(batch[0][1]), np.int32)
    found = model.of_batch(np.stack([samples for _, samples in batch]), lengths).probabilities
    best = found.argmax(1)
    labels = model.export.labels
    return [(path, labels[best[i]], float(found[i, best[i]])) for i, (path, _) in enumerate(batch)]

  def batch_elements_kwargs(self):
    """Says how many clips come together."""
    return {'min_batch_size': asking.BATCH_CLIPS, 'max_batch_size': asking.BATCH_CLIPS}


class Decode(beam.DoFn):
  """Path -> (path, samples)."""

  def __init__(self, num_samples):
    self._num_samples = num_samples

  def process(self, path):
    """Yields the decoded clip."""
    yield path, asking.decode(path, self._num_samples)


def main(source: str, output: str, num_processes: str, export: str) -> None:
  """Asks about a folder."""
  from exports import export_file

  num_samples = export_file.load(export).audio.clip_samples
  paths = sorted(str(path) for path in pathlib.Path(source).rglob('*.wav'))
  options = pipeline_options.PipelineOptions([])
  direct = options.view_as(pipeline_options.DirectOptions)
  direct.direct_num_workers = max(1, int(num_processes))
  direct.direct_running_mode = 'in_memory'
  command = f'OPENBLAS_NUM_THREADS=1 {sys.executable} -m apache_beam.runners.worker.sdk_worker_main'
  environment = environments.SubprocessSDKEnvironment.from_command_string(command)
  runner = fn_runner.FnApiRunner(environment if int(num_processes) else None)
  with beam.Pipeline(runner=runner, options=options) as root:
    _ = (
      root
      | beam.Create(paths)
      | beam.Reshuffle()
      | beam.ParDo(Decode(num_samples))
      | base.RunInference(Handler(export))
      | beam.Map(lambda row: f'{row[0]},{row[1]},{row[2]:.6f}')
      | beam.io.WriteToText(f'{output}/answers', num_shards=16)
    )


if __name__ == '__main__':
  # Beam pickles what is defined here: by the module's name, not as `__main__`.
  from benchmarks.contenders import run_inference

  run_inference.main(*sys.argv[1:])
