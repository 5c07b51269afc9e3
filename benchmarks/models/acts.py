"""What one task does, in a process of one thread. What takes seconds to load is loaded here."""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Result = dict[str, Any]
_BATCH = 64


def featurize(root: str, *, name: str, words: Sequence[str]) -> Result:
  """Makes the data set `name` with the flags `words` of the data job."""
  from beam_jobs import featurize as data_job

  start_s = time.perf_counter()
  data_job.main([*words, f'--output={_data(root, name)}'])
  return {'seconds': round(time.perf_counter() - start_s, 1)}


def measure(root: str, *, data: str, feature: str, model_text: str, most_s: float) -> Result:
  """Finds what a model takes: parameters, multiply-adds, clips/s of training, ms an answer.

  Steps of training are timed on a made-up batch, for `most_s` at most behind the first. Seconds are
  those of the processor, which others that are busy leave as they are.
  """
  from trainer.models import multiply_adds

  _forget()
  model, take_steps = _compiled(root, data, feature, model_text)
  take_steps(1)  # Compiles.
  start_s = time.process_time()
  take_steps(1)
  one_s = time.process_time() - start_s
  num_steps = max(1, min(20, int(most_s / one_s)))
  start_s = time.process_time()
  take_steps(num_steps)
  step_s = (time.process_time() - start_s) / num_steps
  return {
    'parameters': model.count_params(),
    'multiply_adds': multiply_adds.of(model),
    'train_clips_per_s': round(_BATCH / step_s, 1),
    'ms_a_clip': round(1e3 * _answer_s(model, most_s), 3),
  }


def _compiled(
  root: str, data: str, feature: str, model_text: str
) -> tuple[Any, Callable[[int], object]]:
  import keras
  import tensorflow as tf

  from tfrecords import manifest_file
  from trainer import models
  from trainer.data import input_pipeline
  from trainer.learning import batch_statistics, steps

  keras.utils.set_random_seed(0)
  folder = _data(root, data)
  manifest = manifest_file.load(folder)
  name, settings = models.parse(model_text)
  model = models.build(name, settings, manifest, feature)
  batch_statistics.make_exact(model)
  optimizer = keras.optimizers.Adam(models.MODELS[name].learning_rate)
  optimizer.build(model.trainable_variables)
  strategy = tf.distribute.get_strategy()
  compiled = steps.Steps(model, optimizer, strategy, feature_name=feature)
  source = input_pipeline.Source(
    data_dir=folder, manifest=manifest, feature_name=feature, batch_size=_BATCH, random_data=True
  )
  batches = iter(input_pipeline.train_batches(source, strategy, seed=0))
  return model, lambda num_steps: compiled.train(batches, num_steps)


def _answer_s(model: Any, most_s: float) -> float:
  """Returns the seconds of the answer to one clip, in the median."""
  import tensorflow as tf

  clip = tf.zeros((1, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
  answer = tf.function(lambda values: model(values, training=False))
  answer(clip)  # Compiles.
  taken: list[float] = []
  while len(taken) < 3 or (len(taken) < 50 and sum(taken) < most_s):
    start_s = time.process_time()
    answer(clip)
    taken.append(time.process_time() - start_s)
  return statistics.median(taken)


def train(
  root: str,
  *,
  run: str,
  data: str,
  feature: str,
  words: Sequence[str],
  judged: Mapping[str, str],
) -> Result:
  """Trains a run, which goes on where it was stopped, and judges it.

  Args:
    root: Folder of the comparison.
    run: Name of the run's folder.
    data: Name of the data set.
    feature: What of its records.
    words: Further flags of the trainer.
    judged: The checkpoint, by the split that it is judged on.
  """
  from trainer import __main__ as trainer
  from trainer.judging import evaluation
  from trainer.runs import run_folder

  _forget()
  run_dir = os.path.join(root, 'runs', run)
  start_s, start_cpu_s = time.perf_counter(), time.process_time()
  trainer.main(
    [f'--data={_data(root, data)}', f'--feature={feature}', f'--run_dir={run_dir}', *words]
  )
  seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
  if not os.path.exists(run_folder.RunFolder(run_dir).outcome_file):
    raise KeyboardInterrupt  # It was stopped, and goes on the next time.
  found: Result = {}
  for split, checkpoint in judged.items():
    report = evaluation.evaluate_run(run_dir, split=split, checkpoint=checkpoint)
    found[split] = {
      'num_correct': report['num_examples'] - report['num_mistakes'],
      'num_examples': report['num_examples'],
    }
  return {'judged': found, 'seconds': round(seconds, 1), 'cpu_s': round(cpu_s, 1)}


def _forget() -> None:
  """Lets go of what Keras keeps of the models before."""
  import keras

  keras.backend.clear_session()


def _data(root: str, name: str) -> str:
  return os.path.join(root, 'data', name)
