"""Whether a data set can be put before a trained model, and what differs where it cannot."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from schemas import audio, errors, manifest, record, utterance
from trainer import models
from trainer.models import inputs, longest_clip, model
from trainer.runs import saved_run


def check_feature(
  run: saved_run.SavedRun, dataset: manifest.DatasetManifest, *, data_dir: str
) -> None:
  """Raises DatasetError if a data set holds another input than the run's model takes."""
  wanted = run.feature
  extracted = run.manifest.config.get('extracted')
  if extracted is not None and wanted.name not in [spec.name for spec in dataset.features]:
    held = ', '.join(spec.name for spec in dataset.features)
    raise errors.DatasetError(
      f'The run learned from {wanted.name!r}, what the trunk of {extracted["of"]} made of clips, '
      f'and the data set in {data_dir!r} holds {held}. {_how_to_embed(extracted, data_dir)}'
    )
  found = dataset.feature(wanted.name)
  trained_on = {**_fields(wanted), **_audio_fields(run.manifest.audio)}
  here = {**_fields(found), **_audio_fields(dataset.audio)}
  theirs, ours = errors.differing(trained_on, here)
  if theirs:
    advice = 'Run the data job with the settings of the training.'
    if extracted is not None:
      source = dataset.config.get('extracted', {}).get('data_dir', data_dir)
      advice = _how_to_embed(extracted, source)
    raise errors.DatasetError(
      f'The model was trained on {wanted.name} with {theirs}; the data set in {data_dir!r} has '
      f'{ours}. {advice}'
    )


def check_files(run: saved_run.SavedRun) -> None:
  """Raises DatasetError if the run's input is no feature of files, but what another model made."""
  extracted = run.manifest.config.get('extracted')
  if extracted is not None:
    raise errors.DatasetError(
      f'The run learned from {run.feature.name!r}, what the trunk of {extracted["of"]} made of '
      'clips, and files have none. Export it with its trunk (python -m trainer.export '
      f'--run_dir={run.folder.path} --output=FOLDER), and name that with --model. Or make a data '
      'set of the files with the settings that the trunk was trained with (python -m '
      'beam_jobs.featurize --source=unlabelled), compute its '
      f'embeddings as those here were ({extracted["command"]}, with other --data and --output), '
      'and name its folder with --data.'
    )


def most_samples(run: saved_run.SavedRun) -> int:
  """Returns how many samples the longest clip may have that the run's model takes; 0: any."""
  if run.pooling is not None:
    return 0
  name, settings = models.parse(run.model_text)
  if not run.feature.is_variable or models.MODELS[name].lengths != model.Lengths.UP_TO:
    return 0
  return longest_clip.most_samples(settings, run.manifest, run.feature)


def check_longest(
  run: saved_run.SavedRun, dataset: manifest.DatasetManifest, split: str, *, data_dir: str
) -> None:
  """Raises DatasetError if a data set, or a split of it, has clips longer than the model takes."""
  most, rate_hz = most_samples(run), dataset.audio.sample_rate_hz if dataset.audio else 1
  for one in (split,) if split else dataset.split_names():
    longest = dataset.length_samples(one)[1]
    if most and longest > most:
      raise errors.DatasetError(
        f'The model {run.model_text} takes clips of up to {most / rate_hz:.3g} s, the longest that '
        f'it was made for, and the longest of the {one} split in {data_dir!r} has '
        f'{longest / rate_hz:.3g} s. Make a data set of shorter clips '
        f'(--max_clip_seconds={most / rate_hz:.3g} in the data job names and leaves out the '
        'others), or train with a larger max_rows, or a model of clips of any length.'
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
    known, theirs = run.manifest.labels, dataset.labels
    said = [
      f'{what} {", ".join(some[:5])}{f" and {len(some) - 5} more" if len(some) > 5 else ""}'
      for what, some in (
        ('it has unknown ones:', [label for label in theirs if label not in known]),
        ('it lacks', [label for label in known if label not in theirs]),
      )
      if some
    ]
    raise errors.DatasetError(
      f'The model knows {run.manifest.num_labels} labels, the data set in {data_dir!r} has '
      f'{dataset.num_labels}: {"; ".join(said) or "the same ones in another order"}. Judge on a '
      f'data set with the same labels.{_said_of_forms(known, theirs)}'
    )


def _said_of_forms(known: Sequence[str], theirs: Sequence[str]) -> str:
  """Returns a sentence where labels look the same, and differ in what the data job makes tidy."""
  tidy = {utterance.tidy(label): label for label in known}
  pairs = [(tidy[key], label) for label in theirs if (key := utterance.tidy(label)) in tidy]
  differing = [f'{ascii(one)} and {ascii(other)}' for one, other in pairs if one != other]
  if not differing:
    return ''
  return (
    f' Some differ in spaces around them or in the form of their letters only ({differing[0]}): '
    'the data job makes that alike since version 3 of the records. Train on the data set of now.'
  )


def _how_to_embed(extracted: Mapping[str, Any], data_dir: str) -> str:
  """Returns the command that makes of a data set what a run learned from, and what is next."""
  made_by = re.sub(r' --(?:data|output)=.*?(?= --|$)', '', extracted['command'])
  return (
    f'Make its embeddings by the same trunk first: {made_by} --data={data_dir} --output=FOLDER. '
    'Then name that folder with --data.'
  )


def _fields(spec: record.FeatureSpec) -> dict[str, object]:
  return {'shape': inputs.shape_text(spec), **spec.settings}


def _audio_fields(spec: audio.AudioSpec | None) -> dict[str, object]:
  """Returns what decides how a clip sounds; the limit of length only decides which clips do."""
  fields = dataclasses.asdict(spec) if spec else {}
  fields.pop('max_clip_s', None)
  return fields
