"""Another run's model that shows a model what to say (Hinton, Vinyals & Dean 2015).

arXiv:1503.02531, "Distilling the Knowledge in a Neural Network". The teacher gets the examples that
the student gets, changed by the same augmentation, and is itself neither trained nor saved.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from schemas import errors, json_form, record
from trainer import models
from trainer.data import datasets
from trainer.judging import compatibility
from trainer.lazy import tf
from trainer.models import footprint, front_end
from trainer.runs import run_folder, saved_run

_NAMED = 5  # Of labels that do not fit.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lesson:
  """A teacher that fits a data set; it is not loaded yet.

  Attributes:
    run: Its run.
    computed: What it computes of the records by itself; None for nothing.
    precision: The policy of its layers.
    label_places: For each label of the data set its index among the teacher's.
    is_finished: Whether its run is; else its best model may become another.
  """

  run: saved_run.SavedRun
  computed: record.FeatureSpec | None
  precision: str
  label_places: tuple[int, ...]
  is_finished: bool

  def __str__(self) -> str:
    return f'{self.run.folder.path}: {self.run.model_text}'


def find(path: str, data: datasets.Data) -> Lesson:
  """Returns the teacher in a run folder, for the student of a data set; imports no TensorFlow.

  Raises:
    ConfigError: if it does not know the labels of the data set or takes another feature, or there
      is no trained model; the text says which flag it is about.
  """
  try:
    run = saved_run.load(path)
    run.check_network()
    stored = run.folder.read_config()
    if not os.path.exists(run.folder.checkpoint_file(run_folder.BEST)):
      raise errors.ConfigError(
        f'there is no model in {run.folder.checkpoints_dir!r} yet: its training came to the end of '
        'no epoch. Train it first.'
      )
    if run.feature.name != data.feature.name:
      raise errors.ConfigError(
        f'the model takes {run.feature.name}, and {data.feature.name} is read here. Both must read '
        f'the same: write --feature={run.feature.name} where the data set holds it, or train a '
        f'teacher on {data.feature.name}.'
      )
    compatibility.check_feature(run, data.manifest, data_dir=data.path)
    computed = _computed(stored, run)
  except (errors.ConfigError, errors.DatasetError, errors.SchemaError) as error:
    raise errors.ConfigError(f'--teacher={path}: {error}') from error
  flags = stored.get('flags')
  return Lesson(
    run=run,
    computed=computed,
    precision=flags.get('precision', 'float32') if isinstance(flags, dict) else 'float32',
    label_places=_label_places(run, data, path=path),
    is_finished=run.folder.read_outcome() is not None,
  )


def digest(path: str) -> str:
  """Returns the SHA-256 of a run's best model; '' without a path, or where there is none."""
  return run_folder.RunFolder(path).model_digest(run_folder.BEST) if path else ''


def outline(lesson: Lesson, *, num_rows: int) -> footprint.Footprint:
  """Returns what memory it takes.

  Args:
    lesson: The teacher.
    num_rows: Of a clip, where each has a length of its own.
  """
  return footprint.outline(
    *models.parse_of_run(lesson.run.model_text, lesson.run.folder.graphs_dir),
    lesson.run.manifest,
    lesson.run.feature.name,
    computed=lesson.computed,
    precision=lesson.precision,
    num_rows=num_rows,
  )


class Teacher:
  """The model of a lesson, on every device."""

  def __init__(self, lesson: Lesson, student_computes: record.FeatureSpec | None) -> None:
    """Loads it; in strategy.scope().

    Args:
      lesson: Who teaches.
      student_computes: What the student computes of the records; None for nothing.
    """
    self._model = lesson.run.load_model(run_folder.BEST)
    self._model.trainable = False
    _, self._network = front_end.parts(self._model)
    self._label_places = lesson.label_places
    self._shares_features = _same(lesson.computed, student_computes)

  def logits(self, given: Any, features: Any) -> tf.Tensor:
    """Returns what it says, float32 [batch, num_labels], in the order of the student's labels.

    Args:
      given: What is read of the records, with all done that takes samples.
      features: What the student's network takes of it, with all done that takes features.
    """
    if self._shares_features:
      logits = self._network(features, training=False)
    else:
      logits = self._model(given, training=False)
    logits = tf.cast(tf.stop_gradient(logits), tf.float32)
    return tf.gather(logits, self._label_places, axis=1)


def hears_masks(lesson: Lesson, student_computes: record.FeatureSpec | None) -> bool:
  """Whether what changes the student's features changes the teacher's: both compute the same."""
  return _same(lesson.computed, student_computes)


def _same(one: record.FeatureSpec | None, other: record.FeatureSpec | None) -> bool:
  return (one and one.to_json()) == (other and other.to_json())


def _computed(stored: Any, run: saved_run.SavedRun) -> record.FeatureSpec | None:
  if not stored.get('computed'):
    return None
  fields = json_form.Reader(stored, run.folder.config_file).mapping('computed')
  return record.FeatureSpec.from_json(fields, where=f'{run.folder.config_file}, computed')


def _label_places(run: saved_run.SavedRun, data: datasets.Data, *, path: str) -> tuple[int, ...]:
  """Returns for each label of a data set its index among those of a run."""
  known, wanted = run.manifest.labels, data.manifest.labels
  said = [
    f'{what} {errors.some(labels, _NAMED)}'
    for what, labels in (
      ('it does not know', [label for label in wanted if label not in known]),
      ('it knows besides', [label for label in known if label not in wanted]),
    )
    if labels
  ]
  if said:
    raise errors.ConfigError(
      f'--teacher={path}: its labels are not those of {data.path!r}: {"; ".join(said)}. A teacher '
      'must know these labels and no others, in any order: train one on this data set.'
    )
  return tuple(known.index(label) for label in wanted)
