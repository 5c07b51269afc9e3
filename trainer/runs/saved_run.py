"""A run folder as evaluation and prediction meet it: what was trained, and the trained model."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from schemas import errors, json_form, manifest, record
from tfrecords import manifest_file
from tfrecords.pipeline import batch_request
from trainer.baselines import classifier, skops_file
from trainer.baselines import pooling as pooling_lib
from trainer.lazy import keras
from trainer.models import saved_model
from trainer.runs import library_versions, run_folder, written_checkpoints

CHECKPOINTS = (run_folder.BEST, run_folder.LAST)
DEFAULT_RUN_DIR = 'demo/run'
# What moves clips in time: of copies, and on the fly.
_MOVES_IN_TIME = frozenset(('time_shift', 'shift'))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SavedRun:
  """One run.

  Attributes:
    folder: Where it lies.
    data_dir: The data set that it was trained on.
    manifest_sha256: Digest of that data set's manifest, at that time.
    manifest: The copy of it in the run folder.
    feature: The model's input.
    model_text: Such as `cnn:filters=64`.
    pooling: How a baseline of scikit-learn pools clips; None where the run has a Keras model.
    versions_note: What is to be said where it was made with other libraries; '' where it was not.
  """

  folder: run_folder.RunFolder
  data_dir: str
  manifest_sha256: str
  manifest: manifest.DatasetManifest
  feature: record.FeatureSpec
  model_text: str
  pooling: pooling_lib.Pooling | None = None
  versions_note: str = ''

  @property
  def moved_in_time(self) -> bool | None:
    """Whether clips of the training were moved in time; None where nobody knows, or of pictures."""
    made = self.manifest.config
    copies = [] if 'raw_files' in made else made.get('augmentations')
    if not isinstance(copies, (list, tuple)) or self.manifest.audio is None:
      return None
    flags = self.folder.read_config().get('flags')
    on_the_fly = flags.get('augment') if isinstance(flags, dict) else None
    names = {str(one).partition(':')[0] for one in (*copies, *(on_the_fly or ()))}
    return bool(names & _MOVES_IN_TIME)

  def check_network(self) -> None:
    """Raises ConfigError if the run is a baseline's, which has no Keras model."""
    if self.pooling is not None:
      raise errors.ConfigError(
        f'The run in {self.folder.path!r} is of `python -m trainer.baseline` ({self.model_text}), '
        'and has no Keras model. Name a run of `python -m trainer`.'
      )

  def request(
    self, dataset: manifest.DatasetManifest, split: str, *, data_dir: str, batch_size: int
  ) -> batch_request.BatchRequest:
    """Returns what asks for each record of a split once, in order, with its id and origin."""
    return batch_request.BatchRequest(
      data_dir=data_dir,
      manifest=dataset,
      split=split,
      feature_names=(self.feature.name,),
      batch_size=batch_size,
      with_ids=True,
      with_origins=True,
    )

  def load_model(self, checkpoint: str) -> keras.Model:
    """Returns the trained model: stored features as float32 in, float32 logits out.

    Where clips are of any length, the rows of each go in too.

    Raises:
      ConfigError: if there is no such checkpoint, it is damaged, or not what the run wrote.
    """
    _check_name(checkpoint)
    self.check_network()
    path = self.folder.checkpoint_file(checkpoint)
    if not os.path.exists(path):
      raise errors.ConfigError(
        f'There is no checkpoint {path!r}: training stopped before its first epoch was done. '
        'Train again, or name another --run_dir.'
      )
    written_checkpoints.check(self.folder, path)
    written_checkpoints.check_below(self.folder, self.folder.graphs_dir)
    from features import layers  # noqa: F401 - so that Keras finds those of old checkpoints.

    try:
      model = saved_model.load(path, graphs_dir=self.folder.graphs_dir)
    except Exception as error:  # Keras raises what zipfile, h5py or its own reader happen to raise.
      raise errors.ConfigError(
        f'The checkpoint {path!r} cannot be read ({type(error).__name__}). It is damaged, or was '
        'written by another version of Keras. Train again, or take the other --checkpoint.'
      ) from error
    expected = [(None, *self.feature.shape)]
    if self.feature.is_variable:
      expected.append((None,))  # The rows of each clip.
    found = [tuple(tensor.shape) for tensor in model.inputs]
    if found != expected:
      raise errors.ConfigError(
        f'The checkpoint {path!r} takes {_shapes_text(found)}, but the run was on '
        f'{self.feature.name} {_shapes_text(expected)}. The folder mixes two runs: train again.'
      )
    sizes = [tensor.shape[-1] for tensor in model.outputs]
    if sizes != [self.manifest.num_labels]:
      raise errors.ConfigError(
        f'The checkpoint {path!r} gives {", ".join(map(str, sizes))} logits, but the run has '
        f'{self.manifest.num_labels} labels. The folder mixes two runs: train again.'
      )
    return model

  def load_baseline(self, checkpoint: str) -> classifier.Classifier:
    """Returns the classifier of a baseline's run; it has one, by whichever name.

    Raises:
      ConfigError: if there is none, or it is not that of this run.
    """
    _check_name(checkpoint)
    path, pooling = self.folder.baseline_file, self.pooling or pooling_lib.Pooling()
    written_checkpoints.check(self.folder, path)
    found = classifier.Classifier(skops_file.load(path), self.manifest.num_labels)
    wanted = pooling.num_values(self.feature)
    labels = found.estimator.classes_
    if found.num_values != wanted or not set(labels) <= set(range(self.manifest.num_labels)):
      raise errors.ConfigError(
        f'The classifier {path!r} takes {found.num_values:,} values and knows {len(labels):,} '
        f'labels, but the run was on {wanted:,} values of {self.feature.name} and '
        f'{self.manifest.num_labels:,} labels. The folder mixes two runs: train again.'
      )
    return found


def load(run_dir: str, *, of_folds: bool = False) -> SavedRun:
  """Returns the run in a folder.

  Args:
    run_dir: The folder.
    of_folds: Whether it may be the folder of the folds of a cross-validation, which has predictions
      and a report, but no model.

  Raises:
    ConfigError: if there is none, or its config.json is damaged.
  """
  if run_dir == DEFAULT_RUN_DIR and not os.path.exists(run_dir):
    raise errors.ConfigError(
      f'There is no demo run in {run_dir!r} yet. Make it with `make demo`, or name yours with '
      '--run_dir=FOLDER.'
    )
  folder = run_folder.RunFolder(run_dir)
  config = folder.read_config()
  if config.get('folds') is not None and not of_folds:
    raise errors.ConfigError(
      f'{run_dir!r} holds the folds of a cross-validation, each a run with a model of its own: '
      f'name one of them, as in {os.path.join(run_dir, "fold-00")!r}.'
    )
  try:
    obj = json_form.Reader(config, folder.config_file)
    _check_manifest(folder, obj.text('manifest_sha256'))
    return SavedRun(
      folder=folder,
      data_dir=obj.text('data_dir'),
      manifest_sha256=obj.text('manifest_sha256'),
      manifest=manifest_file.load(run_dir, of_run=True),
      feature=record.FeatureSpec.from_json(
        obj.mapping('feature'), where=f'{folder.config_file}, feature'
      ),
      model_text=obj.text('model'),
      pooling=_pooling(config, folder.config_file),
      versions_note=library_versions.note(config),
    )
  except (errors.SchemaError, errors.DatasetError) as error:
    raise errors.ConfigError(f'{run_dir!r} holds no whole run: {error}') from error


def _check_manifest(folder: run_folder.RunFolder, trained_on: str) -> None:
  """Refuses the manifest of other data; that of the data set itself may be put in its place."""
  if run_folder.digest_of(folder.manifest_file) != trained_on:
    written_checkpoints.check(folder, folder.manifest_file)


def _check_name(checkpoint: str) -> None:
  if checkpoint not in CHECKPOINTS:
    raise errors.ConfigError(
      f'--checkpoint: expected one of {", ".join(CHECKPOINTS)}, got {checkpoint!r}.'
    )


def _pooling(config: dict[str, Any], where: str) -> pooling_lib.Pooling | None:
  if config.get('pooling') is None:
    return None
  return pooling_lib.Pooling.from_json(config['pooling'], where=f'{where}, pooling')


def _shapes_text(shapes: Sequence[Sequence[int | None]]) -> str:
  return ' and '.join(str(list(shape)) for shape in shapes)
