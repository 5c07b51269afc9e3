"""Exports without a model, and a model without TensorFlow: for what does not care what it says."""

import os
import pathlib

import numpy as np

import features
from exports import export_file, exported, streaming_file
from schemas import audio as audio_schema
from schemas import json_form

LABELS = ('no', 'stop', 'yes')
AUDIO = audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=0.5)

# Of the clips above: 24 frames, of which five come at a time.
FEEDING = streaming_file.Feeding(
  kind=streaming_file.RING, sample_rate_hz=8_000, block_samples=800, primed_samples=160,
  frame_samples=320, hop_samples=160, window_frames=24, first_block=5,
  states=(
    streaming_file.State(name='state_0', shape=(1, 160)),
    streaming_file.State(name='state_1', shape=(1, 24, 20)),
  ),
)  # fmt: skip


def make(folder, *, audio=AUDIO, feature='log_mel:num_mels=20', labels=LABELS, **more):
  """Writes an export of which no TensorFlow can make a model, and returns what it says."""
  export = export_file.Export(
    **{
      'model': 'stub', 'labels': labels, 'audio': audio,
      'feature': features.spec(*features.parse(feature), audio),
      'min_samples': 1, 'most_samples': audio.clip_samples if audio else 0, 'temperature': 1.0,
      'none_score': '', 'none_threshold': 0.0,
      'formats': {export_file.SAVED_MODEL: export_file.SAVED_MODEL}, 'origin': {}, **more,
    }
  )  # fmt: skip
  saved = pathlib.Path(folder) / export_file.SAVED_MODEL
  (saved / 'variables').mkdir(parents=True)
  (saved / 'saved_model.pb').write_bytes(b'no model')
  (saved / 'variables' / 'variables.index').write_bytes(b'no weights')
  write_description(folder, export)
  return export


def write_description(folder, export):
  """Writes export.json."""
  text = json_form.dumps(export.to_json())
  pathlib.Path(folder, export_file.FILE).write_bytes(text.encode('utf-8', 'surrogateescape'))


def write_feeding(folder, feeding=FEEDING):
  """Writes how the streaming file of an export is fed, and no file that could be."""
  text = json_form.dumps(feeding.to_json())
  pathlib.Path(folder, streaming_file.DESCRIPTION).write_text(text, encoding='utf-8')
  pathlib.Path(folder, 'model_streaming.tflite').write_bytes(b'no model')


class Stub:
  """Says of a clip what follows from its samples, and of a picture from its pixels."""

  def __init__(self, folder):
    self.export = export_file.load(os.fspath(folder))
    self.batches = []  # How many clips it was asked of at a time.

  def of_clips(self, samples):
    return self._answers([np.concatenate([one, np.zeros(3, np.float32)]) for one in samples])

  def of_batch(self, samples, num_samples):
    return self.of_clips([row[:size] for row, size in zip(samples, num_samples, strict=True)])

  def of_pictures(self, pixels):
    assert pixels.dtype == np.uint8
    return self._answers([one.reshape(-1).astype(np.float32) for one in pixels])

  def _answers(self, values):
    self.batches.append(len(values))
    size = len(self.export.labels)
    logits = np.array([self.logits(one, size) for one in values], np.float32)
    odds = np.exp(logits)
    probabilities = odds / odds.sum(1, keepdims=True)
    return exported.Answers(
      probabilities=probabilities, logits=logits, is_none=probabilities.max(1) < 0.4
    )

  @staticmethod
  def logits(values, size):
    """Another one for each clip, and the same for the same."""
    return [np.float32(np.abs(values[i::size]).sum()) % 4 for i in range(size)]
