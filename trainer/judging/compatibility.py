"""Whether a data set can be put before a trained model, and what differs where it cannot."""

from __future__ import annotations

import dataclasses

from schemas import audio, errors, manifest
from trainer.models import inputs
from trainer.runs import saved_run


def check_feature(
  run: saved_run.SavedRun, dataset: manifest.DatasetManifest, *, data_dir: str
) -> None:
  """Raises DatasetError if a data set holds another input than the run's model takes."""
  wanted, found = run.feature, dataset.feature(run.feature.name)
  if (found.shape, dict(found.settings)) != (wanted.shape, dict(wanted.settings)):
    raise errors.DatasetError(
      f'The model takes {wanted.name} {inputs.shape_text(wanted)} computed with '
      f'{dict(wanted.settings)}; {data_dir!r} holds {inputs.shape_text(found)} computed with '
      f'{dict(found.settings)}. Run the data job with the settings of the training.'
    )
  trained_on, here = _audio_fields(run.manifest.audio), _audio_fields(dataset.audio)
  names = sorted(name for name in {**trained_on, **here} if trained_on.get(name) != here.get(name))
  if names:
    raise errors.DatasetError(
      f'The model was trained on audio with {_shown(trained_on, names)}; the data set in '
      f'{data_dir!r} has {_shown(here, names)}. Run the data job with the settings of the training.'
    )


def check_split(dataset: manifest.DatasetManifest, split: str, *, data_dir: str) -> None:
  """Raises DatasetError if a data set has no such split."""
  if not dataset.num_records(split):
    raise errors.DatasetError(
      f'The data set in {data_dir!r} has no {split} split; it has '
      f'{", ".join(dataset.split_names()) or "no records"}. Name another with --split, or run the '
      'data job again.'
    )


def check_labels(
  run: saved_run.SavedRun, dataset: manifest.DatasetManifest, *, data_dir: str
) -> None:
  """Raises DatasetError if a data set cannot tell whether the run's model is right."""
  if not dataset.is_labelled:
    raise errors.DatasetError(
      f'The clips in {data_dir!r} have no labels, so nothing can be judged on them. Let the model '
      f'say what they are: python -m trainer.predict --run_dir={run.folder.path} --data={data_dir}'
    )
  if dataset.labels != run.manifest.labels:
    missing = [label for label in dataset.labels if label not in run.manifest.labels]
    shown = ', '.join(missing[:5]) or 'the same labels in another number or order'
    raise errors.DatasetError(
      f'The model knows the labels {", ".join(run.manifest.labels[:10])}; the data set in '
      f'{data_dir!r} has {dataset.num_labels} labels, among them unknown ones: {shown}. Judge on a '
      'data set with the same labels.'
    )


def _audio_fields(spec: audio.AudioSpec | None) -> dict[str, object]:
  """Returns what decides how a clip sounds; the limit of length only decides which clips do."""
  fields = dataclasses.asdict(spec) if spec else {}
  fields.pop('max_clip_s', None)
  return fields


def _shown(fields: dict[str, object], names: list[str]) -> str:
  return ', '.join(f'{name}={fields.get(name, "none")}' for name in names)
