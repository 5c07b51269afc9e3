"""What each augmentation on the fly costs, beside the training step of a model.

  python -m benchmarks.augmentations
  python -m benchmarks.augmentations --model=cnn --batch_size=64

Shown is processor time for an example, in ms, of all threads together, so that other work on the
machine counts little: the least of some turns, each of which also pays for what is drawn and
picked. Clips are noise of one second at 16 kHz, log_mel has 98 frames of 80 bins. Recorded noise is
a minute of noise in a file, made for the occasion. The model's step is its gradient.
"""

import argparse
import os
import pathlib
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
import numpy as np
import soundfile
import tensorflow as tf

import features
from benchmarks import clips
from schemas import audio as audio_lib
from schemas import record
from tfrecords import manifest_file
from trainer import augment, models
from trainer.augment import augmentation, chain
from trainer.models import front_end

TURNS = 5
STEPS = 3


def cost_ms(step: Callable[[], object], *, batch_size: int) -> float:
  """Returns the least processor time of some turns, in ms for an example."""
  step()  # Compiles.
  found = []
  for _ in range(TURNS):
    start_s = time.process_time()
    for _ in range(STEPS):
      step()
    found.append((time.process_time() - start_s) / STEPS)
  return 1e3 * min(found) / batch_size


def changing(
  text: str, spec: record.FeatureSpec, audio: audio_lib.AudioSpec, values: tf.Tensor
) -> Callable[[], object]:
  """Returns what draws, picks and changes a batch of a feature."""
  steps = chain.Chain([text]).with_recordings(audio)
  context = steps.context(spec, None, audio, fill=(0.0,) * spec.num_bins)
  batch = {spec.name: values, record.LABEL: tf.zeros([len(values)], tf.int64)}

  @tf.function
  def change(step: tf.Tensor) -> tf.Tensor:
    prepared = steps.prepare(batch, spec.name, seed=0, step=step)
    given = prepared[spec.name]
    if context.reads_samples:
      return steps.on_samples(given, prepared, context)
    return steps.on_features(given, prepared, context)

  return lambda: change(tf.constant(0, tf.int64))


def gradient(model_text: str, root: pathlib.Path, values: tf.Tensor) -> Callable[[], object]:
  """Returns what takes the gradient of a model."""
  clips.write(root / 'clips', len(values), num_shards=1)
  name, settings = models.parse(model_text)
  model = models.build(name, settings, manifest_file.load(str(root / 'clips')), clips.SPEC.name)
  loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  labels = tf.zeros([len(values)], tf.int64)

  @tf.function
  def step() -> list[tf.Tensor]:
    with tf.GradientTape() as tape:
      value = loss(labels, model(values, training=True))
    return tape.gradient(value, model.trainable_variables)

  return step


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--model', default='cnn')
  parser.add_argument('--batch_size', type=int, default=64)
  args = parser.parse_args()
  audio = audio_lib.AudioSpec()
  waveform, log_mel = (
    features.spec(*features.parse(text), audio) for text in ('waveform:dtype=float32', 'log_mel')
  )
  rng = np.random.default_rng(0)
  samples = tf.constant(rng.normal(0, 0.1, (args.batch_size, audio.clip_samples)), tf.float32)
  computes = tf.function(front_end.twin(log_mel, audio))
  mels = computes(samples)
  with tempfile.TemporaryDirectory() as scratch:
    root = pathlib.Path(scratch)
    soundfile.write(root / 'noise.wav', rng.normal(0, 0.1, 60 * audio.sample_rate_hz), 16_000)
    rows = {
      f'a training step of {args.model}': gradient(args.model, root, mels),
      'log_mel, computed in the model': lambda: computes(samples),
    }
    texts = [*augment.AUGMENTATIONS, f'noise:folder={root}']
    for text in sorted(texts):
      takes = augment.AUGMENTATIONS[text.partition(':')[0]].takes
      shown = text.replace(str(root), 'DIR')
      if takes in (augmentation.SAMPLES, augmentation.EITHER):
        rows[f'`{shown}` of samples'] = changing(text, waveform, audio, samples)
      if takes != augmentation.SAMPLES:
        rows[f'`{shown}` of features'] = changing(text, log_mel, audio, mels)
    print('| | ms of processor time an example |\n|---|---|')
    for name, step in rows.items():
      print(f'| {name} | {cost_ms(step, batch_size=args.batch_size):.2f} |', flush=True)


if __name__ == '__main__':
  main()
