"""Asks an exported model. This needs TensorFlow, which is imported when a model is loaded."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import clip_input, export_file, file_digests
from schemas import errors


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
  """What a model says of some clips or pictures.

  Attributes:
    probabilities: float32 [clips, labels], each row of sum 1.
    logits: float32 [clips, labels], before the temperature.
    is_none: bool [clips]: whether none of the labels is the answer.
  """

  probabilities: NDArray[np.float32]
  logits: NDArray[np.float32]
  is_none: NDArray[np.bool_]


class Exported:
  """The model of an export.

  Attributes:
    folder: Where it lies.
    export: What it takes and gives.
  """

  def __init__(self, folder: str) -> None:
    """Loads the SavedModel of an export.

    Raises:
      ConfigError: if there is none, it cannot be read, or is not what was exported.
    """
    self.folder = folder
    self.export = export_file.load(folder)
    name = self.export.formats.get(export_file.SAVED_MODEL)
    if name is None:
      raise errors.ConfigError(
        f'The export in {folder!r} has no {export_file.SAVED_MODEL}; it has '
        f'{", ".join(self.export.formats) or "nothing"}. Export the run again with '
        f'--format={export_file.SAVED_MODEL}.'
      )
    file_digests.check(folder, self.export, export_file.SAVED_MODEL)
    import tensorflow as tf

    path = os.path.join(folder, name)
    try:
      self._loaded: Any = tf.saved_model.load(path)
      signatures = self._loaded.signatures
      wanted = export_file.CLIPS if self.export.audio else export_file.SERVING
      self._ask: Any = signatures[wanted]
      named = signatures[export_file.LABEL_NAMES]()[export_file.LABEL_NAMES].numpy().tolist()
      inputs = set(self._ask.structured_input_signature[1])
    except Exception as error:  # TensorFlow raises what protobuf or its own reader happen to raise.
      raise errors.ConfigError(
        f'The SavedModel in {path!r} cannot be read ({type(error).__name__}). Export the run '
        'again: python -m trainer.export --overwrite.'
      ) from error
    takes = export_file.SAMPLES if self.export.audio else export_file.PICTURES
    if takes not in inputs or named != export_file.label_bytes(self.export.labels):
      raise errors.ConfigError(
        f'The SavedModel in {path!r} is of another export than the {export_file.FILE} beside it: '
        f'its labels, or what it takes, differ. Copy the whole folder again, or export the run '
        'again: python -m trainer.export --overwrite.'
      )

  def of_clips(self, samples: Sequence[NDArray[np.float32]]) -> Answers:
    """Returns what the model says of clips, each float32 [num_samples] at the export's rate."""
    padded, lengths = clip_input.batch(samples, self.export)
    return self.of_batch(padded, lengths)

  def of_batch(self, samples: NDArray[np.float32], num_samples: NDArray[np.int32]) -> Answers:
    """Returns what the model says of a batch.

    Args:
      samples: float32 [clips, samples], each clip from the first on.
      num_samples: How many of each are the clip, int32 [clips].
    """
    import tensorflow as tf

    given = {
      export_file.SAMPLES: tf.constant(samples),
      export_file.NUM_SAMPLES: tf.constant(num_samples),
    }
    return _answers(self._ask(**given))

  def of_pictures(self, pixels: NDArray[np.uint8]) -> Answers:
    """Returns what the model says of pictures, uint8 [pictures, height, width, channels]."""
    import tensorflow as tf

    return _answers(self._ask(**{export_file.PICTURES: tf.constant(pixels)}))


def _answers(found: Any) -> Answers:
  return Answers(
    probabilities=found[export_file.PROBABILITIES].numpy(),
    logits=found[export_file.LOGITS].numpy(),
    is_none=found[export_file.IS_NONE].numpy(),
  )
